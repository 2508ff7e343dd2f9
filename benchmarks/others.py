"""The networks in PyTorch, ONNX Runtime and ONNX's reference evaluator: what the oracle's time is held against.

Each function returns x (N, H, W, C) float32 → result (N, ...), channels last outside and first inside, as these work.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from reference import (
    LRN,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
    Params,
    ReLU,
    Resize,
    Softmax,
    layer_shapes,
)
from reference.padding import pad_widths

Array = NDArray[Any]
Runner = Callable[[Array], Array]


def pytorch(architecture: Architecture, params: Params, *, device: str = "cpu") -> Runner:
    """Return the network in PyTorch on this device ("cpu", "cuda"), by its functions, without gradients."""
    import torch

    held = {
        layer: {
            "kernel": torch.from_numpy(_turned(np.asarray(parts["kernel"]))).to(device),
            "bias": torch.from_numpy(np.array(parts["bias"])).to(device),
        }
        for layer, parts in params.items()
    }
    shapes = [architecture.input_shape, *layer_shapes(architecture).values()]

    def run(x: Array) -> Array:
        with torch.inference_mode():
            y = torch.from_numpy(x.transpose(0, 3, 1, 2)).to(device)
            for layer, shape in zip(architecture.layers, shapes, strict=False):
                y = _torch_layer(layer, held.get(layer.name, {}), y, shape)
            result: Array = y.cpu().numpy()
            return result

    return run


def _turned(kernel: Array) -> Array:
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T)  # HWIO → OIHW; (out, in)


def _torch_layer(layer: Layer, own: dict[str, Any], x: Any, shape: tuple[int, ...]) -> Any:
    from torch.nn import functional as f

    match layer:
        case Resize(height=height, width=width):
            return f.interpolate(x, (height, width), mode="bilinear", align_corners=False)
        case Conv(strides=strides, activation=activation):
            y = f.conv2d(f.pad(x, _torch_pads(layer, shape)), own["kernel"], own["bias"], strides)
            return f.relu(y) if activation else y
        case LRN(depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta):
            window = 2 * depth_radius + 1
            return f.local_response_norm(x, window, alpha * window, beta, bias)
        case ReLU():
            return f.relu(x)
        case MaxPool(pool_size=window, strides=strides):
            return f.max_pool2d(f.pad(x, _torch_pads(layer, shape), value=-np.inf), window, strides)
        case Dropout():
            return x
        case Flatten():
            return x.permute(0, 2, 3, 1).flatten(1)
        case Dense(activation=activation):
            y = f.linear(x, own["kernel"], own["bias"])
            return f.relu(y) if activation == "relu" else y.softmax(-1) if activation else y
        case Softmax():
            return x.softmax(-1)
        case _:
            assert_never(layer)


def _torch_pads(layer: Conv | MaxPool, shape: tuple[int, ...]) -> list[int]:
    rows, columns = _pads(layer, shape)
    return [*columns, *rows]  # last axis first


def _pads(layer: Conv | MaxPool, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    window = layer.kernel_size if isinstance(layer, Conv) else layer.pool_size
    rows, columns = (pad_widths(shape[k], window[k], layer.strides[k], layer.padding) for k in (0, 1))
    return rows, columns


def onnx_model(architecture: Architecture, params: Params) -> Any:
    """Return the network as an ONNX model of opset 17 with one input x and one output y."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Transpose", ["x"], ["t0"], perm=[0, 3, 1, 2])]
    constants = []
    shapes = [architecture.input_shape, *layer_shapes(architecture).values()]
    for layer, shape in zip(architecture.layers, shapes, strict=False):
        own = {part: _turned(np.asarray(a)) if part == "kernel" else a for part, a in params.get(layer.name, {}).items()}
        for op, given, attributes in _onnx_nodes(layer, shape, own):
            names = [f"t{len(nodes)}_{part}" if part else "" for part in given]
            constants += [numpy_helper.from_array(a, name) for a, name in zip(given.values(), names, strict=True) if name]
            nodes.append(helper.make_node(op, [nodes[-1].output[0], *names], [f"t{len(nodes)}"], **attributes))
    nodes[-1].output[0] = "y"
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *architecture.input_shape])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", *shapes[-1]])]
    graph = helper.make_graph(nodes, architecture.name, inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _onnx_nodes(layer: Layer, shape: tuple[int, ...], own: dict[str, Array]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return (operator, its constant inputs after the first by name, "" for none, its attributes), one after another."""
    match layer:
        case Resize(height=height, width=width):
            scales = np.array([1, 1, height / shape[0], width / shape[1]], np.float32)
            how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
            return [("Resize", {"": None, "scales": scales}, how)]
        case Conv(strides=strides, activation=activation):
            (top, bottom), (left, right) = _pads(layer, shape)
            return [("Conv", own, {"strides": strides, "pads": [top, left, bottom, right]}), *_onnx_activation(activation)]
        case LRN(depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta):
            window = 2 * depth_radius + 1
            return [("LRN", {}, {"size": window, "alpha": alpha * window, "beta": beta, "bias": bias})]
        case ReLU():
            return _onnx_activation("relu")
        case MaxPool(pool_size=window_, strides=strides):
            (top, bottom), (left, right) = _pads(layer, shape)
            return [("MaxPool", {}, {"kernel_shape": window_, "strides": strides, "pads": [top, left, bottom, right]})]
        case Dropout():
            return []
        case Flatten():
            return [("Transpose", {}, {"perm": [0, 2, 3, 1]}), ("Flatten", {}, {})]
        case Dense(activation=activation):
            return [("Gemm", own, {"transB": 1}), *_onnx_activation(activation)]
        case Softmax():
            return _onnx_activation("softmax")
        case _:
            assert_never(layer)


def _onnx_activation(activation: str | None) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    return [] if activation is None else [("Relu", {}, {})] if activation == "relu" else [("Softmax", {}, {"axis": -1})]


def onnx_runtime(architecture: Architecture, params: Params, *, threads: int = 0) -> Runner:
    """Return the network in ONNX Runtime, on the CPU, with so many threads; 0: as many as it likes."""
    onnxruntime = importlib.import_module("onnxruntime")  # untyped, and by this way Any to a type checker
    model = onnx_model(architecture, params).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda x: np.asarray(session.run(None, {"x": x})[0])


def onnx_reference(architecture: Architecture, params: Params) -> Runner:
    """Return the network in ONNX's own evaluator, whose LRN normalises as many channels as there are images, and no others.

    (op_lrn.py of onnx 1.23 loops over x.shape[0].) So its result is wrong, and its time that of a little less work.
    """
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx_model(architecture, params))
    return lambda x: np.asarray(next(iter(evaluator.run(None, {"x": x}))))
