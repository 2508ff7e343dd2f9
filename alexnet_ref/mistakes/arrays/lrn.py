"""Local response normalisation in all its misreadings, in NumPy."""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.mistakes.parts import OddLRN

Array = NDArray[Any]
AXES = {"batch": 0, "height": 1, "width": 2, "channel": 3}


def normalise(part: OddLRN, x: Array) -> Array:
    """Return x (N, H, W, C) over its denominator, as the part has it."""
    d = denominator(part, statistic(part, x))
    return x * d if part.multiplied else x / d


def denominator(part: OddLRN, s: Array) -> Array:
    """Return d of the statistic s, of any shape; not finite where its base is below 0 or d is 0."""
    match part.form:
        case "inside":
            return (part.bias + part.alpha * s) ** part.beta
        case "outside":
            return part.bias + (part.alpha * s) ** part.beta
        case "factor":
            return part.bias + part.alpha * s**part.beta
        case "all":
            return (part.alpha * (part.bias + s)) ** part.beta
        case _:
            assert_never(part.form)


def statistic(part: OddLRN, x: Array) -> Array:
    """Return s of the shape of x, from each element's neighbours."""
    axes = (1, 2) if part.axis == "space" else (AXES[part.axis],)
    match part.statistic:
        case "sum":
            return _summed(part, x**2, axes)
        case "present":
            return _summed(part, x**2, axes) / _summed(part, np.ones_like(x), axes)
        case "absolute":
            return _summed(part, np.abs(x), axes)
        case _:
            assert_never(part.statistic)


def _summed(part: OddLRN, values: Array, axes: tuple[int, ...]) -> Array:
    y = values
    for axis in axes:
        y = np.sum(_neighbours(part, y, axis), axis=0)
    return y if part.own else y - values


def _neighbours(part: OddLRN, values: Array, axis: int) -> Array:
    """Return (window, *shape): the neighbour at each place of the window, 0 where there is none."""
    widths = [(0, 0)] * values.ndim
    widths[axis] = (part.before, part.after)
    mode: Any = {"cut": "constant", "wrapped": "wrap", "repeated": "edge"}[part.edges]
    padded = np.pad(values, widths, mode=mode)
    n = values.shape[axis]
    return np.stack([np.take(padded, range(first, first + n), axis) for first in range(part.window)])
