"""Bilinear resizing against its definition in exact fractions, its laws, and TensorFlow's."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, FLOAT64, allowed
from alexnet_ref.compare import assert_equal, assert_within
from reference import InvalidInput, Resize
from reference.ops import resize_bilinear
from reference.ops.resize import interpolation
from tests.strategies import SEEDS, distinct_sizes, integers, signed

Array = NDArray[Any]
Pair = tuple[int, int]
SHAPES = distinct_sizes(4, high=9)
TARGETS = distinct_sizes(2, high=20)


def neighbours(n: int, o: int, i: int) -> list[tuple[int, Fraction]]:
    """Return the one or two of n pixels that output i of o lies between, and their weights, without rounding."""
    u = Fraction(2 * i + 1, 2) * Fraction(n, o) - Fraction(1, 2)  # pixel k's centre is at k + ½ of n
    u = min(max(u, Fraction(0)), Fraction(n - 1))
    k = floor(u)
    return [(k, 1 - (u - k)), (k + 1, u - k)] if u > k else [(k, Fraction(1))]


def definition(x: Array, *, height: int, width: int) -> Array:
    """Return each output pixel as the mean of its up to four neighbours, weighted by nearness."""
    y = np.zeros((len(x), height, width, x.shape[3]))
    rows = [neighbours(x.shape[1], height, i) for i in range(height)]
    columns = [neighbours(x.shape[2], width, j) for j in range(width)]
    for i, j in np.ndindex(height, width):
        for h, of_row in rows[i]:
            for w, of_column in columns[j]:
                y[:, i, j] += float(of_row * of_column) * x[:, h, w]
    return y


def bound(x: Array, target: tuple[int, ...], arithmetic: Any = FLOAT64) -> Array:
    """Return what resizing x to (height, width) may differ by."""
    return allowed(Resize(name="resizing", height=target[0], width=target[1]), {}, x, arithmetic)


def resized(x: Array, target: tuple[int, ...]) -> Array:
    """Return x resized to (height, width)."""
    return resize_bilinear(x, height=target[0], width=target[1])


# ---- The definition ----------------------------------------------------------------------------------------------------


@given(shape=SHAPES, target=TARGETS, seed=SEEDS)
@example(shape=(1, 32, 3, 2), target=(224, 5), seed=0)
@example(shape=(1, 3, 32, 2), target=(5, 224), seed=0)
@example(shape=(2, 9, 7, 3), target=(2, 3), seed=0)
@example(shape=(2, 1, 7, 3), target=(4, 1), seed=0)
def test_resize_is_its_definition(shape: tuple[int, ...], target: Pair, seed: int) -> None:
    """Every element is the weighted mean that exact fractions give, within the roundings of two float64 computations."""
    x = signed(shape, seed)
    assert_within(resized(x, target), definition(x, height=target[0], width=target[1]), bound(x, target))


@given(shape=SHAPES, seed=SEEDS, factors=st.tuples(st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4, 8])))
def test_resize_by_powers_of_two_is_exact_on_integers(shape: tuple[int, ...], seed: int, factors: Pair) -> None:
    """Enlarged 2, 4 or 8 times, integers meet weights of few bits: every bit is the definition's, in float32 too."""
    exact = integers(shape, seed)
    height, width = shape[1] * factors[0], shape[2] * factors[1]
    for dtype in (np.float32, np.float64):
        x: Array = exact.astype(dtype)
        expected: Array = definition(exact, height=height, width=width).astype(dtype)
        assert_equal(resize_bilinear(x, height=height, width=width), expected)


def test_documented_resize_has_half_pixel_phase() -> None:
    """32 → 224 puts pixel k at output 7·k + 3: a ramp in steps of 7 gives 0, 0, 0, 0, 1, 2, 3, …, 216, 217, 217, 217, 217."""
    ramp = 7.0 * np.arange(32)
    expected = np.array([0.0, 0, 0, *range(218), 217, 217, 217])
    x = np.stack([np.tile(ramp[:, None], 32), np.tile(ramp, (32, 1))], axis=-1)[None]  # along rows, along columns
    y = resize_bilinear(x, height=224, width=224)
    both = np.stack([np.tile(expected[:, None], 224), np.tile(expected, (224, 1))], axis=-1)[None]
    assert_within(y, both, bound(x, (224, 224)))
    legacy, corners = np.minimum(np.arange(224), 217), np.arange(224) * 217 / 223  # TensorFlow 1's phase, and align-corners
    for wrong in (legacy, corners):
        with pytest.raises(AssertionError, match="differ by more than allowed"):
            assert_within(y[:, :, 0, 0], wrong[None].astype(float), bound(x, (224, 224))[:, :, 0, 0])


