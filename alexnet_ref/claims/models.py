"""What is decided on the TensorFlow models: the summary as Keras counts it, defaults, optimisers. Each imports TensorFlow."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from alexnet_ref.claims.claim import Evidence, Finding, Quotes, holds_if, keras_claim, read, read_ints, tf1_claim
from alexnet_ref.claims.summary import KERAS, ROW
from reference import LRN, Dropout


def decide_keras_summary(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether built by Keras, every row has the printed name, shape and number of parameters."""
    from alexnet_ref.models import build_model

    said = [read(ROW, quote) for quote in quotes[1:]]
    rows = [
        (layer.name, tuple(layer.output.shape[1:]), layer.count_params()) for layer in build_model(evidence.architecture).layers
    ]
    printed = [(name, tuple(int(n) for n in shape.split(",")), int(params)) for name, _, shape, params in said]
    equal = sum(row == own for row, own in zip(printed, rows, strict=False))
    return holds_if(printed == rows, f"{equal} of {len(printed)} rows as Keras builds them")


def decide_trainable(quotes: Quotes, evidence: Evidence, what: str) -> Finding:
    """Decide whether Keras counts so many numbers that are (or are not) trained."""
    from alexnet_ref.models import build_model

    (said,) = read_ints(rf"{what} params: ([\d,]+)", quotes[0])
    model = build_model(evidence.architecture)
    weights = model.trainable_weights if what == "Trainable" else _state(model)
    count = sum(int(np.prod(weight.shape)) for weight in weights)
    return holds_if(count == said, f"Keras counts {count:,}")


def _state(model: Any) -> list[Any]:
    """Return the weights that are not trained; a dropout's seed is no weight (Keras keeps it as one of 0 parameters)."""
    return [weight for weight in model.non_trainable_weights if "seed" not in weight.path]


