"""Convolution, in the sense of neural networks: the kernel is not mirrored."""

from __future__ import annotations

import math

import numpy as np

from reference.ops._operands import Array, check_equal, check_floating
from reference.padding import Padding, output_size, pad, pad_widths


def conv2d(x: Array, kernel: Array, bias: Array, *, strides: tuple[int, int], padding: Padding) -> Array:
    """y[n,i,j,o] = bias[o] + Σ_{p,q,c} x[n, i·s + p − before, j·t + q − before, c] · kernel[p,q,c,o].

    x: (N, H, W, C), zero outside; kernel: (P, Q, C, O); bias: (O,); strides (s, t). Returns (N, I, J, O).
    Source: TensorFlow, tf.nn.conv2d; both documents.
    """
    check_floating("x", x, "NHWC")
    check_floating("kernel", kernel, "HWIO")
    check_equal("the kernel's input channels", kernel.shape[2], "the channels of x", x.shape[3])
    check_equal("the bias's shape", bias.shape, "the kernel's filters", kernel.shape[3:])
    (p, q), (s, t) = kernel.shape[:2], strides
    x = pad(x, (p, q), strides, padding, value=0.0)  # (N, H', W', C)
    windows = np.lib.stride_tricks.sliding_window_view(x, (p, q), axis=(1, 2))[:, ::s, ::t]  # (N, I, J, C, P, Q)
    # Ordered like the kernel, the windows are the rows of one matrix, and the whole sum is one matrix product.
    k, o = math.prod(kernel.shape[:3]), kernel.shape[3]
    rows = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, k)  # (N·I·J, P·Q·C)
    y = rows @ kernel.reshape(k, o) + bias  # (N·I·J, O)
    return y.reshape(*windows.shape[:3], o)  # (N, I, J, O)


def conv2d_backward(
    x: Array, kernel: Array, dy: Array, *, strides: tuple[int, int], padding: Padding
) -> tuple[Array, Array, Array]:
    """dx[n,h,w,c] = Σ_{i,j,p,q,o} dy[n,i,j,o] · kernel[p,q,c,o], over h = i·s + p − before and w = j·t + q − before.

    dkernel[p,q,c,o] = Σ_{n,i,j} x[n, i·s + p − before, j·t + q − before, c] · dy[n,i,j,o],    dbias[o] = Σ_{n,i,j} dy[n,i,j,o].
    x: (N, H, W, C), zero outside; kernel: (P, Q, C, O); dy: (N, I, J, O); strides (s, t). Returns dx, dkernel, dbias.
    """
    check_floating("x", x, "NHWC")
    check_floating("kernel", kernel, "HWIO")
    window, (s, t) = (kernel.shape[0], kernel.shape[1]), strides
    i, j = output_size(x.shape[1], window[0], s, padding), output_size(x.shape[2], window[1], t, padding)
    check_equal("the shape of dy", dy.shape, "that of the output", (len(x), i, j, kernel.shape[3]))
    padded = pad(x, window, strides, padding, value=0.0)  # (N, H', W', C)
    dpadded = np.zeros_like(padded)  # (N, H', W', C)
    dkernel = np.empty_like(kernel)  # (P, Q, C, O)
    for p, q in np.ndindex(*window):
        met = np.s_[:, p : p + s * i : s, q : q + t * j : t]  # the (N, I, J, C) that tap (p, q) meets
        dpadded[met] += dy @ kernel[p, q].T  # (N, I, J, C)
        dkernel[p, q] = np.tensordot(padded[met], dy, axes=([0, 1, 2], [0, 1, 2]))  # (C, O)
    top, left = pad_widths(x.shape[1], window[0], s, padding)[0], pad_widths(x.shape[2], window[1], t, padding)[0]
    dx = dpadded[:, top : top + x.shape[1], left : left + x.shape[2]]  # (N, H, W, C)
    return dx, dkernel, dy.sum(axis=(0, 1, 2))
