"""The fully connected layer, its weights read once and converted, where they need to be, a tile at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from reference.fast.step import Step, held
from reference.fast.team import Array, Worker, parts

TILE_BYTES = 1 << 21  # of weights converted at once: so many that the sums are added to seldom, and still in the cache
PER_WEIGHT = 3  # multiplications that reading one weight takes as long as


def dense(kernel: Array, bias: Array, dtype: DTypeLike, *, relu: bool) -> Step:
    """Return `ops.dense` for x (N, I) of `dtype`; the kernel (I, O) may be of another, so that no copy of it is made."""
    (inputs, units), bias = kernel.shape, held(bias, dtype)
    height = max(1, TILE_BYTES // (units * np.dtype(dtype).itemsize))

    def step(x: Array, y: Array, worker: Worker) -> None:
        def columns(some: slice, worker: Worker) -> None:
            weights, sums = kernel[:, some], y[:, some]
            if weights.dtype == x.dtype:
                np.matmul(x, weights, out=sums)
            else:
                sums[...] = 0
                part = worker.take("part", sums.shape, x.dtype)
                for rows in parts(inputs, height):
                    tile = worker.take("tile", weights[rows].shape, x.dtype)
                    with np.errstate(over="ignore"):  # refused below, as what is not finite
                        np.copyto(tile, weights[rows], casting="same_kind")
                    sums += np.matmul(x[:, rows], tile, out=part)
            worker.finish(sums, bias[some], relu=relu)

        worker.share(columns, parts(units, units, worker.hands_for((len(x) + PER_WEIGHT) * kernel.size)))

    return Step(run=step, shape=(units,))
