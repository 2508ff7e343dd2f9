"""What a correct implementation may differ from the exact result, element by element, given the same input.

Nothing here is chosen but the false-alarm probability. With unit roundoff u, every operation returns its exact result times
(1 + δ), |δ| ≤ u. A sum of K products that is accumulated in any order passes each term through at most K + 1 roundings (its
product, the additions, the bias). If the δ are mean-independent of zero mean, as rounding to nearest behaves (Higham & Mary 2019;
Connolly, Higham & Mary 2021), the error is a martingale and Azuma's inequality gives, for one element (Ipsen & Zhou 2020),

    |ŷ − y| ≤ λ · √(K + 1) · u · S,    S = Σ|x·w| + |b|,    except with probability 2·exp(−λ²/2)

where the worst case has K in the root's place. λ follows from the number of elements compared, so that one comparison of a
correct implementation fails with a probability of at most FALSE_ALARM. Short chains of operations (LRN's window, interpolation,
softmax) are bounded by their worst case. `allowed` serves a layer fed the same input; `carried` takes along a difference that its
input has already.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref import winograd
from alexnet_ref.arithmetic import FLOAT32, FLOAT64, TF32, Arithmetic
from reference import LRN, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax, ops
from reference.forward import apply
from reference.ops.resize import interpolation

Array = NDArray[Any]

FALSE_ALARM = 1e-9  # per comparison of one layer's output: a run of a thousand comparisons errs once in a million


__all__ = ["FALSE_ALARM", "FLOAT32", "FLOAT64", "TF32", "Arithmetic", "allowed", "carried", "confidence"]


def confidence(elements: int) -> float:
    """Return λ: with 2·exp(−λ²/2) for each, one of `elements` errs with a probability of at most FALSE_ALARM."""
    return math.sqrt(2 * math.log(2 * max(elements, 1) / FALSE_ALARM))


def allowed(layer: Layer, params: Mapping[str, Array], x: Array, arithmetic: Arithmetic) -> Array:
    """Return the allowed |candidate − oracle| for the layer's output on x (float64): an array of the output's shape.

    The oracle computes in float64, whose own rounding is part of the allowance.
    """
    return _bound(layer, params, x, None, arithmetic)


def carried(layer: Layer, params: Mapping[str, Array], x: Array, difference: Array, arithmetic: Arithmetic) -> Array:
    """Return the allowed difference of the output when x itself may differ by `difference` (same shape) already.

    Differences of distinct elements are taken as independent, so that sums add them in quadrature: a model of how rounding errors
    travel, not a theorem. Everything else is first order.
    """
    return _bound(layer, params, x, difference, arithmetic)


def _bound(layer: Layer, params: Mapping[str, Array], x: Array, difference: Array | None, arithmetic: Arithmetic) -> Array:
    bound = _computed(layer, params, x, difference, _with_oracle(arithmetic))
    # A result stored with fewer bits is rounded once more, unless it was only selected or moved.
    if arithmetic.result and not isinstance(layer, (ReLU, MaxPool, Flatten, Dropout)):
        bound = bound + arithmetic.result * (np.abs(apply(layer, params, x)) + bound)
    return bound


def _with_oracle(arithmetic: Arithmetic) -> Arithmetic:
    """Return the arithmetic with the oracle's own roundoff added: every bound is linear in both."""
    return replace(arithmetic, u=arithmetic.u + FLOAT64.u, accumulator=arithmetic.accumulator + FLOAT64.u)


def _computed(layer: Layer, params: Mapping[str, Array], x: Array, difference: Array | None, both: Arithmetic) -> Array:
    match layer:
        case Conv() | Dense():
            linear = replace(layer, activation=None)
            bound = _products(linear, params, x, both)
            if difference is not None:
                squares = {"kernel": params["kernel"] ** 2, "bias": np.zeros_like(params["bias"])}
                bound = bound + np.sqrt(apply(linear, squares, difference**2))
            return bound if layer.activation is None else _activated(layer, apply(linear, params, x), bound, both)
        case LRN():
            return _lrn(layer, x, difference, both)
        case Softmax():
            return _softmax(x, np.zeros_like(x) if difference is None else difference, both)
        case Resize():
            bound = _resize(layer, x, both)
            return bound if difference is None else bound + apply(layer, {}, difference)  # weights of at most 1
        case ReLU():
            # Exact, but for numbers so small that processors may take them for zero.
            small = np.where((x > 0) & (x < both.tiny), x, 0.0)
            return small if difference is None else np.maximum(_relu(x, difference), small)
        case MaxPool() | Flatten() | Dropout():
            # They select or move values, exactly: the largest difference in a window, or the same differences.
            return apply(layer, {}, np.zeros_like(x) if difference is None else difference)
        case _:
            assert_never(layer)


