"""What the rounding errors of products are typically like, on random probes: their standard deviation, and tests against it.

`bounds` holds for every input and every order of summation, and pays for it. On a probe whose inputs and weights are drawn at
random, independently, more can be said: the K terms of a sum are exchangeable, so whatever the order in which an implementation
adds them, its partial sums are a random walk from 0 to y. With Q = Σ(x·w)², the k-th has a mean square of (k/K)²·y² +
(k/K)·(1 − k/K)·Q. Rounding to nearest errs uniformly within ±u·|s_k| at most, a variance of u²·s_k²/3. An implementation that
keeps L running sums ("lanes": vector registers, blocks, threads), each of K/L terms, and adds them up pairwise, errs by less:

    σ² = u²/3 · [ Q·(1 + K/(6·L) + K·(1 − 1/L)/(3·L) + log₂L) + y²·(K/(3·L²) + 2) ]     + 2/3·operand²·Q + result²/3·y²

where the 1 is the products' own rounding and the 2 the bias's and the last sum's. Given its partial sums, an error is a sum of
bounded independent ones, hence sub-Gaussian; the partial sums themselves vary like ∫b², b a Brownian bridge, whose Laplace
transform E exp(a·∫b²) = √(√(2a) / sin √(2a)) (Cameron & Martin 1944) turns the Gaussian tail into the exponential one of
`confidence`. Sources: Connolly, Higham & Mary 2021 (rounding as a martingale); Blanchard, Higham & Mary 2020 (blocks).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.arithmetic import ARITHMETICS, FLOAT64, Arithmetic
from alexnet_ref.bounds import FALSE_ALARM
from reference import Conv, Dense
from reference.forward import apply

Array = NDArray[Any]

# Var(∫b²)/E(∫b²)² = (1/45)/(1/36): the fourth moment of error/σ is at most 3·(1 + 4/5), the variance of its square this.
SQUARE_VARIANCE = 3 * (1 + 4 / 5) - 1


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """One number over all elements of a layer, and what a correct implementation's may be at most."""

    value: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether the number stays within its allowance; NaN does not."""
        return self.value <= self.allowed


@dataclass(frozen=True, kw_only=True)
class Errors:
    """The errors of a product layer on a random probe, in standard deviations of the inferred summation."""

    lanes: int  # the running sums that the implementation seems to keep
    maximum: Statistic  # max |error|/σ
    bias: Statistic  # |mean of error·sign(y)/σ|
    variance: Statistic  # mean of (error/σ)²

    @property
    def passed(self) -> bool:
        """Whether all three stay within their allowances."""
        return self.maximum.passed and self.bias.passed and self.variance.passed


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """A product layer's errors on a random probe, before they are judged by any arithmetic. All arrays have one shape."""

    error: Array  # received − y
    received: Array
    y: Array  # the oracle's result, before the activation
    q: Array  # Σ(x·w)², the oracle run on squares
    k: int  # terms of each sum
    relu: bool


def measure(received: Array, layer: Conv | Dense, params: Mapping[str, Array], x: Array) -> Measured:
    """Hold the layer's output on a random probe x (float64) against the oracle's, and run the oracle on squares."""
    linear = replace(layer, activation=None)
    y = apply(linear, params, x)
    q = apply(linear, {"kernel": params["kernel"] ** 2, "bias": np.zeros_like(params["bias"])}, x**2)
    k = math.prod(params["kernel"].shape[:-1])
    received = received.astype(np.float64)
    return Measured(error=received - y, received=received, y=y, q=q, k=k, relu=layer.activation == "relu")


def deviation(measured: Measured, arithmetic: Arithmetic, lanes: int = 1) -> Array:
    """Return σ for each element: what its rounding error typically is, for an implementation with so many running sums."""
    k, y2 = measured.k, measured.y**2
    walk = 1 + k / (6 * lanes) + k * (1 - 1 / lanes) / (3 * lanes) + math.log2(lanes)
    u = arithmetic.accumulator + FLOAT64.u  # the candidate's and the oracle's
    variance = u**2 / 3 * (measured.q * walk + y2 * (k / (3 * lanes**2) + 2))
    variance = variance + 2 / 3 * arithmetic.operand**2 * measured.q + arithmetic.result**2 / 3 * y2
    sigma: Array = np.sqrt(variance) + (k + 1) * arithmetic.tiny
    return sigma


def confidence(elements: int) -> float:
    """Return t: one of `elements` errors exceeds t·σ with a probability of at most FALSE_ALARM.

    Chernoff's bound with the bridge's Laplace transform: ln P ≤ −θ·t + ½·ln(√6·θ / sin(√6·θ)) for each θ below π/√6. The least t
    over a grid of θ is taken; any θ gives a valid one.
    """
    theta = np.linspace(0, math.pi / math.sqrt(6), 1001)[1:-1]
    angle = math.sqrt(6) * theta
    return float(((math.log(2 * elements / FALSE_ALARM) + np.log(angle / np.sin(angle)) / 2) / theta).min())


def judge(measured: Measured, arithmetic: Arithmetic) -> Errors:
    """Test the errors by the sharpest summation that fits them: maximum, bias and variance.

    Behind a ReLU only elements count that are positive beyond doubt; what it should zero is for `bounds` and exact probes.
    """
    sigma = deviation(measured, arithmetic)
    counted = measured.y > confidence(measured.y.size) * sigma if measured.relu else np.ones(sigma.shape, bool)
    lanes = _lanes(measured, counted, arithmetic)
    ratio = (measured.error / deviation(measured, arithmetic, lanes))[counted]
    n, z = max(ratio.size, 1), math.sqrt(2 * math.log(2 / FALSE_ALARM))
    aligned = ratio * np.sign(measured.y[counted])
    return Errors(
        lanes=lanes,
        maximum=Statistic(value=float(np.abs(ratio).max(initial=0)), allowed=confidence(n)),
        bias=Statistic(value=abs(float(aligned.sum())) / n, allowed=z / math.sqrt(n)),
        variance=Statistic(value=float((ratio**2).sum()) / n, allowed=1 + z * math.sqrt(SQUARE_VARIANCE / n)),
    )


def infer(measured: Measured) -> Arithmetic | None:
    """Return the sharpest arithmetic that the errors are consistent with; None where none is.

    Results stored with few bits are recognised by having no others, whatever their errors.
    """
    stored = next((a.result for a in reversed(ARITHMETICS) if a.result and _has_bits(measured.received, a.result)), 0.0)
    return next((a for a in ARITHMETICS if a.result == stored and judge(measured, a).passed), None)


def _has_bits(x: Array, u: float) -> bool:
    """Tell whether every number has a significand of no more bits than unit roundoff u leaves."""
    fraction, _ = np.frexp(x)
    return bool((fraction / u == np.round(fraction / u)).all())


def _lanes(measured: Measured, counted: Array, arithmetic: Arithmetic) -> int:
    """Return the most running sums, a power of two, that the errors are consistent with, with a reserve of one power.

    Judged by the median, which a fault in few elements does not move. A Gaussian's median is 0.6745·σ, a walk's less; divided by
    √2, half the variance, that is the reserve.
    """
    lanes, error = 1, np.abs(measured.error[counted])
    while 2 * lanes <= measured.k and error.size:
        if np.median(error / deviation(measured, arithmetic, 2 * lanes)[counted]) > 0.6745 / math.sqrt(2):
            break
        lanes *= 2
    return lanes
