"""Dropout in training: what is kept, how it is scaled, and how much is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from alexnet_ref.arithmetic import FLOAT32
from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.checks.check import Check, Material, absent, check_id, compared, not_checkable, raised
from alexnet_ref.compare import Comparison, compare
from reference import Architecture, Dropout
from reference.shapes import layer_inputs

KINDS = ("scaling", "kept", "independent")
# The probability that a correct port's fraction is called wrong, for each fraction that is compared.
FALSE_ALARM = 1e-9
CHUNK = 2**20  # elements of one call
CALLS = 16  # 2²⁴ elements in all: a fraction that is off by 0.001 shows


def check_dropout(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield three checks for each dropout layer: scaling of what is kept, fraction kept, independence of elements and calls."""
    inputs = layer_inputs(architecture)
    missing = absent(candidate, architecture)
    for index, layer in enumerate(architecture.layers):
        if not isinstance(layer, Dropout):
            continue
        ids = [check_id(layer, kind) for kind in KINDS]
        if layer.name in missing:
            yield from (not_checkable(check, layer.name, missing[layer.name]) for check in ids)
            continue
        shape = inputs[layer.name]
        rng = np.random.default_rng([material.seed, index])
        # Nowhere zero, so that an element that is zero afterwards was dropped.
        x = rng.uniform(1, 2, (-(-CHUNK // math.prod(shape)), *shape)).astype(np.float32)
        try:
            first, second, *others = (candidate.layer(layer.name, x, training=True) for _ in range(CALLS))
            kept = sum(int(np.count_nonzero(y)) for y in (first, second, *others))
        except Exception as error:  # noqa: BLE001 - a port may raise anything; whatever it is, it does not conform
            yield from (raised(check, layer.name, error) for check in ids)
            continue
        fraction = _fraction(kept, x.size * CALLS, layer.keep_prob)
        comparisons = (_scaling(layer, x, first), fraction, _independence(layer, first, second))
        yield from (compared(check, layer.name, result) for check, result in zip(ids, comparisons, strict=True))


def _scaling(layer: Dropout, x: Array, y: Array) -> Comparison:
    """Compare kept elements with x / (1 − rate): the rounded factor and the rounded product are two roundings of u each."""
    if y.shape != x.shape:
        return Comparison(passed=False, fact=f"expected shape {x.shape}, received {y.shape}")
    expected = np.where(y != 0, x.astype(np.float64) / layer.keep_prob, 0.0)
    return compare(y, expected, 2 * FLOAT32.u * np.abs(expected) * (1 + FLOAT32.u))


def _independence(layer: Dropout, y: Array, again: Array) -> Comparison:
    """Compare, for neighbours along each axis and for two calls, the fraction of pairs of which both are kept with (1 − rate)².

    Pairs are disjoint, so that independent masks make independent pairs. The worst of the comparisons is returned.
    """
    if y.size == 0:
        return Comparison(passed=False, fact=f"shape {y.shape} in training: nothing to count")
    if y.shape != again.shape:
        return Comparison(passed=False, fact=f"shapes {y.shape} and {again.shape} in two calls")
    pairs = [(y, again), *(_neighbours(y, axis) for axis in range(y.ndim) if y.shape[axis] > 1)]
    both = [int(np.count_nonzero((a != 0) & (b != 0))) for a, b in pairs]
    comparisons = [_fraction(n, a.size, layer.keep_prob**2) for n, (a, _) in zip(both, pairs, strict=True)]
    return max(comparisons, key=lambda comparison: comparison.ratio or 0.0)


def _neighbours(y: Array, axis: int) -> tuple[Array, Array]:
    """Return the elements at even places along the axis, and those right behind them."""
    half = y.shape[axis] // 2
    return np.take(y, np.arange(half) * 2, axis), np.take(y, np.arange(half) * 2 + 1, axis)


def _fraction(happened: int, n: int, probability: float) -> Comparison:
    """Hold a fraction of n independent events against its probability p by Chernoff's inequality, true for every n.

    P(fraction ≥ q) ≤ exp(−n·KL(q ‖ p)), likewise below p; with v = p·(1 − p), KL(p ± t ‖ p) ≥ t² / (2·v + 2·t/3) (Bernstein), so
    that each side has a probability of FALSE_ALARM/2 at t² = (2·v + 2·t/3)·c, c = ln(2/FALSE_ALARM)/n.
    """
    c = math.log(2 / FALSE_ALARM) / n
    allowed = c / 3 + math.sqrt((c / 3) ** 2 + 2 * probability * (1 - probability) * c)
    return compare(np.array([happened / n]), np.array([probability]), allowed)
