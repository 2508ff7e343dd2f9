"""LRN's mean error on its designed probe: what a hyperparameter that is slightly off shifts in every element alike.

Rounding errors of sums differ from pixel to pixel and cancel in the mean. What remains of a correct implementation is what is
the same for all elements: the rounded alpha, beta and bias, and the leaning of its power function.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from alexnet_ref.arithmetic import FLOAT64, Arithmetic
from alexnet_ref.bounds import FALSE_ALARM
from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.checks.check import Check, Material, Status, absent, check_id, not_checkable, raised
from alexnet_ref.checks.probes import probe_input
from reference import LRN, Architecture
from reference.forward import apply
from reference.shapes import layer_inputs

KIND = "bias"
PIXELS = 2048  # of the probe at least: a mean of few shows little


def check_lrn(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield one check for each LRN: the mean relative error over its probe."""
    inputs = layer_inputs(architecture)
    missing = absent(candidate, architecture)
    for index, layer in enumerate(architecture.layers):
        if not isinstance(layer, LRN):
            continue
        check = check_id(layer, KIND)
        if layer.name in missing:
            yield not_checkable(check, layer.name, missing[layer.name])
            continue
        rng = np.random.default_rng([material.seed, index, 3])
        batch = math.prod(probe_input(layer, inputs[layer.name], rng).shape[:-1])
        x = np.concatenate([probe_input(layer, inputs[layer.name], rng) for _ in range(-(-PIXELS // batch))])
        try:
            received = candidate.layer(layer.name, x)
        except Exception as error:  # noqa: BLE001 - a port may raise anything; whatever it is, it does not conform
            yield raised(check, layer.name, error)
            continue
        if received.shape != x.shape or not np.isfinite(received).all():
            fact = f"expected finite values of shape {x.shape}, received shape {received.shape} or some that are not finite"
            yield Check(id=check, layer=layer.name, status="failed", fact=fact)
            continue
        mean, allowed = mean_error(layer, x.astype(np.float64), received, material.arithmetic)
        status: Status = "passed" if mean <= allowed else "failed"
        fact = "mean relative error, over all elements"
        yield Check(id=check, layer=layer.name, status=status, fact=fact, error=mean, allowed=allowed, ratio=mean / allowed)


def mean_error(layer: LRN, x: Array, received: Array, arithmetic: Arithmetic) -> tuple[float, float]:
    """Return |mean of (received − y)/y| and its allowance.

    The same for all elements, in the worst case: alpha, beta and bias rounded, u each, and the power's 4·|beta·ln d| + 6, as in
    `bounds`. Different from pixel to pixel (the windows of one pixel overlap, and a running sum carries its error along all
    channels): given the sizes of P pixels' errors e_p, their signs are fair coins, and the mean is within √(2·ln(2/p)·Σe_p²)/P of
    0 but for a probability of p (Hoeffding 1963; Efron 1969); sizes are taken from the mean, so that a common shift is no size.
    """
    y = apply(layer, {}, x)
    u = arithmetic.u + FLOAT64.u
    i = np.arange(x.shape[-1])
    d = layer.bias + layer.alpha * (x**2 @ (np.abs(i[:, None] - i) <= layer.depth_radius).astype(x.dtype))
    counted = np.abs(y) > arithmetic.tiny / u  # a relative error needs a normal number
    relative = np.where(counted, (received.astype(np.float64) - y) / np.where(counted, y, 1), 0)
    pixels = relative.mean(axis=-1).ravel()  # (P,)
    common = float((3 * layer.beta + 4 * np.abs(layer.beta * np.log(d)) + 6).mean()) * u + arithmetic.result
    spread = float(((pixels - pixels.mean()) ** 2).sum())
    return abs(float(pixels.mean())), common + math.sqrt(2 * math.log(2 / FALSE_ALARM) * spread) / len(pixels)
