"""Maximum pooling against its definition, its laws, and TensorFlow's. Nothing is rounded: every comparison is of equality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.compare import assert_equal
from reference import ARCHITECTURES, InvalidInput, MaxPool
from reference.ops import max_pool2d, relu
from reference.padding import Padding
from reference.shapes import layer_inputs
from tests.strategies import PADDINGS, SEEDS, STRIDES, distinct_sizes, integers, signed
from tests.test_shapes import window_starts

Array = NDArray[Any]
Pair = tuple[int, int]
WINDOWS = st.tuples(st.integers(1, 5), st.integers(1, 5))
DOCUMENTED = [
    (layer, layer_inputs(architecture)[layer.name])
    for architecture in ARCHITECTURES.values()
    for layer in architecture.layers
    if isinstance(layer, MaxPool)
]
GEOMETRY = {"sizes": distinct_sizes(4, high=9), "pool_size": WINDOWS, "strides": STRIDES, "padding": PADDINGS, "seed": SEEDS}


def definition(x: Array, *, pool_size: Pair, strides: Pair, padding: Padding) -> Array:
    """Return the largest of the pixels that lie under each window; nothing lies outside the image."""
    tops = window_starts(x.shape[1], pool_size[0], strides[0], padding)
    lefts = window_starts(x.shape[2], pool_size[1], strides[1], padding)
    y = np.empty((x.shape[0], len(tops), len(lefts), x.shape[3]), x.dtype)
    for n, i, j, c in np.ndindex(y.shape):
        rows = [tops[i] + p for p in range(pool_size[0]) if 0 <= tops[i] + p < x.shape[1]]
        columns = [lefts[j] + q for q in range(pool_size[1]) if 0 <= lefts[j] + q < x.shape[2]]
        y[n, i, j, c] = max(x[n, h, w, c] for h in rows for w in columns)
    return y


def image(sizes: tuple[int, ...], pool_size: Pair, padding: Padding, seed: int, draw: Any = signed) -> Array:
    """Return x (N, H, W, C); VALID gets an image that holds the window."""
    n, h, w, c = sizes
    x: Array = draw((n, h, w, c) if padding == "SAME" else (n, max(h, pool_size[0]), max(w, pool_size[1]), c), seed)
    return x


# ---- The definition ----------------------------------------------------------------------------------------------------


@given(**GEOMETRY)
@example(sizes=(1, 7, 4, 2), pool_size=(2, 2), strides=(2, 2), padding="SAME", seed=0)
@example(sizes=(1, 7, 9, 2), pool_size=(3, 3), strides=(2, 2), padding="VALID", seed=0)  # overlapping
@example(sizes=(2, 9, 8, 3), pool_size=(1, 2), strides=(4, 5), padding="SAME", seed=0)  # strides beyond the window
@example(sizes=(2, 1, 3, 4), pool_size=(5, 4), strides=(1, 2), padding="SAME", seed=0)  # a window larger than the image
def test_pool_is_its_definition(sizes: tuple[int, ...], pool_size: Pair, strides: Pair, padding: Padding, seed: int) -> None:
    """Every element is the largest pixel under its window, in float32 and in float64."""
    for dtype in (np.float32, np.float64):
        x: Array = image(sizes, pool_size, padding, seed).astype(dtype)
        expected = definition(x, pool_size=pool_size, strides=strides, padding=padding)
        assert_equal(max_pool2d(x, pool_size=pool_size, strides=strides, padding=padding), expected)


@pytest.mark.parametrize(("layer", "shape"), DOCUMENTED, ids=[layer.name for layer, _ in DOCUMENTED])
def test_documented_pool_is_its_definition(layer: MaxPool, shape: tuple[int, int, int]) -> None:
    """At the documents' sizes and strides every element is the largest under its window."""
    x = signed((1, *shape[:2], 3), 0)  # three channels stand for all
    how: dict[str, Any] = {"pool_size": layer.pool_size, "strides": layer.strides, "padding": layer.padding}
    assert_equal(max_pool2d(x, **how), definition(x, **how))


# ---- Laws --------------------------------------------------------------------------------------------------------------


@given(**GEOMETRY)
def test_pool_padding_never_wins(sizes: tuple[int, ...], pool_size: Pair, strides: Pair, padding: Padding, seed: int) -> None:
    """The maxima of an all-negative image are negative, and values of the image."""
    x = -1 - np.abs(image(sizes, pool_size, padding, seed))
    y = max_pool2d(x, pool_size=pool_size, strides=strides, padding=padding)
    assert (y <= -1).all()
    assert np.isin(y, x).all()


@given(**GEOMETRY)
def test_pool_commutes_with_increasing_functions(
    sizes: tuple[int, ...], pool_size: Pair, strides: Pair, padding: Padding, seed: int
) -> None:
    """pool(f(x)) = f(pool(x)) for every increasing f: a line, a cube, and ReLU, whose order the documents do not agree on."""
    x = image(sizes, pool_size, padding, seed)

    def pool(x: Array) -> Array:
        return max_pool2d(x, pool_size=pool_size, strides=strides, padding=padding)

    functions: list[Callable[[Array], Array]] = [lambda x: 3 * x - 1, lambda x: x * x * x, relu]
    for increasing in functions:
        assert_equal(pool(increasing(x)), increasing(pool(x)))


