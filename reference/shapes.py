"""Shapes, parameters and costs as pure functions of the description; no array is touched. Shapes leave out the batch axis."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import assert_never

from reference.errors import InvalidInput
from reference.layers import LRN, Architecture, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax
from reference.padding import output_size, pad_widths

Shape = tuple[int, ...]


def output_shape(layer: Layer, input_shape: Shape) -> Shape:
    """Return the layer's output shape; InvalidInput where the layer cannot take this input."""
    match layer:
        case Resize(height=height, width=width):
            _, _, c = _image(layer, input_shape)
            return height, width, c
        case Conv(filters=filters, kernel_size=window):
            return *_window_positions(layer, window, input_shape), filters
        case MaxPool(pool_size=window):
            return *_window_positions(layer, window, input_shape), _image(layer, input_shape)[2]
        case Flatten():
            return (math.prod(input_shape),)
        case Dense(units=units):
            _features(layer, input_shape)
            return (units,)
        case LRN():
            return _image(layer, input_shape)
        case ReLU() | Dropout() | Softmax():
            return input_shape
        case _:
            assert_never(layer)


def param_shapes(layer: Layer, input_shape: Shape) -> dict[str, Shape]:
    """Return {"kernel": HWIO or (in, out), "bias": (out,)}, or {} for a layer without parameters."""
    match layer:
        case Conv(filters=filters, kernel_size=(rows, columns)):
            _, _, c = _image(layer, input_shape)
            return {"kernel": (rows, columns, c, filters), "bias": (filters,)}
        case Dense(units=units):
            return {"kernel": (_features(layer, input_shape), units), "bias": (units,)}
        case Resize() | LRN() | ReLU() | MaxPool() | Dropout() | Flatten() | Softmax():
            return {}
        case _:
            assert_never(layer)


def multiply_adds(layer: Layer, input_shape: Shape) -> int:
    """Return the multiplications, each with its addition, that the layer's equation asks for, per image.

    Padding counts as data. LRN: the square, the window's sum and the scaling, its power counted as one; resize: two
    weights on two axes. The comparisons of pooling and ReLU are no multiplications.
    """
    out = math.prod(output_shape(layer, input_shape))
    match layer:
        case Conv(kernel_size=(rows, columns)):
            return out * rows * columns * input_shape[2]
        case Dense():
            return out * input_shape[0]
        case Resize():
            return out * 4
        case LRN():
            return out * (layer.window + 3)
        case Softmax():
            return out
        case ReLU() | MaxPool() | Dropout() | Flatten():
            return 0
        case _:
            assert_never(layer)


def unseen_weights(layer: Layer, input_shape: Shape) -> int:
    """Return how many weights meet padding alone, at every position of the window: no input can ever reach them."""
    if not isinstance(layer, Conv):
        return 0
    h, w, c = _image(layer, input_shape)
    seen = [len(seen_taps(n, k, s, layer)) for n, k, s in zip((h, w), layer.kernel_size, layer.strides, strict=True)]
    return (math.prod(layer.kernel_size) - math.prod(seen)) * c * layer.filters


def seen_taps(n: int, k: int, s: int, layer: Conv) -> list[int]:
    """Return those of the k kernel positions on one axis that meet at least one of the n input positions."""
    before, _ = pad_widths(n, k, s, layer.padding)
    starts = [position * s - before for position in range(output_size(n, k, s, layer.padding))]
    return [tap for tap in range(k) if any(0 <= start + tap < n for start in starts)]


def never_negative(architecture: Architecture, layer: Layer) -> bool:
    """Tell whether what the network feeds this layer is never negative, whatever the images."""
    known = False
    for each in architecture.layers:
        if each is layer:
            return known
        match each:
            case ReLU() | Softmax():
                known = True
            case Conv() | Dense():
                known = each.activation is not None
            case LRN() | MaxPool() | Dropout() | Flatten() | Resize():
                pass  # they keep signs
    return known


def layer_inputs(architecture: Architecture) -> dict[str, Shape]:
    """Return {layer name: shape of its input}, in document order."""
    shapes = [architecture.input_shape, *layer_shapes(architecture).values()]
    return {layer.name: shape for layer, shape in zip(architecture.layers, shapes, strict=False)}


def layer_shapes(architecture: Architecture) -> dict[str, Shape]:
    """Return {layer name: shape of its output}, in document order."""
    return dict(_layer_shapes(architecture))


@lru_cache(maxsize=64)  # asked for by every forward pass
def _layer_shapes(architecture: Architecture) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    shape: Shape = architecture.input_shape
    for layer in architecture.layers:
        try:
            shape = output_shape(layer, shape)
        except InvalidInput as error:
            raise error.at(f"layer {layer.name!r} of {architecture.name!r}") from None
        shapes[layer.name] = shape
    return shapes


def param_counts(architecture: Architecture) -> dict[str, int]:
    """Return {layer name: number of weights and biases}, in document order, zeros included."""
    inputs = layer_inputs(architecture)
    return {layer.name: sum(map(math.prod, param_shapes(layer, inputs[layer.name]).values())) for layer in architecture.layers}


def _window_positions(layer: Conv | MaxPool, window: tuple[int, int], input_shape: Shape) -> tuple[int, int]:
    h, w, _ = _image(layer, input_shape)
    rows = output_size(h, window[0], layer.strides[0], layer.padding)
    return rows, output_size(w, window[1], layer.strides[1], layer.padding)


def _image(layer: Layer, input_shape: Shape) -> tuple[int, int, int]:
    if len(input_shape) != 3:
        raise InvalidInput(f"{type(layer).__name__} takes an image", expected="(H, W, C)", received=str(input_shape))
    return input_shape[0], input_shape[1], input_shape[2]


def _features(layer: Layer, input_shape: Shape) -> int:
    if len(input_shape) != 1:
        raise InvalidInput(
            f"{type(layer).__name__} takes a vector",
            expected="(features,)",
            received=str(input_shape),
            hint="Put a Flatten before it",
        )
    return input_shape[0]
