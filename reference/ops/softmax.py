"""Class scores as probabilities."""

from __future__ import annotations

import numpy as np

from reference.ops._operands import Array


def softmax(x: Array) -> Array:
    """y_k = exp(x_k − m) / Σ_l exp(x_l − m), m = max_l x_l, over the last axis.

    x, y: (..., K). Subtracting m changes nothing but keeps every exponent at or below 0, so that none overflows.
    """
    with np.errstate(over="ignore"):  # a difference beyond all numbers is −∞, and its exponential 0, as it should be
        e: Array = np.exp(x - x.max(axis=-1, keepdims=True))  # (..., K)
    y: Array = e / e.sum(axis=-1, keepdims=True)  # (..., K)
    return y


def softmax_backward(y: Array, dy: Array) -> Array:
    """dx_k = y_k · (dy_k − Σ_l dy_l · y_l), y the softmax's output, over the last axis. y, dy: (..., K)."""
    dx: Array = y * (dy - (dy * y).sum(axis=-1, keepdims=True))  # (..., K)
    return dx
