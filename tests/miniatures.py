"""Both documented networks with few channels: every size of an image, and every equality of sizes, as documented."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import reference
from alexnet_ref.power.miniature import miniature
from reference import Architecture
from reference.params import all_param_shapes

Array = NDArray[Any]

MINIATURES = {name: miniature(architecture) for name, architecture in reference.ARCHITECTURES.items()}
# Names of both, as parameters of what both networks claim: without --slow the one of fewer weights.
SMALLER = [pytest.param("keras_sequential", marks=pytest.mark.slow), "tf1_graph"]


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
