"""Dropout in its misreadings, in NumPy, with the random choice passed in."""

from __future__ import annotations

import math
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.mistakes.parts import OddDropout

Array = NDArray[Any]
FIXED_SEED = 1  # of a mask that never changes


def dropout(part: OddDropout, x: Array, rng: np.random.Generator | None) -> Array:
    """Return x (N, ...) as the part drops it: training where there is an rng.

    What drops in inference too is random there: without an rng, one draw of it, from FIXED_SEED.
    """
    if rng is None and part.active != "always":
        return x * part.at_inference
    if part.active == "never":
        return x
    rng = np.random.default_rng(FIXED_SEED) if rng is None or part.fixed else rng
    shape = mask_shape(part, x.shape)
    if part.noise == "gaussian":
        deviation = math.sqrt(part.rate / (1 - part.rate))
        return x * (1 + deviation * rng.standard_normal(shape))
    return np.where(rng.random(shape) < 1 - part.rate, x * part.scale, 0.0)


def mask_shape(part: OddDropout, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the mask's shape, 1 where elements share their fate."""
    match part.shared:
        case "none":
            return shape
        case "batch":
            return 1, *shape[1:]
        case "channel":
            return shape[0], *(1 for _ in shape[1:-1]), shape[-1]
        case "pixel":
            return *shape[:-1], 1
        case _:
            assert_never(part.shared)
