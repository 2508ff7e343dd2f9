"""Local response normalisation, as TensorFlow counts: depth_radius to each side, alpha not divided by the window."""

from __future__ import annotations

import numpy as np

from reference.ops._operands import Array, check_at_least, check_floating


def local_response_normalization(x: Array, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Array:
    """b_i = a_i / (bias + alpha · Σ_{|j−i| ≤ depth_radius} a_j²)^beta.

    a = x, b: (N, H, W, C); i, j are channels, and the window is cut off at both ends. Caffe, PyTorch and ONNX divide alpha
    by their window's size: alpha here is theirs over 2·depth_radius + 1.
    Source: Krizhevsky et al. 2012, section 3.3; TensorFlow, tf.nn.local_response_normalization.
    """
    check_floating("x", x, "NHWC")
    check_at_least("depth_radius", depth_radius, 0)
    i = np.arange(x.shape[-1])  # (C,)
    window = (np.abs(i[:, None] - i) <= depth_radius).astype(x.dtype)  # (C, C)
    square_sum = np.square(x) @ window  # (N, H, W, C)
    y: Array = x / (bias + alpha * square_sum) ** beta  # (N, H, W, C)
    return y


def local_response_normalization_backward(
    x: Array, dy: Array, *, depth_radius: int, bias: float, alpha: float, beta: float
) -> Array:
    """da_i = db_i · d_i^(−beta) − 2·alpha·beta · a_i · Σ_{|j−i| ≤ depth_radius} db_j · a_j · d_j^(−beta−1).

    d_i = bias + alpha · Σ_{|j−i| ≤ depth_radius} a_j²; a = x and db = dy: (N, H, W, C). For b_j holds a_i through its
    denominator wherever j's window holds i, and that is where i's window holds j.
    """
    check_floating("x", x, "NHWC")
    check_floating("dy", dy, "NHWC")
    check_at_least("depth_radius", depth_radius, 0)
    i = np.arange(x.shape[-1])  # (C,)
    window = (np.abs(i[:, None] - i) <= depth_radius).astype(x.dtype)  # (C, C), symmetric
    d = bias + alpha * (np.square(x) @ window)  # (N, H, W, C)
    shared = (dy * x * d ** (-beta - 1)) @ window  # (N, H, W, C)
    dx: Array = dy * d**-beta - 2 * alpha * beta * x * shared  # (N, H, W, C)
    return dx
