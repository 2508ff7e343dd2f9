"""Mistakes that no input can tell apart: the same parts, or the same numbers to the bit. To name one is to name the other."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from alexnet_ref.diagnosis.hypotheses import probe
from alexnet_ref.mistakes import Mistake, as_ported, mistakes, run, run_network
from alexnet_ref.mistakes.mistake import documented
from alexnet_ref.mistakes.parts import Bias, OddConv, OddDense, OddDropout, Part
from reference import Conv, Dense, Dropout, InvalidInput, Params
from reference.shapes import layer_inputs

_LABELS = {"name", "place", "quotes"}
SCALE = 64  # of weights, before they are rounded to integers: those of the smallest spread become several different ones


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
    weighted = isinstance(part, (Conv, Dense, OddConv, OddDense, Bias))
    numbers = tuple((each.name, getattr(part, each.name)) for each in fields(part) if each.name not in _LABELS)
    return name if weighted else "", type(part).__name__, numbers


def _same_numbers(mistake: Mistake, other: Mistake, params: Params) -> str:
    """Compare each layer on integers, or, where the order differs, the results of the network for signed images.

    Sums of products of integers are exact: no order of summation tells two of them apart.
    """
    own, rng = dict(documented(mistake.architecture)), np.random.default_rng(0)
    if not [name for name, _ in mistake.network] == list(own) == [name for name, _ in other.network]:
        return _same_results(mistake, other, params)
    inputs = layer_inputs(mistake.architecture)
    whole = {name: {part: np.round(SCALE * w) for part, w in parts.items()} for name, parts in params.items()}
    ported = [as_ported(each, whole) for each in (mistake, other)]
    networks = [dict(each.network) for each in (mistake, other)]
    first, differs = next(iter(own)), False
    for network, each in zip(networks, (mistake, other), strict=True):
        network[first] = (*each.input, *network[first])
    for name, right in own.items():
        x = np.round(probe(mistake.architecture[name], inputs[name], rng)[0])
        a, b = (run(network[name], weights.get(name, {}), x) for network, weights in zip(networks, ported, strict=True))
        if not np.array_equal(a, b):
            return ""
        differs |= not np.array_equal(a, run(right, whole.get(name, {}), x))
    return "bit-equal outputs of every layer, which are not the document's" if differs else ""


def _same_results(mistake: Mistake, other: Mistake, params: Params) -> str:
    if mistake.same_result or other.same_result or mistake.weights or other.weights:
        return ""
    x = np.random.default_rng(0).standard_normal((2, *mistake.architecture.input_shape)).astype(np.float32)
    own, others = (list(run_network(each, params, x).values())[-1] for each in (mistake, other))
    return "bit-equal results of the network" if np.array_equal(own, others) else ""
