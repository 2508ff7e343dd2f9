"""The smallest input that still shows a failure, as far as halving finds one: what to debug with when nothing explains it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from alexnet_ref import bounds
from alexnet_ref.arithmetic import Arithmetic
from alexnet_ref.compare import compare
from alexnet_ref.diagnosis.diagnosis import Array, Evidence
from reference import Layer
from reference.forward import apply

CALLS = 60  # of the layer at most

Run = Callable[[Array], Array]


def smallest(run: Run, layer: Layer, params: Mapping[str, Array], x: Array, arithmetic: Arithmetic) -> Evidence:
    """Return evidence with one image of x, and as few numbers that are not 0 as were found to show the failure."""
    evidence = _evidence(run, layer, params, x, arithmetic)
    if evidence.received.shape == evidence.expected.shape and len(x) > 1:
        excess = np.abs(evidence.received - evidence.expected) - evidence.allowed
        image = int(np.nan_to_num(excess, nan=np.inf).reshape(len(x), -1).max(axis=1).argmax())
        alone = _evidence(run, layer, params, x[image : image + 1], arithmetic)
        if not _failing(alone):
            return evidence  # it takes several images: a mistake across the batch
        evidence = alone
    calls = 0
    while (places := np.argwhere(evidence.x)).size and len(places) > 1 and calls < CALLS:
        for half in np.array_split(places, 2):
            kept = np.zeros_like(evidence.x)
            kept[tuple(half.T)] = evidence.x[tuple(half.T)]
            calls += 1
            smaller = _evidence(run, layer, params, kept, arithmetic)
            if _failing(smaller):
                evidence = smaller
                break
        else:
            break
    return evidence


def _evidence(run: Run, layer: Layer, params: Mapping[str, Array], x: Array, arithmetic: Arithmetic) -> Evidence:
    exact, x64 = {part: value.astype(np.float64) for part, value in params.items()}, x.astype(np.float64)
    allowed = bounds.allowed(layer, exact, x64, arithmetic)
    return Evidence(x=x, params=params, expected=apply(layer, exact, x64), received=run(x), allowed=allowed)


def _failing(evidence: Evidence) -> bool:
    return not compare(evidence.received, evidence.expected, evidence.allowed).passed
