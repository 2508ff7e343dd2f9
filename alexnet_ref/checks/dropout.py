"""Dropout in training: what is kept, how it is scaled, and how much is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.checks.check import Check, Material, check_id, compared, not_checkable, raised
from alexnet_ref.compare import Comparison, compare
from reference import Architecture, Dropout
from reference.shapes import layer_inputs

# The probability that a correct port's fraction is called wrong, for each fraction that is compared.
FALSE_ALARM = 1e-9
ELEMENTS = 2**18  # enough that a rate wrong by 0.01 is 10 standard deviations off at rate 0.5


def check_dropout(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield three checks for each dropout layer: scaling of what is kept, fraction kept, independence of elements and calls."""
    inputs = layer_inputs(architecture)
    present = {fact.name for fact in candidate.facts()}
    for index, layer in enumerate(architecture.layers):
        if not isinstance(layer, Dropout):
            continue
        scaling, kept, independent = (check_id(layer, kind) for kind in ("scaling", "kept", "independent"))
        if layer.name not in present:
            for check in (scaling, kept, independent):
                yield not_checkable(check, layer.name, "the candidate has no layer of this name")
            continue
        shape = inputs[layer.name]
        rng = np.random.default_rng([material.seed, index])
        # Nowhere zero, so that an element that is zero afterwards was dropped.
        x = rng.uniform(1, 2, (-(-ELEMENTS // math.prod(shape)), *shape)).astype(np.float32)
        try:
            y = candidate.layer(layer.name, x, training=True)
            again = candidate.layer(layer.name, x, training=True)
        except Exception as error:  # noqa: BLE001 - a port may raise anything; whatever it is, it does not conform
            yield from (raised(check, layer.name, error) for check in (scaling, kept, independent))
            continue
        yield _scaling(scaling, layer, x, y)
        yield _kept(kept, layer, y)
        yield _independent(independent, layer, y, again)


def _scaling(check: str, layer: Dropout, x: Array, y: Array) -> Check:
    """Compare kept elements with x / (1 − rate): the rounded factor and the rounded product are two roundings of u each."""
    expected = np.where(np.asarray(y) != 0, x.astype(np.float64) / layer.keep_prob, 0.0) if y.shape == x.shape else x
    return compared(check, layer.name, compare(y, expected, 2 * 2.0**-24 * np.abs(expected) * (1 + 2.0**-24)))


def _kept(check: str, layer: Dropout, y: Array) -> Check:
    """Compare the fraction of elements that are kept with 1 − rate."""
    return compared(check, layer.name, _fraction(y != 0, layer.keep_prob))


def _independent(check: str, layer: Dropout, y: Array, again: Array) -> Check:
    """Compare, for neighbours along each axis and for two calls, the fraction of pairs of which both are kept with (1 − rate)².

    Pairs are disjoint, so that independent masks make independent pairs. The worst of the comparisons is reported.
    """
    if y.shape != again.shape or y.ndim < 2:
        return compared(check, layer.name, Comparison(passed=False, fact=f"shapes {y.shape} and {again.shape} in two calls"))
    pairs = [(y, again), *(_neighbours(y, axis) for axis in range(y.ndim) if y.shape[axis] > 1)]
    comparisons = [_fraction((a != 0) & (b != 0), layer.keep_prob**2) for a, b in pairs]
    return compared(check, layer.name, max(comparisons, key=lambda comparison: comparison.ratio or 0.0))


def _neighbours(y: Array, axis: int) -> tuple[Array, Array]:
    """Return the elements at even places along the axis, and those right behind them."""
    half = y.shape[axis] // 2
    return np.take(y, np.arange(half) * 2, axis), np.take(y, np.arange(half) * 2 + 1, axis)


def _fraction(happened: Array, probability: float) -> Comparison:
    """Hold a fraction of independent events against its probability by Hoeffding's inequality, true for every probability.

    P(|fraction − p| ≥ t) ≤ 2·exp(−2·n·t²), which is FALSE_ALARM at the t that is allowed.
    """
    allowed = math.sqrt(math.log(2 / FALSE_ALARM) / (2 * happened.size))
    return compare(np.array([happened.mean()]), np.array([probability]), allowed)
