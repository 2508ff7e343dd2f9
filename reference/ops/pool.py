"""Maximum pooling."""

from __future__ import annotations

import numpy as np

from reference.ops._operands import Array, check_floating
from reference.padding import Padding, output_size, pad


def max_pool2d(x: Array, *, pool_size: tuple[int, int], strides: tuple[int, int], padding: Padding) -> Array:
    """y[n,i,j,c] = max_{p,q} x[n, i·s + p − before, j·t + q − before, c].

    x: (N, H, W, C), −∞ outside, so that padding never wins; windows (P, Q), strides (s, t). Returns (N, I, J, C).
    Source: TensorFlow, tf.nn.max_pool; both documents.
    """
    check_floating("x", x, "NHWC")
    i = output_size(x.shape[1], pool_size[0], strides[0], padding)
    j = output_size(x.shape[2], pool_size[1], strides[1], padding)
    x = pad(x, pool_size, strides, padding, value=-np.inf)  # (N, H', W', C)
    y = np.full((x.shape[0], i, j, x.shape[3]), -np.inf, x.dtype)  # (N, I, J, C)
    for p, q in np.ndindex(*pool_size):
        rows, columns = slice(p, p + strides[0] * i, strides[0]), slice(q, q + strides[1] * j, strides[1])
        np.maximum(y, x[:, rows, columns][:, :i, :j], out=y)
    return y
