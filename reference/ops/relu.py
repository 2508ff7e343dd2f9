"""The rectified linear unit."""

from __future__ import annotations

import numpy as np

from reference.ops._operands import Array


def relu(x: Array) -> Array:
    """y = max(x, 0), for x of any shape. Source: Nair & Hinton 2010, which keras_sequential cites."""
    return np.maximum(x, x.dtype.type(0))  # the shape of x


def relu_backward(x: Array, dy: Array) -> Array:
    """dx = dy where x > 0, else 0: at 0, where there is no derivative, TensorFlow's 0.

    x, dy: any one shape. The output may stand for x: it is above 0 where x is.
    """
    return np.where(x > 0, dy, dy.dtype.type(0))  # the shape of x
