"""The networks run in NumPy: every layer's output, or the result alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import numpy as np
from numpy.typing import DTypeLike, NDArray

from reference import fast, ops
from reference.architectures import as_architecture
from reference.errors import InvalidInput
from reference.layers import (
    LRN,
    Activation,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
    ReLU,
    Resize,
    Softmax,
)
from reference.params import Params, as_array, check_params
from reference.shapes import layer_shapes

Array = NDArray[Any]
Masks = Mapping[str, NDArray[np.bool_]]

# Images that pass the dense layers together: their weights are read once for so many. What is held does not grow beyond.
BLOCK = 64


def forward(
    architecture: Architecture | str,
    params: Params,
    x: Array,
    dtype: DTypeLike = np.float64,
    *,
    masks: Masks | None = None,
) -> dict[str, Array]:
    """Return {layer name: NHWC or (N, features) output} in document order; the last is the result.

    x: (N, *architecture.input_shape) or (N, *architecture.fed_shape), floating point, any N of at least 1. All arithmetic
    is done in `dtype`, float64 or float32. `masks` {dropout layer: bool, shape of its output, True where kept} means training;
    without them dropout is the identity. InvalidInput names what cannot be used: shapes, integers, non-finite values, params,
    masks.
    """
    architecture = as_architecture(architecture)
    x = as_input(architecture, x, dtype)
    check_params(architecture, params, values=False)
    if masks is not None:
        check_masks(architecture, masks, len(x))
    outputs = {name: np.empty((len(x), *shape), dtype) for name, shape in layer_shapes(architecture).items()}
    with fast.one_thread_each(), np.errstate(invalid="ignore"):  # which has a parameter to blame, named below
        network = fast.prepare(architecture.layers, params, architecture.input_shape, dtype, every_output=True)
        for block in _blocks(len(x)):
            own = None if masks is None else {name: mask[block] for name, mask in masks.items()}
            network.forward(x[block], {name: y[block] for name, y in outputs.items()}, own)
    if not network.finite:
        outputs.update(_defined(architecture, params, x, dtype, masks))
    return outputs


def predict(architecture: Architecture | str, params: Params, x: Array, dtype: DTypeLike = np.float64) -> Array:
    """Return the last layer's output alone, in memory that does not grow with the layers: `forward`'s but for rounding."""
    architecture = as_architecture(architecture)
    x = as_input(architecture, x, dtype)
    check_params(architecture, params, values=False)
    result = np.empty((len(x), *layer_shapes(architecture)[architecture.layers[-1].name]), dtype)
    with fast.one_thread_each(), np.errstate(invalid="ignore"):  # which has a parameter to blame, named below
        network = fast.prepare(architecture.layers, params, architecture.input_shape, dtype, every_output=False)
        for block in _blocks(len(x)):
            network.predict(x[block], result[block])
    if not network.finite:
        result = _defined(architecture, params, x, dtype, None)[architecture.layers[-1].name]
    return result


def _defined(architecture: Architecture, params: Params, x: Array, dtype: DTypeLike, masks: Masks | None) -> dict[str, Array]:
    """Return every layer's output by definition, params checked first; for the rare case that some sum was not finite.

    A parameter that is not finite makes every sum that it enters NaN or infinite, so that none needs to be looked for otherwise:
    looking takes as long as a forward pass. Where all are finite the numbers were too large, and NumPy warns as it does.
    """
    params = as_params(architecture, params, dtype)
    outputs: dict[str, Array] = {}
    y = x
    for layer in architecture.layers:
        mask = masks[layer.name] if masks is not None and layer.name in masks else None
        y = apply(layer, params.get(layer.name, {}), y, mask=mask)
        outputs[layer.name] = y.copy() if isinstance(layer, (Dropout, Flatten)) else y
    return outputs


def apply(layer: Layer, params: Mapping[str, Array], x: Array, *, mask: Array | None = None) -> Array:
    """Return one layer's output for x (N, ...): its equation, then its activation. A mask means training, for Dropout alone."""
    match layer:
        case Resize(height=height, width=width):
            return ops.resize_bilinear(x, height=height, width=width)
        case Conv(strides=strides, padding=padding, activation=activation):
            y = ops.conv2d(x, params["kernel"], params["bias"], strides=strides, padding=padding)
            return activate(activation, y)
        case LRN(depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta):
            return ops.local_response_normalization(x, depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta)
        case ReLU():
            return ops.relu(x)
        case MaxPool(pool_size=pool_size, strides=strides, padding=padding):
            return ops.max_pool2d(x, pool_size=pool_size, strides=strides, padding=padding)
        case Dropout(rate=rate):
            return x if mask is None else ops.dropout(x, mask, rate=rate)
        case Flatten():
            return ops.flatten(x)
        case Dense(activation=activation):
            return activate(activation, ops.dense(x, params["kernel"], params["bias"]))
        case Softmax():
            return ops.softmax(x)
        case _:
            assert_never(layer)


