"""Both documented networks with few channels: every size of an image, and every equality of sizes, as documented."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from reference import Architecture, Conv, Dense
from reference.params import all_param_shapes

Array = NDArray[Any]

# Documented channels → few: more than LRN's widest window, distinct, and even, so that groups of two work.
FEW = {96: 26, 256: 28, 384: 30, 4096: 34, 64: 22, 128: 24, 1024: 36, 10: 10}


def miniature(architecture: Architecture) -> Architecture:
    """Return the network with FEW channels in each layer."""
    return dataclasses.replace(architecture, layers=tuple(_few(layer) for layer in architecture.layers))


def _few(layer: reference.Layer) -> reference.Layer:
    match layer:
        case Conv(filters=filters):
            return dataclasses.replace(layer, filters=FEW[filters])
        case Dense(units=units):
            return dataclasses.replace(layer, units=FEW[units])
        case _:
            return layer


MINIATURES = {name: miniature(architecture) for name, architecture in reference.ARCHITECTURES.items()}


def material(architecture: Architecture, n: int = 2, seed: int = 0) -> tuple[dict[str, dict[str, Array]], Array]:
    """Return params and signed images in which every layer's values have a size that LRN's hyperparameters show at.

    alpha·Σa² is about the bias: |a| is about 0.3 for keras_sequential and 30 for tf1_graph. Kernels keep magnitudes from layer to
    layer; biases are of the same magnitude, but for one in each layer, which lifts its channel above 6, where ReLU6 ends.
    """
    scale = {"keras_sequential": 0.5, "tf1_graph": 30.0}[architecture.name]
    rng = np.random.default_rng(seed)
    params = {
        layer: {
            "kernel": (rng.standard_normal(shapes["kernel"]) * np.sqrt(2 / np.prod(shapes["kernel"][:-1]))).astype(np.float32),
            "bias": (rng.standard_normal(shapes["bias"]) * scale / 2).astype(np.float32),
        }
        for layer, shapes in all_param_shapes(architecture).items()
    }
    for parts in params.values():
        parts["bias"][0] = 8 * np.float32(max(scale, 1))
    x = (rng.standard_normal((n, *architecture.input_shape)) * scale).astype(np.float32)
    return params, x
