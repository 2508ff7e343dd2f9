"""What a correct implementation's gradients may differ from the exact ones, element by element, given the same x, y and dL/dy.

The derivation is that of `bounds`: a sum of K products differs by at most λ·√(K + 1)·u·S, S the same sum of absolute values.
Here every sum has its own K: for dL/dx of a convolution or dense layer the taps times the outputs, for dL/dkernel and dL/dbias
the N·I·J positions (for a dense layer the N images). Short chains are bounded by their worst case. What selects or moves values
is exact: ReLU, flatten, max pooling while no two windows overlap. `y` is the output that the implementation itself computed, as
it decides where a ReLU is open; max pooling is decided by x, ties by the oracle's convention.

With `differences`, what x, y and dL/dy may differ already is carried along, and through open questions: a ReLU whose sign or a
maximum whose place is in doubt may pass all of its gradient or none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref import bounds
from alexnet_ref.bounds import FLOAT64, Arithmetic, confidence
from reference import LRN, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax
from reference.forward import apply
from reference.gradients import Parts, activate_backward, backward
from reference.ops.resize import interpolation
from reference.padding import pad, pad_widths

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What x, y and dL/dy may differ already, each of its array's shape."""

    x: Array
    y: Array
    dy: Array


def allowed(
    layer: Layer,
    params: Mapping[str, Array],
    x: Array,
    y: Array,
    dy: Array,
    *,
    arithmetic: Arithmetic,
    mask: Array | None = None,
    differences: Differences | None = None,
) -> tuple[Array, Parts]:
    """Return the allowed |candidate − oracle| of dL/dx and of {"kernel", "bias"}, as `reference.gradients.backward` returns them.

    x, y, dy: float64, the candidate's own. With `differences` the three may differ already; distinct elements are taken as
    independent, so that sums add them in quadrature, as in `bounds.carried`.
    """
    both = replace(arithmetic, u=arithmetic.u + FLOAT64.u, accumulator=arithmetic.accumulator + FLOAT64.u)
    nothing = Differences(x=np.zeros_like(x), y=np.zeros_like(y), dy=np.zeros_like(dy))
    dx, parts = _bound(layer, params, x, y, dy, both=both, mask=mask, d=differences or nothing)
    if arithmetic.result:  # results stored with fewer bits are rounded once more
        exact, exact_parts = backward(layer, params, x, y, dy, mask=mask)
        dx = dx + arithmetic.result * (np.abs(exact) + dx)
        parts = {part: b + arithmetic.result * (np.abs(exact_parts[part]) + b) for part, b in parts.items()}
    return dx, parts


def _bound(
    layer: Layer,
    params: Mapping[str, Array],
    x: Array,
    y: Array,
    dy: Array,
    *,
    both: Arithmetic,
    mask: Array | None,
    d: Differences,
) -> tuple[Array, Parts]:
    match layer:
        case Conv() | Dense():
            dz = activate_backward(layer.activation, y, dy)
            linear, ddz = replace(layer, activation=None), _activated(layer, params, x, y, dy, d=d, both=both)
            if layer.activation != "softmax":
                return _linear(linear, params, x, dz, d=replace(d, dy=ddz), both=both)
            # One x moves all the probabilities of its image together: their differences are not independent, and add up.
            dx, parts = _linear(linear, params, x, dz, d=replace(d, dy=np.zeros_like(dz)), both=both)
            together = _transposed(linear, np.abs(params["kernel"]), np.abs(x) + d.x, ddz)
            return dx + together["x"], {part: bound + together[part] for part, bound in parts.items()}
        case LRN():
            return _lrn(layer, x, dy, d, both), {}
        case Resize():
            return _resize(x, dy, d, both), {}
        case MaxPool():
            return _pool(layer, x, dy, d, both), {}
        case ReLU():
            return _relu(x, dy, d.x, d.dy), {}
        case Softmax():
            return _softmax(y, dy, d, both), {}
        case Flatten():
            return d.dy.reshape(x.shape), {}
        case Dropout(rate=rate):
            if mask is None:
                return d.dy, {}
            # A scale 1/(1 − rate) that is a power of two is exact; otherwise rate, difference, quotient and product round.
            scale = 1 / (1 - rate)
            roundings = 0.0 if math.frexp(scale)[0] == 0.5 else 4 * scale
            return mask * (scale * d.dy + roundings * both.u * scale * np.abs(dy)), {}
        case _:
            assert_never(layer)