def activate(activation: Activation | None, x: Array) -> Array:
    """Return the activation that a convolution or dense layer carries, applied to x of any shape."""
    match activation:
        case None:
            return x
        case "relu":
            return ops.relu(x)
        case "softmax":
            return ops.softmax(x)
        case _:
            assert_never(activation)


def draw_masks(architecture: Architecture | str, n: int, seed: int = 0) -> dict[str, NDArray[np.bool_]]:
    """Draw a mask for each dropout layer and n images: every element kept with probability 1 − rate, independently."""
    architecture, rng = as_architecture(architecture), np.random.default_rng(seed)
    shapes = layer_shapes(architecture)
    return {
        layer.name: rng.random((n, *shapes[layer.name])) < layer.keep_prob
        for layer in architecture.layers
        if isinstance(layer, Dropout)
    }


def as_input(architecture: Architecture, x: Array, dtype: DTypeLike) -> Array:
    """Return x as (N, H, W, C) in `dtype`, or refuse it: shape, integers, values that are not finite."""
    where = f"input of {architecture.name!r}"
    check_dtype(dtype, where)
    x = as_array(x, where)
    if not np.issubdtype(x.dtype, np.floating):
        raise InvalidInput(
            "images must be floating point",
            where=where,
            expected="values in 0 … 1",
            received=f"dtype {x.dtype}",
            hint="Divide by 255 first: x = images / 255",
        )
    if x.ndim < 1 or len(x) < 1 or x.shape[1:] not in (architecture.input_shape, architecture.fed_shape):
        shapes = {architecture.input_shape, architecture.fed_shape}
        expected = " or ".join(str(("N", *shape)).replace("'", "") for shape in sorted(shapes, key=len))
        raise InvalidInput("wrong shape", where=where, expected=f"{expected}, N at least 1", received=str(x.shape))
    return converted(x.reshape(len(x), *architecture.input_shape), dtype, where)


def as_params(architecture: Architecture, params: Params, dtype: DTypeLike) -> dict[str, dict[str, Array]]:
    """Return the params in `dtype`, or refuse them (`check_params`)."""
    check_params(architecture, params)
    where = f"params of {architecture.name!r}"
    return {
        layer: {part: converted(np.asarray(array), dtype, f"{where}: {layer}/{part}") for part, array in parts.items()}
        for layer, parts in params.items()
    }


def check_dtype(dtype: DTypeLike, where: str) -> None:
    """Refuse every dtype that the oracle does not compute in."""
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise InvalidInput("dtype is not supported", where=where, expected="float64 or float32", received=str(dtype))


def converted(x: Array, dtype: DTypeLike, where: str) -> Array:
    """Return x in `dtype`, finite; InvalidInput where it is not, or is too large for the dtype."""
    with np.errstate(over="ignore"):  # said below
        y: Array = x.astype(dtype, copy=False)
    if not np.isfinite(y).all():
        received = "NaN or infinity" if not np.isfinite(x).all() else f"values too large for {np.dtype(dtype)}"
        raise InvalidInput("values are not finite", where=where, expected="finite values", received=received)
    return y


def check_masks(architecture: Architecture, masks: Masks, n: int) -> None:
    """Refuse masks that are not one boolean array for each dropout layer and image."""
    where = f"masks of {architecture.name!r}"
    shapes = layer_shapes(architecture)
    if not isinstance(masks, Mapping):
        raise InvalidInput("masks are no mapping", where=where, expected="{layer: bool array}", received=type(masks).__name__)
    names = {layer.name for layer in architecture.layers if isinstance(layer, Dropout)}
    if set(masks) != names:
        raise InvalidInput(
            "a mask for each dropout layer is needed",
            where=where,
            expected=", ".join(sorted(names)) or "none",
            received=", ".join(sorted(map(str, masks))) or "none",
        )
    for name, mask in masks.items():
        mask = as_array(mask, f"{where}: {name}")  # noqa: PLW2901 - the same mask, made sure to be an array
        if mask.dtype != np.bool_ or mask.shape != (n, *shapes[name]):
            raise InvalidInput(
                "wrong mask",
                where=f"{where}: {name}",
                expected=f"bool {(n, *shapes[name])}",
                received=f"{mask.dtype} {mask.shape}",
            )


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]
