"""*AlexNet in TensorFlow* as a TensorFlow 1 graph and session, written from the document's listing and nothing else.

It shares no line, and not even the vocabulary, with `reference` or `alexnet_ref`: a third derivation. Names, order and
arguments are the listing's, read as `tf.compat.v1`. Three things differ. The listing's `norm1 = tf.nn.dropout(norm1, ...)`
forgets the normalised value: here the dropped one is called drop1 (drop2, drop3), and its `dense1` before the matrix product
flatten. `softmax_cross_entropy_with_logits(pred, y)` has named its arguments since TensorFlow 1.0. And training, whose
sentences start after the cost, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Variables = dict[str, Any]  # the listing's `weights` or `biases`

# The oracle's layer for each name in the listing: of its kernel in `weights`, of its bias in `biases`.
WEIGHTS = {"wc1": "conv1", "wc2": "conv2", "wc3": "conv3", "wd1": "fc1", "wd2": "fc2", "out": "out"}
BIASES = {"bc1": "conv1", "bc2": "conv2", "bc3": "conv3", "bd1": "fc1", "bd2": "fc2", "out": "out"}


def from_oracle(params: Mapping[str, Mapping[str, Array]]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the oracle's params under the listing's names: (weights, biases)."""
    weights = {name: params[layer]["kernel"] for name, layer in WEIGHTS.items()}
    return weights, {name: params[layer]["bias"] for name, layer in BIASES.items()}


class Tf1Session:
    """The listing's graph with its variables, in a session of its own; eager execution elsewhere is not touched."""

    def __init__(self, seed: int = 0) -> None:
        """Build the graph and draw the variables as the listing does; `seed` fixes what it leaves to chance."""
        import tensorflow as tf

        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.compat.v1.set_random_seed(seed)
            self._build(tf.compat.v1)
            self.session = tf.compat.v1.Session(graph=self.graph)
            self.session.run(tf.compat.v1.global_variables_initializer())

    def _build(self, tf: Any) -> None:
        # Network Parameters
        n_input = 784
        n_classes = 10

        # tf Graph input
        self.x = tf.placeholder(tf.float32, [None, n_input])
        self.y = tf.placeholder(tf.float32, [None, n_classes])
        self.keep_prob = tf.placeholder(tf.float32)

        # Store layers weight & bias
        self.weights: Variables = {
            "wc1": tf.Variable(tf.random_normal([3, 3, 1, 64])),
            "wc2": tf.Variable(tf.random_normal([3, 3, 64, 128])),
            "wc3": tf.Variable(tf.random_normal([3, 3, 128, 256])),
            "wd1": tf.Variable(tf.random_normal([4 * 4 * 256, 1024])),
            "wd2": tf.Variable(tf.random_normal([1024, 1024])),
            "out": tf.Variable(tf.random_normal([1024, 10])),
        }
        self.biases: Variables = {
            "bc1": tf.Variable(tf.random_normal([64])),
            "bc2": tf.Variable(tf.random_normal([128])),
            "bc3": tf.Variable(tf.random_normal([256])),
            "bd1": tf.Variable(tf.random_normal([1024])),
            "bd2": tf.Variable(tf.random_normal([1024])),
            "out": tf.Variable(tf.random_normal([n_classes])),
        }

        # Construct model
        self.tensors = alex_net(tf, self.x, self.weights, self.biases, self.keep_prob)

        # Define loss
        pred = self.tensors["out"]
        self.cost = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=pred, labels=self.y))

    def load(self, weights: Mapping[str, Array], biases: Mapping[str, Array]) -> None:
        """Initialise the variables from these arrays in the place of random_normal."""
        with self.graph.as_default():
            for variables, arrays in ((self.weights, weights), (self.biases, biases)):
                assert set(variables) == set(arrays)
                for name, variable in variables.items():
                    self.session.run(variable.initializer, {variable.initial_value: arrays[name]})

    def run(self, x: Array, keep_prob: float) -> dict[str, Array]:
        """Return every named intermediate for x (N, 784), all from one run, so that they belong to the same dropout."""
        outputs: dict[str, Array] = self.session.run(self.tensors, {self.x: x, self.keep_prob: keep_prob})
        return outputs

    def loss(self, x: Array, y: Array, keep_prob: float) -> tuple[np.float32, Array]:
        """Return the listing's cost for x (N, 784) and one-hot y (N, 10), and the logits of the same run."""
        cost, out = self.session.run([self.cost, self.tensors["out"]], {self.x: x, self.y: y, self.keep_prob: keep_prob})
        return cost, out

    def close(self) -> None:
        """Free the session."""
        self.session.close()


