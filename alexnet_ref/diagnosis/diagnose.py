"""From failed checks to named mistakes: each wrong layer asked again, on a probe that tells the catalogue's mistakes apart."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from alexnet_ref.candidates import Candidate, NotCheckable
from alexnet_ref.candidates.paired import PairedCandidate
from alexnet_ref.candidates.pairing import Block
from alexnet_ref.checks import Check, Material
from alexnet_ref.checks.agreement import own_weights
from alexnet_ref.diagnosis import dropout, order, output, training, weights
from alexnet_ref.diagnosis.diagnosis import Diagnosis, Hypothesis
from alexnet_ref.diagnosis.explained import explained, framework, unanswered
from alexnet_ref.diagnosis.fix import fix_of, right_line
from alexnet_ref.diagnosis.function import function
from alexnet_ref.mistakes.catalogue import mistakes
from alexnet_ref.mistakes.mistake import Mistake, documented
from reference import LRN, Architecture, Conv, Dense, Dropout, InvalidInput, Layer, Resize, Softmax
from reference.forward import as_params
from reference.shapes import layer_inputs

LAYERS = 5  # that are diagnosed, the first wrong ones
IMAGES = 4  # of the whole network


def diagnose(candidate: Candidate, checks: Sequence[Check], material: Material) -> tuple[Diagnosis, ...]:
    """Return what is wrong with each layer that failed by itself, the first of them first; with the whole, where none did.

    Never raises for what a port does: what it does not answer is not diagnosed.
    """
    architecture = candidate.architecture
    wrong = _wrong(architecture, checks)
    names: set[str | None] = {layer.name for layer in wrong}
    found: list[Diagnosis] = []
    for layer in wrong[:LAYERS]:
        kinds = {check.kind for check in checks if check.layer == layer.name and check.status == "failed"}
        found.extend(_layer(candidate, layer, kinds, material))
    if any(check.kind in training.KINDS and check.status == "failed" for check in checks):
        recipe = training.training(candidate, material)
        found.extend([recipe] if recipe and (recipe.best or not found) else [])
    misplaced = any(check.kind in ("present", "before", "after") and check.status == "failed" for check in checks)
    if misplaced or not found:
        found = [*_whole(candidate, material), *found]
    explained_by = Counter(hypothesis.mistake for each in found for hypothesis in each.hypotheses if hypothesis.explains)
    return tuple(_jointly(diagnosis, architecture, names, explained_by) for diagnosis in found)


def _jointly(
    diagnosis: Diagnosis, architecture: Architecture, wrong: set[str | None], explained_by: Mapping[str, int]
) -> Diagnosis:
    """Put first, of explanations that cannot be told apart at this layer, the one that explains most of the wrong layers.

    A mistake that would have changed a layer which is right comes last: surely where that layer calculates; what only moves or
    chooses numbers may hide it, as small integers are the same in float16. What a port does between two layers may have been
    paired with either, so that the other seems right.
    """
    changes = {mistake.id: _changes(mistake) for mistake in mistakes(architecture)}
    names = [layer.name for layer in architecture.layers]
    beside = {name for pair in itertools.pairwise(names) for name in pair if wrong.intersection(pair)}
    calculating = {layer.name for layer in architecture.layers if isinstance(layer, (Resize, Conv, LRN, Dense, Softmax))}

    def rank(hypothesis: Hypothesis) -> tuple[bool, int, int, int, int]:
        layers = changes.get(hypothesis.mistake)  # fitted numbers have no name
        right, others = (layers or wrong) - wrong, (layers or wrong) & wrong
        surely = right & calculating - beside
        return layers is None, len(surely), -explained_by[hypothesis.mistake], len(right), -len(others)

    if diagnosis.layer is None:
        return diagnosis
    tied = sorted((h for h in diagnosis.hypotheses if h.explains), key=rank)
    line = next((h.fix for h in diagnosis.hypotheses if h.fix), "")
    ranked = [*tied, *(h for h in diagnosis.hypotheses if not h.explains)]
    fixes = (fix_of(h.mistake, line) if line and place == 0 else "" for place, h in enumerate(ranked))
    return replace(diagnosis, hypotheses=tuple(replace(h, fix=fix) for h, fix in zip(ranked, fixes, strict=True)))


def _changes(mistake: Mistake) -> set[str | None]:
    """Return the layers whose own computation the mistake changes."""
    own = dict(documented(mistake.architecture))
    changed: set[str | None] = set()
    return (
        changed
        | {name for name, parts in mistake.network if parts != own.get(name)}
        | ({mistake.network[0][0]} if mistake.input else set())
    )


def _wrong(architecture: Architecture, checks: Sequence[Check]) -> list[Layer]:
    """Return the layers that failed by themselves: an error that a layer inherits is not its own."""
    names = {
        check.layer
        for check in checks
        if check.status == "failed" and check.kind not in {"end_to_end", "present", "before", "after", *training.KINDS}
    }
    return [layer for layer in architecture.layers if layer.name in names]


def _layer(candidate: Candidate, layer: Layer, kinds: set[str], material: Material) -> Iterator[Diagnosis]:
    """Yield what is wrong with the layer's function, then with its weights: where the function is wrong too, it may be why."""
    weighed = list(_weights(candidate, layer, material)) if "weights" in kinds else []
    if kinds == {"weights"}:
        yield from weighed
        return
    try:
        found = _dropout(candidate, layer, material) if isinstance(layer, Dropout) else function(candidate, layer, material)
        if isinstance(layer, Dropout) and found.best is None:  # a step of the layer behind may stand in its place
            other = function(candidate, layer, material)
            found = other if other.best else found
    except NotCheckable:
        yield from weighed
        return
    except Exception as error:  # noqa: BLE001 - a port may raise anything
        words = f"raises {type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"
        found = Diagnosis(layer=layer.name, documented=unanswered(words), hypotheses=())
    yield from sorted([found, *weighed], key=lambda diagnosis: diagnosis.best is None)


