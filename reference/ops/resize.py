"""Bilinear resizing with half-pixel centres and no antialiasing."""

from __future__ import annotations

import numpy as np

from reference.ops._operands import Array, check_at_least, check_floating


def resize_bilinear(x: Array, *, height: int, width: int) -> Array:
    """y[n,i,j,c] = Σ_{h,w} R[i,h] · x[n,h,w,c] · Q[j,w], with R and Q from `interpolation`.

    x: (N, H, W, C). Returns (N, height, width, C). Source: TensorFlow 2, tf.image.resize(..., method="bilinear").
    """
    check_floating("x", x, "NHWC")
    check_at_least("height", height, 1)
    check_at_least("width", width, 1)
    rows = interpolation(x.shape[1], height).astype(x.dtype)  # (height, H)
    columns = interpolation(x.shape[2], width).astype(x.dtype)  # (width, W)
    n, h, w, c = x.shape
    y = (rows @ x.reshape(n, h, w * c)).reshape(n, height, w, c)  # (N, height, W, C)
    return columns @ y  # (N, height, width, C)


def interpolation(n: int, o: int) -> Array:
    """R[i,k] = max(0, 1 − |u_i − k|), u_i = (i + ½)·n/o − ½ kept within 0 … n − 1: the weight of pixel k in output i.

    Pixel centres lie at half-integers, so that the first output is not the first input: u_0 = ½·(n/o − 1). Returns (o, n)
    in float64; every row sums to 1.
    """
    u = np.clip((np.arange(o) + 0.5) * n / o - 0.5, 0, n - 1)  # (o,)
    return np.maximum(0.0, 1.0 - np.abs(u[:, None] - np.arange(n)))  # (o, n)


def resize_bilinear_backward(x: Array, dy: Array) -> Array:
    """dx[n,h,w,c] = Σ_{i,j} R[i,h] · dy[n,i,j,c] · Q[j,w]: the interpolation transposed.

    Of x (N, H, W, C), the shape alone is used; dy: (N, height, width, C).
    """
    check_floating("x", x, "NHWC")
    check_floating("dy", dy, "NHWC")
    rows = interpolation(x.shape[1], dy.shape[1]).astype(dy.dtype)  # (height, H)
    columns = interpolation(x.shape[2], dy.shape[2]).astype(dy.dtype)  # (width, W)
    n, height, width, c = dy.shape
    dx = (rows.T @ dy.reshape(n, height, width * c)).reshape(n, -1, width, c)  # (N, H, width, C)
    return columns.T @ dx  # (N, H, W, C)