@pytest.mark.parametrize(
    ("row", "width", "expected"),
    [
        ([0, 4], 4, [0, 1, 3, 4]),
        ([0, 8], 8, [0, 0, 1, 3, 5, 7, 8, 8]),
        ([8, 0, 4], 6, [8, 6, 2, 1, 3, 4]),
        ([100, 1, 3, 100, 100, 5, 9, 100], 2, [2, 7]),  # without antialiasing only the two nearest pixels count
        ([1, 2, 3], 1, [2]),
        ([1, 2, 3, 4], 1, [2.5]),
        ([5], 3, [5, 5, 5]),
    ],
)
def test_resize_worked_out_by_hand(row: list[float], width: int, expected: list[float]) -> None:
    """Short rows and columns, resized on paper."""
    x = np.array(row, float).reshape(1, 1, -1, 1)
    assert_equal(resize_bilinear(x, height=1, width=width).ravel(), np.array(expected, float))
    assert_equal(resize_bilinear(x.reshape(1, -1, 1, 1), height=width, width=1).ravel(), np.array(expected, float))


# ---- Laws --------------------------------------------------------------------------------------------------------------


@given(n=st.integers(1, 300), o=st.integers(1, 300))
@example(n=32, o=224)
@example(n=224, o=32)
def test_resize_weights_are_a_partition_of_unity(n: int, o: int) -> None:
    """Each row of `interpolation` has one or two neighbouring weights, none negative, whose sum is 1 within four roundings.

    Roundings of at most u each: of 1 − |u_i − k| for both k, of u_i − (k + 1) where it is near −1, and of the sum. (u_i − ⌊u_i⌋
    is exact.)
    """
    weights = interpolation(n, o)
    assert weights.shape == (o, n)
    assert (weights >= 0).all()
    assert_within(weights.sum(axis=1), np.ones(o), 4 * FLOAT64.u)
    for row in weights:
        met = np.flatnonzero(row)
        assert len(met) in (1, 2)
        assert met[-1] - met[0] == len(met) - 1


@given(shape=SHAPES, target=TARGETS, seed=SEEDS)
def test_resize_keeps_constants(shape: tuple[int, ...], target: Pair, seed: int) -> None:
    """Each channel of each image that has one value keeps it."""
    n, h, w, c = shape
    values = signed((n, 1, 1, c), seed)
    x = np.tile(values, (1, h, w, 1))
    assert_within(resized(x, target), np.tile(values, (1, *target, 1)), bound(x, target))


