"""float32 written out: sums of products in a stated order, LRN, softmax and interpolation by the formulas that are in use.

Every operation is NumPy's on float32 arrays and so is rounded to nearest once; nothing is left to a library's choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.tolerances.implementation import LayerFunction, LayerParams
from alexnet_ref.tolerances.minimal_filtering import winograd
from alexnet_ref.winograd import applies
from reference import LRN, Conv, Dense, Layer, Resize, Softmax
from reference.forward import activate, apply
from reference.padding import pad

Array = NDArray[Any]
Sum = Callable[[Array, Array, Array], Array]  # rows (M, K), kernel (K, O), bias (O,) → (M, O)

LANES = 16
F = np.float32


@dataclass(frozen=True, kw_only=True)
class Order:
    """How sums are added up, and by which of the usual formulas powers, softmax and interpolation are computed."""

    name: str
    add: Sum
    power: Literal["power", "reciprocal power", "exponential", "roots"] = "power"
    softmax: Literal["quotient", "reciprocal", "logarithm"] = "quotient"
    lerp: bool = False  # a + (b − a)·t, as TensorFlow interpolates, for (1 − t)·a + t·b
    winograd: bool = False  # for windows of 3×3 at stride 1


def sequential(rows: Array, kernel: Array, bias: Array) -> Array:
    """Add from the first product to the last, then the bias."""
    total = np.zeros((len(rows), kernel.shape[1]), F)
    for k in range(len(kernel)):
        total += rows[:, k, None] * kernel[k]
    return total + bias


def backwards(rows: Array, kernel: Array, bias: Array) -> Array:
    """Start from the bias and add from the last product to the first."""
    total = np.broadcast_to(bias, (len(rows), len(bias))).astype(F)
    for k in range(len(kernel))[::-1]:
        total += rows[:, k, None] * kernel[k]
    return total


def fused(rows: Array, kernel: Array, bias: Array) -> Array:
    """Add from first to last with the products unrounded: exact in float64, the sum rounded to float32 at each step."""
    total = np.zeros((len(rows), kernel.shape[1]), F)
    wide_rows, wide_kernel = rows.astype(np.float64), kernel.astype(np.float64)
    for k in range(len(kernel)):
        total = (total + wide_rows[:, k, None] * wide_kernel[k]).astype(F)
    return total + bias


def pairwise(rows: Array, kernel: Array, bias: Array) -> Array:
    """Add halves of halves."""

    def between(first: int, last: int) -> Array:
        if last - first == 1:
            product: Array = rows[:, first, None] * kernel[first]
            return product
        middle = (first + last) // 2
        total: Array = between(first, middle) + between(middle, last)
        return total

    return between(0, len(kernel)) + bias


def lanes(rows: Array, kernel: Array, bias: Array) -> Array:
    """Keep 16 running sums, as a vector register does, of every 16th product each, and add those up pairwise."""
    totals = [np.zeros((len(rows), kernel.shape[1]), F) for _ in range(LANES)]
    for k in range(len(kernel)):
        totals[k % LANES] += rows[:, k, None] * kernel[k]
    while len(totals) > 1:
        totals = [a + b for a, b in zip(totals[::2], totals[1::2], strict=True)]
    return totals[0] + bias


def blocks(rows: Array, kernel: Array, bias: Array) -> Array:
    """Add blocks of 64 products, as a cache holds them, each from first to last, then the blocks likewise."""
    total = np.zeros((len(rows), kernel.shape[1]), F)
    for start in range(0, len(kernel), 64):
        block = slice(start, start + 64)
        total += sequential(rows[:, block], kernel[block], np.zeros_like(bias))
    return total + bias


ORDERS = (
    Order(name="sequential", add=sequential),
    Order(name="backwards", add=backwards, power="reciprocal power", softmax="reciprocal", lerp=True),
    Order(name="fused", add=fused, power="exponential", softmax="logarithm"),
    Order(name="pairwise", add=pairwise, power="roots", lerp=True),
    Order(name="lanes", add=lanes, power="exponential", softmax="reciprocal"),
    Order(name="blocks", add=blocks, power="roots", softmax="logarithm", lerp=True),
    Order(name="winograd", add=lanes, power="power", winograd=True),
)


def in_order(order: Order) -> LayerFunction:
    """Return the function that computes any layer in float32 in this order."""

    def run(layer: Layer, params: LayerParams, x: Array) -> Array:
        match layer:
            case Conv() if order.winograd and applies(layer):
                return activate(layer.activation, winograd(x, params["kernel"], layer.padding) + params["bias"])
            case Conv():
                return activate(layer.activation, _conv(order, layer, params, x))
            case Dense(activation="softmax"):
                return _softmax(order, order.add(x, params["kernel"], params["bias"]))
            case Dense():
                return activate(layer.activation, order.add(x, params["kernel"], params["bias"]))
            case LRN():
                return _lrn(order, layer, x)
            case Softmax():
                return _softmax(order, x)
            case Resize():
                return _axis(order, _axis(order, x, layer.height, 1), layer.width, 2)
            case _:
                return apply(layer, params, x)  # compares and moves, and computes nothing

    return run


def _conv(order: Order, layer: Conv, params: LayerParams, x: Array) -> Array:
    kernel = params["kernel"]
    window = (kernel.shape[0], kernel.shape[1])
    padded = pad(x, window, layer.strides, layer.padding, value=0.0)  # (N, H', W', C)
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(1, 2))
    windows = windows[:, :: layer.strides[0], :: layer.strides[1]].transpose(0, 1, 2, 4, 5, 3)  # (N, I, J, P, Q, C)
    shape = windows.shape[:3]
    rows = np.ascontiguousarray(windows.reshape(int(np.prod(shape)), -1))  # (N·I·J, K)
    return order.add(rows, kernel.reshape(-1, layer.filters), params["bias"]).reshape(*shape, layer.filters)


def _lrn(order: Order, layer: LRN, x: Array) -> Array:
    alpha, bias = F(layer.alpha), F(layer.bias)
    squares, d = x * x, np.zeros_like(x)
    channels = x.shape[-1]
    for shift in range(-min(layer.depth_radius, channels - 1), min(layer.depth_radius, channels - 1) + 1):
        here = slice(max(0, -shift), channels - max(0, shift))
        d[..., here] += squares[..., slice(max(0, shift), channels - max(0, -shift))]
    return _normalised(order, x, bias + alpha * d, layer.beta)


def _normalised(order: Order, x: Array, d: Array, beta: float) -> Array:
    y: Array
    match order.power, beta:
        case "roots", 0.5:
            y = x / np.sqrt(d)
        case "roots", 0.75:
            root = F(1) / np.sqrt(d)
            y = x * root * np.sqrt(root)
        case "exponential" | "roots", _:
            y = x * np.exp(-F(beta) * np.log(d))
        case "reciprocal power", _:
            y = x * d ** -F(beta)
        case _:
            y = x / d ** F(beta)
    return y


def _softmax(order: Order, z: Array) -> Array:
    with np.errstate(over="ignore"):  # a gap beyond all numbers is a probability of 0
        gap = z - z.max(axis=-1, keepdims=True)
        e = np.exp(gap)
        total = e.sum(axis=-1, keepdims=True)
        y: Array
        match order.softmax:
            case "quotient":
                y = e / total
            case "reciprocal":
                y = e * (F(1) / total)
            case "logarithm":
                y = np.exp(gap - np.log(total))
    return y


def _axis(order: Order, x: Array, size: int, axis: int) -> Array:
    n = x.shape[axis]
    u = (np.arange(size, dtype=F) + F(0.5)) * (F(n) / F(size)) - F(0.5)
    u = np.clip(u, F(0), F(n - 1))
    low = np.floor(u).astype(int)
    high = np.minimum(low + 1, n - 1)
    t = (u - low.astype(F)).reshape([-1 if i == axis else 1 for i in range(4)])
    a, b = np.take(x, low, axis), np.take(x, high, axis)
    y: Array = a + (b - a) * t if order.lerp else (F(1) - t) * a + t * b
    return y
