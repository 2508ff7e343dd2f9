"""The rectified linear unit."""

from __future__ import annotations

import numpy as np

from reference.ops._operands import Array


def relu(x: Array) -> Array:
    """y = max(x, 0), for x of any shape. Source: Nair & Hinton 2010, which keras_sequential cites."""
    return np.maximum(x, x.dtype.type(0))  # the shape of x
