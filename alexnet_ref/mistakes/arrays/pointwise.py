"""Functions of each element, normalisations that are no LRN, other softmaxes and coarser formats, in NumPy."""

from __future__ import annotations

import math
from typing import Any, Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.mistakes.parts import Normed, OddSoftmax, Pointwise, Standardised

Array = NDArray[Any]
_ERF = np.vectorize(math.erf, otypes=[np.float64])


def function(part: Pointwise, x: Array) -> Array:
    """Return the function of each element of x, of any shape."""
    match part.function:
        case "relu":
            return np.maximum(x, 0)
        case "relu6":
            return np.clip(x, 0, 6)
        case "leaky_relu":
            return np.where(x > 0, x, part.slope * x)
        case "elu":
            return np.where(x > 0, x, part.slope * np.expm1(np.minimum(x, 0)))
        case "gelu":
            return x * _share(_ERF(x / math.sqrt(2)))
        case "gelu_tanh":
            return x * _share(np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        case "swish":
            return x * _sigmoid(x)
        case "softplus":
            return np.logaddexp(0, x)
        case "tanh":
            return np.tanh(x)
        case "sigmoid":
            return _sigmoid(x)
        case _:
            assert_never(part.function)


def _sigmoid(x: Array) -> Array:
    return _share(np.tanh(x / 2))


def _share(t: Array) -> Array:
    """Map −1 … 1 to 0 … 1."""
    y: Array = (1 + t) / 2
    return y


def standardise(part: Standardised | Normed, x: Array) -> Array:
    """Return x (N, H, W, C) normalised by its own statistics."""
    if isinstance(part, Normed):
        norm: Array = np.sqrt((x**2).sum(axis=-1, keepdims=True))
        return x / np.maximum(norm, part.epsilon)
    axes = {"image": (1, 2, 3), "pixel": (3,), "batch": (0, 1, 2)}[part.over]
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    y: Array = (x - mean) / np.sqrt(variance + part.epsilon)
    return y


def softmax(part: OddSoftmax, x: Array) -> Array:
    """Return the softmax of x (N, K) as the part has it."""
    axis = {"classes": -1, "batch": 0}[part.over]
    z = x - x.max(axis=axis, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=axis, keepdims=True)
    y: Array = z - np.log(total) if part.log else e / total
    return y


def rounded(x: Array, to: Literal["float16", "bfloat16", "tf32", "int8"]) -> Array:
    """Return x with the values of the coarser format."""
    match to:
        case "float16":
            with np.errstate(over="ignore"):  # beyond 65,504 it is infinite, and that is the mistake
                return x.astype(np.float16).astype(np.float64)
        case "bfloat16":
            return _significant(x, 8)
        case "tf32":
            return _significant(x, 11)
        case "int8":
            step = float(np.abs(x).max()) / 127
            return np.asarray(np.round(x / step) * step if step else x)
        case _:
            assert_never(to)


def _significant(x: Array, bits: int) -> Array:
    """Round to this many significant bits; the exponent's range is float32's, which no value here leaves."""
    mantissa, exponent = np.frexp(x)
    return np.asarray(np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits))
