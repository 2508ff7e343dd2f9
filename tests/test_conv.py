"""Convolution against its definition, its laws, and TensorFlow's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, FLOAT64, allowed
from alexnet_ref.compare import assert_equal, assert_within
from reference import ARCHITECTURES, Conv, InvalidInput
from reference.ops import conv2d, dense
from reference.padding import Padding
from reference.shapes import layer_inputs
from tests.strategies import PADDINGS, SEEDS, STRIDES, distinct_sizes, integers, signed
from tests.test_shapes import window_starts

Array = NDArray[Any]
Pair = tuple[int, int]
KERNELS = st.tuples(st.integers(1, 5), st.integers(1, 5))
DOCUMENTED = [
    (layer, layer_inputs(architecture)[layer.name])
    for architecture in ARCHITECTURES.values()
    for layer in architecture.layers
    if isinstance(layer, Conv)
]


def element(x: Array, kernel: Array, bias: Array, index: tuple[int, ...], *, strides: Pair, padding: Padding) -> float:
    """Return y[n, i, j, o] as defined: the bias, and every pixel under the window times its weight; nothing lies outside."""
    n, i, j, o = index
    top = window_starts(x.shape[1], kernel.shape[0], strides[0], padding)[i]
    left = window_starts(x.shape[2], kernel.shape[1], strides[1], padding)[j]
    total = float(bias[o])
    for p, q, c in np.ndindex(kernel.shape[:3]):
        if 0 <= top + p < x.shape[1] and 0 <= left + q < x.shape[2]:
            total += float(x[n, top + p, left + q, c]) * float(kernel[p, q, c, o])
    return total


def definition(x: Array, kernel: Array, bias: Array, *, strides: Pair, padding: Padding) -> Array:
    """Return every element as defined, in float64."""
    rows = window_starts(x.shape[1], kernel.shape[0], strides[0], padding)
    columns = window_starts(x.shape[2], kernel.shape[1], strides[1], padding)
    y = np.empty((len(x), len(rows), len(columns), kernel.shape[3]))
    for index in np.ndindex(y.shape):
        y[index] = element(x, kernel, bias, index, strides=strides, padding=padding)
    return y


def described(kernel: Array, strides: Pair, padding: Padding) -> Conv:
    """Return the layer that the operands belong to, for its bound."""
    p, q, _, filters = kernel.shape
    return Conv(name="conv", filters=filters, kernel_size=(p, q), strides=strides, padding=padding)


def operands(sizes: tuple[int, ...], window: Pair, padding: Padding, seed: int, draw: Any = signed) -> tuple[Array, Array, Array]:
    """Return x (N, H, W, C), kernel (P, Q, C, O) and bias (O,); VALID gets an image that holds the window."""
    n, h, w, c, o = sizes
    if padding == "VALID":
        h, w = max(h, window[0]), max(w, window[1])
    return draw((n, h, w, c), seed), draw((*window, c, o), seed + 1), draw((o,), seed + 2)


GEOMETRY = {"sizes": distinct_sizes(5, high=6), "window": KERNELS, "strides": STRIDES, "padding": PADDINGS, "seed": SEEDS}


# ---- The definition ----------------------------------------------------------------------------------------------------


@given(**GEOMETRY)
@example(sizes=(1, 4, 6, 2, 3), window=(2, 4), strides=(1, 1), padding="SAME", seed=0)  # even, not square
@example(sizes=(2, 6, 5, 3, 1), window=(1, 2), strides=(4, 5), padding="SAME", seed=0)  # strides beyond the kernel
@example(sizes=(2, 1, 3, 4, 5), window=(5, 4), strides=(1, 2), padding="SAME", seed=0)  # a window larger than the image
def test_conv_is_its_definition(sizes: tuple[int, ...], window: Pair, strides: Pair, padding: Padding, seed: int) -> None:
    """Every element is the sum that the equation names, within two float64 roundings of it."""
    x, kernel, bias = operands(sizes, window, padding, seed)
    expected = definition(x, kernel, bias, strides=strides, padding=padding)
    bound = allowed(described(kernel, strides, padding), {"kernel": kernel, "bias": bias}, x, FLOAT64)
    assert_within(conv2d(x, kernel, bias, strides=strides, padding=padding), expected, bound)


@given(**GEOMETRY)
def test_conv_is_exact_on_integers(sizes: tuple[int, ...], window: Pair, strides: Pair, padding: Padding, seed: int) -> None:
    """On small integers no sum rounds: every bit is the definition's, in float32 too, and the dtype is the operands'."""
    exact = operands(sizes, window, padding, seed, integers)
    expected = definition(*exact, strides=strides, padding=padding)
    for dtype in (np.float32, np.float64):
        cast: list[Array] = [operand.astype(dtype) for operand in exact]
        assert_equal(conv2d(*cast, strides=strides, padding=padding), expected.astype(dtype))


@pytest.mark.parametrize(("layer", "image"), DOCUMENTED, ids=[layer.name for layer, _ in DOCUMENTED])
def test_documented_conv_is_its_definition(layer: Conv, image: tuple[int, int, int]) -> None:
    """At the documents' sizes, the corners and twenty other elements are those of the definition, bit for bit on integers."""
    rng = np.random.default_rng(0)
    x = integers((1, *image), 0)
    kernel, bias = integers((*layer.kernel_size, image[2], layer.filters), 1), integers((layer.filters,), 2)
    y = conv2d(x, kernel, bias, strides=layer.strides, padding=layer.padding)
    corners = [tuple(corner * (size - 1) for corner, size in zip(c, y.shape, strict=True)) for c in np.ndindex(2, 2, 2, 2)]
    indices = corners + [tuple(int(rng.integers(size)) for size in y.shape) for _ in range(20)]
    expected = [element(x, kernel, bias, index, strides=layer.strides, padding=layer.padding) for index in indices]
    assert_equal(np.array([y[index] for index in indices]), np.array(expected))