def _products(linear: Conv | Dense, params: Mapping[str, Array], x: Array, arithmetic: Arithmetic) -> Array:
    """Return λ·√(K + 1)·u·S, and λ·√2·operand·√(Σ(x·w)²) where the two operands of each product are rounded first."""
    kernel, bias = np.abs(params["kernel"]), np.abs(params["bias"])
    k = math.prod(kernel.shape[:-1])
    absolute = np.abs(x)
    if isinstance(linear, Dense):  # whose kernel is too large to be copied for one column more
        sums, inputs = apply(linear, {"kernel": kernel, "bias": bias}, absolute), absolute.sum(axis=-1, keepdims=True)
    else:  # one filter of ones more: Σ|x|, which is the same for all
        wider = {"kernel": np.concatenate([kernel, np.ones_like(kernel[..., :1])], axis=-1), "bias": np.append(bias, 0.0)}
        found = apply(linear, wider, absolute)
        sums, inputs = found[..., :-1], found[..., -1:]
    lam = confidence(sums.size)
    if arithmetic.winograd and isinstance(linear, Conv) and winograd.applies(linear):
        return winograd.bound(linear, params, x, lam, arithmetic.accumulator) + (k + 1) * arithmetic.tiny
    # What is smaller than `tiny` may be taken for 0: factors on their way in, products and sums on their way out.
    factors = kernel.reshape(-1, kernel.shape[-1]).sum(axis=0) + inputs
    bound: Array = lam * math.sqrt(k + 1) * arithmetic.accumulator * sums + arithmetic.tiny * (k + 1 + factors)
    if arithmetic.operand:
        squares = apply(linear, {"kernel": kernel**2, "bias": np.zeros_like(bias)}, x**2)
        bound = bound + lam * math.sqrt(2) * arithmetic.operand * np.sqrt(squares)
    return bound


def _activated(layer: Conv | Dense, z: Array, bound: Array, arithmetic: Arithmetic) -> Array:
    match layer.activation:
        case None:
            return bound
        case "relu":
            return _relu(z, bound)
        case "softmax":
            return _softmax(z, bound, arithmetic)
        case _:
            assert_never(layer.activation)


def _relu(z: Array, difference: Array) -> Array:
    """Return the farther end of [relu(z − d), relu(z + d)] from relu(z): 0 where z is negative beyond doubt."""
    y = ops.relu(z)
    return np.maximum(ops.relu(z + difference) - y, y - ops.relu(z - difference))


