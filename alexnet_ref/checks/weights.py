"""The weights that the port should have, bit for bit, where they are known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from alexnet_ref.candidates import Candidate, NotCheckable
from alexnet_ref.checks.check import Check, Material, check_id, compared, not_checkable
from alexnet_ref.compare import compare
from reference import Architecture, Conv, Dense, InvalidInput
from reference.forward import as_params


def check_weights(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield a check for each layer with weights: moved into the port's axes and back, a number stays what it is.

    Nothing is yielded where the weights that the port should have are not given. The worst of kernel and bias is told.
    """
    if material.params is None:
        return
    intended = as_params(architecture, material.params, np.float32)
    layers = [layer for layer in architecture.layers if isinstance(layer, (Conv, Dense))]
    try:
        received = candidate.params(architecture)
    except (NotCheckable, InvalidInput) as error:
        yield from (not_checkable(check_id(layer, "weights"), layer.name, str(error)) for layer in layers)
        return
    for layer in layers:
        check = check_id(layer, "weights")
        parts = received.get(layer.name, {})
        if set(parts) != set(intended[layer.name]):
            expected = ", ".join(intended[layer.name])
            fact = f"expected {expected}, received {', '.join(parts) or 'nothing'}"
            yield Check(id=check, layer=layer.name, status="failed", fact=fact)
            continue
        comparisons = {part: compare(parts[part], value) for part, value in intended[layer.name].items()}
        part = max(comparisons, key=lambda part: (not comparisons[part].passed, comparisons[part].ratio or 0.0))
        yield compared(check, layer.name, comparisons[part])
