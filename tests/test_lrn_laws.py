"""The laws of local response normalisation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT64
from alexnet_ref.compare import assert_equal, assert_within
from reference import LRN
from tests.strategies import SEEDS, integers, signed
from tests.test_lrn import KERAS_SEQUENTIAL, TF1_GRAPH, bound, cases, lrn, scale

Array = NDArray[Any]
U = FLOAT64.u


def assert_at_most(smaller: Array, larger: Array, slack: Array) -> None:
    """Raise AssertionError where `smaller` exceeds `larger` by more than the slack."""
    assert_within(np.maximum(smaller - larger, 0), np.zeros_like(larger), slack)


# ---- Symmetries --------------------------------------------------------------------------------------------------------


@given(case=cases())
def test_lrn_is_odd(case: tuple[LRN, Array]) -> None:
    """lrn(−x) = −lrn(x), every bit: squares know no sign. What is 0 stays 0."""
    layer, x = case
    assert_equal(lrn(layer, -x), -lrn(layer, x))
    assert_equal(lrn(layer, 0 * x), 0 * x)


@given(case=cases())
def test_lrn_keeps_signs(case: tuple[LRN, Array]) -> None:
    """Every output has its input's sign: the denominator is positive."""
    layer, x = case
    assert_equal(np.sign(lrn(layer, x)), np.sign(x))


@given(case=cases())
def test_lrn_follows_reversed_channels(case: tuple[LRN, Array]) -> None:
    """Channels in reverse give the output in reverse: the window reaches as far to one side as to the other."""
    layer, x = case
    reverse = x[..., ::-1].copy()
    assert_within(lrn(layer, reverse), lrn(layer, x)[..., ::-1], bound(layer, reverse))


@given(case=cases(), seed=SEEDS)
def test_lrn_follows_permuted_pixels_and_images(case: tuple[LRN, Array], seed: int) -> None:
    """Images, rows and columns in another order give the output in that order."""
    layer, x = case
    rng = np.random.default_rng(seed)
    order = np.ix_(*(rng.permutation(size) for size in x.shape[:3]), np.arange(x.shape[3]))
    assert_within(lrn(layer, x[order]), lrn(layer, x)[order], bound(layer, x[order]))


@given(case=cases(), seed=SEEDS)
def test_lrn_of_a_pixel_depends_on_that_pixel_alone(case: tuple[LRN, Array], seed: int) -> None:
    """Other values a thousand times larger in every other pixel and image leave a pixel's output as it is."""
    layer, x = case
    rng = np.random.default_rng(seed)
    n, h, w = (int(rng.integers(size)) for size in x.shape[:3])
    other = signed(x.shape, seed, 1000 * scale(layer))
    other[n, h, w] = x[n, h, w]
    pixel = x[n : n + 1, h : h + 1, w : w + 1]
    y, limit = lrn(layer, x)[n, h, w], bound(layer, x)[n, h, w]
    assert_within(lrn(layer, other)[n, h, w], y, limit)
    assert_within(lrn(layer, pixel.copy())[0, 0, 0], y, limit)


# ---- The window --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_lrn_window_reaches_depth_radius_to_each_side(channels: int) -> None:
    """A change in one channel changes the outputs of the channels up to depth_radius away, and of no others."""
    for depth_radius in range(channels + 2):
        layer = replace(KERAS_SEQUENTIAL, depth_radius=depth_radius)
        ones = np.ones((2, 1, 3, channels))
        for j in range(channels):
            x = ones.copy()
            x[..., j] = 2
            changed = np.abs(lrn(layer, x) - lrn(layer, ones)) > bound(layer, x)
            reached = np.abs(np.arange(channels) - j) <= depth_radius
            assert (changed == reached).all(), f"depth_radius {depth_radius}, channel {j}"


@given(case=cases())
def test_lrn_window_is_cut_off_at_both_ends(case: tuple[LRN, Array]) -> None:
    """Beyond both ends lies nothing: any number of channels of zeros there, on one side or both, changes no output."""
    layer, x = case
    r, channels = layer.depth_radius + 1, x.shape[3]
    for before, after in ((r, 0), (0, r), (r, r)):
        wide = np.pad(x, ((0, 0), (0, 0), (0, 0), (before, after)))
        inside = slice(before, before + channels)
        assert_within(lrn(layer, wide)[..., inside], lrn(layer, x), bound(layer, wide)[..., inside])


@given(case=cases())
def test_lrn_of_radius_0_knows_no_neighbours(case: tuple[LRN, Array]) -> None:
    """At depth_radius 0 every element is a function of itself: channels in any order, or each by itself, give the same."""
    layer, x = case
    layer = replace(layer, depth_radius=0)
    each = np.concatenate([lrn(layer, x[..., i : i + 1].copy()) for i in range(x.shape[3])], axis=3)
    assert_within(lrn(layer, x), each, bound(layer, x))


