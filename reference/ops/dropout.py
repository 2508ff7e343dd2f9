"""Inverted dropout, with the random choice passed in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference.errors import InvalidInput
from reference.ops._operands import Array, check_equal, check_floating

Mask = NDArray[np.bool_]


def dropout(x: Array, mask: Mask, *, rate: float) -> Array:
    """y = x · mask / (1 − rate): the expected value over masks is x.

    x, mask: (N, ...); mask is boolean, True where the element is kept, which a rightly drawn one is with probability 1 − rate.
    Source: TensorFlow, tf.nn.dropout. keras_sequential says "divided by dropout probability", which is the same at 0.5 alone.
    """
    check_floating("x", x, "NHWC"[: np.ndim(x)])
    if mask.dtype != np.bool_:
        raise InvalidInput("mask must be boolean, True where kept", expected="bool", received=str(mask.dtype))
    check_equal("the mask's shape", mask.shape, "the shape of x", x.shape)
    if not 0 <= rate < 1:
        raise InvalidInput("rate is out of range", expected="at least 0 and below 1", received=f"{rate}")
    scale = x.dtype.type(1 / (1 - rate))  # 1.25 at keep 0.8, 2 at 0.5: exact, where dividing by a rounded 0.8 is not
    return np.where(mask, x * scale, x.dtype.type(0))  # (N, ...)


def dropout_backward(mask: Mask, dy: Array, *, rate: float) -> Array:
    """dx = dy · mask / (1 − rate): the same mask, the same equation; x has no part in it. mask, dy: (N, ...)."""
    return dropout(dy, mask, rate=rate)
