"""Mistakes that no input can tell apart: the same parts, or the same numbers to the bit. To name one is to name the other."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from alexnet_ref.diagnosis.hypotheses import probe
from alexnet_ref.mistakes import Mistake, as_ported, mistakes, run, run_network
from alexnet_ref.mistakes.mistake import documented
from alexnet_ref.mistakes.parts import OddConv, OddDense, OddDropout, Part
from reference import Conv, Dense, Dropout, InvalidInput, Params
from reference.shapes import layer_inputs

_LABELS = {"name", "place", "quotes"}


def tie(mistake: Mistake, name: str, params: Params) -> str:
    """Return why the mistake of this name computes what `mistake` does, for every input that is tried; "" where it does not."""
    other = next((each for each in mistakes(mistake.architecture) if each.id == name), None)
    if other is None or other.training != mistake.training:
        return ""
    if _same_weights(mistake, other, params) and _chain(mistake) == _chain(other):
        return "the same parts in the same order"
    if "training" in (mistake.shows, other.shows):
        return ""
    try:
        return _same_numbers(mistake, other, params)
    except (InvalidInput, ValueError, KeyError):  # one of them cannot take what the other takes
        return ""


def _same_weights(mistake: Mistake, other: Mistake, params: Params) -> bool:
    if not (mistake.weights or other.weights):
        return True
    a, b = as_ported(mistake, params), as_ported(other, params)
    return all(np.array_equal(a[layer][part], b[layer][part]) for layer in a for part in a[layer])


def _chain(mistake: Mistake) -> list[Any]:
    """Return all parts in order, without names, but for whose weights they use."""
    parts: list[tuple[str, Part]] = [("", part) for part in mistake.input]
    parts += [(name, part) for name, parts in mistake.network for part in parts]
    return [_form(name, part) for name, part in parts]


def _form(name: str, part: Part) -> Any:
    if isinstance(part, Dropout):
        part = OddDropout(rate=part.rate, scale=1 / part.keep_prob)
    weighted = isinstance(part, (Conv, Dense, OddConv, OddDense)) or type(part).__name__ == "Bias"
    return name if weighted else "", type(part).__name__, *((f.name, getattr(part, f.name)) for f in fields(part) if f.name not in _LABELS)


def _same_numbers(mistake: Mistake, other: Mistake, params: Params) -> str:
    """Compare each changed layer on its probe, or, where the order differs, the results of the network for signed images."""
    own, rng = dict(documented(mistake.architecture)), np.random.default_rng(0)
    if [name for name, _ in mistake.network] == list(own) == [name for name, _ in other.network]:
        inputs = layer_inputs(mistake.architecture)
        a, b = dict(mistake.network), dict(other.network)
        ported = [as_ported(each, params) for each in (mistake, other)]
        changed = bool(mistake.weights or other.weights)  # then the intended weights are the probe
        first = next(iter(own))
        a[first], b[first] = (*mistake.input, *a[first]), (*other.input, *b[first])
        for name in own:
            if a[name] != b[name] or (changed and name in params):
                x, drawn = probe(mistake.architecture[name], inputs[name], rng)
                weights = [each[name] for each in ported] if changed and name in params else [drawn, drawn]
                if not np.array_equal(run(a[name], weights[0], x), run(b[name], weights[1], x)):
                    return ""
        return "bit-equal outputs of every layer"
    if mistake.same_result or other.same_result or mistake.weights or other.weights:
        return ""
    x = rng.standard_normal((2, *mistake.architecture.input_shape)).astype(np.float32)
    results = [list(run_network(each, params, x).values())[-1] for each in (mistake, other)]
    return "bit-equal results of the network" if np.array_equal(*results) else ""
