"""TensorFlow's operation, as the models' Keras layer calls it, against the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, allowed
from alexnet_ref.compare import assert_within
from alexnet_ref.models import keras_layer
from reference import ARCHITECTURES, LRN
from tests.strategies import signed
from tests.test_lrn import DOCUMENTED, EXAMPLES, KERAS_SEQUENTIAL, NAMES, TF1_GRAPH, cases, lrn, scale

Array = NDArray[Any]

pytestmark = pytest.mark.tf


def layers(layer: LRN) -> tuple[Any, Any, Any]:
    """Return TensorFlow's operation by itself, the models' Keras layer, and that layer traced."""
    import tensorflow as tf

    def operation(x: Array) -> Any:
        return tf.nn.lrn(x, layer.depth_radius, bias=layer.bias, alpha=layer.alpha, beta=layer.beta)

    built = keras_layer(layer, ARCHITECTURES["keras_sequential"])
    return operation, built, tf.function(built)


@given(case=cases(dtype=np.float32))
@example(case=(EXAMPLES[0][0], EXAMPLES[0][1].astype(np.float32)))
@example(case=(EXAMPLES[1][0], EXAMPLES[1][1].astype(np.float32)))
def test_lrn_is_tensorflows(case: tuple[LRN, Array]) -> None:
    """TensorFlow's float32 result lies within the derived bound of the oracle's, at every radius, bias, alpha and beta."""
    layer, x = case
    exact = x.astype(np.float64)
    operation, built, _ = layers(layer)
    for y in (operation(x), built(x)):
        assert_within(y.numpy(), lrn(layer, exact), allowed(layer, {}, exact, FLOAT32))


@pytest.mark.parametrize(("layer", "shape"), DOCUMENTED, ids=NAMES)
def test_documented_lrn_is_tensorflows(layer: LRN, shape: tuple[int, int, int]) -> None:
    """At the documents' hyperparameters and sizes every element agrees: the operation, the layer, and the layer traced."""
    x = signed((2, *shape), 0, scale(layer), np.float32)
    exact = x.astype(np.float64)
    for call in layers(layer):
        assert_within(call(x).numpy(), lrn(layer, exact), allowed(layer, {}, exact, FLOAT32))


def test_lrn_defaults_are_keras_sequentials() -> None:
    """keras_sequential's Lambda names no hyperparameters; TensorFlow's defaults, and our Keras layer's, are those typed here."""
    import tensorflow as tf

    from alexnet_ref.layers import LocalResponseNormalization

    x = signed((2, 3, 4, 14), 0, scale(KERAS_SEQUENTIAL), np.float32)
    exact = x.astype(np.float64)
    for call in (tf.nn.local_response_normalization, LocalResponseNormalization()):
        assert_within(call(x).numpy(), lrn(KERAS_SEQUENTIAL, exact), allowed(KERAS_SEQUENTIAL, {}, exact, FLOAT32))
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_within(tf.nn.lrn(x).numpy(), lrn(TF1_GRAPH, exact), allowed(TF1_GRAPH, {}, exact, FLOAT32))