def conv2d(tf: Any, name: str, l_input: Any, w: Any, b: Any) -> Any:
    """Run the listing's helper of this name."""
    return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(l_input, w, strides=[1, 1, 1, 1], padding="SAME"), b), name=name)


def max_pool(tf: Any, name: str, l_input: Any, k: int) -> Any:
    """Run the listing's helper of this name."""
    return tf.nn.max_pool(l_input, ksize=[1, k, k, 1], strides=[1, k, k, 1], padding="SAME", name=name)


def norm(tf: Any, name: str, l_input: Any, lsize: int = 4) -> Any:
    """Run the listing's helper of this name."""
    return tf.nn.lrn(l_input, lsize, bias=1.0, alpha=0.001 / 9.0, beta=0.75, name=name)


def alex_net(tf: Any, _X: Any, _weights: Variables, _biases: Variables, _dropout: Any) -> dict[str, Any]:  # noqa: N803 - listing's
    """Run the listing's function of this name, and return every tensor that it names, in its order."""
    # Reshape input picture
    _X = tf.reshape(_X, shape=[-1, 28, 28, 1])  # noqa: N806 - listing's

    # Convolution Layer
    conv1 = conv2d(tf, "conv1", _X, _weights["wc1"], _biases["bc1"])
    # Max Pooling (down-sampling)
    pool1 = max_pool(tf, "pool1", conv1, k=2)
    # Apply Normalization
    norm1 = norm(tf, "norm1", pool1, lsize=4)
    # Apply Dropout
    drop1 = tf.nn.dropout(norm1, _dropout)

    # Convolution Layer
    conv2 = conv2d(tf, "conv2", drop1, _weights["wc2"], _biases["bc2"])
    # Max Pooling (down-sampling)
    pool2 = max_pool(tf, "pool2", conv2, k=2)
    # Apply Normalization
    norm2 = norm(tf, "norm2", pool2, lsize=4)
    # Apply Dropout
    drop2 = tf.nn.dropout(norm2, _dropout)

    # Convolution Layer
    conv3 = conv2d(tf, "conv3", drop2, _weights["wc3"], _biases["bc3"])
    # Max Pooling (down-sampling)
    pool3 = max_pool(tf, "pool3", conv3, k=2)
    # Apply Normalization
    norm3 = norm(tf, "norm3", pool3, lsize=4)
    # Apply Dropout
    drop3 = tf.nn.dropout(norm3, _dropout)

    # Fully connected layer
    # Reshape conv3 output to fit dense layer input
    flatten = tf.reshape(drop3, [-1, _weights["wd1"].get_shape().as_list()[0]])
    # Relu activation
    dense1 = tf.nn.relu(tf.matmul(flatten, _weights["wd1"]) + _biases["bd1"], name="fc1")
    # Relu activation
    dense2 = tf.nn.relu(tf.matmul(dense1, _weights["wd2"]) + _biases["bd2"], name="fc2")
    # Output, class prediction
    out = tf.matmul(dense2, _weights["out"]) + _biases["out"]

    first = {"conv1": conv1, "pool1": pool1, "norm1": norm1, "drop1": drop1}
    second = {"conv2": conv2, "pool2": pool2, "norm2": norm2, "drop2": drop2}
    third = {"conv3": conv3, "pool3": pool3, "norm3": norm3, "drop3": drop3}
    return {**first, **second, **third, "flatten": flatten, "fc1": dense1, "fc2": dense2, "out": out}
