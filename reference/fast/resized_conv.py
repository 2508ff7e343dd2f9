"""Resizing and the convolution after it as one: both are linear, and few rows of the small image lie under a window.

With R of `ops.resize.interpolation`, x (N, H, W, C) the small image and z the resized one, zero outside,

    y[n,i,j,o] = bias[o] + Σ_{p,q,c} z[n, i·s + p − before, j·t + q − before, c] · kernel[p,q,c,o]
               = bias[o] + Σ_{h,q,c} (Σ_w Q[j·t + q − before, w] · x[n,h,w,c]) · (Σ_p R[i·s + p − before, h] · kernel[p,q,c,o])

The first bracket widens the image by its columns only; the second is a kernel for the rows that R joins, which is the same for
every output i at the same phase: of an enlargement by 7 under a stride of 4, every seventh.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from reference.fast.conv import Axis, axis
from reference.fast.resize import WIDEST, widening
from reference.fast.step import Step, held, surely_finite
from reference.fast.team import BLOCK_BYTES, Array, Worker, parts
from reference.layers import Conv, Resize
from reference.ops.resize import interpolation
from reference.padding import Padding, output_size, pad_widths


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Outputs on the row axis that join the small image's rows with the same weights."""

    outputs: range  # i
    inputs: range  # the first row under each
    weights: NDArray[np.float64]  # (rows, P): of each row under the window, in each of its taps


def worth_it(resize: Resize, conv: Conv, image: tuple[int, int, int]) -> bool:
    """Tell whether fewer products are needed together than one after the other, for one image and the joined kernels."""
    h, w, c = image
    joined = phases(h, resize.height, conv.kernel_size[0], conv.strides[0], conv.padding)
    across = axis(resize.width, conv.kernel_size[1], conv.strides[1], conv.padding)
    one_row = across.outputs * conv.kernel_size[1] * c * conv.filters  # for each row under a window
    rows = sum(len(phase.outputs) * len(phase.weights) for phase in joined)
    widen = w * c * across.length * c
    joining = sum(phase.weights.size for phase in joined) * conv.kernel_size[1] * c * conv.filters
    apart = sum(len(phase.outputs) for phase in joined) * conv.kernel_size[0] * one_row
    return widen <= WIDEST and rows * one_row + h * widen + joining < apart


