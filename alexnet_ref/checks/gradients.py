"""What each layer of a port makes of the gradient, fed the port's own input, output and dL/doutput."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from alexnet_ref import gradient_bounds
from alexnet_ref.arithmetic import FLOAT64, Arithmetic
from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.candidates.trained import TrainedNetwork
from alexnet_ref.checks.batch import Batch, trained_layers, worst
from alexnet_ref.checks.check import Check, absent, check_id, compared, not_checkable
from alexnet_ref.compare import compare
from reference import Architecture, Dropout, Flatten, Layer, MaxPool
from reference.forward import apply
from reference.gradients import backward, logits_layers


@dataclass(frozen=True, kw_only=True, eq=False)
class Fed:
    """What a layer was fed, what it passed back (None: nothing shows), and its weights."""

    x: Array
    dx: Array | None
    weights: Mapping[str, Array]


def check_gradients(
    candidate: Candidate, architecture: Architecture, trained: TrainedNetwork, batch: Batch, arithmetic: Arithmetic
) -> Iterator[Check]:
    """Yield a check for each layer: fed the port's own input, output and dL/doutput, its dL/dinput, dL/dkernel and dL/dbias."""
    layers = (logits_layers(architecture) if trained.logits else None) or architecture.layers
    checked = {layer.name for layer in trained_layers(architecture)}
    missing = absent(candidate, architecture)
    names = list(trained.outputs)
    unseen: list[Layer] = []
    for layer in layers:
        check = check_id(layer, "gradient")
        if layer.name in missing or layer.name not in trained.outputs:
            unseen.append(layer)
            if layer.name in checked:
                yield not_checkable(check, layer.name, missing.get(layer.name, "the candidate has no such layer"))
            continue
        before, unseen = unseen, []
        if layer.name not in checked:
            continue
        if any(not isinstance(each, (Dropout, Flatten)) for each in before):
            yield not_checkable(check, layer.name, "what it is fed does not show")
            continue
        place = names.index(layer.name)
        x = trained.outputs[names[place - 1]] if place else batch.x
        dx = trained.output_gradients.get(names[place - 1]) if place else None
        if any(isinstance(each, Flatten) for each in before):
            x, dx = x.reshape(len(x), -1), None if dx is None else dx.reshape(len(dx), -1)
        fed = Fed(x=x, dx=dx, weights=batch.weights.get(layer.name, {}))
        yield _gradient(layer, fed, trained, arithmetic)


def _gradient(layer: Layer, fed: Fed, trained: TrainedNetwork, arithmetic: Arithmetic) -> Check:
    check, weights, x = check_id(layer, "gradient"), fed.weights, fed.x
    y, dy = trained.outputs[layer.name], trained.output_gradients.get(layer.name)
    received = dict(trained.gradients.get(layer.name, {}))
    if missing := [part for part in weights if part not in received]:
        return Check(id=check, layer=layer.name, status="failed", fact=f"its {' and '.join(missing)} has no gradient")
    if dy is None or not all(np.isfinite(array).all() for array in (x, y, dy)):
        return not_checkable(check, layer.name, "it is fed no finite numbers")
    own = {part: value.astype(np.float64) for part, value in weights.items()}
    x, y, dy = (array.astype(np.float64) for array in (x, y, dy))
    try:
        if apply(layer, own, x[:1]).shape[1:] != y.shape[1:] or dy.shape != y.shape:
            return not_checkable(check, layer.name, f"its output has the shape {y.shape[1:]}, not the document's")
        expected_dx, expected = backward(layer, own, x, y, dy)
        allowed_dx, allowed = gradient_bounds.allowed(
            layer, own, x, y, dy, arithmetic=arithmetic, differences=_ties(x, y, dy) if isinstance(layer, MaxPool) else None
        )
    except ValueError as error:  # InvalidInput, or shapes that do not fit
        return not_checkable(check, layer.name, f"its input is not the document's: {error}")
    comparisons = {f"dL/d{part}": compare(received[part], expected[part], allowed[part]) for part in weights}
    if fed.dx is not None:
        comparisons["dL/dinput"] = compare(fed.dx, expected_dx, allowed_dx)
    if not comparisons:
        return not_checkable(check, layer.name, "no gradient of its shows")
    return compared(check, layer.name, worst(comparisons))


def _ties(x: Array, y: Array, dy: Array) -> gradient_bounds.Differences:
    """Put equal maxima, such as the zeros of a closed ReLU, in doubt, and nothing else: each framework takes its own first."""
    return gradient_bounds.Differences(x=np.full_like(x, FLOAT64.tiny), y=np.zeros_like(y), dy=np.zeros_like(dy))