def decide_lambda(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether where nothing is stated, the LRN layers have the defaults of TensorFlow's own signature."""
    import tensorflow as tf

    words = ("depth_radius", "bias", "alpha", "beta")
    parameters = inspect.signature(tf.raw_ops.LRN).parameters
    defaults = tuple(parameters[word].default for word in words)
    norms = [layer for layer in evidence.architecture.layers if isinstance(layer, LRN)]
    found = {tuple(getattr(layer, word) for word in words) for layer in norms}
    stated = ", ".join(f"{word} {value:g}" for word, value in zip(words, defaults, strict=True))
    return holds_if(found == {defaults}, f"TensorFlow's defaults: {stated}")


def decide_adam(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether compiled, the model is trained by Adam at the recipe's learning rate."""
    import keras

    from alexnet_ref.models import compile_model

    (name,) = read(r"optimizer='(\w+)'|AdamOptimizer", quotes[0])
    # Any model has the same optimiser: a small one is compiled.
    small = keras.Sequential([keras.Input((1,)), keras.layers.Dense(10, activation="softmax")])
    optimizer = compile_model(small, evidence.architecture).optimizer
    said = type(keras.optimizers.get(name or "adam"))
    default = float(keras.optimizers.get("adam").learning_rate.numpy())
    rate = float(optimizer.learning_rate.numpy())
    return holds_if(type(optimizer) is said and rate == default, f"{type(optimizer).__name__}, learning rate {rate:g}")


def decide_test_time(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether Keras's dropout layers give their input when they are not trained, and something else when they are."""
    from alexnet_ref.models import keras_layer

    x = np.ones((4, 64), np.float32)
    layers = [keras_layer(d, evidence.architecture) for d in evidence.architecture.layers if isinstance(d, Dropout)]
    still = [bool((np.asarray(layer(x, training=False)) == x).all()) for layer in layers]
    moved = [bool((np.asarray(layer(x, training=True)) != x).any()) for layer in layers]
    return holds_if(bool(layers) and all(still + moved), f"{sum(still)} of {len(layers)} layers give their input, bit for bit")


def decide_keep_prob(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether TensorFlow 1's dropout takes the number as the probability to keep, and the layers keep as many."""
    import tensorflow as tf

    (keep,) = map(float, read(r"dropout = ([\d.]+)", quotes[0]))
    n = 100_000
    y = tf.compat.v1.nn.dropout(tf.ones((n,)), keep, seed=1).numpy()
    share, factor = float((y != 0).mean()), float(y.max())
    right = abs(share - keep) < 4 * (keep * (1 - keep) / n) ** 0.5 and abs(factor * keep - 1) < 1e-6
    kept = {layer.keep_prob for layer in evidence.architecture.layers if isinstance(layer, Dropout)}
    return holds_if(right and kept == {keep}, f"TensorFlow keeps {share:.1%} and multiplies them by {factor:g}")


def decide_radius(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether TensorFlow's LRN, given the number, hears so many channels to each side, as the layers do."""
    import tensorflow as tf

    (said,) = read_ints(r"lsize=(\d+)", quotes[0])
    quiet, loud = np.ones((1, 1, 1, 31), np.float32), np.ones((1, 1, 1, 31), np.float32)
    loud[..., 15] = 1000.0
    heard = tf.nn.lrn(quiet, said, bias=1.0, alpha=0.1, beta=0.75) != tf.nn.lrn(loud, said, bias=1.0, alpha=0.1, beta=0.75)
    channels = np.flatnonzero(heard.numpy()) - 15
    radii = {layer.depth_radius for layer in evidence.architecture.layers if isinstance(layer, LRN)}
    right = radii == {said} and channels.tolist() == list(range(-said, said + 1))
    return holds_if(right, f"channels {channels[0]:+d} … {channels[-1]:+d}: {len(channels)} of them")


_ROWS = ('Model: "sequential"', *(layer.quotes[0] for layer in KERAS.layers))
CLAIMS = (
    keras_claim(id="keras_summary", place="summary", quotes=_ROWS, decide=decide_keras_summary, needs="tensorflow"),
    keras_claim(
        id="trainable_params",
        place="summary",
        quotes=("Trainable params: 21,622,154",),
        decide=lambda quotes, evidence: decide_trainable(quotes, evidence, "Trainable"),
        needs="tensorflow",
    ),
    keras_claim(
        id="non_trainable_params",
        place="summary",
        quotes=("Non-trainable params: 0",),
        decide=lambda quotes, evidence: decide_trainable(quotes, evidence, "Non-trainable"),
        needs="tensorflow",
    ),
    keras_claim(
        id="lambda_defaults",
        place="summary rows 3 and 7",
        quotes=("lambda (Lambda) (None, 56, 56, 96) 0", "lambda_1 (Lambda) (None, 7, 7, 256) 0"),
        decide=decide_lambda,
        needs="tensorflow",
        contradiction="listing_without_lrn",
    ),
    keras_claim(
        id="compiled_with_adam",
        place="model.compile",
        quotes=("model.compile(optimizer='adam'",),
        decide=decide_adam,
        needs="tensorflow",
    ),
    keras_claim(
        id="no_dropout_in_tests_tensorflow",
        place="The Model",
        quotes=("During test time, dropout is not performed.",),
        decide=decide_test_time,
        needs="tensorflow",
    ),
    tf1_claim(
        id="adam_optimizer",
        place="# Define loss and optimizer",
        quotes=("optimizer = tf.train.AdamOptimizer(learning_rate=learning_rate).minimize(cost)",),
        decide=decide_adam,
        needs="tensorflow",
    ),
    tf1_claim(
        id="keep_prob_tensorflow",
        place="# Network Parameters",
        quotes=("dropout = 0.8 # Dropout, probability to keep units", "norm1 = tf.nn.dropout(norm1, _dropout)"),
        decide=decide_keep_prob,
        needs="tensorflow",
        contradiction="dropout_is_keep_probability",
    ),
    tf1_claim(
        id="lsize_is_radius_tensorflow",
        place="alex_net, block 1",
        quotes=("norm1 = norm('norm1', pool1, lsize=4)",),
        decide=decide_radius,
        needs="tensorflow",
        contradiction="lsize_is_radius",
    ),
)
