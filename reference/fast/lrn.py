"""Local response normalisation in blocks of positions, its window's sum in blocks of channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from reference.fast.step import Step
from reference.fast.team import BLOCK_BYTES, Array, Worker, parts

PER_NUMBER = 80  # multiplications that one number's normalisation takes as long as
CHANNELS = 32  # summed at once: fewer multiply more neighbours in proportion, more multiply more zeros of the band


def lrn(shape: tuple[int, ...], dtype: DTypeLike, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Step:
    """Return `ops.local_response_normalization` for x (N, *shape)."""
    c = shape[-1]
    # Each block of channels, the channels that are summed for it, and the band of alpha that does it.
    whole = band(min(CHANNELS, c), depth_radius, alpha).astype(dtype)
    bands = [
        (out, met, whole[met.start - out.start + depth_radius :][: met.stop - met.start, : out.stop - out.start])
        for out, met in channels(c, depth_radius)
    ]

    def step(x: Array, y: Array, worker: Worker) -> None:
        x, y = x.reshape(-1, c), y.reshape(-1, c)

        def block(rows: slice, worker: Worker) -> None:
            a = x[rows]
            square = np.square(a, out=worker.take("square", a.shape, a.dtype))
            d = worker.take("d", a.shape, a.dtype)
            for out, met, weights in bands:
                np.matmul(square[:, met], weights, out=d[:, out])
            d += a.dtype.type(bias)
            power(d, beta, square)
            np.divide(a, d, out=y[rows])

        worker.share(block, parts(len(x), BLOCK_BYTES // (3 * c * x.itemsize), worker.hands_for(PER_NUMBER * x.size)))

    return Step(run=step, shape=shape, in_place=True)


def channels(c: int, depth_radius: int) -> list[tuple[slice, slice]]:
    """Return blocks of c channels, each with the channels that its windows reach."""
    starts = range(0, c, CHANNELS)
    return [
        (slice(k, min(k + CHANNELS, c)), slice(max(0, k - depth_radius), min(k + CHANNELS + depth_radius, c))) for k in starts
    ]


def band(n: int, depth_radius: int, alpha: float) -> Array:
    """Return alpha where channel j − depth_radius (row j) is within the window of channel i of n (columns), else 0."""
    j, i = np.arange(-depth_radius, n + depth_radius), np.arange(n)
    return np.where(np.abs(j[:, None] - i) <= depth_radius, alpha, 0.0)


def power(d: Array, beta: float, spare: Array) -> None:
    """Raise d > 0 to beta in place: by roots, each rounded once, where beta is a documented one."""
    if beta == 0.5:
        np.sqrt(d, out=d)
    elif beta == 0.75:
        np.sqrt(d, out=d)
        np.sqrt(d, out=spare)
        d *= spare
    elif beta != 1:
        np.power(d, d.dtype.type(beta), out=d)
