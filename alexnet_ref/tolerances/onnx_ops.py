"""The layers by ONNX's operators, run by ONNX Runtime. Nothing is imported before it is used."""

from __future__ import annotations

import functools
import importlib
from typing import Any, assert_never

import numpy as np

from alexnet_ref.tolerances.implementation import Array, LayerFunction, LayerParams
from reference import LRN, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax
from reference.padding import pad_widths

OPSET = 17


def onnx_layers() -> LayerFunction:
    """Return the function that computes any layer with ONNX Runtime on the CPU."""

    @functools.lru_cache(maxsize=64)
    def session(layer: Layer, shape: tuple[int, ...]) -> Any:
        return _session(layer, shape)

    def run(layer: Layer, params: LayerParams, x: Array) -> Array:
        image = x.ndim == 4
        if isinstance(layer, Flatten):
            return x.reshape(len(x), -1)  # a transposition of NCHW and a Reshape: they move, and compute nothing
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2) if image else x)
        feed = {"x": x, **{part: _onnx_weight(value) for part, value in params.items()}}
        y: Array = session(layer, x.shape).run(None, feed)[0]
        return np.ascontiguousarray(y.transpose(0, 2, 3, 1) if image else y)

    return run


def _onnx_weight(value: Array) -> Array:
    return np.ascontiguousarray(value.transpose(3, 2, 0, 1) if value.ndim == 4 else value)  # HWIO → OIHW


def _session(layer: Layer, shape: tuple[int, ...]) -> Any:
    helper: Any = importlib.import_module("onnx.helper")
    proto: Any = importlib.import_module("onnx").TensorProto
    runtime: Any = importlib.import_module("onnxruntime")
    nodes, weights, constants = _nodes(helper, proto, layer, shape)
    inputs = [helper.make_tensor_value_info(name, proto.FLOAT, None) for name in ("x", *weights)]
    outputs = [helper.make_tensor_value_info("y", proto.FLOAT, None)]
    graph = helper.make_graph(nodes, layer.name, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _nodes(helper: Any, proto: Any, layer: Layer, shape: tuple[int, ...]) -> tuple[list[Any], tuple[str, ...], list[Any]]:
    """Return the layer's nodes from "x" to "y", the names of its weights, and its constants."""
    node = helper.make_node
    both = ("kernel", "bias")
    match layer:
        case Conv():
            pads = _pads(shape, layer.kernel_size, layer)
            first = node("Conv", ["x", *both], ["z"], kernel_shape=layer.kernel_size, strides=layer.strides, pads=pads)
            return [first, _activation(node, layer.activation)], both, []
        case Dense():
            return [node("Gemm", ["x", *both], ["z"]), _activation(node, layer.activation)], both, []
        case LRN():
            alpha = layer.alpha * layer.window  # ONNX divides alpha by the window
            return [node("LRN", ["x"], ["y"], size=layer.window, alpha=alpha, beta=layer.beta, bias=layer.bias)], (), []
        case MaxPool():
            pads = _pads(shape, layer.pool_size, layer)
            pool = node("MaxPool", ["x"], ["y"], kernel_shape=layer.pool_size, strides=layer.strides, pads=pads)
            return [pool], (), []
        case Resize():
            size = helper.make_tensor("size", proto.INT64, [4], [*shape[:2], layer.height, layer.width])
            mode = "half_pixel"
            resize = node("Resize", ["x", "", "", "size"], ["y"], mode="linear", coordinate_transformation_mode=mode)
            return [resize], (), [size]
        case ReLU():
            return [node("Relu", ["x"], ["y"])], (), []
        case Softmax():
            return [node("Softmax", ["x"], ["y"], axis=1)], (), []
        case Dropout() | Flatten():
            return [node("Identity", ["x"], ["y"])], (), []
        case _:
            assert_never(layer)


def _activation(node: Any, activation: str | None) -> Any:
    words = {"relu": "Relu", "softmax": "Softmax", None: "Identity"}
    return node(words[activation], ["z"], ["y"])


def _pads(shape: tuple[int, ...], window: tuple[int, int], layer: Conv | MaxPool) -> list[int]:
    (top, bottom), (left, right) = (
        pad_widths(n, k, s, layer.padding) for n, k, s in zip(shape[2:], window, layer.strides, strict=True)
    )
    return [top, left, bottom, right]
