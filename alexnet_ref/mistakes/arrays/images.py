"""Images padded and enlarged, in NumPy."""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.mistakes.parts import OddResize, Pad

Array = NDArray[Any]


def pad(part: Pad, x: Array) -> Array:
    """Return x (N, H, W, C) with a margin; a negative width cuts rows or columns off instead."""
    widths = ((0, 0), *(tuple(max(width, 0) for width in axis) for axis in part.pads), (0, 0))
    match part.mode:
        case "constant":
            x = np.pad(x, widths, constant_values=part.value)
        case "edge":
            x = np.pad(x, widths, mode="edge")
        case "reflect":
            x = np.pad(x, widths, mode="reflect")
        case _:
            assert_never(part.mode)
    rows, columns = (
        slice(max(-before, 0), n - max(-after, 0)) for (before, after), n in zip(part.pads, x.shape[1:3], strict=True)
    )
    return x[:, rows, columns]


def resize(part: OddResize, x: Array) -> Array:
    """Return x (N, H, W, C) enlarged to the part's height and width."""
    rows, columns = matrix(part, x.shape[1], part.height), matrix(part, x.shape[2], part.width)
    y: Array = np.einsum("ih,nhwc,jw->nijc", rows, x, columns, optimize=True)
    return y


def matrix(part: OddResize, n: int, o: int) -> Array:
    """Return (o, n), the weight of each of n pixels in each of o outputs."""
    i = np.arange(o)
    match part.coordinates:
        case "half_pixel":
            u = (i + 0.5) * n / o - 0.5
        case "asymmetric":
            u = i * n / o
        case "align_corners":
            u = i * (n - 1) / max(o - 1, 1)
        case _:
            assert_never(part.coordinates)
    near = np.arange(n)
    match part.method:
        case "nearest":
            chosen = np.floor(u) if part.coordinates == "asymmetric" else np.ceil(u - 0.5)
            weights: Array = np.equal(np.clip(chosen, 0, n - 1)[:, None], near).astype(np.float64)
            return weights
        case "bilinear":
            return np.maximum(0.0, 1.0 - np.abs(np.clip(u, 0, n - 1)[:, None] - near))
        case "bicubic":
            return _cubic(part, u, n)
        case _:
            assert_never(part.method)


def _cubic(part: OddResize, u: Array, n: int) -> Array:
    """Return (o, n), the weights of four neighbours of each place u."""
    first, fraction = np.floor(u).astype(int) - 1, u - np.floor(u)
    if part.cubic == "tensorflow":
        fraction = np.round(fraction * 1024) / 1024
    weights = np.zeros((len(u), n))
    for tap in range(4):
        pixel, own = first + tap, _keys(np.abs(fraction + 1 - tap), -0.5 if part.cubic == "tensorflow" else -0.75)
        inside = (pixel >= 0) & (pixel < n) | (part.cubic == "pytorch")
        np.add.at(weights, (np.arange(len(u)), np.clip(pixel, 0, n - 1)), own * inside)
    total: Array = weights.sum(axis=1, keepdims=True)
    return weights / total


def _keys(t: Array, a: float) -> Array:
    """Keys 1981: the cubic convolution's weight at distance t, coefficient a."""
    inner = ((a + 2) * t - (a + 3)) * t**2 + 1
    outer = a * (((t - 5) * t + 8) * t - 4)
    return np.where(t <= 1, inner, np.where(t < 2, outer, 0.0))
