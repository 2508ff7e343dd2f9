"""The layers by JAX's operators, each compiled by XLA. Nothing is imported before it is used."""

from __future__ import annotations

import functools
import importlib
from typing import Any, assert_never

import numpy as np

from alexnet_ref.tolerances.implementation import Array, LayerFunction, LayerParams
from reference import LRN, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax
from reference.padding import pad_widths


def jax_layers() -> LayerFunction:
    """Return the function that computes any layer with JAX on the CPU."""
    jax: Any = importlib.import_module("jax")

    @functools.cache
    def compiled(layer: Layer) -> Any:
        return jax.jit(functools.partial(_layer, jax, layer))

    def run(layer: Layer, params: LayerParams, x: Array) -> Array:
        return np.array(compiled(layer)(dict(params), x))

    return run


def _layer(jax: Any, layer: Layer, params: dict[str, Any], x: Any) -> Any:
    lax = jax.lax
    match layer:
        case Conv():
            widths = _widths(x, layer.kernel_size, layer)
            dimensions = ("NHWC", "HWIO", "NHWC")
            y = lax.conv_general_dilated(x, params["kernel"], layer.strides, widths, dimension_numbers=dimensions)
            return _activated(jax, layer.activation, y + params["bias"])
        case Dense():
            return _activated(jax, layer.activation, x @ params["kernel"] + params["bias"])
        case LRN():
            radius = layer.depth_radius
            beside = ((0, 0), (0, 0), (0, 0), (radius, radius))
            sums = lax.reduce_window(x * x, 0.0, lax.add, (1, 1, 1, layer.window), (1, 1, 1, 1), beside)
            return x / (layer.bias + layer.alpha * sums) ** layer.beta
        case MaxPool():
            around = ((0, 0), *_widths(x, layer.pool_size, layer), (0, 0))
            return lax.reduce_window(x, -np.inf, lax.max, (1, *layer.pool_size, 1), (1, *layer.strides, 1), around)
        case Resize():
            shape = (len(x), layer.height, layer.width, x.shape[-1])
            return jax.image.resize(x, shape, "bilinear", antialias=False)
        case ReLU():
            return jax.nn.relu(x)
        case Flatten():
            return x.reshape(len(x), -1)
        case Softmax():
            return jax.nn.softmax(x)
        case Dropout():
            return x
        case _:
            assert_never(layer)


def _widths(x: Any, window: tuple[int, int], layer: Conv | MaxPool) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = (pad_widths(n, k, s, layer.padding) for n, k, s in zip(x.shape[1:3], window, layer.strides, strict=True))
    return rows, columns


def _activated(jax: Any, activation: str | None, y: Any) -> Any:
    match activation:
        case "relu":
            return jax.nn.relu(y)
        case "softmax":
            return jax.nn.softmax(y)
        case _:
            return y
