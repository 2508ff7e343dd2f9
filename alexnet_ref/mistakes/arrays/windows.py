"""Convolution and pooling with explicit padding, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.mistakes.parts import OddConv, OddPool, Pads, Pair
from reference import InvalidInput

Array = NDArray[Any]


def convolve(part: OddConv, params: Mapping[str, Array], x: Array) -> Array:
    """Return the convolution of x (N, H, W, C) with the kernel (P, Q, C, O) as the part misuses it."""
    kernel = effective_kernel(part, params["kernel"])
    windows = _windows(_padded(x, part.pads, 0.0), kernel.shape[:2], part.strides, part.dilation)  # (N, I, J, C, P, Q)
    y: Array = np.tensordot(windows, kernel, axes=([3, 4, 5], [2, 0, 1]))  # (N, I, J, O)
    if part.bias:
        y = y + params["bias"]
    return y


def effective_kernel(part: OddConv, kernel: Array) -> Array:
    """Return the kernel that an ordinary convolution would need: turned, and 0 between groups."""
    match part.kernel:
        case "as it is":
            pass
        case "mirrored":
            kernel = kernel[::-1, ::-1]
        case "transposed":
            kernel = kernel.transpose(1, 0, 2, 3)
        case "centre":
            middle = np.zeros((*kernel.shape[:2], 1, 1))
            middle[kernel.shape[0] // 2, kernel.shape[1] // 2] = 1
            kernel = kernel * middle
        case _:
            assert_never(part.kernel)
    if part.groups == 1:
        return kernel
    c, o = kernel.shape[2:]
    same = np.arange(c)[:, None] * part.groups // c == np.arange(o) * part.groups // o  # (C, O)
    cut: Array = kernel * same
    return cut


def pool(part: OddPool, x: Array) -> Array:
    """Return the pooled x (N, H, W, C)."""
    shape = x.shape
    padded = _padded(x, part.pads, 0.0)
    inside = _padded(np.ones((1, *shape[1:3], 1)), part.pads, 1.0 if part.padding == "zero" else 0.0) > 0
    windows = _windows(padded, part.pool_size, part.strides)  # (N, I, J, C, P, Q)
    counted = np.broadcast_to(_windows(inside, part.pool_size, part.strides), windows.shape)
    match part.kind:
        case "max":
            y: Array = np.where(counted, windows, -np.inf).max(axis=(-2, -1))
        case "average":
            y = windows.mean(axis=(-2, -1), where=counted)
        case "first":
            y = windows[..., 0, 0]
        case _:
            assert_never(part.kind)
    return y


def _padded(x: Array, pads: Pads, value: float) -> Array:
    return np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)


def _windows(x: Array, size: tuple[int, ...], strides: Pair, dilation: Pair = (1, 1)) -> Array:
    span = tuple((k - 1) * d + 1 for k, d in zip(size, dilation, strict=True))
    if any(n < k for n, k in zip(x.shape[1:3], span, strict=True)):
        raise InvalidInput("the window does not fit", expected=f"at least {span}", received=f"{x.shape[1:3]}")
    windows = np.lib.stride_tricks.sliding_window_view(x, span, axis=(1, 2))
    return windows[:, :: strides[0], :: strides[1], :, :: dilation[0], :: dilation[1]]
