"""Maximum pooling."""

from __future__ import annotations

import numpy as np

from reference.ops._operands import Array, check_equal, check_floating
from reference.padding import Padding, output_size, pad, pad_widths


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


def max_pool2d_backward(x: Array, dy: Array, *, pool_size: tuple[int, int], strides: tuple[int, int], padding: Padding) -> Array:
    """dx[n,h,w,c] = Σ dy[n,i,j,c] over the windows (i, j) whose first maximum, row by row, is at (h, w).

    x: (N, H, W, C); dy: (N, I, J, C). Which of several equal maxima takes the gradient is a convention: TensorFlow's CPU
    kernel takes the first in row-major order (`test_pool_ties_go_to_the_first_maximum`); any other is a subgradient too.
    """
    check_floating("x", x, "NHWC")
    y = max_pool2d(x, pool_size=pool_size, strides=strides, padding=padding)  # (N, I, J, C)
    check_equal("the shape of dy", dy.shape, "that of the output", y.shape)
    (s, t), (i, j) = strides, y.shape[1:3]
    padded = pad(x, pool_size, strides, padding, value=-np.inf)  # (N, H', W', C)
    dpadded = np.zeros_like(padded)  # (N, H', W', C)
    open_ = np.ones(y.shape, bool)  # (N, I, J, C): windows whose maximum is still to come
    for p, q in np.ndindex(*pool_size):
        met = np.s_[:, p : p + s * i : s, q : q + t * j : t]  # the (N, I, J, C) at place (p, q) of each window
        first = open_ & (padded[met] == y)  # (N, I, J, C)
        dpadded[met] += np.where(first, dy, 0)
        open_ &= ~first
    top, left = pad_widths(x.shape[1], pool_size[0], s, padding)[0], pad_widths(x.shape[2], pool_size[1], t, padding)[0]
    return dpadded[:, top : top + x.shape[1], left : left + x.shape[2]]  # (N, H, W, C)
