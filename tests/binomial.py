"""How often independent events may happen: exact binomial intervals with a stated probability of a false alarm."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The probability that a test fails although all is well, over everything that it counts. The seeds are fixed, so that this is
# the probability of having met a bad seed when the test was written, not of a failure now and then.
FALSE_ALARM = 1e-9
# The part of it set aside for what `interval` leaves out: the distribution's farthest ends, and the rounding of the rest.
SPARE = 2.0**-20


@dataclass(frozen=True, kw_only=True)
class Count:
    """Of `trials` independent events of the same probability, `happened` happened."""

    what: str
    happened: int
    trials: int
    probability: float


def log_pmf(k: NDArray[np.int_], trials: int, probability: float) -> NDArray[np.float64]:
    """Return ln P(X = k) = ln n! − ln k! − ln (n − k)! + k·ln p + (n − k)·ln (1 − p), for X binomial of n = trials."""
    log_factorials = np.array([math.lgamma(i + 1) + math.lgamma(trials - i + 1) for i in k.tolist()])
    choose = math.lgamma(trials + 1) - log_factorials
    y: NDArray[np.float64] = choose + k * math.log(probability) + (trials - k) * math.log1p(-probability)
    return y


@functools.cache
def interval(trials: int, probability: float, false_alarm: float) -> tuple[int, int]:
    """Return the narrowest (low, high) such that P(X < low) and P(X > high) are at most false_alarm / 2 each.

    Farther than `spread` from the mean lies, by Hoeffding's inequality, less than SPARE of the false alarms; it is not summed.
    """
    mean = trials * probability
    spread = math.sqrt(trials * math.log(2 / (SPARE * false_alarm)) / 2)
    k = np.arange(max(0, math.floor(mean - spread)), min(trials, math.ceil(mean + spread)) + 1)
    pmf = np.exp(log_pmf(k, trials, probability))
    limit = (0.5 - 2 * SPARE) * false_alarm
    low = k[np.cumsum(pmf) > limit][0]
    high = k[np.cumsum(pmf[::-1])[::-1] > limit][-1]
    return int(low), int(high)


def assert_plausible(counts: Sequence[Count], false_alarm: float = FALSE_ALARM) -> None:
    """Raise AssertionError, naming what, unless every count lies in its interval; the false alarms are shared out evenly."""
    if not counts:
        raise AssertionError("nothing was counted")
    for count in counts:
        low, high = interval(count.trials, count.probability, false_alarm / len(counts))
        if not low <= count.happened <= high:
            of = f"of {count.trials}; expected {low} … {high} at probability {count.probability:.6g}"
            raise AssertionError(f"{count.what}: {count.happened} {of}")


def count_kept(mask: NDArray[np.bool_], keep_prob: float, what: str = "kept") -> Count:
    """Count the elements that a mask keeps."""
    return Count(what=what, happened=int(mask.sum()), trials=mask.size, probability=keep_prob)


def count_agreeing(a: NDArray[Any], b: NDArray[Any], keep_prob: float, what: str) -> Count:
    """Count the pairs that share their fate, both kept or both dropped: independent ones do with keep² + (1 − keep)².

    The pairs must be disjoint: independent masks then make independent pairs.
    """
    if a.shape != b.shape:
        raise AssertionError(f"{what}: shapes {a.shape} and {b.shape}")
    return Count(what=what, happened=int((a == b).sum()), trials=a.size, probability=keep_prob**2 + (1 - keep_prob) ** 2)


def disjoint(size: int, lag: int) -> NDArray[np.int_]:
    """Return places i in 0 … size − lag − 1, every other block of lag, so that no element is in two pairs (i, i + lag)."""
    i = np.arange(size - lag)
    places: NDArray[np.int_] = i[(i // lag) % 2 == 0]
    return places


def count_pairs(masks: NDArray[np.bool_], keep_prob: float, axes: Sequence[str]) -> list[Count]:
    """Count, along each named axis, the agreeing pairs of elements at distances 1 … 32 and at every further power of two."""
    counts = []
    for axis, name in enumerate(axes):
        size = masks.shape[axis]
        for lag in (*range(1, min(size, 33)), *(2**k for k in range(6, size.bit_length()) if 2**k < size)):
            i = disjoint(size, lag)
            a, b = np.take(masks, i, axis), np.take(masks, i + lag, axis)
            counts.append(count_agreeing(a, b, keep_prob, f"agreeing pairs of {name} at distance {lag}"))
    return counts