# ---- Laws --------------------------------------------------------------------------------------------------------------


@given(**GEOMETRY)
def test_conv_is_linear(sizes: tuple[int, ...], window: Pair, strides: Pair, padding: Padding, seed: int) -> None:
    """conv(2·x − 3·x', k) = 2·conv(x, k) − 3·conv(x', k), likewise in k, and the bias is added once: exact on integers."""
    x, kernel, bias = operands(sizes, window, padding, seed, integers)
    other, kernel_other, _ = operands(sizes, window, padding, seed + 9, integers)
    zero = np.zeros_like(bias)

    def conv(x: Array, kernel: Array, bias: Array) -> Array:
        return conv2d(x, kernel, bias, strides=strides, padding=padding)

    y = conv(x, kernel, zero)
    assert_equal(conv(2 * x - 3 * other, kernel, zero), 2 * y - 3 * conv(other, kernel, zero))
    assert_equal(conv(x, 2 * kernel - 3 * kernel_other, zero), 2 * y - 3 * conv(x, kernel_other, zero))
    assert_equal(conv(x, kernel, bias), y + bias)


@given(**GEOMETRY)
def test_conv_translates_by_strides(sizes: tuple[int, ...], window: Pair, strides: Pair, padding: Padding, seed: int) -> None:
    """An image without its first stride of rows and columns gives the output without its first row and column (VALID)."""
    x, kernel, bias = operands(sizes, window, padding, seed, integers)
    (s, t), (p, q) = strides, window
    x = np.pad(x, ((0, 0), (0, max(0, s + p - x.shape[1])), (0, max(0, t + q - x.shape[2])), (0, 0)), constant_values=3)
    y = conv2d(x, kernel, bias, strides=strides, padding="VALID")
    assert_equal(conv2d(x[:, s:, t:], kernel, bias, strides=strides, padding="VALID"), y[:, 1:, 1:])


@given(sizes=distinct_sizes(5, high=6), seed=SEEDS)
def test_conv_of_one_pixel_is_dense(sizes: tuple[int, ...], seed: int) -> None:
    """A 1×1 kernel is a dense layer on the channels of every pixel: channels are not mixed up, pixels do not meet."""
    x, kernel, bias = operands(sizes, (1, 1), "SAME", seed, integers)
    y = conv2d(x, kernel, bias, strides=(1, 1), padding="SAME")
    assert_equal(y.reshape(-1, y.shape[3]), dense(x.reshape(-1, x.shape[3]), kernel[0, 0], bias))


