"""Faults that can be as small as one likes: each parameter of each layer, off by a little, in a float32 port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.tolerances.implementation import LayerFunction, LayerParams, oracle_in_float32
from reference import LRN, Conv, Dense, Dropout, Layer, Resize, Softmax, param_shapes
from reference.forward import activate, apply
from reference.shapes import Shape, seen_taps

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A parameter and, for each relative size, the port that has it off by so much."""

    parameter: str
    port: Callable[[float], LayerFunction]
    rate: Callable[[float], float] | None = None  # a dropout's, where the fault is in what is kept
    scale: Callable[[float], float] | None = None  # a dropout's factor, over the right one


def faults(layer: Layer, shape: Shape) -> Iterator[Fault]:
    """Yield the faults that the layer can have, on inputs of this shape."""
    match layer:
        case Conv() | Dense():
            yield from _product_faults(layer, shape)
        case LRN():
            for name in ("alpha", "beta", "bias"):
                yield Fault(parameter=name, port=_hyperparameter(layer, name))
        case Resize():
            yield Fault(parameter="phase, in pixels", port=lambda size: _resized(layer, shift=size))
            yield Fault(parameter="scale", port=lambda size: _resized(layer, stretch=size))
        case Softmax():
            yield Fault(parameter="temperature", port=_heated)
        case Dropout():
            yield Fault(parameter="scale", port=_never, scale=lambda size: 1 + size)
            yield Fault(parameter="kept fraction, absolute", port=_never, rate=lambda size: layer.rate - size)
        case _:
            return


def _product_faults(layer: Conv | Dense, shape: Shape) -> Iterator[Fault]:
    kernel = param_shapes(layer, shape)["kernel"]
    rng = np.random.default_rng(len(kernel) * kernel[-1])
    for number in (1, 2):
        place = tuple(int(rng.integers(n)) for n in kernel)
        if isinstance(layer, Conv):  # a tap that meets data: what meets padding alone has no effect
            axes = zip(shape[:2], layer.kernel_size, layer.strides, strict=True)
            place = (*(int(rng.choice(seen_taps(n, k, s, layer))) for n, k, s in axes), *place[2:])
        yield Fault(parameter=f"one weight ({number})", port=_one("kernel", place))
    yield Fault(parameter="one bias", port=_one("bias", (int(rng.integers(kernel[-1])),)))
    yield Fault(parameter="all weights", port=lambda size: _changed(lambda params: _scaled(params, size)))
    if layer.activation == "softmax":
        yield Fault(parameter="temperature", port=_heated)


def _scaled(params: LayerParams, size: float) -> dict[str, Array]:
    return {**params, "kernel": (params["kernel"] * (1 + size)).astype(np.float32)}


def _one(part: str, place: tuple[int, ...]) -> Callable[[float], LayerFunction]:
    def port(size: float) -> LayerFunction:
        def change(params: LayerParams) -> dict[str, Array]:
            changed = params[part].copy()
            changed[place] = np.float32(changed[place] * (1 + size))
            return {**params, part: changed}

        return _changed(change)

    return port


def _changed(change: Callable[[LayerParams], dict[str, Array]]) -> LayerFunction:
    return lambda layer, params, x: oracle_in_float32(layer, change(params) if params else params, x)


def _hyperparameter(layer: LRN, name: str) -> Callable[[float], LayerFunction]:
    def port(size: float) -> LayerFunction:
        values: dict[str, Any] = {name: getattr(layer, name) * (1 + size)}
        wrong = replace(layer, **values)
        return lambda _, params, x: oracle_in_float32(wrong, params, x)

    return port


def _heated(size: float) -> LayerFunction:
    def run(layer: Layer, params: LayerParams, x: Array) -> Array:
        z = apply(replace(layer, activation=None), params, x) if isinstance(layer, Dense) else x
        return activate("softmax", z * np.float32(1 + size))

    return run


def _resized(right: Resize, *, shift: float = 0.0, stretch: float = 0.0) -> LayerFunction:
    def weights(n: int, o: int) -> Array:
        u = (np.arange(o) + 0.5) * n / o * (1 + stretch) - 0.5 + shift
        return np.maximum(0.0, 1.0 - np.abs(np.clip(u, 0, n - 1)[:, None] - np.arange(n))).astype(np.float32)

    def run(layer: Layer, params: LayerParams, x: Array) -> Array:
        del params
        if layer.name != right.name:
            return oracle_in_float32(layer, {}, x)
        rows, columns = weights(x.shape[1], right.height), weights(x.shape[2], right.width)
        y: Array = np.einsum("ih,nhwc,jw->nijc", rows, x, columns, optimize=True)
        return y

    return run


def _never(size: float) -> LayerFunction:
    del size
    return oracle_in_float32