@given(**GEOMETRY)
def test_pool_is_monotone(sizes: tuple[int, ...], pool_size: Pair, strides: Pair, padding: Padding, seed: int) -> None:
    """No output falls where no pixel falls, and a shift of all pixels shifts all outputs."""
    x = image(sizes, pool_size, padding, seed, integers)
    rise = np.abs(integers(x.shape, seed + 1))
    y = max_pool2d(x, pool_size=pool_size, strides=strides, padding=padding)
    assert (max_pool2d(x + rise, pool_size=pool_size, strides=strides, padding=padding) >= y).all()
    assert_equal(max_pool2d(x - 7, pool_size=pool_size, strides=strides, padding=padding), y - 7)


@given(**GEOMETRY)
def test_pool_keeps_channels_and_images_apart(
    sizes: tuple[int, ...], pool_size: Pair, strides: Pair, padding: Padding, seed: int
) -> None:
    """Each channel of each image is pooled as if it were alone."""
    x = image(sizes, pool_size, padding, seed)
    y = max_pool2d(x, pool_size=pool_size, strides=strides, padding=padding)
    for n, c in np.ndindex(x.shape[0], x.shape[3]):
        alone = max_pool2d(x[n : n + 1, :, :, c : c + 1], pool_size=pool_size, strides=strides, padding=padding)
        assert_equal(alone, y[n : n + 1, :, :, c : c + 1])


def test_pool_windows_overlap() -> None:
    """With windows of 3 and strides of 2 a peak in a shared row and column is the maximum of four windows."""
    x = np.zeros((1, 5, 7, 1))
    x[0, 2, 4] = 1
    y = max_pool2d(x, pool_size=(3, 3), strides=(2, 2), padding="VALID")
    assert_equal(y[0, :, :, 0], np.array([[0.0, 1, 1], [0, 1, 1]]))


