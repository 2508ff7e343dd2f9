"""What a float32 realisation of a mistake may differ from the interpreter's float64, given the same input.

Right layers have `alexnet_ref.bounds`. The wrong parts are bounded here the same way: u for every operation on the way, sums of
K terms K + 1 roundings, to first order, and what the input of a part may differ already carried through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref import bounds
from alexnet_ref.mistakes.arrays import lrn, windows
from alexnet_ref.mistakes.interpret import run
from alexnet_ref.mistakes.parts import (
    Affine,
    Bias,
    Normed,
    OddConv,
    OddDense,
    OddDropout,
    OddFlatten,
    OddLRN,
    OddPool,
    OddResize,
    OddSoftmax,
    Pad,
    Part,
    Parts,
    Permute,
    Pointwise,
    Reinterpreted,
    Reverse,
    Rounded,
    Standardised,
)
from reference import LRN, Conv, Dense, Dropout, Flatten, MaxPool, ReLU, Resize, Softmax

Array = NDArray[Any]
U = bounds.FLOAT32.u
# A premise: an elementary function of these libraries (exp, tanh, erf, …) is right within so many units of u of max(1, |x|).
ELEMENTARY = 16


def allowed(parts: Parts, params: Mapping[str, Array], x: Array) -> Array:
    """Return the allowed difference of the parts' output on x, of the output's shape."""
    x = np.asarray(x, np.float64)
    params = {part: np.asarray(value, np.float64) for part, value in params.items()}
    difference = np.zeros_like(x)
    for part in parts:
        difference = _after(part, params, x, difference)
        x = run((part,), params, x)
    return difference


def _after(part: Part, params: Mapping[str, Array], x: Array, d: Array) -> Array:  # noqa: C901 - a case a part
    match part:
        case Dropout():
            return d
        case Resize() | Conv() | LRN() | ReLU() | MaxPool() | Flatten() | Dense() | Softmax():
            return bounds.carried(part, params, x, d, bounds.FLOAT32)
        case Pad():
            return run((replace(part, value=0.0),), {}, d)
        case Permute() | Reinterpreted() | Reverse() | OddFlatten():
            return run((part,), {}, d)
        case OddConv():
            return _conv(part, params, x, d)
        case OddDense(transposed=transposed, bias=bias):
            kernel = params["kernel"].T if transposed else params["kernel"]
            own = {"kernel": kernel, "bias": params["bias"] if bias else np.zeros_like(params["bias"])}
            return bounds.carried(Dense(name="dense", units=kernel.shape[1]), own, x, d, bounds.FLOAT32)
        case Bias():
            return d + 2 * U * (np.abs(x) + np.abs(part.times * params["bias"]))
        case OddPool(kind="average"):
            k = part.pool_size[0] * part.pool_size[1]
            return run((part,), {}, d) + (k + 6) * U * run((part,), {}, np.abs(x))
        case OddPool():
            return run((part,), {}, d)
        case OddLRN():
            assert not d.any(), "an LRN after something inexact"
            return _lrn(part, x)
        case Pointwise():
            y = run((part,), {}, x)
            slope = 1.2  # the steepest is GELU's, 1.13
            return slope * d + ELEMENTARY * U * np.maximum(1, np.maximum(np.abs(x), np.abs(y)))
        case Affine(scale=scale, offset=offset):
            return np.abs(scale) * d + 4 * U * (np.abs(scale) * np.abs(x) + np.abs(offset))
        case Standardised():
            return _standardised(part, x, d)
        case Normed():
            y = run((part,), {}, x)
            norm: Array = np.sqrt((x**2).sum(axis=-1, keepdims=True))
            return np.asarray((x.shape[-1] + 8) * U * np.abs(y) + 2 * d.max(axis=-1, keepdims=True) / norm)
        case OddSoftmax(over=over, log=log):
            return _softmax(x, d, axis={"classes": -1, "batch": 0}[over], log=log)
        case OddResize():
            return _resize(part, x)
        case OddDropout(at_inference=scale):
            return scale * d + 2 * U * np.abs(x)
        case Rounded():
            return _rounded(part, x, d)
        case _:
            assert_never(part)


def _conv(part: OddConv, params: Mapping[str, Array], x: Array, d: Array) -> Array:
    """Bound the ordinary convolution that it is: of the padded image, with the kernel turned, spread and cut into groups."""
    kernel = windows.effective_kernel(part, params["kernel"])
    rows, columns = ((k - 1) * s + 1 for k, s in zip(kernel.shape[:2], part.dilation, strict=True))
    spread = np.zeros((rows, columns, *kernel.shape[2:]))
    spread[:: part.dilation[0], :: part.dilation[1]] = kernel
    margin = Pad(pads=part.pads)
    right = Conv(name="conv", filters=kernel.shape[3], kernel_size=(rows, columns), strides=part.strides, padding="VALID")
    own = {"kernel": spread, "bias": params["bias"] if part.bias else np.zeros_like(params["bias"])}
    return bounds.carried(right, own, run((margin,), {}, x), run((margin,), {}, d), bounds.FLOAT32)


def _lrn(part: OddLRN, x: Array) -> Array:
    """Bound x/d or x·d by the ends of the interval in which d's sum is: 2·W + 12 roundings of the sum of all W terms.

    (The terms, their additions, the same once more where they are counted, and the constants.) The power adds what
    `bounds._lrn` derives for it.
    """
    width = part.window ** (2 if part.axis == "space" else 1)
    s, full = lrn.statistic(part, x), lrn.statistic(replace(part, own=True), x)
    ds = (2 * width + 12) * U * full
    base = np.stack([part.bias + part.alpha * s, part.alpha * s, s, part.alpha * (part.bias + s)])
    logarithm = np.abs(np.log(np.maximum(base, bounds.FLOAT32.tiny))).max(axis=0)
    power = (8 + 4 * part.beta * (1 + logarithm)) * U
    low = lrn.denominator(part, np.maximum(s - ds, 0)) * (1 - power)
    high = lrn.denominator(part, s + ds) * (1 + power)
    ends = (x * low, x * high) if part.multiplied else (x / high, x / low)
    y = lrn.normalise(part, x)
    farther: Array = np.maximum(*(np.abs(end - y) for end in ends))
    return farther + 3 * U * np.abs(y)


def _standardised(part: Standardised, x: Array, d: Array) -> Array:
    """Bound (x − m)/√(v + ε): m and v are sums of n terms, whose roundings are taken as a martingale (`alexnet_ref.bounds`)."""
    assert not d.any(), "a standardisation after something inexact"
    axes = {"image": (1, 2, 3), "pixel": (3,), "batch": (0, 1, 2)}[part.over]
    n = np.prod([x.shape[axis] for axis in axes])
    roundings = (bounds.confidence(x.size) * np.sqrt(n) + 8) * U
    mean, variance = np.abs(x).mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True) + part.epsilon
    dm = roundings * mean
    dv = roundings * variance + 2 * np.sqrt(variance) * dm
    y = np.abs(run((part,), {}, x))
    bound: Array = (dm + 2 * U * (np.abs(x) + mean)) / np.sqrt(variance) + y * (dv / (2 * variance) + 6 * U)
    return bound


def _softmax(x: Array, d: Array, *, axis: int, log: bool) -> Array:
    moved, moved_d = np.moveaxis(x, axis, -1), np.moveaxis(d, axis, -1)
    if log:
        y = run((OddSoftmax(log=True),), {}, moved)
        # z − m rounds, the K exponentials, their sum and its logarithm: absolute, as ln is of a sum between 1 and K.
        bound = moved_d + moved_d.max(axis=-1, keepdims=True) + U * (2 * np.abs(y) + 2 * moved.shape[-1] + 2 * ELEMENTARY)
    else:
        bound = bounds.carried(Softmax(name="softmax"), {}, moved, moved_d, bounds.FLOAT32)
    return np.moveaxis(bound, -1, axis)


def _resize(part: OddResize, x: Array) -> Array:
    """Bound interpolation: a phase of up to n rounds 4 times, a weight changes by at most 1.5 times that, 16 pixels are met."""
    if part.method == "nearest":
        return np.zeros((len(x), part.height, part.width, x.shape[-1]))
    n = max(x.shape[1:3])
    weight = 1.5 * 4 * (n + 1) + 16
    return np.full((len(x), part.height, part.width, x.shape[-1]), 2 * weight * 16 * U * np.abs(x).max())


def _rounded(part: Rounded, x: Array, d: Array) -> Array:
    """Bound a rounding: exact of what is exact, otherwise one step of the format more than the difference before it."""
    largest = np.abs(x) + d
    match part.to:
        case "float16":
            step = np.maximum(np.exp2(np.floor(np.log2(np.maximum(largest, 2.0**-14))) - 10), 2.0**-24)
        case "bfloat16" | "tf32":
            bits = {"bfloat16": 7, "tf32": 10}[part.to]
            step = np.exp2(np.floor(np.log2(np.maximum(largest, bounds.FLOAT32.tiny))) - bits)
        case "int8":
            # The step itself rounds, and differs by a 127th of the largest's difference; levels go up to 127.
            step = np.full_like(x, largest.max() / 127)
            return d + step + d.max() + 4 * U * np.abs(x) if d.any() else step + 4 * U * np.abs(x)
        case _:
            assert_never(part.to)
    return np.where(d > 0, d + step, 0.0)