def resized_conv2d(
    kernel: Array,
    bias: Array,
    image: tuple[int, int, int],
    dtype: DTypeLike,
    *,
    size: tuple[int, int],
    strides: tuple[int, int],
    padding: Padding,
    relu: bool,
) -> Step:
    """Return `ops.conv2d` of `ops.resize_bilinear` to `size`, for x (N, H, W, C) of `dtype`, image = (H, W, C)."""
    (h, w, c), kernel, bias = image, held(kernel, dtype), held(bias, dtype)
    taps, columns, _, o = kernel.shape
    g = geometry(image, (taps, columns), np.dtype(dtype), size=size, strides=strides, padding=padding)
    q = g.across
    joined = g.weights @ kernel[:, q.seen].reshape(taps, -1)  # (rows of all phases, Q·C·O)
    kernels = [(phase, joined[rows].reshape(-1, o)) for phase, rows in g.phases]  # (rows·Q·C, O)
    run, row_bias = q.taps * c, np.tile(bias, q.outputs)  # numbers side by side in a window's row; (J·O,), as in conv.py
    outputs = sum(len(phase.outputs) for phase, _ in kernels)

    def step(x: Array, y: Array, worker: Worker) -> None:
        n, item = len(x), x.itemsize
        z = worker.take("padded", (n * h, q.length * c), x.dtype)
        np.matmul(x.reshape(n * h, w * c), g.wide, out=z)
        # At each place of the width the windows' rows lie under one another: every window is one run, and is not copied again.
        met = worker.take("windows", (n, q.outputs, h, run), x.dtype)  # (N, J, H, Q·C)
        column, by_row = strides[1] * c * item, q.length * c * item
        np.copyto(met, np.ndarray(met.shape, x.dtype, z, 0, (h * by_row, column, by_row, item)))
        by_n, by_j, by_h, _ = met.strides

        def block(where: tuple[slice, slice], worker: Worker) -> None:
            some, rows = where
            for phase, matrix in kernels:
                if not (phase := within(phase, rows)).outputs:
                    continue
                shape = (some.stop - some.start, len(phase.inputs), q.outputs, len(matrix))  # (N, I, J, rows·Q·C)
                first = some.start * by_n + phase.inputs.start * by_h
                windows = np.ndarray(shape, x.dtype, met, first, (by_n, phase.inputs.step * by_h, by_j, item))
                np.matmul(windows, matrix, out=y[some, phase.outputs.start : phase.outputs.stop : phase.outputs.step])
            sums = y[some, rows]
            worker.finish(sums.reshape(*sums.shape[:2], -1), row_bias, relu=relu)

        hands = worker.hands_for(n * sum(len(phase.outputs) * matrix.size for phase, matrix in kernels) * q.outputs)
        images = parts(n, BLOCK_BYTES // y[0].nbytes, hands)
        worker.share(block, itertools.product(images, parts(outputs, outputs, 1 if n >= hands else hands)), hands)

    # No output shows the weights of taps that meet nothing but zeros.
    finite = surely_finite(kernel, dtype)
    return Step(run=step, shape=(outputs, q.outputs, o), finite=finite)


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What both layers are but for the kernel."""

    across: Axis
    wide: Array  # (W·C, length·C): widens a row
    phases: tuple[tuple[Phase, slice], ...]  # each with its rows of the weights
    weights: Array  # (rows of all phases, P)


@lru_cache(maxsize=64)
def geometry(
    image: tuple[int, int, int],
    window: tuple[int, int],
    dtype: np.dtype[Any],
    *,
    size: tuple[int, int],
    strides: tuple[int, int],
    padding: Padding,
) -> Geometry:
    """Return what does not depend on the kernel, kept from call to call."""
    h, w, c = image
    q = axis(size[1], window[1], strides[1], padding)
    joined = phases(h, size[0], window[0], strides[0], padding)
    ends = [0, *itertools.accumulate(len(phase.weights) for phase in joined)]
    return Geometry(
        across=q,
        wide=widening(columns(w, size[1], q), c, dtype),
        phases=tuple(zip(joined, itertools.starmap(slice, itertools.pairwise(ends)), strict=True)),
        weights=np.concatenate([phase.weights for phase in joined]).astype(dtype),
    )


def within(phase: Phase, rows: slice) -> Phase:
    """Return the phase with those of its outputs that are among these rows."""
    start, step = phase.outputs.start, phase.outputs.step
    some = slice(len(range(start, rows.start, step)), len(range(start, rows.stop, step)))
    return Phase(outputs=phase.outputs[some], inputs=phase.inputs[some], weights=phase.weights)


def columns(w: int, width: int, q: Axis) -> Array:
    """Return the interpolation (length, W) of a row's columns, with zeros where the window leaves the resized image."""
    padded = np.zeros((q.length, w))
    padded[q.before : q.before + width] = interpolation(w, width)[: q.length - q.before]
    return padded


@cache
def phases(n: int, size: int, k: int, s: int, padding: Padding) -> tuple[Phase, ...]:
    """Return the phases of a window of k taps moved by s over an axis of n positions resized to `size`.

    u_i = (i + ½)·n/size − ½ is counted in units of 1/(2·size), so that equal phases are equal integers.
    """
    u = np.clip((2 * np.arange(size) + 1) * n - size, 0, (n - 1) * 2 * size)  # (size,)
    weights = np.maximum(0, 2 * size - np.abs(u[:, None] - 2 * size * np.arange(n)))  # (size, n), integers
    before, _ = pad_widths(size, k, s, padding)
    found: dict[tuple[int, bytes], list[Phase]] = {}
    for i in range(output_size(size, k, s, padding)):
        met = np.zeros((k, n), weights.dtype)
        start = i * s - before
        inside = slice(max(0, start), min(size, start + k))
        met[inside.start - start : inside.stop - start] = weights[inside]
        rows = np.flatnonzero(met.any(axis=0))
        own = met[:, rows[0] : rows[-1] + 1].T  # (rows, k)
        alike = found.setdefault((len(own), own.tobytes()), [])
        extended = alike and _extended(alike[-1], i, int(rows[0]))
        if extended:
            alike[-1] = extended
        else:
            new = range(i, i + 1), range(int(rows[0]), int(rows[0]) + 1)
            alike.append(Phase(outputs=new[0], inputs=new[1], weights=own / (2 * size)))
    return tuple(phase for alike in found.values() for phase in alike)


def _extended(phase: Phase, i: int, row: int) -> Phase | None:
    """Return the phase with output i, whose first row is `row`, if both continue it in equal steps."""
    outputs, inputs = phase.outputs, phase.inputs
    by_output, by_row = i - outputs[-1], row - inputs[-1]
    if by_row < 1 or (len(outputs) > 1 and (by_output, by_row) != (outputs.step, inputs.step)):
        return None
    grown = range(outputs.start, i + 1, by_output), range(inputs.start, row + 1, by_row)
    return Phase(outputs=grown[0], inputs=grown[1], weights=phase.weights)
