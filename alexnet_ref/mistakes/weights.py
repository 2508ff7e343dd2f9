"""What becomes of weights on their way into a port: the intended ones in, the port's out."""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.mistakes.arrays.pointwise import rounded
from alexnet_ref.mistakes.mistake import Mistake, Weights
from alexnet_ref.mistakes.shapes import fed_shapes, needed_params
from reference import Architecture, InvalidInput, Params, init_params
from reference.shapes import layer_inputs

Array = NDArray[Any]


def as_ported(mistake: Mistake, params: Params) -> dict[str, dict[str, Array]]:
    """Return the port's own params, float32 as all ports store them: changed as the mistake says, of the shapes that it needs.

    A layer that is fed another number of features than the document's has another kernel; it takes the intended one's rows,
    as many as it needs, from the first again where they do not suffice. No such port loads the intended weights as they are.
    """
    ported = {layer: {part: np.asarray(array, np.float32) for part, array in parts.items()} for layer, parts in params.items()}
    for change in mistake.weights:
        for layer in [change.layer] if change.layer is not None else list(ported):
            ported[layer][change.part] = _changed(mistake.architecture, change, layer, ported)
    fed, own = fed_shapes(mistake), {layer.name: layer for layer in mistake.architecture.layers}
    for layer, parts in mistake.network:
        if layer in ported:
            needed = needed_params(parts, fed[layer], own[layer])
            ported[layer] = {part: _resized(array, needed[part]) for part, array in ported[layer].items()}
    return ported


def _resized(array: Array, shape: tuple[int, ...]) -> Array:
    return array if array.shape == shape else np.resize(array, shape)


def _changed(architecture: Architecture, change: Weights, layer: str, params: dict[str, dict[str, Array]]) -> Array:  # noqa: C901 - a case a change
    w = params[layer][change.part]
    match change.change:
        case "mirrored":
            return w[::-1, ::-1]
        case "rows mirrored":
            return w[::-1]
        case "columns mirrored":
            return w[:, ::-1]
        case "rows and columns swapped":
            return w.transpose(1, 0, 2, 3)
        case "inputs and outputs swapped":
            return w.swapaxes(-2, -1)
        case "inputs reversed":
            return w[..., ::-1, :]
        case "outputs reversed":
            return w[..., ::-1]
        case "inputs rolled":
            return np.roll(w, 1, axis=-2)
        case "outputs rolled":
            return np.roll(w, 1, axis=-1)
        case "OIHW bytes read as HWIO":
            return w.transpose(3, 2, 0, 1).reshape(w.shape)
        case "out-in bytes read as in-out":
            return w.T.reshape(w.shape)
        case "rows meant for CHW":
            return _rows_in(architecture, layer, w, (2, 0, 1))
        case "rows meant for WHC":
            return _rows_in(architecture, layer, w, (1, 0, 2))
        case "zero":
            return np.zeros_like(w)
        case "negative":
            return -w
        case "kept times":
            return w * np.float32(change.kept)
        case "divided by kept":
            return w / np.float32(change.kept)
        case "of the next layer of this shape":
            return _next(params, layer, change.part)
        case "drawn anew":
            anew: Array = init_params(architecture, 1)[layer][change.part]
            return anew
        case "float16" | "bfloat16" | "int8":
            return rounded(w.astype(np.float64), change.change).astype(np.float32)
        case _:
            assert_never(change.change)


def _rows_in(architecture: Architecture, layer: str, w: Array, order: tuple[int, int, int]) -> Array:
    """Return the rows of a kernel after Flatten, (H·W·C, O), in another order of the map's axes."""
    names = [each.name for each in architecture.layers]
    h, width, c = layer_inputs(architecture)[names[names.index(layer) - 1]]
    return w.reshape(h, width, c, -1).transpose(*order, 3).reshape(w.shape)


def _next(params: dict[str, dict[str, Array]], layer: str, part: str) -> Array:
    names = list(params)
    following = [*names[names.index(layer) + 1 :], *names[: names.index(layer)]]
    for other in following:
        if params[other][part].shape == params[layer][part].shape:
            return params[other][part]
    raise InvalidInput(f"no other layer has a {part} of this shape", where=layer, received=str(params[layer][part].shape))