def _dropout(candidate: Candidate, layer: Dropout, material: Material) -> Diagnosis:
    architecture = candidate.architecture
    shape = layer_inputs(architecture)[layer.name]
    rng = np.random.default_rng([material.seed, architecture.layers.index(layer), 4])
    calls = dropout.call(lambda x, training: candidate.layer(layer.name, x, training=training), shape, rng)
    documented, found = dropout.explanations(layer, mistakes(architecture), calls)
    return explained(layer.name, documented, found, right_line(layer, shape, framework(candidate)), None)


def _weights(candidate: Candidate, layer: Layer, material: Material) -> Iterator[Diagnosis]:
    if material.params is None:
        return
    intended = as_params(candidate.architecture, material.params, np.float32)
    try:
        received = candidate.params(candidate.architecture)[layer.name]
    except (NotCheckable, InvalidInput, KeyError):
        return
    documented, found = weights.explanations(layer.name, mistakes(candidate.architecture), intended, received)
    yield explained(layer.name, documented, found, "Load the weights again, in the axes that the layer wants.", None)


def _whole(candidate: Candidate, material: Material) -> Iterator[Diagnosis]:
    """Diagnose what is no single layer's: the order of the steps, and the numbers that they end in."""
    architecture = candidate.architecture
    catalogue = mistakes(architecture)
    fitting = list(order.fitting(catalogue, candidate)) if isinstance(candidate, PairedCandidate) else []
    documented, found = unanswered("the document's network"), tuple[Hypothesis, ...]()
    of: output.Whole | None = None
    _, params = own_weights(candidate, architecture, material)
    if params is not None:
        images = material.images[:IMAGES]
        try:
            shown = candidate.outputs(images)
        except Exception:  # noqa: BLE001 - a port may raise anything; the checks have told so
            return
        merged = frozenset(name for block in _blocks(candidate) for name in block.layers[:-1])
        of = output.whole(architecture, params, images, shown, arithmetic=material.arithmetic, merged=merged)
        documented, found = output.explanations(catalogue, of)
    # Steps that make up a wrong network without any guess name it, even where its numbers are the document's or cannot be had.
    told = [_by_steps(mistake, of, documented) for mistake in fitting]
    names = {hypothesis.mistake for hypothesis in told}
    found = (*sorted(told, key=lambda h: not h.explains), *(h for h in found if h.mistake not in names))
    if found and (documented.ratio > 1 or found[0].explains):
        yield explained(None, documented, found, "", None)


def _blocks(candidate: Candidate) -> Sequence[Block]:
    return candidate.pairing.blocks if isinstance(candidate, PairedCandidate) else ()


def _by_steps(mistake: Mistake, of: output.Whole | None, documented: Hypothesis) -> Hypothesis:
    """Return what the numbers say of the mistake, unless they say as much of the document: then the steps alone tell the two."""
    held = None if of is None else output.held_alone(mistake, of)
    if held is not None and not (held.explains and documented.explains):
        return held
    return Hypothesis(mistake=mistake.id, words=mistake.words, ratio=0.0, residual=0.0)
