"""Bilinear resizing as two matrix products: all channels of a row's columns at once, then the rows."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import DTypeLike

from reference import ops
from reference.fast.step import Step
from reference.fast.team import Array, Worker
from reference.ops.resize import interpolation

# Numbers in the matrix that widens a row. Most are 0, for no channel meets another: beyond, the definition's way is as fast.
WIDEST = 1 << 20


def resize_bilinear(image: tuple[int, int, int], dtype: DTypeLike, *, height: int, width: int) -> Step:
    """Return `ops.resize_bilinear` for x (N, H, W, C) of `dtype`, image = (H, W, C)."""
    h, w, c = image
    if w * c * width * c > WIDEST:
        return Step(
            run=lambda x, y, _: np.copyto(y, ops.resize_bilinear(x, height=height, width=width)), shape=(height, width, c)
        )

    @cache  # when first asked for: a convolution that is joined with the resizing does without
    def matrices() -> tuple[Array, Array]:
        return interpolation(h, height).astype(dtype), widening(interpolation(w, width), c, dtype)

    def step(x: Array, y: Array, worker: Worker) -> None:
        rows, wide = matrices()
        z = worker.take("wide", (len(x) * h, width * c), x.dtype)
        np.matmul(x.reshape(len(x) * h, w * c), wide, out=z)  # (N·H, width·C)
        np.matmul(rows, z.reshape(len(x), h, width * c), out=y.reshape(len(x), height, width * c))  # (N, height, width·C)

    return Step(run=step, shape=(height, width, c))


def widening(columns: Array, c: int, dtype: DTypeLike) -> Array:
    """Return columns (width, W) as a matrix (W·C, width·C) that interpolates the columns of a row, channel by channel."""
    width, w = columns.shape
    wide = np.zeros((w, c, width, c), dtype)
    for channel in range(c):
        wide[:, channel, :, channel] = columns.T
    return wide.reshape(w * c, width * c)
