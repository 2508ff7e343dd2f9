"""TensorFlow's own operations in the vocabulary, as a frozen graph has them. Imports TensorFlow inside its functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alexnet_ref.candidates.step import Array, Helper
from alexnet_ref.printable import printable
from reference import LRN, Conv, Dense, InvalidInput, Layer, MaxPool, ReLU, Resize, Softmax

NAME = "step"  # the vocabulary's names are identifiers, TensorFlow's are paths


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a run of operations is, and which constants are its weights: {part: (tensor's name, value in our layout)}."""

    name: str
    kind: str
    means: Layer | Helper | None = None
    weights: dict[str, tuple[str, Array]] = field(default_factory=dict)
    pads: tuple[tuple[int, int], tuple[int, int]] | None = None
    pool_pads: bool = False
    channels_first: bool = False


def describe(operations: Sequence[Any], source: str) -> Described:
    """Return the operations between two cuts in the vocabulary, as far as one operation on data does all."""
    data = {source}
    working = []
    for operation in operations:
        if any(tensor.name in data for tensor in operation.inputs):
            data.update(tensor.name for tensor in operation.outputs)
            working.append(operation)
    kinds = list(dict.fromkeys(operation.type for operation in working))
    name, kind = printable(working[-1].name), printable(" + ".join(kinds[:8]) + (" + …" if len(kinds) > 8 else ""))
    first = any(operation.node_def.attr["data_format"].s == b"NCHW" for operation in working)
    if len(working) != 1:
        return Described(name=name, kind=kind, channels_first=first)
    [operation] = working
    try:
        means = _layer(operation) or _helper(operation, source)
    except (InvalidInput, ValueError, TypeError):
        means = None
    pads = _pads(operation) if means == "pad" else None
    weights = _weights(operation, means)
    return Described(name=name, kind=kind, means=means, weights=weights, channels_first=first, pads=pads)


def _layer(operation: Any) -> Layer | None:
    attribute = operation.get_attr
    match operation.type:
        case "Conv2D":
            kernel = operation.inputs[1].shape
            strides, dilations = (_spatial(operation, attribute(name)) for name in ("strides", "dilations"))
            plain = dilations == (1, 1) and kernel.is_fully_defined() and attribute("padding") in (b"SAME", b"VALID")
            padding: Any = attribute("padding").decode()
            size = (int(kernel[0]), int(kernel[1]))
            return Conv(name=NAME, filters=int(kernel[3]), kernel_size=size, strides=strides, padding=padding) if plain else None
        case "MaxPool":
            size, strides = (_spatial(operation, attribute(name)) for name in ("ksize", "strides"))
            padding = attribute("padding").decode()
            return MaxPool(name=NAME, pool_size=size, strides=strides, padding=padding)
        case "LRN":
            bias, alpha, beta = (_shortest(attribute(name)) for name in ("bias", "alpha", "beta"))
            return LRN(name=NAME, depth_radius=attribute("depth_radius"), bias=bias, alpha=alpha, beta=beta)
        case "Relu":
            return ReLU(name=NAME)
        case "Softmax":
            return Softmax(name=NAME)
        case "MatMul":
            plain = not attribute("transpose_a") and not attribute("transpose_b") and constant(operation.inputs[1]) is not None
            return Dense(name=NAME, units=int(operation.inputs[1].shape[-1])) if plain else None
        case "ResizeBilinear":
            target = constant(operation.inputs[1])
            if target is None or not attribute("half_pixel_centers") or attribute("align_corners"):
                return None
            return Resize(name=NAME, height=int(target[0]), width=int(target[1]))
        case _:
            return None


def _shortest(number: float) -> float:
    """Return the shortest decimal that is this float32, as its author will have written it."""
    return float(str(np.float32(number)))


def _spatial(operation: Any, four: Sequence[int]) -> tuple[int, int]:
    return (four[2], four[3]) if operation.get_attr("data_format") == b"NCHW" else (four[1], four[2])


def _helper(operation: Any, source: str) -> Helper | None:
    match operation.type:
        case "BiasAdd" | "Add" | "AddV2":
            others = [tensor for tensor in operation.inputs if tensor.name != source]
            vector = constant(others[0]) if len(others) == 1 else None
            # Keras adds it as (1, 1, 1, C), or (1, C, 1, 1).
            return "bias" if vector is not None and vector.ndim and max(vector.shape) == vector.size else None
        case "Reshape" | "Squeeze" | "ExpandDims":
            return "reshape"
        case "Transpose":
            return "transpose"
        case "Identity" | "StopGradient" | "PreventGradient" | "CheckNumerics":
            return "identity"
        case "Cast":
            return "cast"
        case "Pad":
            return "pad" if _pads(operation) is not None else None
        case _:
            return None


def _pads(operation: Any) -> tuple[tuple[int, int], tuple[int, int]] | None:
    widths = constant(operation.inputs[1])
    if widths is None or widths.shape != (4, 2):
        return None
    rows = [(int(before), int(after)) for before, after in widths]
    if rows[0] != (0, 0) or (0, 0) not in (rows[1], rows[3]):
        return None
    return (rows[1], rows[2]) if rows[3] == (0, 0) else (rows[2], rows[3])


def _weights(operation: Any, means: Layer | Helper | None) -> dict[str, tuple[str, Array]]:
    part = "kernel" if isinstance(means, (Conv, Dense)) else "bias" if means == "bias" else None
    for tensor in operation.inputs if part else ():
        value = constant(tensor)
        if value is not None and part is not None:
            return {part: (tensor.name, value.ravel() if part == "bias" else value)}
    return {}


def constant(tensor: Any) -> Array | None:
    """Return the tensor's value if it is the same for every input, else None."""
    import tensorflow as tf

    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    if tensor.op.type in ("Reshape", "Squeeze"):  # which TensorFlow does not see through
        before = constant(tensor.op.inputs[0])
        shape = tensor.shape
        return before.reshape(shape) if before is not None and shape.is_fully_defined() else None
    value = tf.get_static_value(tensor)
    return None if value is None else np.asarray(value)