@given(sizes=distinct_sizes(4, low=2, high=20), slopes=st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
def test_resize_reproduces_ramps(sizes: tuple[int, ...], slopes: Pair) -> None:
    """a·h + b·w stays a plane between the outermost pixels' centres, and is constant beyond them."""
    h, w, height, width = sizes
    a, b = slopes
    x = (a * np.arange(h)[:, None] + b * np.arange(w)).astype(float)[None, :, :, None]
    rows = [min(max(Fraction(2 * i + 1, 2) * h / height - Fraction(1, 2), Fraction(0)), Fraction(h - 1)) for i in range(height)]
    columns = [min(max(Fraction(2 * j + 1, 2) * w / width - Fraction(1, 2), Fraction(0)), Fraction(w - 1)) for j in range(width)]
    expected = np.array([[float(a * u + b * v) for v in columns] for u in rows])[None, :, :, None]
    assert_within(resize_bilinear(x, height=height, width=width), expected, bound(x, (height, width)))


@given(shape=SHAPES, target=TARGETS, seed=SEEDS)
def test_resize_mirrors(shape: tuple[int, ...], target: Pair, seed: int) -> None:
    """The mirrored image, on either axis, gives the mirrored output: half-pixel centres prefer no side."""
    x = signed(shape, seed)
    y, limit = resized(x, target), bound(x, target)
    assert_within(resized(x[:, ::-1], target)[:, ::-1], y, limit)
    assert_within(resized(x[:, :, ::-1], target)[:, :, ::-1], y, limit)


@given(shape=SHAPES, seed=SEEDS)
@example(shape=(2, 32, 224, 3), seed=0)
def test_resize_to_the_same_size_is_the_identity(shape: tuple[int, ...], seed: int) -> None:
    """An image resized to its own size is itself, bit for bit."""
    for dtype in (np.float32, np.float64):
        x: Array = signed(shape, seed).astype(dtype)
        assert_equal(resized(x, shape[1:3]), x)


@given(shape=SHAPES, target=TARGETS, seed=SEEDS)
def test_resize_is_separable(shape: tuple[int, ...], target: Pair, seed: int) -> None:
    """Rows first or columns first, or both at once, is the same; and channels and images do not meet."""
    x = signed(shape, seed)
    y, limit = resized(x, target), bound(x, target)
    assert_within(resized(resized(x, (target[0], shape[2])), target), y, limit)
    assert_within(resized(resized(x, (shape[1], target[1])), target), y, limit)
    assert_within(resized(x[-1:, :, :, -1:], target), y[-1:, :, :, -1:], limit[-1:, :, :, -1:])


@given(shape=SHAPES, target=TARGETS, seed=SEEDS)
def test_resize_stays_within_range(shape: tuple[int, ...], target: Pair, seed: int) -> None:
    """No output leaves the range of the image's values: there is no overshoot."""
    x = signed(shape, seed)
    y = resized(x, target)
    inside = np.clip(y, x.min(axis=(1, 2), keepdims=True), x.max(axis=(1, 2), keepdims=True))
    assert_within(y, inside, bound(x, target))


def test_resize_refuses_what_it_cannot_resize() -> None:
    """Integers, a missing axis and a size of nothing are refused with what was expected."""
    with pytest.raises(InvalidInput, match=r"must be a floating-point array.*received dtype uint8.*divided by 255"):
        resize_bilinear(np.ones((1, 4, 5, 3), np.uint8), height=2, width=2)
    with pytest.raises(InvalidInput, match=r"wrong number of axes; expected \(N, H, W, C\)"):
        resize_bilinear(np.ones((4, 5, 3)), height=2, width=2)
    with pytest.raises(InvalidInput, match="width is out of range; expected at least 1; received 0"):
        resize_bilinear(np.ones((1, 4, 5, 3)), height=2, width=0)


# ---- Mutants: the comparison above rejects each ------------------------------------------------------------------------


def _at(x: Array, rows: Array, columns: Array) -> Array:
    """Interpolate at any positions, kept within the image."""
    for axis, positions in ((1, rows), (2, columns)):
        u = np.clip(positions, 0, x.shape[axis] - 1)
        weights = np.maximum(0, 1 - np.abs(u[:, None] - np.arange(x.shape[axis])))
        x = np.moveaxis(np.tensordot(weights, x, (1, axis)), 0, axis)
    return x


def _positions(x: Array, height: int, width: int, phase: Callable[[Array, int, int], Array]) -> Array:
    return _at(x, phase(np.arange(height), x.shape[1], height), phase(np.arange(width), x.shape[2], width))


MUTANTS: dict[str, Callable[..., Array]] = {
    "align-corners": lambda x, height, width: _positions(x, height, width, lambda i, n, o: i * (n - 1) / (o - 1)),
    "legacy phase": lambda x, height, width: _positions(x, height, width, lambda i, n, o: i * n / o),
    "nearest": lambda x, height, width: _positions(x, height, width, lambda i, n, o: np.floor((i + 0.5) * n / o)),
    "blurred": lambda x, height, width: definition((x + np.roll(x, 1, 1)) / 2, height=height, width=width),
    "height for width": lambda x, height, width: definition(x.transpose(0, 2, 1, 3), height=height, width=width),
    "one row only": lambda x, height, width: definition(np.repeat(x[:, :1], x.shape[1], 1), height=height, width=width),
    "float32 for float64": lambda x, height, width: definition(x.astype(np.float32), height=height, width=width),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=list(MUTANTS))
@pytest.mark.parametrize("target", [(14, 11), (3, 2)], ids=["larger", "smaller"])
def test_resize_comparison_rejects(mutant: Callable[..., Array], target: Pair) -> None:
    """The bound that true resizing keeps is exceeded by the wrong one."""
    x = signed((2, 7, 5, 3), 0)
    expected = definition(x, height=target[0], width=target[1])
    right = _positions(x, *target, lambda i, n, o: (i + 0.5) * n / o - 0.5)
    assert_within(right, expected, bound(x, target))  # the mutants' machinery itself is right
    with pytest.raises(AssertionError):
        assert_within(mutant(x, *target), expected, bound(x, target))


# ---- TensorFlow --------------------------------------------------------------------------------------------------------


@pytest.mark.tf
@given(shape=SHAPES, target=TARGETS, seed=SEEDS)
@example(shape=(2, 32, 28, 3), target=(224, 220), seed=0)
def test_resize_is_tensorflows(shape: tuple[int, ...], target: Pair, seed: int) -> None:
    """tf.image.resize and Keras's Resizing lie within the derived bound of the oracle's."""
    import keras
    import tensorflow as tf

    x = signed(shape, seed, dtype=np.float32)
    y, limit = resized(x.astype(float), target), bound(x.astype(float), target, FLOAT32)
    assert_within(tf.image.resize(x, target, method="bilinear").numpy(), y, limit)
    assert_within(keras.layers.Resizing(*target, interpolation="bilinear")(x).numpy(), y, limit)


@pytest.mark.tf
@given(shape=SHAPES, seed=SEEDS)
def test_resize_by_powers_of_two_is_tensorflows(shape: tuple[int, ...], seed: int) -> None:
    """Enlarged 8 and 2 times, integers are resized by TensorFlow to the oracle's very bits."""
    import tensorflow as tf

    x = integers(shape, seed, dtype=np.float32)
    target = (8 * shape[1], 2 * shape[2])
    assert_equal(tf.image.resize(x, target, method="bilinear").numpy(), resized(x, target))