@given(window=st.tuples(st.integers(1, 3), st.integers(1, 3)).map(lambda half: (2 * half[0] + 1, 2 * half[1] + 1)), seed=SEEDS)
def test_conv_does_not_mirror_the_kernel(window: Pair, seed: int) -> None:
    """A window that covers the image weighs each pixel by the weight in its place; so an impulse reads the kernel backwards."""
    kernel = integers((*window, 1, 2), seed)
    for p, q in np.ndindex(window):
        impulse = np.zeros((1, *window, 1))
        impulse[0, p, q] = 1
        assert_equal(conv2d(impulse, kernel, np.zeros(2), strides=(1, 1), padding="VALID")[0, 0, 0], kernel[p, q, 0])
    middle = np.zeros((1, *window, 1))
    middle[0, window[0] // 2, window[1] // 2] = 1
    assert_equal(conv2d(middle, kernel, np.zeros(2), strides=(1, 1), padding="SAME")[0], kernel[::-1, ::-1, 0])


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize(
    ("image", "weights", "stride", "expected"),
    [
        ([1, 2, 3, 4], [1, 10], 1, [21, 32, 43, 4]),  # one position, after the data
        ([1, 2, 3, 4], [1, 10, 100], 1, [210, 321, 432, 43]),  # one on each side
        ([1, 2, 3], [1, 10, 100, 1000], 1, [3210, 321, 32]),  # one before, two after
        ([1, 2, 3, 4], [1, 10, 100], 2, [321, 43]),  # 1·2 + 3 − 4 = 1, after
        ([1, 2, 3], [1, 10, 100], 2, [210, 32]),  # 1·2 + 3 − 3 = 2, one on each side
        ([1, 2, 3, 4, 5], [1, 10], 3, [21, 54]),  # a stride beyond the kernel passes over the 3
        ([1, 2, 3, 4, 5, 6, 7], [1], 3, [1, 4, 7]),
    ],
)
def test_conv_pads_the_odd_position_after(
    axis: int, image: list[int], weights: list[int], stride: int, expected: list[int]
) -> None:
    """SAME worked out by hand: digits of the sum show which weight met which pixel; on either axis."""
    along = (1, -1, 1, 1) if axis == 1 else (1, 1, -1, 1)
    strides = (stride, 1) if axis == 1 else (1, stride)
    kernel = np.array(weights, float).reshape((*along[1:3], 1, 1))
    y = conv2d(np.array(image, float).reshape(along), kernel, np.zeros(1), strides=strides, padding="SAME")
    assert_equal(y.ravel(), np.array(expected, float))


def test_documented_conv_pads_three_before_and_four_after() -> None:
    """keras_sequential's conv2d: the first pixel meets row and column 3 of the first kernel; 4 lie beyond the last pixel."""
    kernel = np.arange(121.0).reshape(11, 11, 1, 1)
    x = np.zeros((1, 224, 224, 1))
    x[0, 0, 0] = 1
    x[0, 223, 223] = 1000
    y = conv2d(x, kernel, np.zeros(1), strides=(4, 4), padding="SAME")
    assert y[0, 0, 0, 0] == 3 * 11 + 3
    assert y[0, 55, 55, 0] == 1000 * (6 * 11 + 6)  # taps 7, 8, 9, 10 lie outside
    assert y[0, 54, 54, 0] == 1000 * (10 * 11 + 10)
    assert np.count_nonzero(y) == 1 + 4


def test_conv_refuses_operands_that_do_not_fit() -> None:
    """Integers, missing axes, other channels and a bias of another length are refused with both sizes."""
    x, kernel, bias = np.ones((1, 4, 5, 3)), np.ones((2, 2, 3, 6)), np.ones(6)
    for operand, message in (
        ((x.astype(np.int64), kernel, bias), "x must be a floating-point array.*received dtype int64"),
        ((x[0], kernel, bias), r"x has the wrong number of axes; expected \(N, H, W, C\); received shape \(4, 5, 3\)"),
        ((x, kernel[0], bias), r"kernel has the wrong number of axes; expected \(H, W, I, O\)"),
        ((x[..., :2], kernel, bias), "input channels must equal the channels of x; expected 2; received 3"),
        ((x, kernel, bias[:1]), r"bias's shape must equal the kernel's filters; expected \(6,\); received \(1,\)"),
    ):
        with pytest.raises(InvalidInput, match=message):
            conv2d(*operand, strides=(1, 1), padding="SAME")


# ---- Mutants: the comparison above rejects each ------------------------------------------------------------------------


def _padded_wrong(x: Array, kernel: Array, bias: Array, *, strides: Pair, value: float) -> Array:
    """Pad as SAME, but with the odd position before the data, or not with zeros."""
    starts = [window_starts(x.shape[a], kernel.shape[a - 1], strides[a - 1], "SAME") for a in (1, 2)]
    before = [-s[0] for s in starts]
    after = [max(0, s[-1] + k - n) for s, k, n in zip(starts, kernel.shape, x.shape[1:], strict=False)]
    widths = ((0, 0), *zip(before, after, strict=True), (0, 0))
    x = np.pad(x, widths if value else [pair[::-1] for pair in widths], constant_values=value)
    return conv2d(x, kernel, bias, strides=strides, padding="VALID")


MUTANTS: dict[str, Callable[..., Array]] = {
    "padding before": lambda x, k, b, strides, **_: _padded_wrong(x, k, b, strides=strides, value=0),
    "padding of ones": lambda x, k, b, strides, **_: _padded_wrong(x, k, b, strides=strides, value=1),
    "mirrored kernel": lambda x, k, b, **how: conv2d(x, k[::-1, ::-1], b, **how),
    "rows for columns": lambda x, k, b, **how: conv2d(x, k.transpose(1, 0, 2, 3), b, **how),
    "strides exchanged": lambda x, k, b, strides, padding: conv2d(x, k, b, strides=strides[::-1], padding=padding),
    "channels reversed": lambda x, k, b, **how: conv2d(x[..., ::-1], k, b, **how),
    "filters reversed": lambda x, k, b, **how: conv2d(x, k[..., ::-1], b, **how),
    "layout OIHW read as HWIO": lambda x, k, b, **how: conv2d(x, k.transpose(3, 2, 0, 1).reshape(k.shape), b, **how),
    "missing bias": lambda x, k, b, **how: conv2d(x, k, 0 * b, **how),
    "one weight off by a millionth": lambda x, k, b, **how: conv2d(x, _nudged(k), b, **how),
}


def _nudged(kernel: Array) -> Array:
    kernel = kernel.copy()
    kernel[-1, 0, 1, 2] += 2.0**-20
    return kernel


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=list(MUTANTS))
def test_conv_comparison_rejects(mutant: Callable[..., Array]) -> None:
    """The bound that the true convolution keeps is exceeded by the wrong one."""
    x, kernel, bias = operands((2, 6, 8, 4, 5), (3, 3), "SAME", 0)
    expected = definition(x, kernel, bias, strides=(1, 2), padding="SAME")
    bound = allowed(described(kernel, (1, 2), "SAME"), {"kernel": kernel, "bias": bias}, x, FLOAT64)
    assert_within(conv2d(x, kernel, bias, strides=(1, 2), padding="SAME"), expected, bound)
    with pytest.raises(AssertionError):
        assert_within(mutant(x, kernel, bias, strides=(1, 2), padding="SAME"), expected, bound)


