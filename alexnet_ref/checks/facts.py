"""Document facts: layer order, shapes, parameter counts, hyperparameters - what the port says, against what the document says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from alexnet_ref.candidates import Candidate, Fact
from alexnet_ref.checks.check import Check, Material, absent, check_id, equal, not_checkable
from reference import Architecture, Conv, InvalidInput, Layer, MaxPool, layer_shapes, param_counts
from reference.documented import documented_params, documented_shape
from reference.padding import output_size, pad_widths
from reference.shapes import layer_inputs

_UNSTATED = "the candidate does not state how many parameters it has"
# What a layer carries beside its hyperparameters.
_LABELS = {"name", "place", "quotes"}


def check_facts(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield a check for the order of layers and the total of parameters, and three for each layer."""
    del material  # facts are told, not computed
    facts = {fact.name: fact for fact in candidate.facts()}
    missing = absent(candidate, architecture)
    names = [layer.name for layer in architecture.layers if layer.name not in candidate.hidden]
    yield equal("network.order", None, "layers in order", ", ".join(names), ", ".join(facts))
    yield _total(architecture, list(facts.values()))
    yield from _strangers(architecture, list(facts.values()))
    shapes, counts, inputs = layer_shapes(architecture), param_counts(architecture), layer_inputs(architecture)
    for layer in architecture.layers:
        fact = facts.get(layer.name)
        if fact is None:
            if layer.name not in candidate.hidden:
                why = "the candidate has no such layer, or has it in another place"
                yield Check(id=check_id(layer, "present"), layer=layer.name, status="failed", fact=why)
            for kind in ("shape", "params", "hyperparameters"):
                yield not_checkable(check_id(layer, kind), layer.name, missing[layer.name])
            continue
        # The document's own number where it states one, else what follows from its description.
        shape = documented_shape(layer) or shapes[layer.name]
        count = documented_params(layer)
        yield _shape(layer, shape, fact)
        expected = counts[layer.name] if count is None else count
        yield _params(layer, expected, fact)
        yield _hyperparameters(layer, fact, inputs[layer.name])


def _strangers(architecture: Architecture, facts: list[Fact]) -> Iterator[Check]:
    """Yield a failed check for each run of steps of no layer, at the layer that it stands before or, at the end, after."""
    layers, waiting = {layer.name: layer for layer in architecture.layers}, []
    last = architecture.layers[-1]
    for fact in [*facts, None]:
        if fact is not None and fact.name not in layers:
            waiting.append(fact.name)
        elif waiting:
            layer, kind = (layers[fact.name], "before") if fact else (last, "after")
            why = f"{kind} it the port computes what the document does not: {', '.join(waiting)}"
            yield Check(id=check_id(layer, kind), layer=layer.name, status="failed", fact=why)
            waiting = []


def _total(architecture: Architecture, facts: list[Fact]) -> Check:
    if any(fact.params is None for fact in facts):
        return not_checkable("network.params", None, _UNSTATED)
    total = sum(fact.params or 0 for fact in facts)
    return equal("network.params", None, "parameters in all", sum(param_counts(architecture).values()), total)


def _params(layer: Layer, expected: int, fact: Fact) -> Check:
    check = check_id(layer, "params")
    if fact.params is None:
        return not_checkable(check, layer.name, _UNSTATED)
    return equal(check, layer.name, "parameters", expected, fact.params)


def _shape(layer: Layer, shape: tuple[int, ...], fact: Fact) -> Check:
    check = check_id(layer, "shape")
    if fact.output_shape is None:
        return not_checkable(check, layer.name, "the candidate does not state its output shape")
    return equal(check, layer.name, "output shape", shape, fact.output_shape)


def _hyperparameters(layer: Layer, fact: Fact, shape: tuple[int, ...]) -> Check:
    check = check_id(layer, "hyperparameters")
    if fact.layer is None:
        return not_checkable(check, layer.name, "no word of the vocabulary describes the candidate's layer")
    if type(fact.layer) is not type(layer):
        return equal(check, layer.name, "kind of layer", type(layer).__name__, type(fact.layer).__name__)
    expected, received = hyperparameters(layer), hyperparameters(_padded_as(layer, fact.layer, shape))
    wrong = [key for key in expected if not _same(expected[key], received[key])]
    described = {key: expected[key] for key in wrong or expected}
    return equal(
        check, layer.name, "hyperparameters", _words(described), _words({key: received[key] for key in wrong} or described)
    )


def _padded_as(layer: Layer, received: Layer, shape: tuple[int, ...]) -> Layer:
    """Return what was received with the document's word for its padding, where both words mean the same over (H, W, C)."""
    if not isinstance(layer, (Conv, MaxPool)) or not isinstance(received, (Conv, MaxPool)):
        return received
    size = received.kernel_size if isinstance(received, Conv) else received.pool_size
    axes = list(zip(shape[:2], size, received.strides, strict=True))
    try:
        words = [
            [(output_size(*axis, word), pad_widths(*axis, word)) for axis in axes] for word in (layer.padding, received.padding)
        ]
    except InvalidInput:  # no window fits: then they are not the same
        return received
    return dataclasses.replace(received, padding=layer.padding) if words[0] == words[1] else received


def hyperparameters(layer: Layer) -> dict[str, Any]:
    """Return the layer's fields without its name and place in the document."""
    return {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer) if f.name not in _LABELS}


def _same(expected: Any, received: Any) -> bool:
    """Numbers are the same when float32, in which both compute, cannot tell them apart: 1 − 0.8 and 0.2."""
    if isinstance(expected, float) and isinstance(received, (int, float)):
        return bool(np.float32(expected) == np.float32(received))
    return bool(expected == received)


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items()) or "none"
