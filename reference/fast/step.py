"""What a layer is when its parameters, and the shape of its input, are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from reference.fast.team import Array, Worker


@dataclass(frozen=True, kw_only=True)
class Step:
    """A layer made ready: `run(x, y, worker)` writes the output for x (N, ...) to y (N, *shape), both in C order."""

    run: Callable[[Array, Array, Worker], None]
    shape: tuple[int, ...]  # of one image's output
    in_place: bool = False  # whether y may be x
    finite: bool = True  # whether the parameters that no output shows are finite


def held(array: Array, dtype: DTypeLike) -> Array:
    """Return parameters in `dtype`; what is too large for it becomes infinite, and shows in the results."""
    with np.errstate(over="ignore"):
        return np.asarray(array).astype(dtype, copy=False)


def surely_finite(array: Array, dtype: DTypeLike) -> bool:
    """Tell whether the parameters are finite in `dtype`; False also where they are merely large. For those no output shows."""
    if not np.can_cast(array.dtype, dtype):
        array = held(array, dtype)
    if array.dtype not in (np.float32, np.float64):
        return bool(np.isfinite(array).all())
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(np.vdot(array, array))  # reads them once; a NaN or an infinity has no finite square
