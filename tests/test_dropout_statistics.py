"""How masks are drawn: how many elements they keep, and that no fate depends on another. And the counting itself.

Each test fails with a probability of at most `binomial.FALSE_ALARM`, 1e-9, over all that it counts, if masks are drawn rightly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reference import Architecture, Dropout, draw_masks
from tests.binomial import (
    FALSE_ALARM,
    SPARE,
    Count,
    assert_plausible,
    count_agreeing,
    count_kept,
    count_pairs,
    disjoint,
    interval,
    log_pmf,
)
from tests.strategies import SEEDS

Mask = NDArray[np.bool_]
AXES = {2: ("calls", "examples", "features"), 4: ("calls", "examples", "rows", "columns", "channels")}


def kept_by_layer(architecture: Architecture) -> dict[str, float]:
    """Return each dropout layer's probability to keep."""
    return {layer.name: layer.keep_prob for layer in architecture.layers if isinstance(layer, Dropout)}


def counts_of(masks: dict[str, Mask], keep_probs: dict[str, float]) -> list[Count]:
    """Count what is kept and which pairs agree: masks are (calls, N, ...), pairs lie along every axis and between the layers."""
    counts = []
    for name, mask in masks.items():
        counts.append(count_kept(mask, keep_probs[name], f"{name}: kept"))
        counts += count_pairs(mask, keep_probs[name], AXES[mask.ndim - 1])
    names = list(masks)
    for a, b in itertools.pairwise(names):
        size = min(masks[a].size, masks[b].size)
        counts.append(count_agreeing(masks[a].ravel()[:size], masks[b].ravel()[:size], keep_probs[a], f"{a} and {b}"))
    return counts


def test_masks_keep_as_many_as_they_should_and_independently(architecture: Architecture) -> None:
    """Both documents' masks: the fraction kept, and pairs of elements, examples, channels, calls and layers, agree by chance."""
    calls = [draw_masks(architecture, 17, seed) for seed in range(3)]
    masks = {name: np.stack([call[name] for call in calls]) for name in calls[0]}
    assert_plausible(counts_of(masks, kept_by_layer(architecture)))


@given(percent=st.integers(1, 99), seed=SEEDS)
def test_masks_keep_as_many_as_they_should(percent: int, seed: int) -> None:
    """At every rate and seed the number of kept elements lies in its binomial interval."""
    network = Architecture(name="n", input_shape=(5, 7, 11), layers=(Dropout.keeping(name="drop", keep_prob=percent / 100),))
    assert_plausible([count_kept(draw_masks(network, 13, seed)["drop"], percent / 100)])


# ---- Masks drawn wrongly: the counts above reject each ------------------------------------------------------------------

SHAPE = (3, 17, 14, 13, 64)  # calls, examples, rows, columns, channels


def _half_of_a_checkerboard(rng: np.random.Generator) -> Mask:
    mask: Mask = np.indices(SHAPE).sum(axis=0) % 2 == rng.integers(2)
    return mask


def _second_half_the_opposite(rng: np.random.Generator) -> Mask:
    first: Mask = rng.random((*SHAPE[:-1], 32)) < 0.5
    return np.concatenate([first, ~first], axis=-1)


WRONG: dict[str, tuple[float, Callable[[np.random.Generator], Any]]] = {
    "rate for keep": (0.8, lambda rng: rng.random(SHAPE) < 0.2),
    "keep off by a hundredth": (0.8, lambda rng: rng.random(SHAPE) < 0.79),
    "keep off by a hundredth, at one half": (0.5, lambda rng: rng.random(SHAPE) < 0.51),
    "the same in every call": (0.8, lambda rng: rng.random((1, *SHAPE[1:])) < 0.8),
    "one mask for the batch": (0.8, lambda rng: rng.random((3, 1, *SHAPE[2:])) < 0.8),
    "the same again after a block of eight": (0.5, lambda rng: np.tile(rng.random((3, 8, 14, 13, 64)), (1, 3, 1, 1, 1)) < 0.5),
    "whole rows": (0.8, lambda rng: rng.random((3, 17, 14, 1, 64)) < 0.8),
    "whole columns": (0.8, lambda rng: rng.random((3, 17, 1, 13, 64)) < 0.8),
    "whole channels": (0.8, lambda rng: rng.random((3, 17, 1, 1, 64)) < 0.8),
    "whole pixels": (0.8, lambda rng: rng.random((3, 17, 14, 13, 1)) < 0.8),
    "every other element": (0.5, _half_of_a_checkerboard),
    "the second half of the channels the opposite": (0.5, _second_half_the_opposite),
}


