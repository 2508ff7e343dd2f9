"""Where windows over an enlarged image meet its pixels: every tap's weight of every pixel, put together again."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT64
from alexnet_ref.compare import assert_within
from alexnet_ref.fast import folding
from reference.ops.resize import interpolation
from reference.padding import pad_widths

Array = NDArray[Any]
DOCUMENTED = (32, 224, 11, 4)  # *AlexNet with TensorFlow*: pixels, enlarged to, window, stride
AXES = st.tuples(st.integers(3, 12), st.integers(1, 5), st.integers(1, 7), st.integers(1, 4)).map(
    lambda a: (a[0], a[0] * a[1], a[2], a[3])
)


def expected(n: int, o: int, k: int, s: int) -> tuple[Array, float]:
    """Return C[i, a, h] from the oracle's interpolation and padding, and what its phases' roundings allow."""
    before, after = pad_widths(o, k, s, "SAME")
    enlarged = np.pad(interpolation(n, o), ((before, after), (0, 0)))
    taps = np.stack([enlarged[i : i + k] for i in range(0, len(enlarged) - k + 1, s)])
    return taps, FLOAT64.u * (3 * (n + 1) + 3)  # u_i: three roundings of at most n + ½; then |u − h|, 1 − it, and ours


def of_rows(found: folding.Rows, n: int) -> Array:
    """Return C[i, a, h] as rows say."""
    taps = np.zeros((len(found.pixel), found.weight.shape[2], n))
    for i, pixels in enumerate(found.pixel):
        taps[i][:, pixels] = found.weight[i].T
    return taps


def of_columns(found: folding.Columns, n: int) -> Array:
    """Return C[i, a, h] as columns say; what stands in an empty slot is lost."""
    groups, (_, g, k) = len(found.pixel), found.weight.shape
    taps = np.zeros((groups, g, k, n + 1))
    for t, s in np.ndindex(found.pixel.shape):
        taps[t, :, :, found.pixel[t, s]] += found.weight[s]
    return taps[..., :n].reshape(groups * g, k, n)


def agree(axis: tuple[int, int, int, int], rows: folding.Rows, columns: folding.Columns | None) -> None:
    """Hold both against the oracle."""
    taps, allowed = expected(*axis)
    assert_within(of_rows(rows, axis[0]), taps, allowed)
    if columns is not None:
        assert_within(of_columns(columns, axis[0]), taps, allowed)


def test_the_documents_window() -> None:
    """An 11-wide window over the 7-fold enlargement meets four pixels, its groups of seven eight: 32 products stand for 121."""
    rows, columns = folding.rows(*DOCUMENTED), folding.columns(*DOCUMENTED)
    assert columns is not None
    agree(DOCUMENTED, rows, columns)
    assert rows.pixel.shape == (56, 4)
    assert columns.pixel.shape == (8, 8)


@given(axis=AXES)
def test_any_enlargement(axis: tuple[int, int, int, int]) -> None:
    """Rows hold for every size, enlargement by a whole number, window and stride; columns where windows repeat."""
    agree(axis, folding.rows(*axis), folding.columns(*axis))


@given(axis=AXES)
def test_where_windows_repeat(axis: tuple[int, int, int, int]) -> None:
    """Columns are found wherever three whole groups of windows fit."""
    n, o, k, s = axis
    windows, factor = -(-o // s), o // n
    group = factor // np.gcd(factor, s)
    assume(windows % group == 0 and windows // group >= 3)
    assert folding.columns(n, o, k, s) is not None


@pytest.mark.parametrize("mistake", ["border", "phase", "pixel", "weight"])
def test_mistakes_are_seen(mistake: str) -> None:
    """A border that is not padded, windows one position off, a pixel one off, and a weight off by 1e-9 are all rejected."""
    rows, columns = folding.rows(*DOCUMENTED), folding.columns(*DOCUMENTED)
    assert columns is not None
    pixel, weight = columns.pixel.copy(), columns.weight.copy()
    if mistake == "border":
        pixel[0, :2] = 0  # the first pixel again, as interpolation continues it, where windows meet zeros
    elif mistake == "phase":
        weight = np.roll(weight, 1, axis=2)
    elif mistake == "pixel":
        pixel[3, 2] += 1
    else:
        weight = weight * (1 + 1e-9)
    with pytest.raises(AssertionError):
        agree(DOCUMENTED, rows, dataclasses.replace(columns, pixel=pixel, weight=weight))