def test_pool_ties_are_the_tied_value() -> None:
    """Where several pixels are the largest, the maximum is their value, once."""
    x = np.array([5.0, 5, -2, 5, 5, 5]).reshape(1, 2, 3, 1)
    assert_equal(max_pool2d(x, pool_size=(2, 2), strides=(1, 1), padding="VALID").ravel(), np.array([5.0, 5]))
    assert_equal(
        max_pool2d(np.full((1, 4, 5, 2), -3.0), pool_size=(3, 3), strides=(2, 2), padding="SAME"), np.full((1, 2, 3, 2), -3.0)
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_pool_passes_over_what_lies_between_windows(padding: Padding) -> None:
    """With a stride beyond the window, the pixels that no window covers change nothing."""
    x = signed((2, 8, 11, 3), 0)
    peaks = x.copy()
    peaks[:, [2, 5]] = 100  # windows cover rows 0, 1; 3, 4; 6, 7
    peaks[:, :, [1, 2, 3, 5, 6, 7, 9, 10]] = 100  # and columns 0; 4; 8
    how = {"pool_size": (2, 1), "strides": (3, 4)}
    assert_equal(max_pool2d(peaks, **how, padding=padding), max_pool2d(x, **how, padding=padding))
    peaks[:, 3] = 100
    assert max_pool2d(peaks, **how, padding=padding).max() == 100


@pytest.mark.parametrize(
    ("row", "window", "stride", "padding", "expected"),
    [
        ([7, 6, 5, 4, 3, 2, 1], 2, 2, "SAME", [7, 5, 3, 1]),  # tf1_graph's pool3: one position, after the data
        ([1, 2, 3, 4, 5, 6, 7], 2, 2, "SAME", [2, 4, 6, 7]),
        ([7, 6, 5, 4, 3, 2, 1], 3, 2, "VALID", [7, 5, 3]),  # keras_sequential's
        ([1, 2, 3, 4, 5, 6], 3, 2, "VALID", [3, 5]),  # rounded down: the 6 is left over
        ([4, 3, 2, 1], 4, 1, "SAME", [4, 4, 3, 2]),  # one before, two after
        ([-1, -2, -3], 2, 1, "SAME", [-1, -2, -3]),
    ],
)
def test_pool_worked_out_by_hand(row: list[int], window: int, stride: int, padding: Padding, expected: list[int]) -> None:
    """Descending values show where a window begins, ascending ones where it ends; on either axis."""
    x = np.array(row, float)
    y = max_pool2d(x.reshape(1, -1, 1, 1), pool_size=(window, 1), strides=(stride, 1), padding=padding)
    assert_equal(y.ravel(), np.array(expected, float))
    y = max_pool2d(x.reshape(1, 1, -1, 1), pool_size=(1, window), strides=(1, stride), padding=padding)
    assert_equal(y.ravel(), np.array(expected, float))


def test_pool_refuses_what_it_cannot_pool() -> None:
    """Integers, a missing axis, and a VALID window that does not fit are refused with what was expected."""
    how: dict[str, Any] = {"pool_size": (3, 3), "strides": (2, 2), "padding": "VALID"}
    with pytest.raises(InvalidInput, match=r"must be a floating-point array.*received dtype uint8"):
        max_pool2d(np.ones((1, 4, 5, 3), np.uint8), **how)
    with pytest.raises(InvalidInput, match=r"wrong number of axes; expected \(N, H, W, C\)"):
        max_pool2d(np.ones((4, 5, 3)), **how)
    with pytest.raises(InvalidInput, match=r"does not fit.*at least 3 positions \(VALID\); received 2"):
        max_pool2d(np.ones((1, 4, 2, 3)), **how)


# ---- Mutants: the comparison above rejects each ------------------------------------------------------------------------


def _padded_wrong(x: Array, pool_size: Pair, strides: Pair, *, value: float, before: bool) -> Array:
    """Pad as SAME, but with a value that may win, or with the odd position before the data."""
    widths = [(0, 0)]
    for n, k, s in zip(x.shape[1:3], pool_size, strides, strict=True):
        starts = window_starts(n, k, s, "SAME")
        pair = (-starts[0], max(0, starts[-1] + k - n))
        widths.append(pair[::-1] if before else pair)
    x = np.pad(x, [*widths, (0, 0)], constant_values=value)
    return max_pool2d(x, pool_size=pool_size, strides=strides, padding="VALID")


MUTANTS: dict[str, Callable[..., Array]] = {
    "zero padding": lambda x, pool_size, strides, **_: _padded_wrong(x, pool_size, strides, value=0, before=False),
    "padding before": lambda x, pool_size, strides, **_: _padded_wrong(x, pool_size, strides, value=-9, before=True),
    "window one smaller": lambda x, pool_size, **how: max_pool2d(x, pool_size=(pool_size[0] - 1, pool_size[1]), **how),
    "window exchanged": lambda x, pool_size, **how: max_pool2d(x, pool_size=pool_size[::-1], **how),
    "minimum": lambda x, **how: -max_pool2d(-x, **how),
    "average": lambda x, **how: (max_pool2d(x, **how) - max_pool2d(-x, **how)) / 2,
    "of magnitudes": lambda x, **how: max_pool2d(np.abs(x), **how),
    "ReLU inside": lambda x, **how: relu(max_pool2d(x, **how)),
    "channels reversed": lambda x, **how: max_pool2d(x[..., ::-1], **how),
    "images reversed": lambda x, **how: max_pool2d(x[::-1], **how),
    "VALID for SAME": lambda x, **how: max_pool2d(x, **(how | {"padding": "VALID"})),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=list(MUTANTS))
def test_pool_comparison_rejects(mutant: Callable[..., Array]) -> None:
    """The equality that true pooling keeps is broken by the wrong one."""
    x = signed((2, 7, 9, 3), 0) - 2  # mostly negative
    how: dict[str, Any] = {"pool_size": (2, 4), "strides": (2, 2), "padding": "SAME"}
    expected = definition(x, **how)
    assert_equal(max_pool2d(x, **how), expected)
    with pytest.raises(AssertionError):
        assert_equal(mutant(x, **how), expected)


# ---- TensorFlow --------------------------------------------------------------------------------------------------------


@pytest.mark.tf
@given(**GEOMETRY)
@example(sizes=(2, 7, 8, 3), pool_size=(2, 2), strides=(2, 2), padding="SAME", seed=0)
@example(sizes=(2, 27, 8, 3), pool_size=(3, 3), strides=(2, 2), padding="VALID", seed=0)
def test_pool_is_tensorflows(sizes: tuple[int, ...], pool_size: Pair, strides: Pair, padding: Padding, seed: int) -> None:
    """TensorFlow's maxima are equal to the oracle's, of mostly negative values too."""
    import tensorflow as tf

    x = image(sizes, pool_size, padding, seed).astype(np.float32) - np.float32(1)
    y = max_pool2d(x, pool_size=pool_size, strides=strides, padding=padding)
    assert_equal(tf.nn.max_pool2d(x, pool_size, strides, padding).numpy(), y)


@pytest.mark.tf
@pytest.mark.parametrize(("layer", "shape"), DOCUMENTED, ids=[layer.name for layer, _ in DOCUMENTED])
def test_documented_pool_is_tensorflows(layer: MaxPool, shape: tuple[int, int, int]) -> None:
    """At the documents' sizes TensorFlow's maxima are equal to the oracle's."""
    import tensorflow as tf

    x = signed((2, *shape), 0, dtype=np.float32)
    y = max_pool2d(x, pool_size=layer.pool_size, strides=layer.strides, padding=layer.padding)
    assert_equal(tf.nn.max_pool2d(x, layer.pool_size, layer.strides, layer.padding).numpy(), y)
