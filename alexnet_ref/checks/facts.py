"""Document facts: layer order, shapes, parameter counts, hyperparameters - what the port says, against what the document says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from alexnet_ref.candidates import Candidate, Fact
from alexnet_ref.checks.check import Check, Material, check_id, equal, not_checkable
from reference import Architecture, Layer, layer_shapes, param_counts
from reference.documented import documented_params, documented_shape

# What a layer carries beside its hyperparameters.
_LABELS = {"name", "place", "quotes"}


def check_facts(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield a check for the order of layers and the total of parameters, and three for each layer."""
    del material  # facts are told, not computed
    facts = {fact.name: fact for fact in candidate.facts()}
    names = [layer.name for layer in architecture.layers]
    yield equal("network.order", None, "layers in order", ", ".join(names), ", ".join(facts))
    total = sum(fact.params for fact in facts.values())
    yield equal("network.params", None, "parameters in all", sum(param_counts(architecture).values()), total)
    shapes, counts = layer_shapes(architecture), param_counts(architecture)
    for layer in architecture.layers:
        fact = facts.get(layer.name)
        if fact is None:
            for kind in ("shape", "params", "hyperparameters"):
                yield not_checkable(check_id(layer, kind), layer.name, "the candidate has no layer of this name")
            continue
        # The document's own number where it states one, else what follows from its description.
        shape = documented_shape(layer) or shapes[layer.name]
        count = documented_params(layer)
        yield _shape(layer, shape, fact)
        expected = counts[layer.name] if count is None else count
        yield equal(check_id(layer, "params"), layer.name, "parameters", expected, fact.params)
        yield _hyperparameters(layer, fact)


def _shape(layer: Layer, shape: tuple[int, ...], fact: Fact) -> Check:
    check = check_id(layer, "shape")
    if fact.output_shape is None:
        return not_checkable(check, layer.name, "the candidate does not state its output shape")
    return equal(check, layer.name, "output shape", shape, fact.output_shape)


def _hyperparameters(layer: Layer, fact: Fact) -> Check:
    check = check_id(layer, "hyperparameters")
    if fact.layer is None:
        return not_checkable(check, layer.name, "no word of the vocabulary describes the candidate's layer")
    if type(fact.layer) is not type(layer):
        return equal(check, layer.name, "kind of layer", type(layer).__name__, type(fact.layer).__name__)
    expected, received = hyperparameters(layer), hyperparameters(fact.layer)
    wrong = [key for key in expected if not _same(expected[key], received[key])]
    described = {key: expected[key] for key in wrong or expected}
    return equal(
        check, layer.name, "hyperparameters", _words(described), _words({key: received[key] for key in wrong} or described)
    )


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
