"""Both documents as ONNX files: what an ONNX runtime computes from them can be held against the oracle."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Literal, assert_never

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from reference import (
    LRN,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    InvalidInput,
    Layer,
    MaxPool,
    Params,
    ReLU,
    Resize,
    Softmax,
    as_architecture,
    layer_shapes,
)
from reference.forward import as_params
from reference.layers import Activation
from reference.padding import pad_widths
from reference.shapes import Shape, layer_inputs

Layout = Literal["NCHW", "NHWC"]

OPSET = 17  # the last before Resize could name its axes, which ONNX Runtime 1.32 cannot load between two transpositions
IR_VERSION = 8  # that came with this opset: ONNX Runtime since 1.12 reads it
INPUT = "images"


def export_onnx(architecture: Architecture | str, params: Params, *, layout: Layout = "NCHW") -> onnx.ModelProto:
    """Return the network as an ONNX model with these weights: one input "images" (N, …) float32, of any N, and one output.

    `layout` is that of the images and of an output that is an image; in between ONNX has NCHW. Every layer's output tensor has
    the layer's name ("<layer>/nchw" where the model's output is turned once more), its weights are called "<layer>/kernel", OIHW
    or (in, out), and "<layer>/bias". Features are flattened in the document's order, (H, W, C). Dropout is there for inference.
    InvalidInput: params that are not this network's.
    """
    architecture = as_architecture(architecture)
    values = as_params(architecture, params, np.float32)
    if layout not in ("NCHW", "NHWC"):
        raise InvalidInput("no such layout", expected="NCHW or NHWC", received=repr(layout))
    if any(layer.name == INPUT for layer in architecture.layers):
        raise InvalidInput("a layer has the input's name", where=f"architecture {architecture.name!r}", received=repr(INPUT))
    inputs, outputs = layer_inputs(architecture), layer_shapes(architecture)
    graph = _Graph(layout=layout, output=architecture.layers[-1].name)
    h, w, c = architecture.input_shape
    source = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", h, w, c] if layout == "NHWC" else ["N", c, h, w])
    x = graph.transposed(INPUT, f"{INPUT}/nchw", to="NCHW") if layout == "NHWC" else INPUT
    for layer in architecture.layers:
        x = graph.add(layer, inputs[layer.name], values.get(layer.name, {}), x)
    last = outputs[graph.output]
    if x != graph.output:
        x = graph.transposed(x, graph.output, to="NHWC")
    shape = list(last) if len(last) != 3 or layout == "NHWC" else [last[2], *last[:2]]
    result = helper.make_tensor_value_info(x, TensorProto.FLOAT, ["N", *shape])
    made = helper.make_graph(graph.nodes, architecture.name, [source], [result], graph.tensors)
    return helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="alexnet-ref",
        producer_version=version("alexnet-ref"),
    )


class _Graph:
    """Nodes and initialisers as they are added, in order. Every node is called as its layer, or as its layer and what it does."""

    def __init__(self, *, layout: Layout, output: str) -> None:
        self.layout, self.output = layout, output
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def node(self, kind: str, name: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def tensor(self, name: str, value: NDArray[Any]) -> str:
        self.tensors.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def transposed(self, x: str, output: str, *, to: Layout) -> str:
        perm = [0, 3, 1, 2] if to == "NCHW" else [0, 2, 3, 1]
        return self.node("Transpose", f"{output}/transpose", [x], output, perm=perm)

    def add(self, layer: Layer, shape: Shape, params: Any, x: str) -> str:
        """Add the layer's nodes behind tensor x, whose documented shape is given; return the tensor of its output."""
        image = len(shape) == 3 and not isinstance(layer, Flatten)
        y = f"{layer.name}/nchw" if image and layer.name == self.output and self.layout == "NHWC" else layer.name
        match layer:
            case Resize(height=height, width=width):
                # The sizes of all four axes: those of batch and channels are asked of the data.
                rest = self.node("Shape", f"{layer.name}/shape", [x], f"{layer.name}/shape", start=0, end=2)
                size = self.tensor(f"{layer.name}/size", np.array([height, width], np.int64))
                sizes = self.node("Concat", f"{layer.name}/sizes", [rest, size], f"{layer.name}/sizes", axis=0)
                mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
                return self.node("Resize", layer.name, [x, "", "", sizes], y, **mode)
            case Conv(strides=strides, kernel_size=window, activation=activation):
                kernel = self.tensor(f"{layer.name}/kernel", params["kernel"].transpose(3, 2, 0, 1))  # HWIO → OIHW
                bias = self.tensor(f"{layer.name}/bias", params["bias"])
                pads = _pads(layer, window, shape)
                z = y if activation is None else f"{layer.name}/product"
                self.node("Conv", layer.name, [x, kernel, bias], z, kernel_shape=window, strides=strides, pads=pads)
                return self._activated(layer.name, activation, z, y)
            case LRN(bias=k, alpha=alpha, beta=beta, window=size):
                # ONNX divides alpha by the window: alpha/size · Σa² there is alpha · Σa² here.
                return self.node("LRN", layer.name, [x], y, size=size, alpha=alpha * size, beta=float(beta), bias=float(k))
            case ReLU():
                return self.node("Relu", layer.name, [x], y)
            case MaxPool(pool_size=window, strides=strides):
                pads = _pads(layer, window, shape)
                return self.node("MaxPool", layer.name, [x], y, kernel_shape=window, strides=strides, pads=pads)
            case Dropout(rate=rate):
                ratio = self.tensor(f"{layer.name}/ratio", np.array(rate, np.float32))
                return self.node("Dropout", layer.name, [x, ratio], y)
            case Flatten():
                if len(shape) == 3:
                    x = self.transposed(x, f"{layer.name}/nhwc", to="NHWC")
                return self.node("Flatten", layer.name, [x], y, axis=1)
            case Dense(activation=activation):
                weights = [self.tensor(f"{layer.name}/{part}", params[part]) for part in ("kernel", "bias")]
                z = y if activation is None else f"{layer.name}/product"
                self.node("Gemm", layer.name, [x, *weights], z)
                return self._activated(layer.name, activation, z, y)
            case Softmax():
                return self.node("Softmax", layer.name, [x], y, axis=1)  # channels, or features
            case _:
                assert_never(layer)

    def _activated(self, name: str, activation: Activation | None, z: str, y: str) -> str:
        match activation:
            case None:
                return z
            case "relu":
                return self.node("Relu", f"{name}/relu", [z], y)
            case "softmax":
                return self.node("Softmax", f"{name}/softmax", [z], y, axis=1)
            case _:
                assert_never(activation)


def _pads(layer: Conv | MaxPool, window: tuple[int, int], shape: Shape) -> list[int]:
    """Return SAME's or VALID's positions in ONNX's order: those before on all axes, then those after."""
    (top, bottom), (left, right) = (
        pad_widths(n, k, s, layer.padding) for n, k, s in zip(shape[:2], window, layer.strides, strict=True)
    )
    return [top, left, bottom, right]
