"""Convolution, in the sense of neural networks: the kernel is not mirrored."""

from __future__ import annotations

import math

import numpy as np

from reference.ops._operands import Array, check_equal, check_floating
from reference.padding import Padding, pad


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