@given(case=cases(), more=st.integers(0, 9))
def test_lrn_beyond_the_channel_count_divides_all_alike(case: tuple[LRN, Array], more: int) -> None:
    """From depth_radius C − 1 on nothing changes any more, every bit; and a pixel's channels share one denominator."""
    layer, x = case
    channels = x.shape[3]
    layer, y = replace(layer, depth_radius=channels - 1 + more), lrn(replace(layer, depth_radius=channels - 1), x)
    assert_equal(lrn(layer, x), y)
    order = np.roll(np.arange(channels), 1)  # now any order of the channels gives the output in that order
    assert_within(lrn(layer, x[..., order]), y[..., order], bound(layer, x[..., order]))


# ---- bias, alpha, beta -------------------------------------------------------------------------------------------------


@given(case=cases(), seed=SEEDS, factor=st.integers(-9, 9).filter(bool), alpha=st.integers(0, 64))
def test_lrn_is_homogeneous(case: tuple[LRN, Array], seed: int, factor: int, alpha: int) -> None:
    """lrn(c·x) with alpha is c·lrn(x) with c²·alpha; c·x and c²·alpha are exact here."""
    layer, x = case
    x = integers(x.shape, seed)
    layer = replace(layer, alpha=alpha / 64)
    expected = factor * lrn(replace(layer, alpha=factor**2 * layer.alpha), x)
    assert_within(lrn(layer, factor * x), expected, bound(layer, factor * x) + U * np.abs(expected))


@given(case=cases(), power=st.integers(-4, 4))
def test_lrn_takes_bias_and_alpha_in_proportion(case: tuple[LRN, Array], power: int) -> None:
    """t·bias and t·alpha together divide the output by t^beta; t is a power of 2, so that the products are exact."""
    layer, x = case
    t = 2.0**power
    scaled = replace(layer, bias=t * layer.bias, alpha=t * layer.alpha)
    expected = lrn(layer, x) / t**layer.beta
    # The power is off by a unit in the last place at most, 2·u; the quotient by u.
    assert_within(lrn(scaled, x), expected, bound(scaled, x) + bound(layer, x) / t**layer.beta + 3 * U * np.abs(expected))


@given(case=cases(), eighths=st.tuples(st.integers(0, 16), st.integers(0, 16)))
def test_lrn_exponents_add(case: tuple[LRN, Array], eighths: tuple[int, int]) -> None:
    """x · lrn(x; β + β') = lrn(x; β) · lrn(x; β'), the sum being exact; and beta 0 is the identity."""
    layer, x = case
    first, second, both = (replace(layer, beta=k / 8) for k in (*eighths, sum(eighths)))
    y, z, expected = lrn(first, x), lrn(second, x), lrn(first, x) * lrn(second, x)
    slack = bound(first, x) * np.abs(z) + bound(second, x) * np.abs(y) + bound(both, x) * np.abs(x)
    assert_within(x * lrn(both, x), expected, slack + 2 * U * np.abs(expected))
    assert_equal(lrn(replace(layer, beta=0.0), x), x)


@given(case=cases())
def test_lrn_is_at_most_x_over_bias_to_the_beta(case: tuple[LRN, Array]) -> None:
    """|lrn(x)| ≤ |x| / bias^beta, which alpha 0 attains."""
    layer, x = case
    limit = np.abs(x) / layer.bias**layer.beta
    without = replace(layer, alpha=0.0)
    assert_at_most(np.abs(lrn(layer, x)), limit, bound(layer, x) + bound(without, x))
    assert_within(np.abs(lrn(without, x)), limit, bound(without, x))


@given(case=cases(), factor=st.floats(1, 64))
def test_lrn_falls_as_alpha_rises(case: tuple[LRN, Array], factor: float) -> None:
    """A larger alpha makes no output larger, and twice the alpha makes the largest of them smaller."""
    layer, x = case
    larger, twice = replace(layer, alpha=factor * layer.alpha), replace(layer, alpha=2 * layer.alpha)
    y = np.abs(lrn(layer, x))
    assert_at_most(np.abs(lrn(larger, x)), y, bound(layer, x) + bound(larger, x))
    assert np.abs(lrn(twice, x)).max() < y.max()


@pytest.mark.parametrize("layer", [KERAS_SEQUENTIAL, TF1_GRAPH], ids=["keras_sequential", "tf1_graph"])
def test_lrn_far_from_its_scale(layer: LRN) -> None:
    """Small inputs are divided by bias^beta alone, large ones by (alpha·Σx²)^beta alone: keras_sequential's near 1/√alpha.

    At 2⁻⁴⁰ and 2⁴⁰ of its scale the other part is less than 2⁻⁷⁰ of the denominator, which is beyond float64.
    """
    x = np.array([-1.0, 1.5, 2.0]).reshape(1, 1, 1, 3) * scale(layer)
    small, large = x * 2.0**-40, x * 2.0**40
    assert_within(lrn(layer, small), small / layer.bias**layer.beta, bound(layer, small))
    root = np.sqrt(7.25) * scale(layer) * 2.0**40  # of Σx²: 1 + 2.25 + 4, within every window
    expected = large / (np.sqrt(layer.alpha) * root) ** (2 * layer.beta)
    # The base of the power carries two square roots, two products and the scale: 6·u, and the power its own as `bound` counts.
    assert_within(lrn(layer, large), expected, 2 * bound(layer, large) + 12 * layer.beta * U * np.abs(expected))
