"""Mistakes in the order of layers, told by the port's own steps: a wrong network that they fit without any guess."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import get_args

from alexnet_ref.candidates.paired import PairedCandidate
from alexnet_ref.candidates.pairing import Pairing, pair
from alexnet_ref.diagnosis.output import stretch
from alexnet_ref.mistakes.mistake import Mistake, Network, documented
from reference import LRN, Architecture, Conv, Dense, InvalidInput, Layer, MaxPool, Resize


def fitting(mistakes: Sequence[Mistake], candidate: PairedCandidate) -> Iterator[Mistake]:
    """Yield the mistakes whose network the port's steps make up naturally, as they do not make up the document's."""
    if any(step.means is None for step in candidate.steps):
        return  # what it is would be a guess
    if _made_up(candidate.pairing, candidate):
        return  # the order is right, and what is wrong is something else
    kinds = _kinds(step.means for step in candidate.steps)
    for mistake in (*mistakes, *throughout(mistakes)):
        network = _described(mistake)
        if network is None or _kinds(network.layers) != kinds:  # told at once, without cutting
            continue
        try:
            found = pair(network, candidate.steps, own_names=False)
        except InvalidInput:  # a network that no input passes through
            continue
        if _made_up(found, candidate):
            yield mistake


def throughout(mistakes: Sequence[Mistake]) -> Iterator[Mistake]:
    """Yield each mistake that can be made at several layers, made at all of them: a port's blocks are written once."""
    alike: dict[tuple[str, type[Layer]], list[Mistake]] = {}
    for mistake in mistakes:
        if mistake.family == "order" and mistake.layer is not None:
            alike.setdefault((mistake.words, type(mistake.architecture[mistake.layer])), []).append(mistake)
    for group in alike.values():
        if len(group) > 1 and (network := _composed(group)) is not None:
            yield replace(group[0], id=" + ".join(mistake.id for mistake in group), network=network)


def _composed(group: Sequence[Mistake]) -> Network | None:
    """Return the network with the changes of each; None where they change the same layers."""
    right = documented(group[0].architecture)
    stretches = sorted(((*stretch(mistake.network, right), mistake.network) for mistake in group), key=lambda each: each[:2])
    found: Network = ()
    place = 0
    for start, stop, changed in stretches:
        if start < place:
            return None
        found = (*found, *right[place:start], *changed[start : len(changed) - (len(right) - stop)])
        place = stop
    return (*found, *right[place:])


def _kinds(steps: Iterable[object]) -> list[type[object]]:
    """Return, in order, the kinds of what can be neither merged with another layer nor left out."""
    return [type(step) for step in steps if isinstance(step, (Conv, LRN, MaxPool, Resize, Dense))]


def _made_up(pairing: Pairing, candidate: PairedCandidate) -> bool:
    """Tell whether the port's steps make up this network without any guess, and it has one for each layer that it should have."""
    lacking = [layer for block in pairing.blocks if block.last < block.first for layer in block.layers]
    return pairing.natural and all(candidate.needless(pairing.architecture[name]) for name in lacking)


def _described(mistake: Mistake) -> Architecture | None:
    """Return the wrong network as a description, if it is made of the vocabulary's layers alone, in another order or number."""
    if mistake.family != "order":
        return None
    parts = [part for _, parts in mistake.network for part in parts]
    if not all(isinstance(part, get_args(Layer)) for part in parts):
        return None
    layers = tuple(
        replace(part, name=f"{part.name}_{place}") for place, part in enumerate(parts) if isinstance(part, get_args(Layer))
    )
    return replace(mistake.architecture, layers=layers)