def _activated(
    layer: Conv | Dense, params: Mapping[str, Array], x: Array, y: Array, dy: Array, *, d: Differences, both: Arithmetic
) -> Array:
    """Return what dL/dz may differ, z being the argument of the activation."""
    match layer.activation:
        case None:
            return d.dy
        case "relu":
            if not d.y.any():
                return _relu(y, dy, d.y, d.dy)
            linear = replace(layer, activation=None)
            return _relu(apply(linear, params, x), dy, bounds.carried(linear, params, x, d.x, both), d.dy)
        case "softmax":
            return _softmax(y, dy, d, both)
        case _:
            assert_never(layer.activation)


def _linear(
    linear: Conv | Dense, params: Mapping[str, Array], x: Array, dz: Array, *, d: Differences, both: Arithmetic
) -> tuple[Array, Parts]:
    """Bound the three sums, the backward equations re-run on absolute values; and carry differences through their squares."""
    kernel = np.abs(params["kernel"])
    positions = dz.size // dz.shape[-1]
    lengths = {"x": math.prod(kernel.shape[:-2]) * dz.shape[-1], "kernel": positions, "bias": positions}
    result = _transposed(linear, kernel, np.abs(x), np.abs(dz))
    for name, k in lengths.items():  # in place: a kernel may have millions of elements
        result[name] *= confidence(result[name].size) * math.sqrt(k + 1) * both.accumulator
        result[name] += (k + 1) * both.tiny
    if both.operand:  # the two factors of each product are rounded; the bias's sum has none
        for name, square in _transposed(linear, kernel**2, x**2, dz**2).items():
            result[name] += (name != "bias") * confidence(square.size) * math.sqrt(2) * both.operand * _root(square)
    if d.dy.any() or d.x.any():
        moved = _transposed(linear, kernel**2, (np.abs(x) + d.x) ** 2, d.dy**2)  # by the difference of dz
        moved["kernel"] += _transposed(linear, kernel, d.x**2, dz**2)["kernel"]  # by that of x
        for name, square in moved.items():
            result[name] += _root(square)
    return result.pop("x"), result


def _root(squares: Array) -> Array:
    """Return the root of a sum of squares, of which those below float64's least normal number may be lost."""
    root: Array = np.sqrt(squares + FLOAT64.tiny)
    return root


def _transposed(linear: Conv | Dense, kernel: Array, x: Array, dz: Array) -> Parts:
    dx, parts = backward(linear, {"kernel": kernel}, x, dz, dz)
    return {"x": dx, **parts}


def _relu(z: Array, dy: Array, dz: Array, ddy: Array) -> Array:
    """Return dy's difference where z is above 0 beyond doubt, all of dy where its sign is in doubt, 0 elsewhere."""
    closed = (z < -dz) | ((z <= 0) & (dz == 0))
    return np.where(closed, 0, np.where(z > dz, ddy, np.abs(dy) + ddy))


def _softmax(y: Array, dy: Array, d: Differences, both: Arithmetic) -> Array:
    """Bound y_k·(dy_k − s), s = Σ dy_l·y_l: K + 1 roundings of s, one of the difference, one of the product."""
    s = (dy * y).sum(axis=-1, keepdims=True)
    absolute = (np.abs(dy) * y).sum(axis=-1, keepdims=True)
    roundings = y * ((y.shape[-1] + 3) * absolute + 2 * np.abs(dy)) * both.u
    ds = (y * d.dy + np.abs(dy) * d.y).sum(axis=-1, keepdims=True)  # of one image, and not independent
    bound: Array = roundings + d.y * np.abs(dy - s) + y * (d.dy + ds) + (y.shape[-1] + 2) * (1 + np.abs(dy)) * both.tiny
    return bound


