"""Weights and biases by layer name, {layer: {"kernel": HWIO or (in, out), "bias": (out,)}}, float32 as both documents train."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from reference.architectures import as_architecture
from reference.errors import InvalidInput
from reference.layers import Architecture, Initializer
from reference.shapes import Shape, layer_inputs, param_shapes

Params = Mapping[str, Mapping[str, NDArray[np.floating]]]
_DRAWN = 2**16  # float64 numbers that are drawn at a time: twice the memory of a kernel is not had at once


def init_params(architecture: Architecture | str, seed: int = 0) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Draw the architecture's parameters as its document starts them, reproducibly from the seed.

    keras_sequential: Glorot-uniform kernels, zero biases (Keras's defaults). tf1_graph: standard normal, all of them.
    Layers without parameters have no entry.
    """
    if seed < 0:
        raise InvalidInput("seed is out of range", expected="at least 0", received=str(seed))
    architecture, rng = as_architecture(architecture), np.random.default_rng(seed)
    recipe = architecture.recipe
    initializers = {"kernel": recipe.kernel_initializer, "bias": recipe.bias_initializer}
    return {
        layer: {part: _draw(initializers[part], shape, rng) for part, shape in shapes.items()}
        for layer, shapes in all_param_shapes(architecture).items()
    }


def _draw(initializer: Initializer, shape: Shape, rng: np.random.Generator) -> NDArray[np.float32]:
    match initializer:
        case "zeros":
            return np.zeros(shape, np.float32)
        case "standard_normal":
            return rng.standard_normal(shape, np.float32)
        case "glorot_uniform":
            # Glorot & Bengio 2010, equation 16: U(−r, r), r = √(6 / (fan_in + fan_out)); a window's positions count in both.
            positions = math.prod(shape[:-2])
            limit = math.sqrt(6 / (positions * (shape[-2] + shape[-1])))
            values = np.empty(math.prod(shape), np.float32)
            for start in range(0, values.size, _DRAWN):
                part = values[start : start + _DRAWN]
                part[:] = rng.uniform(-limit, limit, part.size)
            return values.reshape(shape)
        case _:
            assert_never(initializer)


@lru_cache(maxsize=64)  # asked for by every forward pass
def all_param_shapes(architecture: Architecture) -> Mapping[str, Mapping[str, Shape]]:
    """Return {layer: {"kernel": shape, "bias": shape}} for the layers that have parameters, in document order."""
    inputs = layer_inputs(architecture)
    shapes = {layer.name: param_shapes(layer, inputs[layer.name]) for layer in architecture.layers}
    return MappingProxyType({name: MappingProxyType(parts) for name, parts in shapes.items() if parts})


def check_params(architecture: Architecture, params: Any, *, values: bool = True) -> None:
    """Refuse params that are not exactly this architecture's: names, shapes, floating-point dtypes, finite `values`."""
    expected = all_param_shapes(architecture)
    where = f"params of {architecture.name!r}"
    if not isinstance(params, Mapping):
        raise InvalidInput(
            "params are no mapping", where=where, expected="{layer: {part: array}}", received=type(params).__name__
        )
    _check_names("the layers", where, set(expected), set(params))
    for layer, parts in expected.items():
        own = params[layer]
        if not isinstance(own, Mapping):
            raise InvalidInput(
                "a layer's params are no mapping",
                where=f"{where}: {layer}",
                expected="{part: array}",
                received=type(own).__name__,
            )
        _check_names(f"the parts of layer {layer!r}", where, set(parts), set(own))
        for part, shape in parts.items():
            array = as_array(own[part], f"{where}: {layer}/{part}")
            _check_array(array, shape, f"{where}: {layer}/{part}")
            if values and not np.isfinite(array).all():
                raise InvalidInput(
                    "values are not finite",
                    where=f"{where}: {layer}/{part}",
                    expected="finite values",
                    received="NaN or infinity",
                )


def as_array(value: Any, where: str) -> NDArray[Any]:
    """Return the value as an array; InvalidInput where it is none, such as a ragged list."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise InvalidInput("this is no array", where=where, received=str(error)) from None


def _check_names(what: str, where: str, expected: set[str], received: set[str]) -> None:
    if expected != received:
        missing, unknown = sorted(expected - received), sorted(map(str, received - expected))
        raise InvalidInput(
            f"{what} differ from the architecture's",
            where=where,
            received=f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}",
        )


def _check_array(array: NDArray[Any], shape: Shape, where: str) -> None:
    if array.shape != shape:
        raise InvalidInput("wrong shape", where=where, expected=str(shape), received=str(array.shape))
    if not np.issubdtype(array.dtype, np.floating):
        raise InvalidInput("wrong dtype", where=where, expected="floating point", received=str(array.dtype))