# ---- TensorFlow --------------------------------------------------------------------------------------------------------


def tensorflows(x: Array, kernel: Array, bias: Array, strides: Pair, padding: Padding) -> Array:
    """Return TensorFlow's convolution, in float32."""
    import tensorflow as tf

    x, kernel, bias = (a.astype(np.float32) for a in (x, kernel, bias))
    # TensorFlow 2.21's oneDNN kernel returns garbage for two or more images of one channel where the output has one column and
    # several rows, at strides (1, more than 1): one image is right, and so is everything without oneDNN. Neither document's
    # layers are of this kind. It would otherwise fail one example in several hundred.
    columns = len(window_starts(x.shape[2], kernel.shape[1], strides[1], padding))
    one_by_one = x.shape[3] == columns == strides[0] == 1 < strides[1]
    batches = np.split(x, len(x)) if one_by_one else [x]
    y: Array = np.concatenate([tf.nn.conv2d(batch, kernel, strides=strides, padding=padding) + bias for batch in batches])
    return y


@pytest.mark.tf
@given(**GEOMETRY)
def test_conv_is_tensorflows(sizes: tuple[int, ...], window: Pair, strides: Pair, padding: Padding, seed: int) -> None:
    """TensorFlow's float32 convolution lies within the derived bound of the oracle's, and is equal to it on integers."""
    x, kernel, bias = (a.astype(np.float32).astype(float) for a in operands(sizes, window, padding, seed))
    bound = allowed(described(kernel, strides, padding), {"kernel": kernel, "bias": bias}, x, FLOAT32)
    y = conv2d(x, kernel, bias, strides=strides, padding=padding)
    assert_within(tensorflows(x, kernel, bias, strides, padding), y, bound)
    x, kernel, bias = operands(sizes, window, padding, seed, integers)
    y = conv2d(x, kernel, bias, strides=strides, padding=padding)
    assert_equal(tensorflows(x, kernel, bias, strides, padding), y.astype(np.float32))


@pytest.mark.tf
@pytest.mark.parametrize(("layer", "image"), DOCUMENTED, ids=[layer.name for layer, _ in DOCUMENTED])
def test_documented_conv_is_tensorflows(layer: Conv, image: tuple[int, int, int]) -> None:
    """At the documents' sizes TensorFlow's convolution is equal to the oracle's on integers, every element."""
    x = integers((1, *image), 0)
    kernel, bias = integers((*layer.kernel_size, image[2], layer.filters), 1), integers((layer.filters,), 2)
    y = conv2d(x, kernel, bias, strides=layer.strides, padding=layer.padding)
    assert_equal(tensorflows(x, kernel, bias, layer.strides, layer.padding), y.astype(np.float32))
