"""A correct implementation under test: a function of one layer, made a candidate that the checks of `verify` judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.candidates.candidate import Fact
from reference import Architecture, Dropout, Layer, layer_shapes, param_counts
from reference.forward import apply

Array = NDArray[Any]
LayerParams = Mapping[str, Array]
LayerFunction = Callable[[Layer, LayerParams, Array], Array]  # (layer, float32 params, NHWC float32) → NHWC float32


@dataclass(kw_only=True, eq=False)
class Implementation:
    """A network whose layers are computed by one function, layer after layer. Has the interface of a `Candidate`."""

    name: str
    architecture: Architecture
    weights: Mapping[str, LayerParams]
    run: LayerFunction
    hidden: Mapping[str, str] = field(default_factory=dict)  # it shows every layer

    def environment(self) -> dict[str, Any]:
        """Return nothing: the run that made it knows what it runs on."""
        return {}

    def facts(self) -> list[Fact]:
        """Return the description's own facts: what is judged here is arithmetic."""
        shapes, counts = layer_shapes(self.architecture), param_counts(self.architecture)
        return [
            Fact(name=layer.name, output_shape=shapes[layer.name], params=counts[layer.name], layer=layer)
            for layer in self.architecture.layers
        ]

    def params(self, architecture: Architecture) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return the weights that it was made with."""
        del architecture
        return {layer: dict(parts) for layer, parts in self.weights.items()}

    def outputs(self, x: Array) -> dict[str, Array]:
        """Return every layer's output, each computed from the one before."""
        outputs = {}
        for layer in self.architecture.layers:
            outputs[layer.name] = x = self.run(layer, self.weights.get(layer.name, {}), x)
        return outputs

    def layer(self, name: str, x: Array, params: LayerParams | None = None, *, training: bool = False) -> Array:
        """Return one layer's output; dropout in training draws a fresh mask."""
        layer = self.architecture[name]
        if training and isinstance(layer, Dropout):
            mask = np.random.default_rng().random(x.shape, np.float32) >= layer.rate
            return apply(layer, {}, x, mask=mask)
        return self.run(layer, params or self.weights.get(name, {}), x)


def oracle_in_float32(layer: Layer, params: LayerParams, x: Array) -> Array:
    """Return what `reference` computes in float32: NumPy's own matrix product, whatever library stands behind it."""
    y: Array = apply(layer, params, x).astype(np.float32, copy=False)
    return y
