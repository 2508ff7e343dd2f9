"""Maximum pooling, one axis after the other, without padding."""

from __future__ import annotations

import numpy as np

from reference.fast.step import Step
from reference.fast.team import Array, Worker
from reference.padding import Padding, output_size, pad_widths

Taps = list[tuple[slice, slice]]  # for each tap: the outputs that it reaches, the inputs that it meets there


def max_pool2d(image: tuple[int, int, int], *, pool_size: tuple[int, int], strides: tuple[int, int], padding: Padding) -> Step:
    """Return `ops.max_pool2d` for x (N, H, W, C), image = (H, W, C)."""
    h, w, c = image
    i, j = output_size(h, pool_size[0], strides[0], padding), output_size(w, pool_size[1], strides[1], padding)
    rows, columns = taps(h, pool_size[0], strides[0], padding), taps(w, pool_size[1], strides[1], padding)

    def step(x: Array, y: Array, worker: Worker) -> None:
        tall = worker.take("tall", (len(x), i, w, c), x.dtype)  # each column's maxima: whole rows side by side in memory
        maxima(x, tall, rows)
        maxima(tall.swapaxes(1, 2), y.swapaxes(1, 2), columns)

    return Step(run=step, shape=(i, j, c))


def maxima(x: Array, y: Array, met: Taps) -> None:
    """Write to y (N, outputs, ...) the maxima of x (N, inputs, ...) over the taps."""
    outputs, inputs = met[0]
    if outputs == slice(0, y.shape[1]):
        np.copyto(y, x[:, inputs])
        met = met[1:]
    else:
        y[...] = -np.inf
    for outputs, inputs in met:
        np.maximum(y[:, outputs], x[:, inputs], out=y[:, outputs])


def taps(n: int, k: int, s: int, padding: Padding) -> Taps:
    """Return each tap's outputs and inputs on one axis, taps that reach every output first, those that reach none left out."""
    o, (before, _) = output_size(n, k, s, padding), pad_widths(n, k, s, padding)
    found: Taps = []
    for tap in range(k):
        # Output i meets input i·s + tap − before, which must lie within 0 … n − 1.
        first = max(0, -((tap - before) // s))
        last = min(o - 1, (n - 1 + before - tap) // s)
        if first <= last:
            start = first * s + tap - before
            found.append((slice(first, last + 1), slice(start, start + (last - first) * s + 1, s)))
    return sorted(found, key=lambda pair: pair[0] != slice(0, o))
