"""The gradient of local response normalisation: written out, verified by complex steps, and TensorFlow's against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, FLOAT64, Arithmetic
from alexnet_ref.compare import assert_within
from reference import LRN
from tests.strategies import signed
from tests.test_lrn import DOCUMENTED, EXAMPLES, KERAS_SEQUENTIAL, NAMES, TF1_GRAPH, cases, scale

Array = NDArray[Any]
STEP = 2.0**-600  # its square is 0 in float64


def band(layer: LRN, x: Array) -> Array:
    """Return which channels are in which channel's window, (C, C), symmetric."""
    i = np.arange(x.shape[-1])
    near: Array = (np.abs(i[:, None] - i) <= layer.depth_radius).astype(np.float64)
    return near


def gradient(layer: LRN, x: Array, g: Array) -> Array:
    """∂L/∂a_j = g_j·d_j^−β − 2·alpha·β·a_j · Σ_{|i−j| ≤ r} g_i·a_i·d_i^(−β−1), d = bias + alpha·Σ a², where ∂L/∂b = g."""
    near = band(layer, x)
    d = layer.bias + layer.alpha * (x**2 @ near)
    y: Array = g * d**-layer.beta - 2 * layer.alpha * layer.beta * x * ((g * x * d ** (-layer.beta - 1)) @ near)
    return y


def gradient_bound(layer: LRN, x: Array, g: Array, arithmetic: Arithmetic) -> Array:
    """Return the allowed difference of a gradient in `arithmetic` from the one above: each term errs in the worst case.

    With W channels in the window: d carries W + 4 roundings; d^−β (by logarithm and exponential) β times those and
    4·|β·ln d| + 4; b = a·d^−β one more, b / d those of d and one more; the factors −2·alpha·β·a·g at most 8, with alpha and beta
    rounded themselves; the sum over i 2·W, two additions for each channel; and complex numbers, in the verification, twice that.
    """
    near = band(layer, x)
    window = min(layer.window, x.shape[-1])
    d = layer.bias + layer.alpha * (x**2 @ near)
    power = layer.beta * (window + 4) + 4 * np.abs(layer.beta * np.log(d)) + 4
    roundings = 2 * (power + (window + 4) + 1 + 1 + 8 + 2 * window)
    own = np.abs(g) * d**-layer.beta * roundings
    others = 2 * layer.alpha * layer.beta * np.abs(x) * ((np.abs(g * x) * d ** (-layer.beta - 1) * roundings) @ near)
    bound: Array = (own + others) * (arithmetic.u + FLOAT64.u) + 2 * window * arithmetic.tiny
    return bound


def complex_step(layer: LRN, x: Array, g: Array) -> Array:
    """Return Im L(x + i·h·e) / h, L = Σ g·lrn: h is so small that h² is nothing, and nothing is subtracted."""
    y = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        z = x.astype(complex)
        z[index] += 1j * STEP
        d = layer.bias + layer.alpha * ((z * z) @ band(layer, x))
        y[index] = (g * z * np.exp(-layer.beta * np.log(d))).sum().imag / STEP
    return y


WRONG: dict[str, Callable[[LRN, Array, Array], Array]] = {
    "the denominator held": lambda p, x, g: g * (p.bias + p.alpha * (x**2 @ band(p, x))) ** -p.beta,
    "the channel's own square alone": lambda p, x, g: gradient(replace(p, depth_radius=0), x, g),
    "alpha over window": lambda p, x, g: gradient(replace(p, alpha=p.alpha / p.window), x, g),
    "factor 2 forgotten": lambda p, x, g: (gradient(p, x, g) + g * (p.bias + p.alpha * (x**2 @ band(p, x))) ** -p.beta) / 2,
    "sign": lambda p, x, g: -gradient(p, x, g),
    "g and x exchanged": lambda p, x, g: gradient(p, g, x),
    "g of the channel for g of its neighbours": lambda p, x, g: g * gradient(p, x, np.ones_like(g)),
    "over columns": lambda p, x, g: gradient(p, x.swapaxes(2, 3), g.swapaxes(2, 3)).swapaxes(2, 3),
    "alpha off by a thousandth": lambda p, x, g: gradient(replace(p, alpha=1.001 * p.alpha), x, g),
}


@given(case=cases(high=5))
@example(case=EXAMPLES[0])
@example(case=EXAMPLES[1])
def test_lrn_gradient_is_its_definition(case: tuple[LRN, Array]) -> None:
    """The gradient written out is the derivative of the definition, to the last roundings of float64."""
    layer, x = case
    g = signed(x.shape, 1)
    assert_within(gradient(layer, x, g), complex_step(layer, x, g), gradient_bound(layer, x, g, FLOAT64))


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
@pytest.mark.parametrize("layer", [KERAS_SEQUENTIAL, TF1_GRAPH], ids=["keras_sequential", "tf1_graph"])
def test_lrn_gradient_comparison_rejects(layer: LRN, wrong: Callable[[LRN, Array, Array], Array]) -> None:
    """With either document's hyperparameters a wrong gradient exceeds even the bound of float32."""
    x = signed((2, 3, 4, 14), 0, scale(layer))
    g = signed(x.shape, 1)
    expected, limit = complex_step(layer, x, g), gradient_bound(layer, x, g, FLOAT32)
    assert_within(gradient(layer, x, g), expected, limit)
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_within(wrong(layer, x, g), expected, limit)


def tensorflows(layer: LRN, x: Array, g: Array) -> Array:
    """Return the gradient that TensorFlow's tape gives through the models' Keras layer, in float32."""
    import tensorflow as tf

    from alexnet_ref.models import keras_layer
    from reference import ARCHITECTURES

    built = keras_layer(layer, ARCHITECTURES["tf1_graph"])
    variable = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        y = built(variable)
    result: Array = tape.gradient(y, variable, output_gradients=tf.constant(g, tf.float32)).numpy()
    return result


@pytest.mark.tf
@given(case=cases(dtype=np.float32))
def test_lrn_gradient_is_tensorflows(case: tuple[LRN, Array]) -> None:
    """TensorFlow's gradient lies within float32's bound of the one written out, whatever gradient comes in."""
    layer, x = case
    g = signed(x.shape, 1, dtype=np.float32)
    expected = gradient(layer, x.astype(float), g.astype(float))
    assert_within(tensorflows(layer, x, g), expected, gradient_bound(layer, x.astype(float), g.astype(float), FLOAT32))


@pytest.mark.tf
@pytest.mark.parametrize(("layer", "shape"), DOCUMENTED, ids=NAMES)
def test_documented_lrn_gradient_is_tensorflows(layer: LRN, shape: tuple[int, int, int]) -> None:
    """At the documents' hyperparameters and sizes too."""
    x = signed((2, *shape), 0, scale(layer), np.float32).astype(float)
    g = signed(x.shape, 1, dtype=np.float32).astype(float)
    assert_within(tensorflows(layer, x, g), gradient(layer, x, g), gradient_bound(layer, x, g, FLOAT32))
