"""What is timed in TensorFlow: whole training steps, with and without what the documents call slow or fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alexnet_ref.claims.claim import Claim, Evidence, Finding, Quotes, holds_if, keras_claim, not_checkable, tf1_claim
from alexnet_ref.claims.clock import Timed
from alexnet_ref.claims.relu import hidden_activations
from reference import LRN, Architecture, Layer, MaxPool, ReLU, layer_shapes

CALLS = 20  # of what takes a fraction of a millisecond
BATCH = 16  # images; the documents' 64 takes four times as long and changes no order


def decide_relu_cheap(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether TensorFlow's ReLU takes less time than its tanh and than its sigmoid, at the size of lambda_1's output.

    In TensorFlow, not in NumPy: there np.maximum against a number is not vectorised, and tanh is. And on the smaller of the two
    activations, which stays in a processor's cache: on the larger one, memory is what is timed.
    """
    import tensorflow as tf

    word = hidden_activations(evidence.architecture)[0]
    norm = [layer for layer in evidence.architecture.layers if isinstance(layer, LRN)][-1]
    shape = layer_shapes(evidence.architecture)[norm.name]
    x = tf.constant(np.random.default_rng(0).standard_normal((BATCH, *shape), np.float32))
    own = {"relu": tf.nn.relu, "softmax": tf.nn.softmax}[word]

    def work(function: Callable[[Any], Any]) -> Callable[[], object]:
        return lambda: [function(x) for _ in range(CALLS)]

    pairs = [(evidence.time(work(own), work(way)), name) for way, name in ((tf.tanh, "tanh"), (tf.sigmoid, "sigmoid"))]
    found = [faster(timed, f"{CALLS} times ReLU", name) for timed, name in pairs]
    measured = ". ".join(finding.measured for finding in found)
    verdicts = {finding.verdict for finding in found}
    return not_checkable(measured) if "not checkable here" in verdicts else holds_if(verdicts == {"holds"}, measured)


def decide_batch_norm_faster(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether batch normalisation takes less time than the first LRN, forward and backward, in the network's own place.

    What follows up to the pooling is timed with both, because it decides how much of the gradient is 0, and TensorFlow's LRN
    skips zeros on the way back: with a dense gradient it takes several times as long.
    """
    import keras

    from alexnet_ref.models import keras_layer

    layers = evidence.architecture.layers
    first = next(i for i, layer in enumerate(layers) if isinstance(layer, LRN))
    shape = layer_shapes(evidence.architecture)[layers[first].name]
    behind = [layer for layer in layers[first + 1 : first + 3] if isinstance(layer, ReLU | MaxPool)]

    def work(norm: Any) -> Callable[[], object]:
        return _pass([norm, *(keras_layer(layer, evidence.architecture) for layer in behind)], shape)

    own = keras_layer(layers[first], evidence.architecture)
    timed = evidence.time(work(keras.layers.BatchNormalization()), work(own))
    return faster(timed, "batch normalisation, ReLU and pooling", "LRN, ReLU and pooling")


def decide_lrn_slows(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether a training step with batch normalisation in the place of LRN takes less time."""
    without = _step(evidence.architecture, batch_norm=True)
    return faster(evidence.time(without, _step(evidence.architecture)), "a step with batch normalisation", "with LRN")


def decide_relu_trains_faster(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether a training step with ReLU takes less time than one with tanh in its place.

    Needing fewer steps, which the original paper reports, is another sense of the word, not decided here.
    """
    with_tanh = _step(evidence.architecture, activation="tanh")
    return faster(evidence.time(_step(evidence.architecture), with_tanh), "a step with ReLU", "with tanh")


def faster(timed: Timed, first: str, second: str) -> Finding:
    """Decide whether the first was faster, by the rule of `Timed.order`."""
    words = timed.words(first, second)
    return holds_if(timed.order == -1, words) if timed.order else not_checkable(f"undecided: {words}")


def _pass(layers: list[Any], shape: tuple[int, ...]) -> Callable[[], object]:
    """Return one forward and backward pass through some layers."""
    import keras
    import tensorflow as tf

    x = tf.constant(np.random.default_rng(0).standard_normal((BATCH, *shape), np.float32))
    model = keras.Sequential([keras.Input(shape), *layers])

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow is untyped
    def work() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x, training=True)
        return tape.gradient(y, x)

    return lambda: work().numpy()


def _step(architecture: Architecture, *, batch_norm: bool = False, activation: str | None = None) -> Callable[[], object]:
    """Return one training step of the network, on random images; with the LRN or the ReLUs replaced where asked for."""
    import keras

    from alexnet_ref.models import compile_model, keras_layer

    def built(i: int, layer: Layer) -> Any:
        if batch_norm and isinstance(layer, LRN):
            return keras.layers.BatchNormalization(name=layer.name)
        own = keras_layer(layer, architecture, (0, i))
        if activation and getattr(own, "activation", None) is keras.activations.relu:
            own.activation = keras.activations.get(activation)
        return own

    layers = [built(i, layer) for i, layer in enumerate(architecture.layers)]
    model = compile_model(keras.Sequential([keras.Input(architecture.input_shape), *layers]), architecture)
    rng = np.random.default_rng(0)
    x, y = rng.random((BATCH, *architecture.input_shape), np.float32), rng.integers(0, 10, BATCH)
    labels = np.eye(10, dtype=np.float32)[y] if architecture.recipe.loss.endswith("with_logits") else y
    return lambda: model.train_on_batch(x, labels)


CLAIMS: tuple[Claim, ...] = (
    keras_claim(
        id="relu_cheap",
        place="The Model",
        quotes=("which is computationally expensive, thus ReLU is very cheap to calculate",),
        decide=decide_relu_cheap,
        needs="timing",
    ),
    keras_claim(
        id="batch_norm_faster",
        place="The Model",
        quotes=("Nowadays batch normalization is much more pervasive in the literature and it is faster than LRN",),
        decide=decide_batch_norm_faster,
        needs="timing",
    ),
    keras_claim(
        id="lrn_slows_training",
        place="results",
        quotes=("Using LRN instead of batch normalization slows down the training",),
        decide=decide_lrn_slows,
        needs="timing",
    ),
    tf1_claim(
        id="relu_trains_faster",
        place="introduction",
        quotes=("using ReLU instead of tanh activations (faster training)",),
        decide=decide_relu_trains_faster,
        needs="timing",
    ),
)
