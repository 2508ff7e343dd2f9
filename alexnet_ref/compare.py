"""Two arrays held against each other: shape, dtype and finiteness first, then every element against its own allowance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCK = 2**15  # elements that are compared at a time: a few arrays of 256 KB


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The outcome for one array. `error` and `allowed` are those of the worst element, the one of the greatest error/allowed."""

    passed: bool
    fact: str  # one sentence: what was found
    error: float | None = None  # None: the arrays could not be compared element by element
    allowed: float | None = None
    ratio: float | None = None  # error / allowed at the worst element; above 1 is a failure
    worst: tuple[int, ...] | None = None  # its index


def compare(received: Any, expected: NDArray[Any], allowed: ArrayLike = 0.0) -> Comparison:
    """Compare `received` with `expected`, each element within `allowed` (an array of the same shape, or one number).

    No broadcasting between the two, no NaN equal to NaN, no dtype but floating point. `allowed` 0 demands equality.
    """
    if not isinstance(received, np.ndarray) or not np.issubdtype(received.dtype, np.floating):
        kind = f"dtype {received.dtype}" if isinstance(received, np.ndarray) else type(received).__name__
        return Comparison(passed=False, fact=f"expected a floating-point array, received {kind}")
    if received.shape != expected.shape:
        return Comparison(passed=False, fact=f"expected shape {expected.shape}, received {received.shape}")
    limit = np.asarray(allowed, np.float64)
    if limit.shape not in ((), expected.shape) or not (limit >= 0).all():
        raise ValueError(f"allowed must be of shape {expected.shape} or one number, and nowhere negative")
    if expected.size == 0:
        return Comparison(passed=False, fact="nothing to compare: the arrays are empty")
    if not np.isfinite(expected).all():
        return Comparison(passed=False, fact="the expected values are not finite: nothing can be decided")
    if bad := int((~np.isfinite(received)).sum()):
        return Comparison(passed=False, fact=f"{bad} of {received.size} received values are not finite")
    return _elementwise(received, expected, np.broadcast_to(limit, expected.shape), exact=not (limit.ndim or limit))


def _elementwise(received: NDArray[Any], expected: NDArray[Any], limit: NDArray[np.float64], *, exact: bool) -> Comparison:
    """Compare in blocks that stay in cache; exact: an error counts as infinite, and there is nothing to divide by."""
    flat = received.reshape(-1), expected.reshape(-1), limit.flat
    count, worst, greatest = 0, 0, -math.inf
    for start in range(0, expected.size, BLOCK):
        got, wanted, allowed = (array[start : start + BLOCK].astype(np.float64) for array in flat)
        error = np.abs(got - wanted)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = error if exact else np.where(error == 0, 0.0, error / allowed)
        count += int((error > allowed).sum())
        place = int(ratio.argmax())
        if ratio[place] > greatest:
            worst, greatest = start + place, float(ratio[place])
    index = tuple(int(i) for i in np.unravel_index(worst, expected.shape))
    there, right, most = (float(array[worst]) for array in flat)
    where = f"at {index}: expected {right:.9g}, received {there:.9g}"
    fact = f"{count} of {expected.size} elements differ by more than allowed; worst {where}" if count else f"worst {where}"
    return Comparison(
        passed=count == 0,
        fact=fact,
        error=abs(there - right),
        allowed=most,
        ratio=math.inf if exact and count else greatest,
        worst=index,
    )


def assert_within(received: Any, expected: NDArray[Any], allowed: ArrayLike) -> None:
    """Raise AssertionError, with the worst element, unless `compare` passes."""
    comparison = compare(received, expected, allowed)
    if not comparison.passed:
        raise AssertionError(f"{comparison.fact} (error {comparison.error}, allowed {comparison.allowed})")


def assert_equal(received: Any, expected: NDArray[Any]) -> None:
    """Raise AssertionError unless every element is equal, dtype included: for what is provably exact."""
    if isinstance(received, np.ndarray) and received.dtype != expected.dtype:
        raise AssertionError(f"expected dtype {expected.dtype}, received {received.dtype}")
    assert_within(received, expected, 0.0)