def _lrn(layer: LRN, x: Array, difference: Array | None, arithmetic: Arithmetic) -> Array:
    """Bound a / d^beta, d = bias + alpha·Σa², relative to itself in the worst case.

    d: W squares and additions, the rounded alpha and bias, their product and sum: (W + 4)·u, all terms being positive.
    d^beta as exp(beta·ln d), the least accurate way in use: the exponent carries the error of the logarithm, of the rounded
    beta and of their product, 4·u·|beta·ln d|; the exponential 4·u; the division or the reciprocal and product, 2·u.
    Caffe and ONNX Runtime keep one running window instead: the square that enters is added, the one that leaves subtracted.
    Channel i has then passed 2·i + W additions, each with a rounding of u times the largest sum so far, and as many squares'
    own; added up as a martingale (as above), λ·√(2·W + 4·i)·u of that sum.
    What is smaller than `tiny` may be taken for 0 on its way in as well, where dividing by a d below 1 would have enlarged it.
    A difference travels along ∂b_i/∂a_j = d_i^(−beta)·[i = j] − 2·alpha·beta·a_i·a_j·d_i^(−beta − 1), in quadrature over j.
    """
    i = np.arange(x.shape[-1])
    band = (np.abs(i[:, None] - i) <= layer.depth_radius).astype(x.dtype)
    d = layer.bias + layer.alpha * (x**2 @ band)
    power = d**-layer.beta
    y = np.abs(x) * power
    roundings = layer.beta * (min(layer.window, x.shape[-1]) + 4) + 4 * np.abs(layer.beta * np.log(d)) + 6
    # A running window keeps the errors of the largest sum that it has been: d with the square that enters, up to this channel.
    entering = np.pad(x**2, [(0, 0)] * (x.ndim - 1) + [(0, layer.depth_radius)])[..., layer.depth_radius :]
    largest = np.maximum.accumulate(d + layer.alpha * entering, axis=-1)
    running = layer.beta * confidence(x.size) * np.sqrt(2 * layer.window + 4 * i) * largest / d
    bound: Array = y * np.expm1((roundings + running) * arithmetic.u) + arithmetic.tiny * (1 + power)
    if difference is not None:
        others = 2 * layer.alpha * layer.beta * y / d * np.sqrt((x * difference) ** 2 @ band)
        bound = bound + difference * power + others
    return bound


def _softmax(z: Array, difference: Array, arithmetic: Arithmetic) -> Array:
    """Bound softmax of z that may differ by `difference` already.

    y' / y = exp(δ_k) / Σ p_l·exp(δ_l) lies within exp(±(|δ_k| + max|δ_l|)); the computation adds to δ the rounding of z − m,
    u·|z − m|, the exponential's 4·u, and to y the sum's K·u and the division's u. What exp sends below 2·`tiny` may become 0:
    2·`tiny`, because exponentials are put together as 2·2^(n−1).
    """
    y = ops.softmax(z)
    with np.errstate(over="ignore"):  # a gap beyond all numbers belongs to a probability of 0
        gap = np.minimum(z.max(axis=-1, keepdims=True) - z, np.finfo(z.dtype).max)
    delta = difference + np.where(y > 0, arithmetic.u * gap, 0) + 4 * arithmetic.u
    # The maximum counts only as far as its class has weight; all of them together have weight 1.
    common = np.max(np.where(y > 0, delta, 0), axis=-1, keepdims=True)
    factor = delta + common + (z.shape[-1] + 1) * arithmetic.u
    # Probabilities never differ by more than 1; exp(−gap) is at least y, and not 0 where y is too small to be seen.
    large = np.exp(np.minimum(factor - gap, 0))
    bound: Array = np.where(factor < 1, y * np.expm1(np.minimum(factor, 1)), large) + 2 * arithmetic.tiny
    return bound


def _resize(layer: Resize, x: Array, arithmetic: Arithmetic) -> Array:
    """Bound interpolation at a rounded phase: u_i = (i + ½)·n/o − ½ takes three roundings of at most p_i = (i + ½)·n/o + ½.

    Each pixel value changes by the phase's error times the difference of neighbours, at most the sum of the |pixels| that may be
    met; the interpolation itself takes three roundings on each axis, of at most that sum.
    """
    _, h, w, _ = x.shape
    rows, columns = (_neighbours(n, o) for n, o in ((h, layer.height), (w, layer.width)))
    p, q = ((np.arange(o) + 0.5) * n / o + 0.5 for n, o in ((h, layer.height), (w, layer.width)))
    met = np.einsum("ih,nhwc,jw->nijc", rows, np.abs(x), columns, optimize=True)
    roundings = (3 * (p[:, None] + q) + 6)[:, :, None]  # (height, width, 1)
    return roundings * arithmetic.u * met + 6 * arithmetic.tiny  # type: ignore[no-any-return]  # as above


def _neighbours(n: int, o: int) -> Array:
    """Return which of n pixels an output may meet when its phase is a little off: those with weight, and theirs beside them."""
    weights = interpolation(n, o)
    beside = np.pad(weights, ((0, 0), (1, 1)))
    near = (weights > 0) | (beside[:, :-2] > 0) | (beside[:, 2:] > 0)
    return near.astype(np.float64)
