"""What no input can show: said, never counted as passed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from alexnet_ref.candidates import Candidate
from alexnet_ref.checks.check import Check, Material, check_id, not_checkable
from reference import Architecture, Conv, Flatten, unseen_weights
from reference.shapes import layer_inputs


def check_unseen(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield a check that is not checkable for weights that meet padding alone, and for the order of a 1×1 map's flattening."""
    del candidate, material  # a property of the description
    inputs = layer_inputs(architecture)
    for layer in architecture.layers:
        shape = inputs[layer.name]
        if isinstance(layer, Conv) and (unseen := unseen_weights(layer, shape)):
            total = math.prod(layer.kernel_size) * shape[2] * layer.filters
            why = f"{unseen:,} of {total:,} weights meet padding alone: no input shows an error in them"
            yield not_checkable(check_id(layer, "unseen"), layer.name, why)
        if isinstance(layer, Flatten) and shape[:2] == (1, 1):
            yield not_checkable(check_id(layer, "order"), layer.name, "a 1×1 map has one order only: no input shows another")
