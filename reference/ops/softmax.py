"""Class scores as probabilities."""

from __future__ import annotations

import numpy as np

from reference.ops._operands import Array


def softmax(x: Array) -> Array:
    """y_k = exp(x_k − m) / Σ_l exp(x_l − m), m = max_l x_l, over the last axis.

    x, y: (..., K). Subtracting m changes nothing but keeps every exponent at or below 0, so that none overflows.
    """
    e: Array = np.exp(x - x.max(axis=-1, keepdims=True))  # (..., K)
    y: Array = e / e.sum(axis=-1, keepdims=True)  # (..., K)
    return y