@pytest.mark.parametrize(("keep_prob", "wrong"), WRONG.values(), ids=list(WRONG))
def test_counts_reject(keep_prob: float, wrong: Callable[[np.random.Generator], Any]) -> None:
    """Masks drawn wrongly leave an interval; rightly drawn ones of the same size lie in all of them."""
    rng = np.random.default_rng(0)
    assert_plausible(counts_of({"drop": rng.random(SHAPE) < keep_prob}, {"drop": keep_prob}))
    with pytest.raises(AssertionError, match="expected"):
        assert_plausible(counts_of({"drop": np.broadcast_to(wrong(rng)[:, :17], SHAPE)}, {"drop": keep_prob}))


def test_counts_reject_one_mask_for_two_layers() -> None:
    """Two layers that share their mask are found between the layers, and nowhere else."""
    mask = np.random.default_rng(0).random(SHAPE) < 0.5
    with pytest.raises(AssertionError, match="a and b: "):
        assert_plausible(counts_of({"a": mask, "b": mask}, {"a": 0.5, "b": 0.5}))


# ---- The counting itself ------------------------------------------------------------------------------------------------


def exact_tails(n: int, p: Fraction, low: int, high: int) -> tuple[Fraction, Fraction]:
    """Return P(X < low) and P(X > high) as fractions."""
    pmf = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    return sum(pmf[:low], Fraction(0)), sum(pmf[high + 1 :], Fraction(0))


@pytest.mark.parametrize("n", [1, 2, 29, 30, 31, 100, 333])
@pytest.mark.parametrize("p", [Fraction(1, 2), Fraction(4, 5), Fraction(17, 25), Fraction(1, 100)])
@pytest.mark.parametrize("false_alarm", [0.1, 1e-3, 1e-9])
def test_binomial_interval_is_exact(n: int, p: Fraction, false_alarm: float) -> None:
    """Each tail is at most half of the false alarms, and would be more than that, less the spare, one count farther in."""
    low, high = interval(n, float(p), false_alarm)
    half = Fraction(false_alarm) / 2
    assert 0 <= low <= high <= n
    assert max(exact_tails(n, p, low, high)) <= half
    assert min(exact_tails(n, p, low + 1, high - 1)) > half * (1 - 5 * Fraction(SPARE))


def test_binomial_interval_by_hand() -> None:
    """Ten fair coins: P(X ≤ 1) = 11/1024 is more than half of 2 %, P(X = 0) = 1/1024 is not: 1 … 9; and 0 … 10 at 1e-9."""
    assert interval(10, 0.5, 0.02) == (1, 9)
    assert interval(10, 0.5, 22.01 / 1024) == (2, 8)
    assert interval(10, 0.5, FALSE_ALARM) == (0, 10)
    assert interval(30, 0.5, FALSE_ALARM) == (0, 30)  # 2⁻³⁰ is 0.93e-9, more than half of 1e-9
    assert interval(31, 0.5, FALSE_ALARM) == (1, 30)  # 2⁻³¹ is 0.47e-9


@pytest.mark.parametrize("n", [7, 1000, 2**20])
def test_binomial_probabilities_sum_to_one(n: int) -> None:
    """Up to the largest count here the rounding of the log-gammas stays far inside the spare part."""
    mean = n * 4 // 5
    k = np.arange(max(0, mean - 9 * math.isqrt(n)), min(n, mean + 9 * math.isqrt(n)) + 1)  # all but 2·exp(−2·81)
    assert abs(math.fsum(np.exp(log_pmf(k, n, 0.8))) - 1) < SPARE / 16


def test_counting_cannot_pass_by_counting_nothing() -> None:
    """No counts, shapes that differ, and a count just outside its interval are failures."""
    with pytest.raises(AssertionError, match="nothing was counted"):
        assert_plausible([])
    with pytest.raises(AssertionError, match="shapes"):
        count_agreeing(np.ones(3, bool), np.ones(1, bool), 0.5, "pairs")
    low, high = interval(1000, 0.5, FALSE_ALARM)
    for happened in (low - 1, high + 1):
        with pytest.raises(AssertionError, match=f"coins: {happened} of 1000; expected {low} … {high}"):
            assert_plausible([Count(what="coins", happened=happened, trials=1000, probability=0.5)])
    for happened in (low, high):
        assert_plausible([Count(what="coins", happened=happened, trials=1000, probability=0.5)])


def test_pairs_are_disjoint() -> None:
    """Along an axis of any size and at any distance no element is in two pairs, so that the pairs are independent."""
    for size in range(2, 40):
        for lag in range(1, size):
            i = disjoint(size, lag)
            assert len({*i, *(i + lag)}) == 2 * len(i) > 0
            assert 0 <= i.min() <= (i + lag).max() < size
