"""Axes: the documents count (H, W, C), many ports (C, H, W). Which of the two an array has is told by its shape."""

from __future__ import annotations

import math

import numpy as np

from alexnet_ref.candidates.step import Array

Shape = tuple[int, ...]


def channels_first(shape: Shape) -> Shape:
    """Return (C, H, W) for (H, W, C)."""
    return shape[-1], *shape[:-1]


def is_channels_first(shape: Shape | None, documented: Shape, *, preferred: bool) -> bool:
    """Tell whether this shape is the documented (H, W, C) with its channels first; `preferred` decides where both fit."""
    if shape is None:
        return preferred and len(documented) == 3
    if len(documented) != 3 or len(shape) != 3:
        return False
    fits, fits_turned = shape == documented, shape == channels_first(documented)
    if not fits and not fits_turned:  # of a wrong size: the number of channels tells
        fits, fits_turned = shape[-1] == documented[-1], shape[0] == documented[-1]
    return fits_turned and (preferred or not fits)


def to_documented(x: Array, documented: Shape, *, preferred: bool) -> Array:
    """Return x (N, …) with the documented axes; unchanged where its shape is no form of the documented one."""
    if is_channels_first(x.shape[1:], documented, preferred=preferred):
        return np.ascontiguousarray(np.moveaxis(x, 1, -1))
    if x.shape[1:] == documented:
        return x
    # A dense layer as a 1×1 convolution, or the other way round: one number for each feature, whatever the axes.
    squeezed = [tuple(n for n in shape if n != 1) for shape in (x.shape[1:], documented)]
    if squeezed[0] == squeezed[1] and len(squeezed[0]) <= 1:
        return x.reshape(len(x), *documented)
    return x


def to_port(x: Array, shape: tuple[int | None, ...] | None, *, preferred: bool) -> Array:
    """Return x (N, …), documented axes, as a port takes it whose tensor has this shape (None: unknown sizes)."""
    documented = x.shape[1:]
    if shape is None:
        return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if preferred and x.ndim == 4 else x
    if len(shape) != len(documented):  # flattened, or a dense layer as a 1×1 convolution
        sizes = [n for n in shape if n is not None]
        whole = len(sizes) == len(shape) and math.prod(sizes) == math.prod(documented)
        return x.reshape(len(x), *sizes) if whole else x
    known = tuple(n if n is not None else m for n, m in zip(shape, documented, strict=True))
    swapped = tuple(n if n is not None else m for n, m in zip(shape, channels_first(documented), strict=True))
    fits, fits_swapped = known == documented, len(documented) == 3 and swapped == channels_first(documented)
    wrong = not fits and not fits_swapped and None not in shape  # in size: the number of channels tells
    if (fits_swapped and (preferred or not fits)) or (wrong and is_channels_first(known, documented, preferred=preferred)):
        return np.ascontiguousarray(np.moveaxis(x, -1, 1))
    return x


def flattened_channels_first(x: Array, image: Shape) -> Array:
    """Return features in (H, W, C) order, (N, H·W·C), in the order of (C, H, W)."""
    return np.ascontiguousarray(np.moveaxis(x.reshape(len(x), *image), -1, 1)).reshape(len(x), -1)


def flattened_channels_last(x: Array, image: Shape) -> Array:
    """Return features in (C, H, W) order, (N, C·H·W), in the order of (H, W, C)."""
    return np.ascontiguousarray(np.moveaxis(x.reshape(len(x), *channels_first(image)), 1, -1)).reshape(len(x), -1)
