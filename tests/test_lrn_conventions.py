"""TensorFlow's convention against that of Caffe, ONNX and PyTorch, whose formulas are written out here.

TensorFlow counts the channels to each side and multiplies alpha by the sum. The others count the channels of the window and
divide alpha by that number: with size = 2·depth_radius + 1, their alpha is alpha·size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, FLOAT64, allowed
from alexnet_ref.compare import assert_within
from reference import LRN
from tests.strategies import signed
from tests.test_lrn import KERAS_SEQUENTIAL, TF1_GRAPH, bound, cases, lrn, scale

Array = NDArray[Any]


def windowed(x: Array, before: int, after: int, size: int, *, bias: float, alpha: float, beta: float) -> Array:
    """Return x_i / (bias + alpha/size · Σ x_j²)^beta, j from i − before to i + after within the channels."""
    y = np.empty(x.shape)
    for n, h, w, i in np.ndindex(x.shape):
        total = sum(float(x[n, h, w, j]) ** 2 for j in range(max(0, i - before), min(x.shape[3] - 1, i + after) + 1))
        y[n, h, w, i] = float(x[n, h, w, i]) / (bias + alpha / size * total) ** beta
    return y


def caffe(x: Array, *, local_size: int, k: float, alpha: float, beta: float) -> Array:
    """Caffe: each input is divided by (k + (α/n)·Σ x²)^β, n = local_size, which must be odd, centred at the channel."""
    half = (local_size - 1) // 2
    return windowed(x, half, half, local_size, bias=k, alpha=alpha, beta=beta)


def onnx(x: Array, *, size: int, bias: float, alpha: float, beta: float) -> Array:
    """ONNX LRN: channels max(0, c − floor((size−1)/2)) to min(C−1, c + ceil((size−1)/2)), alpha/size."""
    return windowed(x, (size - 1) // 2, size // 2, size, bias=bias, alpha=alpha, beta=beta)


def pytorch(x: Array, *, size: int, k: float, alpha: float, beta: float) -> Array:
    """PyTorch LocalResponseNorm: the mean, over `size`, of squares padded with size//2 zeros before and (size−1)//2 after."""
    return windowed(x, size // 2, (size - 1) // 2, size, bias=k, alpha=alpha, beta=beta)


def alpha_slack(layer: LRN, x: Array) -> Array:
    """Return what two roundings of alpha (times size, over size) change: at most beta times as much of the output."""
    return 2 * FLOAT64.u * layer.beta * np.abs(lrn(layer, x))


@given(case=cases())
def test_lrn_is_caffes_with_alpha_times_size(case: tuple[LRN, Array]) -> None:
    """depth_radius r and alpha are size 2·r + 1 and alpha·(2·r + 1) of Caffe, ONNX and PyTorch, which agree at odd sizes."""
    layer, x = case
    size = 2 * layer.depth_radius + 1
    y, slack = lrn(layer, x), bound(layer, x) + alpha_slack(layer, x)
    assert_within(y, caffe(x, local_size=size, k=layer.bias, alpha=layer.alpha * size, beta=layer.beta), slack)
    assert_within(y, onnx(x, size=size, bias=layer.bias, alpha=layer.alpha * size, beta=layer.beta), slack)
    assert_within(y, pytorch(x, size=size, k=layer.bias, alpha=layer.alpha * size, beta=layer.beta), slack)


@pytest.mark.parametrize("layer", [KERAS_SEQUENTIAL, TF1_GRAPH], ids=["keras_sequential", "tf1_graph"])
def test_lrn_is_not_caffes_with_the_same_alpha(layer: LRN) -> None:
    """The same alpha, or the radius for the size, leaves the bound even of float32; at radius 0 there is no difference."""
    x = signed((2, 1, 3, 14), 0, scale(layer))
    size = layer.window
    for wrong in (
        caffe(x, local_size=size, k=layer.bias, alpha=layer.alpha, beta=layer.beta),
        caffe(x, local_size=layer.depth_radius | 1, k=layer.bias, alpha=layer.alpha * size, beta=layer.beta),
    ):
        with pytest.raises(AssertionError, match="differ by more than allowed"):
            assert_within(wrong, lrn(layer, x), allowed(layer, {}, x, FLOAT32))
    alone = replace(layer, depth_radius=0)
    assert_within(caffe(x, local_size=1, k=alone.bias, alpha=alone.alpha, beta=alone.beta), lrn(alone, x), bound(alone, x))


def test_documented_lrn_in_caffes_words() -> None:
    """tf1_graph's alpha 0.001/9 at radius 4 is Caffe's 0.001 at size 9; keras_sequential's 1 at radius 5 is 11 at size 11."""
    for layer, size, alpha in ((TF1_GRAPH, 9, 0.001), (KERAS_SEQUENTIAL, 11, 11.0)):
        x = signed((2, 1, 3, 14), 0, scale(layer))
        expected = caffe(x, local_size=size, k=1.0, alpha=alpha, beta=layer.beta)
        assert_within(lrn(layer, x), expected, bound(layer, x) + alpha_slack(layer, x))


@pytest.mark.parametrize("size", [2, 4, 6])
def test_lrn_of_even_size_has_no_depth_radius(size: int) -> None:
    """At even sizes ONNX reaches one channel farther up, PyTorch one farther down, and no depth_radius does either."""
    x = signed((2, 1, 3, 14), 0, 0.3)
    upward = onnx(x, size=size, bias=1.0, alpha=float(size), beta=0.5)
    downward = pytorch(x, size=size, k=1.0, alpha=float(size), beta=0.5)
    layer = replace(KERAS_SEQUENTIAL, depth_radius=size // 2)
    assert_within(pytorch(x[..., ::-1], size=size, k=1.0, alpha=float(size), beta=0.5)[..., ::-1], upward, bound(layer, x))
    for radius in range(x.shape[3]):
        layer = replace(KERAS_SEQUENTIAL, depth_radius=radius)
        for other in (upward, downward):
            with pytest.raises(AssertionError, match="differ by more than allowed"):
                assert_within(lrn(layer, x), other, allowed(layer, {}, x, FLOAT32))
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_within(upward, downward, allowed(layer, {}, x, FLOAT32))
