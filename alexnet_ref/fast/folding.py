"""Where the windows of a convolution over an enlarged image meet the image's own pixels. NumPy alone.

One axis: n pixels are enlarged to o positions, whose weights of the pixels are R[p, h] = max(0, 1 − |u_p − h|) with
u_p = (p + ½)·n/o − ½ kept within 0 … n − 1; a window of k positions, moved by s, is SAME-padded. So tap a of window i meets
pixel h with the weight C[i, a, h] = R[s·i − before + a, h], and 0 where that position is padding. All are multiples of 1/(2·o),
and whole numbers until the last division.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Each window with the pixels that it meets. pixel[i, h]: number of the h-th; weight[i, h, a]: what tap a gives it."""

    pixel: NDArray[np.int64]  # (I, H)
    weight: Array  # (I, H, k)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Windows in T groups of G, which repeat: every group has S slots for pixels, and window g of any group the same weights.

    pixel[t, s]: number of the pixel in slot s of group t, or n where that slot stays empty; weight[s, g, b]: what tap b of
    window g gives it. Padding, at the first and the last group, is why pixels there stand in slots of their own.
    """

    pixel: NDArray[np.int64]  # (T, S)
    weight: Array  # (S, G, k)


def taps(n: int, o: int, k: int, s: int) -> NDArray[np.int64]:
    """Return 2·o·C, whole numbers: (I, k, n)."""
    windows = -(-o // s)
    before = max((windows - 1) * s + k - o, 0) // 2
    doubled = np.clip((2 * np.arange(o) + 1) * n - o, 0, 2 * o * (n - 1))  # 2·o·u
    near = np.maximum(0, 2 * o - np.abs(doubled[:, None] - 2 * o * np.arange(n)))  # (o, n)
    position = s * np.arange(windows)[:, None] - before + np.arange(k)  # (I, k)
    inside = (position >= 0) & (position < o)
    met: NDArray[np.int64] = near[np.clip(position, 0, o - 1)] * inside[:, :, None]
    return met


def rows(n: int, o: int, k: int, s: int) -> Rows:
    """Return the windows of one axis, each with as many pixels as the widest meets."""
    c = taps(n, o, k, s)
    met: NDArray[np.bool_] = np.any(c, axis=1)  # (I, n)
    first = met.argmax(axis=1)
    width = int((n - met[:, ::-1].argmax(axis=1) - first).max())
    pixel = np.minimum(first, n - width)[:, None] + np.arange(width)  # (I, H)
    return Rows(pixel=pixel, weight=c[np.arange(len(c))[:, None], :, pixel] / (2 * o))


def columns(n: int, o: int, k: int, s: int) -> Columns | None:
    """Return the windows of the other axis in groups, or None where they do not repeat."""
    period = math.lcm(o // math.gcd(n, o), s)  # in positions: after as many, both windows and pixels start anew
    g, step = period // s, period * n // o  # windows and pixels of a group
    c = taps(n, o, k, s)
    if len(c) % g or len(c) // g < 3:
        return None
    groups = c.reshape(-1, g, k, n)  # (T, G, k, n)
    middle = len(groups) // 2
    common = {int(h) - middle * step: groups[middle, :, :, h] for h in np.flatnonzero(groups[middle].any(axis=(0, 1)))}
    slots = list(common.values())
    places = {place: slot for slot, place in enumerate(common)}  # from a pixel's place in its group to its slot
    pixels: list[dict[int, int]] = [{} for _ in groups]
    for t, group in enumerate(groups):
        for h in map(int, np.flatnonzero(group.any(axis=(0, 1)))):
            place = h - t * step
            if place in common and np.array_equal(group[:, :, h], common[place]):
                pixels[t][places[place]] = h
            else:
                pixels[t][len(slots)] = h
                slots.append(group[:, :, h])
    pixel = np.array([[own.get(slot, n) for slot in range(len(slots))] for own in pixels])
    return Columns(pixel=pixel, weight=np.stack(slots) / (2 * o))
