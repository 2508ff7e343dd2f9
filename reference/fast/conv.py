"""Convolution as matrix products of blocks of windows, without the taps that meet nothing but padding."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import DTypeLike

from reference.fast.step import Step, held, surely_finite
from reference.fast.team import Array, Worker, parts
from reference.padding import Padding, output_size, pad_widths

# Bytes of windows that are multiplied at once: many enough for the kernel to be read seldom.
PRODUCT_BYTES = 1 << 21

SHORT = 16  # numbers: a copy of runs shorter than that costs more for each run than for its numbers


def conv2d(
    kernel: Array,
    bias: Array,
    image: tuple[int, int, int],
    dtype: DTypeLike,
    *,
    strides: tuple[int, int],
    padding: Padding,
    relu: bool,
) -> Step:
    """Return `ops.conv2d` for x (N, H, W, C) of `dtype`, image = (H, W, C); the kernel may be of another."""
    h, w, c = image
    p, q = (axis(n, k, s, padding) for n, k, s in zip((h, w), kernel.shape[:2], strides, strict=True))
    matrix = held(kernel[p.seen, q.seen], dtype).reshape(-1, kernel.shape[3])  # (P·Q·C, O), P and Q the taps that meet data
    k, o = matrix.shape
    run = q.taps * c  # numbers side by side in a window's row
    row_bias = np.tile(held(bias, dtype), q.outputs)  # (J·O,): numbers that are added to side by side, as many as there can be

    def windows(x: Array, worker: Worker) -> Array:
        """Return every window as a view (N, I, J, P, Q·C) of x with zeros around."""
        n, itemsize = len(x), x.itemsize
        if p.padded or q.padded:
            padded = worker.take("padded", (n, p.length, q.length, c), x.dtype)
            for row in (slice(p.before), slice(p.before + h, None)):
                padded[:, row] = 0
            for column in (slice(q.before), slice(q.before + w, None)):
                padded[:, :, column] = 0
            padded[:, p.before : p.before + h, q.before : q.before + w] = x[:, : p.length - p.before, : q.length - q.before]
            x = padded
        by_n, by_row, by_column, _ = x.strides
        shape = (n, p.outputs, q.outputs, p.taps, run)
        steps = (by_n, by_row * strides[0], by_column * strides[1], by_row, itemsize)
        return np.lib.stride_tricks.as_strided(x, shape, steps, writeable=False)

    def step(x: Array, y: Array, worker: Worker) -> None:
        met = windows(x, worker)  # (N, I, J, P, Q·C)
        row_bytes = q.outputs * k * x.itemsize
        hands = worker.hands_for(y.size * k)
        enough = len(x) >= hands  # images for all: else each takes some of the windows, or of the filters if these are more
        tall = p.outputs * q.outputs >= o
        by_rows = tall and not enough  # then of one image at a time: those of several do not lie side by side
        images = parts(len(x), 1 if by_rows else PRODUCT_BYTES // (p.outputs * row_bytes), hands if enough else 1)
        rows = parts(p.outputs, PRODUCT_BYTES // row_bytes, hands if by_rows else 1)
        filters = parts(o, o, 1 if tall or enough else hands)

        def block(where: tuple[slice, slice, slice], worker: Worker) -> None:
            some_images, some_rows, some = where
            z = y[some_images, some_rows].reshape(-1, o)[:, some]  # a view: whole images, or whole rows of one
            products(met[some_images, some_rows], matrix[:, some], z, worker)
            whole = z.shape[1] == o
            worker.finish(z.reshape(-1, row_bias.size) if whole else z, row_bias if whole else row_bias[some], relu=relu)

        worker.share(block, itertools.product(images, rows, filters))

    # No output shows the weights of the taps that are left out: looked at here,
    finite = matrix.size == kernel.size or surely_finite(kernel, dtype)
    return Step(run=step, shape=(p.outputs, q.outputs, o), finite=finite)


def products(met: Array, matrix: Array, z: Array, worker: Worker) -> None:
    """Write the windows met (N, I, J, P, Q·C) times the matrix (P·Q·C, O) to z (N·I·J, O)."""
    k = len(matrix)
    if met.flags.c_contiguous:
        np.matmul(met.reshape(-1, k), matrix, out=z)
    elif met.shape[-1] < SHORT < met.shape[2]:
        columns = worker.take("windows", (*met.shape[3:], *met.shape[:3]), met.dtype)  # runs of J numbers, not of Q·C
        np.copyto(columns, met.transpose(3, 4, 0, 1, 2))
        np.matmul(columns.reshape(k, -1).T, matrix, out=z)
    else:
        rows = worker.take("windows", met.shape, met.dtype)
        np.copyto(rows, met)
        np.matmul(rows.reshape(-1, k), matrix, out=z)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a window: how many outputs, and what of the taps and the data's surroundings is needed for them."""

    outputs: int
    seen: slice  # the taps that meet data
    before: int  # zeros before the data
    length: int  # of data and zeros together, as far as windows reach
    padded: bool  # whether there are zeros

    @property
    def taps(self) -> int:
        """The number of taps that meet data."""
        return int(self.seen.stop - self.seen.start)


@cache
def axis(n: int, k: int, s: int, padding: Padding) -> Axis:
    """Return what a window of k taps moved by s needs on an axis of n positions."""
    outputs, (before, _) = output_size(n, k, s, padding), pad_widths(n, k, s, padding)
    starts = [i * s - before for i in range(outputs)]
    # Neighbouring windows meet neighbouring taps, so that those which meet data are one run.
    first, last = min(max(0, -start) for start in starts), max(min(k, n - start) for start in starts)
    zeros, length = before - first, (outputs - 1) * s + last - first
    return Axis(outputs=outputs, seen=slice(first, last), before=zeros, length=length, padded=zeros > 0 or length - zeros > n)
