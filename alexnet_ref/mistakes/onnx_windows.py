"""Convolution, pooling, LRN and padding, right and wrong, in ONNX's operators, NCHW. Imports nothing but NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, assert_never

import numpy as np

from alexnet_ref.mistakes.parts import OddConv, OddLRN, OddPool, Pads
from reference import LRN, Conv, MaxPool
from reference.padding import pad_widths
from reference.shapes import Shape

if TYPE_CHECKING:
    from alexnet_ref.mistakes.onnx_graph import Graph


def layer(graph: Graph, right: Conv | MaxPool | LRN, shape: Shape, weights: Mapping[str, str]) -> None:
    """Add a right layer, its activation included."""
    match right:
        case Conv(kernel_size=window, strides=strides, activation=activation):
            pads = _same(right, window, shape)
            x = graph.value
            graph.node("Conv", x, weights["kernel"], weights["bias"], kernel_shape=window, strides=strides, pads=pads)
            if activation is not None:
                graph.node("Relu")
        case MaxPool(pool_size=window, strides=strides):
            graph.node("MaxPool", kernel_shape=window, strides=strides, pads=_same(right, window, shape))
        case LRN(window=size, alpha=alpha, beta=beta, bias=bias):
            graph.node("LRN", size=size, alpha=alpha * size, beta=beta, bias=bias)
        case _:
            assert_never(right)


def _same(right: Conv | MaxPool, window: tuple[int, int], shape: Shape) -> list[int]:
    rows, columns = (pad_widths(n, k, s, right.padding) for n, k, s in zip(shape, window, right.strides, strict=False))
    return _onnx_pads((rows, columns))


def _onnx_pads(pads: Pads) -> list[int]:
    """Return above, left, below, right: all beginnings, then all ends."""
    (above, below), (left, right) = pads
    return [above, left, below, right]


def pad(graph: Graph, pads: Pads, mode: Literal["constant", "edge", "reflect"], value: float) -> None:
    """Add a margin, or cut rows and columns off where a width is negative."""
    above, left, below, right = _onnx_pads(pads)
    widths = graph.constant((0, 0, above, left, 0, 0, below, right), np.int64)
    graph.node("Pad", graph.value, widths, *([graph.constant(value)] if mode == "constant" else []), mode=mode)


def convolve(graph: Graph, part: OddConv, weights: Mapping[str, str]) -> None:
    """Add the convolution; its kernel is stored rightly, and turned in the graph."""
    x, kernel = graph.value, weights["kernel"]
    o, i, rows, columns = next(each.dims for each in graph.initializers if each.name == kernel)
    match part.kernel:
        case "as it is":
            pass
        case "mirrored":
            last = np.iinfo(np.int64).min
            how = ((-1, -1), (last, last), (2, 3), (-1, -1))
            kernel = graph.node("Slice", kernel, *(graph.constant(each, np.int64) for each in how))
        case "transposed":
            kernel = graph.node("Transpose", kernel, perm=(0, 1, 3, 2))
        case "centre":
            middle = np.zeros((rows, columns))
            middle[rows // 2, columns // 2] = 1
            kernel = graph.node("Mul", kernel, graph.constant(middle))
        case _:
            assert_never(part.kernel)
    if part.groups > 1:
        blocks = np.kron(np.eye(part.groups), np.ones((o // part.groups, i // part.groups)))[:, :, None, None]
        kernel = graph.node("Mul", kernel, graph.constant(blocks))
    graph.node(
        "Conv",
        x,
        kernel,
        *([weights["bias"]] if part.bias else []),
        kernel_shape=(rows, columns),
        strides=part.strides,
        pads=_onnx_pads(part.pads),
        dilations=part.dilation,
    )


def pool(graph: Graph, part: OddPool, shape: Shape) -> None:
    """Add the pooling."""
    how = {"kernel_shape": part.pool_size, "strides": part.strides}
    match part.kind:
        case "max" if part.padding == "zero":
            pad(graph, part.pads, "constant", 0.0)
            graph.node("MaxPool", **how)
        case "max":
            graph.node("MaxPool", pads=_onnx_pads(part.pads), **how)
        case "average":
            graph.node("AveragePool", pads=_onnx_pads(part.pads), count_include_pad=int(part.padding == "zero"), **how)
        case "first":
            pad(graph, part.pads, "constant", 0.0)
            sizes = [n + sum(width) - k + 1 for n, width, k in zip(shape, part.pads, part.pool_size, strict=False)]
            graph.node("Slice", graph.value, *(graph.constant(each, np.int64) for each in ((0, 0), sizes, (2, 3), part.strides)))
        case _:
            assert_never(part.kind)


def normalise(graph: Graph, part: OddLRN) -> None:
    """Add a local response normalisation; its sums are averages over a window, times its size."""
    x = graph.value
    values = graph.node("Abs") if part.statistic == "absolute" else graph.node("Mul", x, x)
    if part.axis == "space":
        pads = (part.before, part.before, part.after, part.after)
        graph.node("AveragePool", kernel_shape=(part.window,) * 2, pads=pads, count_include_pad=1)
        s = graph.node("Mul", graph.value, graph.constant(part.window**2))
    else:
        s = _along(graph, part, {"batch": 0, "channel": 1, "height": 2, "width": 3}[part.axis])
    if not part.own:
        s = graph.node("Sub", s, values)
    bias, alpha, beta = (graph.constant(each) for each in (part.bias, part.alpha, part.beta))
    match part.form:
        case "inside":
            d = graph.node("Pow", graph.node("Add", graph.node("Mul", s, alpha), bias), beta)
        case "outside":
            d = graph.node("Add", graph.node("Pow", graph.node("Mul", s, alpha), beta), bias)
        case "factor":
            d = graph.node("Add", graph.node("Mul", graph.node("Pow", s, beta), alpha), bias)
        case "all":
            d = graph.node("Pow", graph.node("Mul", graph.node("Add", s, bias), alpha), beta)
        case _:
            assert_never(part.form)
    graph.node("Mul" if part.multiplied else "Div", x, d)


def _along(graph: Graph, part: OddLRN, axis: int) -> str:
    """Add the sums over windows on one axis: it is brought last, where pooling works."""
    perm = list(range(4))
    perm[axis], perm[3] = perm[3], perm[axis]
    graph.node("Transpose", perm=perm)
    inside, pads = part.statistic == "present", (0, part.before, 0, part.after)
    if part.edges != "cut":
        widths = graph.constant((0, 0, 0, part.before, 0, 0, 0, part.after), np.int64)
        graph.node("Pad", graph.value, widths, mode={"wrapped": "wrap", "repeated": "edge"}[part.edges])
        pads = (0, 0, 0, 0)
    graph.node("AveragePool", kernel_shape=(1, part.window), pads=pads, count_include_pad=int(not inside))
    graph.node("Mul", graph.value, graph.constant(1 if inside else part.window))
    return graph.node("Transpose", perm=perm)
