"""Shapes in a wrong network, without the batch axis, as pure functions of its parts."""

from __future__ import annotations

import math
from typing import assert_never

from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import (
    Affine,
    Bias,
    Normed,
    OddConv,
    OddDense,
    OddDropout,
    OddFlatten,
    OddLRN,
    OddPool,
    OddResize,
    OddSoftmax,
    Pad,
    Pads,
    Pair,
    Part,
    Parts,
    Permute,
    Pointwise,
    Reinterpreted,
    Reverse,
    Rounded,
    Standardised,
)
from reference import (
    LRN,
    Conv,
    Dense,
    Dropout,
    Flatten,
    InvalidInput,
    Layer,
    MaxPool,
    ReLU,
    Resize,
    Softmax,
    output_shape,
    param_shapes,
)
from reference.shapes import Shape, layer_inputs


def fed_shapes(mistake: Mistake) -> dict[str, Shape]:
    """Return {layer name: shape of its input}, in the port's order."""
    shape = shape_after(mistake.input, mistake.architecture.input_shape, None)
    own = {layer.name: layer for layer in mistake.architecture.layers}
    fed = {}
    for name, parts in mistake.network:
        fed[name] = shape
        try:
            shape = shape_after(parts, shape, own.get(name))
        except InvalidInput as error:
            raise error.at(f"{mistake.id}: {name}") from None
    return fed


def fits(mistake: Mistake) -> bool:
    """Tell whether the port passes an input through, with every weight of the shape that the document gives it."""
    inputs = layer_inputs(mistake.architecture)
    try:
        fed = fed_shapes(mistake)
        own = [layer for layer in mistake.architecture.layers if layer.name in dict(mistake.network)]
        return all(
            needed_params(mistake.parts(layer.name), fed[layer.name], layer) == param_shapes(layer, inputs[layer.name])
            for layer in own
        )
    except InvalidInput:
        return False


def shape_after(parts: Parts, shape: Shape, own: Layer | None) -> Shape:
    """Return the shape that the parts make of `shape`; `own` is the document's layer of that name, whose weights they use."""
    for part in parts:
        shape = _after(part, shape, own)
    return shape


def needed_params(parts: Parts, shape: Shape, own: Layer) -> dict[str, Shape]:
    """Return the shapes of the weights of the parts when fed `shape`; the document's where no part has a kernel."""
    for part in parts:
        if isinstance(part, (Conv, Dense)):
            return param_shapes(part, shape)
        if isinstance(part, OddConv) and isinstance(own, Conv):
            return {"kernel": (*own.kernel_size, shape[-1], own.filters), "bias": (own.filters,)}
        if isinstance(part, OddDense) and isinstance(own, Dense):
            return {"kernel": (shape[-1], own.units), "bias": (own.units,)}
        shape = _after(part, shape, own)
    return param_shapes(own, shape)


def _after(part: Part, shape: Shape, own: Layer | None) -> Shape:
    match part:
        case Resize() | Conv() | LRN() | ReLU() | MaxPool() | Dropout() | Flatten() | Dense() | Softmax():
            return output_shape(part, shape)
        case Pad(pads=((above, below), (left, right))):
            h, w, c = shape
            return above + h + below, left + w + right, c
        case OddConv(strides=strides, pads=pads, dilation=dilation):
            if not isinstance(own, Conv):
                raise InvalidInput("an OddConv needs a convolution's weights", received=type(own).__name__)
            size = tuple((k - 1) * d + 1 for k, d in zip(own.kernel_size, dilation, strict=True))
            return *_positions(shape, size, strides, pads), own.filters
        case OddPool(pool_size=size, strides=strides, pads=pads):
            return *_positions(shape, size, strides, pads), shape[-1]
        case OddDense():
            if not isinstance(own, Dense):
                raise InvalidInput("an OddDense needs a dense layer's weights", received=type(own).__name__)
            return (own.units,)
        case OddFlatten():
            return (math.prod(shape),)
        case OddResize(height=height, width=width):
            return height, width, shape[-1]
        case Permute(axes=axes):
            return tuple(shape[axis - 1] for axis in axes[1:])
        case (
            OddLRN() | Bias() | Pointwise() | Affine() | Standardised() | Normed() | Reinterpreted() | Reverse()
            | OddDropout() | OddSoftmax() | Rounded()
        ):  # fmt: skip
            return shape
        case _:
            assert_never(part)


def _positions(shape: Shape, size: tuple[int, ...], strides: Pair, pads: Pads) -> tuple[int, int]:
    rows, columns = ((n + sum(pad) - k) // s + 1 for n, k, s, pad in zip(shape[:2], size, strides, pads, strict=True))
    if min(rows, columns) < 1:
        raise InvalidInput("the window does not fit", expected=f"at least {size}", received=f"{shape[:2]}, padded by {pads}")
    return rows, columns
