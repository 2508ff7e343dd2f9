"""What a mistake computes, in NumPy and float64: the judge's hypotheses about a port. Right layers are the oracle's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.mistakes.arrays import images, lrn, noise, pointwise, windows
from alexnet_ref.mistakes.mistake import Mistake
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
from alexnet_ref.mistakes.weights import as_ported
from reference import LRN, Conv, Dense, Dropout, Flatten, InvalidInput, MaxPool, Params, ReLU, Resize, Softmax
from reference.forward import apply, as_input

Array = NDArray[Any]


def run(parts: Parts, params: Mapping[str, Array], x: Array, *, rng: np.random.Generator | None = None) -> Array:
    """Return what the parts make of x (N, H, W, C) or (N, features), float64, with the layer's own {"kernel", "bias"}.

    With `rng` the layer is training, and dropout draws its masks there; without, it infers. InvalidInput where a part cannot
    take its input.
    """
    x = np.asarray(x, np.float64)
    params = {part: np.asarray(value, np.float64) for part, value in params.items()}
    for part in parts:
        x = _run(part, params, x, rng)
    return x


def run_network(mistake: Mistake, params: Params, x: Array, *, rng: np.random.Generator | None = None) -> dict[str, Array]:
    """Return {layer name: output}, in the port's order, for x as the document feeds it; `params` are the intended weights."""
    y = run(mistake.input, {}, as_input(mistake.architecture, x, np.float64), rng=rng)
    ported = as_ported(mistake, params)
    outputs = {}
    for name, parts in mistake.network:
        try:
            y = run(parts, ported.get(name, {}), y, rng=rng)
        except InvalidInput as error:
            raise error.at(f"{mistake.id}: {name}") from None
        outputs[name] = y
    return outputs


def _run(part: Part, params: Mapping[str, Array], x: Array, rng: np.random.Generator | None) -> Array:  # noqa: C901 - a case a part
    match part:
        case Pad():
            return images.pad(part, x)
        case OddConv():
            return windows.convolve(part, params, x)
        case OddPool():
            return windows.pool(part, x)
        case OddDense(transposed=transposed, bias=bias):
            products = x @ (params["kernel"].T if transposed else params["kernel"])
            return products + params["bias"] if bias else products
        case Bias(times=times):
            return x + times * params["bias"]
        case OddLRN():
            return lrn.normalise(part, x)
        case Pointwise():
            return pointwise.function(part, x)
        case Affine(scale=scale, offset=offset):
            y: Array = x * np.array(scale) + np.array(offset)
            return y
        case Standardised() | Normed():
            return pointwise.standardise(part, x)
        case OddSoftmax():
            return pointwise.softmax(part, x)
        case Rounded(to=to):
            return pointwise.rounded(x, to)
        case Permute(axes=axes):
            return x.transpose(axes)
        case Reinterpreted():
            n, h, w, c = x.shape
            return x.reshape(n, c, h, w).transpose(0, 2, 3, 1)
        case Reverse(axes=axes):
            return np.flip(x, axes)
        case OddFlatten(order=order):
            return x.transpose(0, *order).reshape(len(x), -1)
        case OddResize():
            return images.resize(part, x)
        case OddDropout():
            return noise.dropout(part, x, rng)
        case Dropout():
            return apply(part, {}, x, mask=None if rng is None else rng.random(x.shape) < part.keep_prob)
        case Resize() | Conv() | LRN() | ReLU() | MaxPool() | Flatten() | Dense() | Softmax():
            return apply(part, params, x)
        case _:
            assert_never(part)
