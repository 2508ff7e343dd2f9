"""The fully connected layer, its weights read once and converted, where they need to be, a tile at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from reference.fast.step import Step, held
from reference.fast.team import Array, Worker, parts

TILE_BYTES = 1 << 21  # of weights converted at once: so many that the sums are added to seldom, and still in the cache
PER_WEIGHT = 2  # multiplications that reading one weight takes as long as


def dense(kernel: Array, bias: Array, dtype: DTypeLike, *, relu: bool) -> Step:
    """Return `ops.dense` for x (N, I) of `dtype`; the kernel (I, O) may be of another, so that no copy of it is made."""
    (inputs, units), bias = kernel.shape, held(bias, dtype)
    height = max(1, TILE_BYTES // (units * np.dtype(dtype).itemsize))

    def step(x: Array, y: Array, worker: Worker) -> None:
        # Each thread takes some of the inputs, for their weights lie side by side; the sums over them are added in order.
        inputs_each = parts(inputs, inputs, worker.hands_for((len(x) + PER_WEIGHT) * kernel.size))
        sums = worker.take("sums", (len(inputs_each), *y.shape), x.dtype) if len(inputs_each) > 1 else y[None]

        def some_inputs(what: tuple[Array, slice], worker: Worker) -> None:
            z, some = what
            products(x[:, some], kernel[some], z, worker)

        worker.share(some_inputs, zip(sums, inputs_each, strict=True))
        if len(inputs_each) > 1:
            np.add.reduce(sums, axis=0, out=y)
        worker.finish(y, bias, relu=relu)

    def products(x: Array, weights: Array, z: Array, worker: Worker) -> None:
        if weights.dtype == x.dtype:
            np.matmul(x, weights, out=z)
            return
        z[...] = 0
        part = worker.take("part", z.shape, x.dtype)
        for rows in parts(len(weights), height):
            tile = worker.take("tile", weights[rows].shape, x.dtype)
            with np.errstate(over="ignore"):  # refused below, as what is not finite
                np.copyto(tile, weights[rows], casting="same_kind")
            z += np.matmul(x[:, rows], tile, out=part)

    return Step(run=step, shape=(units,))