def _lrn(layer: LRN, x: Array, dy: Array, d: Differences, both: Arithmetic) -> Array:
    """Bound dy_i·n_i^(−β) − 2αβ·x_i·Σ dy_j·x_j·n_j^(−β−1), n = bias + α·Σx², each of its terms in the worst case.

    n carries W + 4 roundings (W: window); n^(−β) β times those, 4·|β·ln n| + 4 of the power (see `bounds`), one of the division;
    y_j = x_j·n_j^(−β), which an implementation may reuse, one more; y_j/n_j those of n and one more; 2αβ, x_i and dy_j six; the
    sum over the window 2·W, as each term may be added in two parts. A difference travels along each factor.
    """
    i = np.arange(x.shape[-1])
    band = (np.abs(i[:, None] - i) <= layer.depth_radius).astype(x.dtype)
    width, factor = min(layer.window, x.shape[-1]), 2 * layer.alpha * layer.beta
    n = layer.bias + layer.alpha * (x**2 @ band)
    power, next_power = n**-layer.beta, n ** (-layer.beta - 1)
    roundings = layer.beta * (width + 4) + 4 * np.abs(layer.beta * np.log(n)) + (width + 4) + 2 * width + 14
    shared = np.abs(dy * x) * next_power
    bound: Array = (np.abs(dy) * power * roundings + factor * np.abs(x) * ((shared * roundings) @ band)) * both.u
    largest = (1 + factor) * (1 + np.abs(x)) * (((1 + np.abs(dy)) * (1 + np.abs(x)) * (1 + next_power)) @ band)
    bound = bound + 5 * largest * both.tiny  # what underflows is multiplied by the other factors
    if d.x.any() or d.dy.any():
        dn = 2 * layer.alpha * _root((x * d.x) ** 2 @ band)
        inner = _root(((x * next_power * d.dy) ** 2 + (dy * next_power * d.x) ** 2) @ band)
        inner = inner + (layer.beta + 1) * ((shared / n * dn) @ band)  # one x moves all of its window's n together
        bound = bound + power * d.dy + layer.beta * np.abs(dy) * next_power * dn
        bound = bound + factor * (d.x * np.abs((dy * x * next_power) @ band) + np.abs(x) * inner)
    return bound


def _resize(x: Array, dy: Array, d: Differences, both: Arithmetic) -> Array:
    """Bound the transposed interpolation: rounded phases and weights as in `bounds`, then the sums over what meets a pixel."""
    _, h, w, _ = x.shape
    weights = [interpolation(n, o) for n, o in ((h, dy.shape[1]), (w, dy.shape[2]))]
    rows, columns = map(_near, weights)
    met = _interpolated(rows, np.abs(dy), columns)
    k = int(rows.sum(axis=0).max() * columns.sum(axis=0).max())
    roundings = 3 * (h + w) + 6 + confidence(met.size) * math.sqrt(k + 1)
    bound: Array = (
        roundings * both.u * met + (k + 6) * both.tiny + _root(_interpolated(weights[0] ** 2, d.dy**2, weights[1] ** 2))
    )
    return bound


def _near(weights: Array) -> Array:
    """Return which pixels an output may meet when its phase is a little off: those with weight, and those beside them."""
    beside = np.pad(weights, ((0, 0), (1, 1)))
    return ((weights > 0) | (beside[:, :-2] > 0) | (beside[:, 2:] > 0)).astype(np.float64)


def _interpolated(rows: Array, dy: Array, columns: Array) -> Array:
    result: Array = np.einsum("ih,nijc,jw->nhwc", rows, dy, columns, optimize=True)
    return result


def _pool(layer: MaxPool, x: Array, dy: Array, d: Differences, both: Arithmetic) -> Array:
    """Bound M − 1 additions for a pixel that is the maximum of M windows, and what doubtful maxima may add to it."""
    if not d.x.any():
        moved, sums, count = (backward(layer, {}, x, dy, each)[0] for each in (d.dy, np.abs(dy), np.ones_like(dy)))
    else:
        lowest = apply(layer, {}, x - d.x)  # the maximum is at least this
        (s, t), (i, j), window = layer.strides, dy.shape[1:3], layer.pool_size
        high = pad(x + d.x, window, layer.strides, layer.padding, value=-np.inf)
        places = [np.s_[:, p : p + s * i : s, q : q + t * j : t] for p, q in np.ndindex(*window)]
        doubtful = np.sum([high[met] >= lowest for met in places], axis=0) > 1
        totals = np.zeros((3, *high.shape))
        for met in places:
            totals[(slice(None), *met)] += (high[met] >= lowest) * np.stack([d.dy + doubtful * np.abs(dy), np.abs(dy), dy**0])
        top, left = (pad_widths(x.shape[1 + a], window[a], layer.strides[a], layer.padding)[0] for a in (0, 1))
        moved, sums, count = totals[:, :, top : top + x.shape[1], left : left + x.shape[2]]
    additions = np.maximum(count - 1, 0) * both.u
    bound: Array = moved + additions / (1 - additions) * sums
    return bound
