"""What became of the intended weights on their way into the port: the catalogue's changes, made and held against the port's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from alexnet_ref.diagnosis.diagnosis import Array, Hypothesis
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.weights import as_ported
from reference import InvalidInput, Params


def explanations(
    layer: str, mistakes: Sequence[Mistake], intended: Params, received: Mapping[str, Array]
) -> tuple[Hypothesis, tuple[Hypothesis, ...]]:
    """Return the intended weights as a hypothesis, and the changes of them, best first: to explain is to be equal to the bit."""
    documented = _held("none", "the intended weights", intended[layer], received)
    found = sorted(_changes(layer, mistakes, intended, received), key=lambda h: (not h.explains, h.residual))
    return documented, tuple(found)


def _changes(layer: str, mistakes: Sequence[Mistake], intended: Params, received: Mapping[str, Array]) -> Iterator[Hypothesis]:
    for mistake in mistakes:
        if not any(change.layer in (None, layer) for change in mistake.weights):
            continue
        try:
            ported = as_ported(mistake, {layer: intended[layer]} if _alone(mistake) else intended)[layer]
        except (InvalidInput, KeyError):
            continue
        yield _held(mistake.id, mistake.words, ported, received)


def _alone(mistake: Mistake) -> bool:
    """Tell whether the change needs this layer's own weights only: then the others need not be copied."""
    return all(change.layer is None for change in mistake.weights)


def _held(mistake: str, words: str, ported: Mapping[str, Array], received: Mapping[str, Array]) -> Hypothesis:
    if {part: value.shape for part, value in ported.items()} != {part: value.shape for part, value in received.items()}:
        return Hypothesis(mistake=mistake, words=words, ratio=float("inf"), residual=1.0)
    error = sum(float(np.sum((received[part].astype(np.float64) - value) ** 2)) for part, value in ported.items())
    size = sum(float(np.sum(received[part].astype(np.float64) ** 2)) for part in ported) or 1.0
    return Hypothesis(mistake=mistake, words=words, ratio=0.0 if error == 0 else float("inf"), residual=(error / size) ** 0.5)
