"""Mistakes that people make, in NumPy: each is a float32 port that is right in all layers but one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.tolerances.implementation import LayerFunction, LayerParams, oracle_in_float32
from reference import LRN, Architecture, Conv, Dense, Flatten, Layer, MaxPool, ReLU, Resize
from reference.forward import activate, apply
from reference.padding import pad_widths
from reference.shapes import Shape, layer_inputs, output_shape

Array = NDArray[Any]
Wrong = Callable[[LayerParams, Array], Array]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One mistake at one layer; the output keeps its shape, so that every comparison has something to compare."""

    name: str
    layer: str
    run: LayerFunction


def mistakes(architecture: Architecture) -> list[Mistake]:
    """Return the mistakes that can be made in this network, each at every layer that it fits."""
    inputs = layer_inputs(architecture)
    return [
        Mistake(name=name, layer=layer.name, run=_at(layer, wrong))
        for layer in architecture.layers
        for name, wrong in _wrong(layer, inputs[layer.name])
    ]


def _at(right: Layer, wrong: Wrong) -> LayerFunction:
    return lambda layer, params, x: wrong(params, x) if layer is right else oracle_in_float32(layer, params, x)


def _described(right: Layer, **changes: Any) -> Wrong:
    wrong: Any = replace(right, **changes)
    return lambda params, x: oracle_in_float32(wrong, params, x)


def _wrong(layer: Layer, shape: Shape) -> list[tuple[str, Wrong]]:
    match layer:
        case LRN(depth_radius=radius, alpha=alpha, beta=beta, bias=bias):
            return [
                ("alpha over the window", _described(layer, alpha=alpha / layer.window)),
                ("alpha times the window", _described(layer, alpha=alpha * layer.window)),
                ("radius one less", _described(layer, depth_radius=radius - 1)),
                ("radius one more", _described(layer, depth_radius=radius + 1)),
                ("size for radius", _described(layer, depth_radius=layer.window)),
                ("beta 0.75 for 0.5, or the reverse", _described(layer, beta=1.25 - beta)),
                ("bias 2 for 1", _described(layer, bias=2 * bias)),
                ("LRN switched off", lambda _, x: x),
                ("without the square root of all", _described(layer, beta=2 * beta)),
            ]
        case Conv():
            return [*_wrong_products(layer), *_wrong_conv(layer, shape)]
        case Dense():
            square = [("kernel transposed", lambda params, x: _dense(layer, {**params, "kernel": params["kernel"].T}, x))]
            softmax = [("softmax left out", _described(layer, activation=None))] if layer.activation == "softmax" else []
            return [*_wrong_products(layer), *(square if shape[0] == layer.units else []), *softmax]
        case MaxPool():
            return _wrong_pool(layer, shape)
        case Resize():
            return [
                ("corners aligned", lambda _, x: _resized(layer, x, lambda n, o: np.arange(o) * (n - 1) / (o - 1))),
                ("phase of TensorFlow 1", lambda _, x: _resized(layer, x, lambda n, o: np.arange(o) * n / o)),
                ("nearest", lambda _, x: _resized(layer, x, lambda n, o: np.floor((np.arange(o) + 0.5) * n / o))),
            ]
        case Flatten():
            return [("channels first", lambda _, x: x.transpose(0, 3, 1, 2).reshape(len(x), -1))]
        case ReLU():
            return [("ReLU left out", lambda _, x: x), ("capped at 6", lambda _, x: np.clip(x, 0, np.float32(6)))]
        case _:
            return []


def _wrong_products(layer: Conv | Dense) -> list[tuple[str, Wrong]]:
    def half(params: LayerParams, x: Array) -> Array:
        rounded = {part: value.astype(np.float16).astype(np.float32) for part, value in params.items()}
        return oracle_in_float32(layer, rounded, x.astype(np.float16).astype(np.float32))

    def without_bias(params: LayerParams, x: Array) -> Array:
        return oracle_in_float32(layer, {**params, "bias": np.zeros_like(params["bias"])}, x)

    wrong: list[tuple[str, Wrong]] = [("bias left out", without_bias), ("float16 products", half)]
    return [*wrong, ("ReLU left out", _described(layer, activation=None))] if layer.activation == "relu" else wrong


def _wrong_conv(layer: Conv, shape: Shape) -> list[tuple[str, Wrong]]:
    def mirrored(params: LayerParams, x: Array) -> Array:
        return oracle_in_float32(layer, {**params, "kernel": params["kernel"][::-1, ::-1]}, x)

    def odd_before(params: LayerParams, x: Array) -> Array:
        axes = zip(x.shape[1:3], layer.kernel_size, layer.strides, strict=True)
        rows, columns = (pad_widths(n, k, s, "SAME")[::-1] for n, k, s in axes)
        padded = np.pad(x, ((0, 0), rows, columns, (0, 0)))
        return oracle_in_float32(replace(layer, padding="VALID"), params, padded)

    wrong: list[tuple[str, Wrong]] = [("kernel mirrored", mirrored)]
    widths = pad_widths(shape[0], layer.kernel_size[0], layer.strides[0], layer.padding)
    return [*wrong, ("odd pixel of padding before", odd_before)] if widths[0] != widths[1] else wrong


def _wrong_pool(layer: MaxPool, shape: Shape) -> list[tuple[str, Wrong]]:
    def padded(x: Array, value: float, *, swapped: bool) -> Array:
        axes = zip(x.shape[1:3], layer.pool_size, layer.strides, strict=True)
        rows, columns = (pad_widths(n, k, s, layer.padding)[:: -1 if swapped else 1] for n, k, s in axes)
        return np.pad(x, ((0, 0), rows, columns, (0, 0)), constant_values=np.float32(value))

    valid = replace(layer, padding="VALID")

    def average(params: LayerParams, x: Array) -> Array:
        del params
        full = padded(x, 0.0, swapped=False)
        windows = np.lib.stride_tricks.sliding_window_view(full, layer.pool_size, axis=(1, 2))
        mean: Array = windows[:, :: layer.strides[0], :: layer.strides[1]].mean(axis=(-2, -1))
        return mean

    wrong: list[tuple[str, Wrong]] = [("average for maximum", average)]
    if output_shape(valid, shape) == output_shape(layer, shape):
        return wrong
    return [
        *wrong,
        ("padding of zeros", lambda params, x: apply(valid, params, padded(x, 0.0, swapped=False))),
        ("odd pixel of padding before", lambda params, x: apply(valid, params, padded(x, -np.inf, swapped=True))),
    ]


def _dense(layer: Dense, params: LayerParams, x: Array) -> Array:
    return activate(layer.activation, x @ params["kernel"] + params["bias"])


def _resized(layer: Resize, x: Array, phase: Callable[[int, int], Array]) -> Array:
    def weights(n: int, o: int) -> Array:
        u = np.clip(phase(n, o), 0, n - 1)
        return np.maximum(0.0, 1.0 - np.abs(u[:, None] - np.arange(n))).astype(np.float32)

    y: Array = np.einsum(
        "ih,nhwc,jw->nijc", weights(x.shape[1], layer.height), x, weights(x.shape[2], layer.width), optimize=True
    )
    return y
