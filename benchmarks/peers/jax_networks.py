"""The networks in JAX, compiled whole, and by Keras's operations on its NumPy back end, one after another."""

from __future__ import annotations

import importlib
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.tolerances.jax_ops import _layer as jax_layer
from benchmarks.peers.peer import Runner
from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, Layer, MaxPool, Params, ReLU, Resize, Softmax


def jax_network(architecture: Architecture, params: Params) -> Runner:
    """Return the network in JAX, compiled by XLA as one function of its weights and x."""
    jax: Any = importlib.import_module("jax")

    def network(weights: dict[str, dict[str, Any]], x: Any) -> Any:
        for layer in architecture.layers:
            x = jax_layer(jax, layer, weights.get(layer.name, {}), x)
        return x

    compiled = jax.jit(network)
    weights = jax.device_put({name: dict(parts) for name, parts in params.items()})
    return lambda x: np.asarray(compiled(weights, x))


def keras_network(architecture: Architecture, params: Params) -> Runner:
    """Return the network in keras.ops on the back end in force. Keras has no LRN: it is written in Keras's operations."""
    ops: Any = importlib.import_module("keras").ops

    def run(x: NDArray[Any]) -> NDArray[Any]:
        y: Any = ops.convert_to_tensor(x)
        for layer in architecture.layers:
            y = _keras_layer(ops, layer, params.get(layer.name, {}), y)
        return np.asarray(y)

    return run


def _keras_layer(ops: Any, layer: Layer, own: Any, x: Any) -> Any:
    match layer:
        case Conv(strides=strides, padding=padding, activation=activation):
            return _activated(ops, activation, ops.conv(x, own["kernel"], strides, padding.lower()) + own["bias"])
        case Dense(activation=activation):
            return _activated(ops, activation, ops.matmul(x, own["kernel"]) + own["bias"])
        case LRN(depth_radius=radius, bias=bias, alpha=alpha, beta=beta):
            squares = ops.pad(x * x, ((0, 0), (0, 0), (0, 0), (radius, radius)))
            sums = sum(squares[..., k : k + x.shape[-1]] for k in range(layer.window))
            return x / (bias + alpha * sums) ** beta
        case MaxPool(pool_size=window, strides=strides, padding=padding):
            return ops.max_pool(x, window, strides, padding.lower())
        case Resize(height=height, width=width):
            return ops.image.resize(x, (height, width), interpolation="bilinear")
        case ReLU():
            return ops.relu(x)
        case Flatten():
            return ops.reshape(x, (len(x), -1))
        case Softmax():
            return ops.softmax(x)
        case Dropout():
            return x
        case _:
            assert_never(layer)


def _activated(ops: Any, activation: str | None, y: Any) -> Any:
    return ops.relu(y) if activation == "relu" else ops.softmax(y) if activation else y
