"""Weights between a Keras model and the oracle's params, by layer name, shapes checked. The layouts agree: HWIO, (in, out)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference import Architecture, InvalidInput, Params, as_architecture
from reference.forward import as_params
from reference.params import all_param_shapes


def set_params(model: Any, architecture: Architecture | str, params: Params) -> None:
    """Write params into the model; InvalidInput, with the model untouched, where names or shapes do not fit."""
    architecture = as_architecture(architecture)
    values = as_params(architecture, params, np.float32)
    variables = _variables(model, architecture)
    for layer, parts in variables.items():
        for part, variable in parts.items():
            variable.assign(values[layer][part])


def get_params(model: Any, architecture: Architecture | str) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return the model's weights as the oracle's params; InvalidInput where names or shapes do not fit."""
    variables = _variables(model, as_architecture(architecture))
    return {layer: {part: np.array(variable.numpy()) for part, variable in parts.items()} for layer, parts in variables.items()}


def _variables(model: Any, architecture: Architecture) -> dict[str, dict[str, Any]]:
    layers = {layer.name: layer for layer in model.layers}
    return {
        name: {part: _variable(layers, name, part, shape) for part, shape in parts.items()}
        for name, parts in all_param_shapes(architecture).items()
    }


def _variable(layers: dict[str, Any], name: str, part: str, shape: tuple[int, ...]) -> Any:
    where = f"model: {name}/{part}"
    variable = getattr(layers.get(name), part, None)
    if variable is None:
        raise InvalidInput("the model has no such weights", where=where, expected=f"shape {shape}", received="nothing")
    if tuple(variable.shape) != shape:
        raise InvalidInput("wrong shape", where=where, expected=str(shape), received=str(tuple(variable.shape)))
    return variable
