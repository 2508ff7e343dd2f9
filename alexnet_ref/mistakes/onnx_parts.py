"""Each part in ONNX's operators, NCHW. Imports onnx: import it late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, assert_never

import numpy as np
from onnx import TensorProto

from alexnet_ref.mistakes import onnx_windows
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
    Part,
    Permute,
    Pointwise,
    Reinterpreted,
    Reverse,
    Rounded,
    Standardised,
)
from reference import LRN, Conv, Dense, Dropout, Flatten, MaxPool, ReLU, Resize, Softmax
from reference.shapes import Shape

if TYPE_CHECKING:
    from alexnet_ref.mistakes.onnx_graph import Graph

NCHW = {0: 0, 1: 2, 2: 3, 3: 1}  # an axis of NHWC → the same axis of NCHW


def add(graph: Graph, part: Part, shape: Shape, weights: Mapping[str, str]) -> None:  # noqa: C901, PLR0915 - a case a part
    """Add the part's nodes behind the graph's last value, which has this shape, NHWC without the batch."""
    match part:
        case Conv() | MaxPool() | LRN():
            onnx_windows.layer(graph, part, shape, weights)
        case Dense():
            _dense(graph, part, weights)
        case ReLU():
            graph.node("Relu")
        case Softmax():
            graph.node("Softmax", axis=1)
        case Dropout():
            pass
        case Resize(height=height, width=width):
            _resize(graph, shape, height, width, mode="linear", coordinate_transformation_mode="half_pixel")
        case Flatten():
            _flatten(graph, shape, (1, 2, 3))
        case OddFlatten(order=order):
            _flatten(graph, shape, order)
        case OddConv():
            onnx_windows.convolve(graph, part, weights)
        case OddDense():
            bias = [weights["bias"]] if part.bias else []
            graph.node("Gemm", graph.value, weights["kernel"], *bias, transB=int(part.transposed))
        case Bias():
            _bias(graph, part, shape, weights["bias"])
        case OddPool():
            onnx_windows.pool(graph, part, shape)
        case OddLRN():
            onnx_windows.normalise(graph, part)
        case Pad(pads=pads, mode=mode, value=value):
            onnx_windows.pad(graph, pads, mode, value)
        case OddDropout():
            _dropout(graph, part, len(shape))
        case OddResize():
            _odd_resize(graph, part, shape)
        case Pointwise():
            _pointwise(graph, part)
        case Affine(scale=scale, offset=offset):
            column = (-1, 1, 1) if len(shape) == 3 else (-1,)
            graph.node("Mul", graph.value, graph.constant(np.reshape(scale, column)))
            graph.node("Add", graph.value, graph.constant(np.reshape(offset, column)))
        case Standardised():
            _standardised(graph, part)
        case Normed(epsilon=epsilon):
            x = graph.value
            norm = graph.node("ReduceL2", x, graph.integers(1))
            graph.node("Div", x, graph.node("Max", norm, graph.constant(epsilon)))
        case OddSoftmax(over=over, log=log):
            graph.node("LogSoftmax" if log else "Softmax", axis=1 if over == "classes" else 0)
        case Rounded(to=to):
            _rounded(graph, to)
        case Permute(axes=axes):
            order_of = {NCHW[to]: NCHW[of] for to, of in enumerate(axes)}
            graph.node("Transpose", perm=[order_of[axis] for axis in range(4)])
        case Reinterpreted():
            h, w, c = shape
            graph.node("Transpose", perm=(0, 2, 3, 1))
            graph.node("Reshape", graph.value, graph.integers(-1, c, h, w))
        case Reverse(axes=axes):
            _reverse(graph, [NCHW[axis] if len(shape) == 3 else axis for axis in axes])
        case _:
            assert_never(part)


def _dense(graph: Graph, part: Dense, weights: Mapping[str, str]) -> None:
    graph.node("Gemm", graph.value, weights["kernel"], weights["bias"])
    if part.activation == "relu":
        graph.node("Relu")
    elif part.activation == "softmax":
        graph.node("Softmax", axis=1)


def _bias(graph: Graph, part: Bias, shape: Shape, bias: str) -> None:
    x = graph.value
    bias = graph.node("Mul", bias, graph.constant(part.times))
    if len(shape) == 3:
        bias = graph.node("Unsqueeze", bias, graph.integers(1, 2))
    graph.node("Add", x, bias)


def _flatten(graph: Graph, shape: Shape, order: tuple[int, int, int]) -> None:
    if len(shape) == 3:
        graph.node("Transpose", perm=(0, *(NCHW[axis] for axis in order)))
    graph.node("Flatten", axis=1)


def _standardised(graph: Graph, part: Standardised) -> None:
    axes = graph.integers(*{"image": (1, 2, 3), "pixel": (1,), "batch": (0, 2, 3)}[part.over])
    x = graph.value
    centred = graph.node("Sub", x, graph.node("ReduceMean", x, axes))
    variance = graph.node("ReduceMean", graph.node("Mul", centred, centred), axes)
    graph.node("Div", centred, graph.node("Sqrt", graph.node("Add", variance, graph.constant(part.epsilon))))


def _reverse(graph: Graph, axes: list[int]) -> None:
    backwards, beyond = [-1] * len(axes), [np.iinfo(np.int64).min] * len(axes)
    graph.node("Slice", graph.value, *(graph.integers(*each) for each in (backwards, beyond, axes, backwards)))


def _resize(graph: Graph, shape: Shape, height: int, width: int, **attributes: Any) -> None:
    scales = graph.constant((1, 1, height / shape[0], width / shape[1]))
    graph.node("Resize", graph.value, "", scales, **attributes)


def _odd_resize(graph: Graph, part: OddResize, shape: Shape) -> None:
    mode = {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}[part.method]
    attributes: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": part.coordinates}
    if mode == "nearest":
        attributes["nearest_mode"] = "floor" if part.coordinates == "asymmetric" else "round_prefer_floor"
    if mode == "cubic":
        attributes["cubic_coeff_a"] = -0.75
    _resize(graph, shape, part.height, part.width, **attributes)


def _dropout(graph: Graph, part: OddDropout, axes: int) -> None:
    x = graph.value
    if part.active != "always":
        graph.node("Mul", x, graph.constant(part.at_inference))
        return
    shared = {"none": (), "batch": (0,), "channel": tuple(range(2, axes + 1)), "pixel": (1,)}[part.shared]
    like = graph.node("ReduceMax", x, graph.integers(*shared)) if shared else x
    random = graph.node("RandomUniformLike", like)
    kept = graph.node("Cast", graph.node("GreaterOrEqual", random, graph.constant(part.rate)), to=TensorProto.FLOAT)
    graph.node("Mul", graph.node("Mul", x, kept), graph.constant(part.scale))


def _pointwise(graph: Graph, part: Pointwise) -> None:
    match part.function:
        case "relu" | "softplus" | "tanh" | "sigmoid":
            graph.node(part.function.capitalize())
        case "relu6":
            graph.node("Clip", graph.value, graph.constant(0), graph.constant(6))
        case "leaky_relu":
            graph.node("LeakyRelu", alpha=part.slope)
        case "elu":
            graph.node("Elu", alpha=part.slope)
        case "gelu" | "gelu_tanh":
            graph.node("Gelu", approximate="tanh" if part.function == "gelu_tanh" else "none")
        case "swish":
            x = graph.value
            graph.node("Mul", x, graph.node("Sigmoid"))
        case _:
            assert_never(part.function)


def _rounded(graph: Graph, to: Literal["float16", "bfloat16", "tf32", "int8"]) -> None:
    x = graph.value
    match to:
        case "int8":
            largest = graph.node("ReduceMax", graph.node("Abs"), keepdims=0)
            step = graph.node("Div", graph.node("Max", largest, graph.constant(np.finfo(np.float32).tiny)), graph.constant(127))
            graph.node("Mul", graph.node("Round", graph.node("Div", x, step)), step)
        case "float16" | "bfloat16":
            graph.node("Cast", to={"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}[to])
            graph.node("Cast", to=TensorProto.FLOAT)
        case "tf32":
            raise ValueError("refused by alexnet_ref.mistakes.onnx")  # ONNX has no such format
        case _:
            assert_never(to)
