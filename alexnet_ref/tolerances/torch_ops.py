"""The layers by PyTorch's operators. Nothing is imported before it is used."""

from __future__ import annotations

import importlib
from typing import Any, assert_never

import numpy as np

from alexnet_ref.tolerances.implementation import Array, LayerFunction, LayerParams
from reference import LRN, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax
from reference.padding import pad_widths


def torch_layers() -> LayerFunction:
    """Return the function that computes any layer with PyTorch on the CPU."""
    torch: Any = importlib.import_module("torch")
    functional: Any = importlib.import_module("torch.nn.functional")

    def run(layer: Layer, params: LayerParams, x: Array) -> Array:
        with torch.inference_mode():
            y = _layer(
                functional, layer, {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in params.items()}, _in(torch, x)
            )
            return _out(y, x)

    return run


def _in(torch: Any, x: Array) -> Any:
    """NHWC → NCHW."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x))


def _out(y: Any, x: Array) -> Array:
    received: Array = y.numpy()
    return np.ascontiguousarray(received.transpose(0, 2, 3, 1) if received.ndim == 4 else received).astype(x.dtype, copy=False)


def _layer(f: Any, layer: Layer, params: dict[str, Any], x: Any) -> Any:
    match layer:
        case Conv():
            kernel = params["kernel"].permute(3, 2, 0, 1).contiguous()  # HWIO → OIHW
            padded = f.pad(x, _widths(x, layer.kernel_size, layer))
            return _activated(f, layer.activation, f.conv2d(padded, kernel, params["bias"], stride=layer.strides))
        case Dense():
            y = f.linear(x, params["kernel"].T.contiguous(), params["bias"])
            return _activated(f, layer.activation, y)
        case LRN():
            # PyTorch divides alpha by the window.
            return f.local_response_norm(x, layer.window, alpha=layer.alpha * layer.window, beta=layer.beta, k=layer.bias)
        case MaxPool():
            padded = f.pad(x, _widths(x, layer.pool_size, layer), value=-float("inf"))
            return f.max_pool2d(padded, layer.pool_size, layer.strides)
        case Resize():
            return f.interpolate(x, size=(layer.height, layer.width), mode="bilinear", align_corners=False, antialias=False)
        case ReLU():
            return f.relu(x)
        case Flatten():
            return x.permute(0, 2, 3, 1).reshape(len(x), -1)
        case Softmax():
            return f.softmax(x, dim=1 if x.ndim == 4 else -1)
        case Dropout():
            return f.dropout(x, layer.rate, training=False)
        case _:
            assert_never(layer)


def _widths(x: Any, window: tuple[int, int], layer: Conv | MaxPool) -> tuple[int, int, int, int]:
    """Return (left, right, top, bottom), which PyTorch wants the other way round."""
    rows, columns = (pad_widths(n, k, s, layer.padding) for n, k, s in zip(x.shape[2:], window, layer.strides, strict=True))
    return *columns, *rows


def _activated(f: Any, activation: str | None, y: Any) -> Any:
    match activation:
        case "relu":
            return f.relu(y)
        case "softmax":
            return f.softmax(y, dim=-1)
        case _:
            return y
