"""From failed checks to named mistakes: each wrong layer asked again, on a probe that tells the catalogue's mistakes apart."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from alexnet_ref.candidates import Candidate, NotCheckable
from alexnet_ref.candidates.paired import PairedCandidate
from alexnet_ref.candidates.pairing import Block
from alexnet_ref.candidates.step import Framework
from alexnet_ref.checks import Check, Material
from alexnet_ref.checks.agreement import own_weights
from alexnet_ref.diagnosis import dropout, order, output, weights
from alexnet_ref.diagnosis.diagnosis import Array, Diagnosis, Evidence, Hypothesis
from alexnet_ref.diagnosis.fits import fits
from alexnet_ref.diagnosis.fix import right_line
from alexnet_ref.diagnosis.hypotheses import Observed, catalogued, observed, probe, ranked
from alexnet_ref.diagnosis.smallest import smallest
from alexnet_ref.mistakes.catalogue import mistakes
from alexnet_ref.mistakes.mistake import Mistake, documented
from reference import Architecture, Dropout, InvalidInput, Layer
from reference.forward import as_params
from reference.shapes import layer_inputs

LAYERS = 5  # that are diagnosed, the first wrong ones
SHOWN = 5  # hypotheses of each
IMAGES = 4  # of the whole network
CLEARLY = 4  # times nearer than another: residuals of explanations differ by less, as in hypotheses.ranked


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
    misplaced = any(check.kind in ("present", "before", "after") and check.status == "failed" for check in checks)
    if misplaced or not found:
        found = [*_whole(candidate, material), *found]
    return tuple(_jointly(diagnosis, names, mistakes(architecture)) for diagnosis in found)


def _jointly(diagnosis: Diagnosis, wrong: set[str | None], catalogue: Sequence[Mistake]) -> Diagnosis:
    """Put first, of explanations that cannot be told apart at this layer, the one that explains most of the wrong layers.

    A mistake that would have changed a layer which is right comes last.
    """
    changes = {mistake.id: _changes(mistake) for mistake in catalogue}

    def rank(hypothesis: Hypothesis) -> tuple[bool, int, int]:
        layers = changes.get(hypothesis.mistake)
        return layers is None, len((layers or wrong) - wrong), -len((layers or wrong) & wrong)  # fitted numbers have no name

    if diagnosis.layer is None:
        return diagnosis
    tied = sorted((h for h in diagnosis.hypotheses if h.explains), key=rank)
    fix = next((h.fix for h in diagnosis.hypotheses if h.fix), "")
    ranked = [*tied, *(h for h in diagnosis.hypotheses if not h.explains)]
    return replace(diagnosis, hypotheses=tuple(replace(h, fix=fix if place == 0 else "") for place, h in enumerate(ranked)))


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
        if check.status == "failed" and check.kind not in ("end_to_end", "present", "before", "after")
    }
    return [layer for layer in architecture.layers if layer.name in names]


def _layer(candidate: Candidate, layer: Layer, kinds: set[str], material: Material) -> Iterator[Diagnosis]:
    """Yield what is wrong with the layer's function, then with its weights: where the function is wrong too, it may be why."""
    weighed = list(_weights(candidate, layer, material)) if "weights" in kinds else []
    if kinds == {"weights"}:
        yield from weighed
        return
    try:
        found = _dropout(candidate, layer, material) if isinstance(layer, Dropout) else _function(candidate, layer, material)
        if isinstance(layer, Dropout) and found.best is None:  # a step of the layer behind may stand in its place
            other = _function(candidate, layer, material)
            found = other if other.best else found
    except NotCheckable:
        yield from weighed
        return
    except Exception as error:  # noqa: BLE001 - a port may raise anything
        words = f"raises {type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"
        found = Diagnosis(layer=layer.name, documented=_raises(words), hypotheses=())
    yield from sorted([found, *weighed], key=lambda diagnosis: diagnosis.best is None)


def _function(candidate: Candidate, layer: Layer, material: Material) -> Diagnosis:
    architecture = candidate.architecture
    shape = layer_inputs(architecture)[layer.name]
    x, params = probe(layer, shape, np.random.default_rng([material.seed, architecture.layers.index(layer), 4]))
    seen, run = _asked(candidate, layer, x, params, material)
    known = list(catalogued(mistakes(architecture), seen))
    found = ranked([*known, *fits(seen, explained=any(hypothesis.explains for hypothesis in known))])
    documented = _document(seen.received, seen.expected, seen.slack)
    fix = right_line(layer, shape, framework(candidate))
    evidence = Evidence(x=x, params=seen.params, expected=seen.expected, received=seen.received, allowed=seen.allowed)
    if not (found and found[0].explains) and documented.ratio > 1:
        evidence = smallest(run, layer, seen.params, x, material.arithmetic)
    return _diagnosis(layer.name, documented, found, fix, evidence)


def _asked(
    candidate: Candidate, layer: Layer, x: Array, params: Mapping[str, Array], material: Material
) -> tuple[Observed, Callable[[Array], Array]]:
    """Return what the layer gives with these weights, and how to ask it; with the port's own, where these show nothing wrong.

    A port that changes its weights on the way may be set only behind the change: then its own alone show it.
    """
    seen: Observed | None = None
    with contextlib.suppress(NotCheckable):  # no weights that may be set
        seen = observed(layer, x, params, candidate.layer(layer.name, x, params), material.arithmetic)
        if not params or not _document(seen.received, seen.expected, seen.slack).explains:
            return seen, lambda x: candidate.layer(layer.name, x, params)
    _, weights = own_weights(candidate, candidate.architecture, material)
    if weights is not None:
        own = {part: np.asarray(value, np.float32) for part, value in weights[layer.name].items()}
        again = observed(layer, x, own, candidate.layer(layer.name, x), material.arithmetic)
        if seen is None or not _document(again.received, again.expected, again.slack).explains:
            return again, lambda x: candidate.layer(layer.name, x)
    if seen is None:
        raise NotCheckable("the layer's weights cannot be used")
    return seen, lambda x: candidate.layer(layer.name, x, params)


def _dropout(candidate: Candidate, layer: Dropout, material: Material) -> Diagnosis:
    architecture = candidate.architecture
    shape = layer_inputs(architecture)[layer.name]
    rng = np.random.default_rng([material.seed, architecture.layers.index(layer), 4])
    calls = dropout.call(lambda x, training: candidate.layer(layer.name, x, training=training), shape, rng)
    documented, found = dropout.explanations(layer, mistakes(architecture), calls)
    return _diagnosis(layer.name, documented, found, right_line(layer, shape, framework(candidate)), None)


def _weights(candidate: Candidate, layer: Layer, material: Material) -> Iterator[Diagnosis]:
    if material.params is None:
        return
    intended = as_params(candidate.architecture, material.params, np.float32)
    try:
        received = candidate.params(candidate.architecture)[layer.name]
    except (NotCheckable, InvalidInput, KeyError):
        return
    documented, found = weights.explanations(layer.name, mistakes(candidate.architecture), intended, received)
    yield _diagnosis(layer.name, documented, found, "Load the weights again, in the axes that the layer wants.", None)


def _whole(candidate: Candidate, material: Material) -> Iterator[Diagnosis]:
    """Diagnose what is no single layer's: the order of the steps, and the numbers that they end in."""
    architecture = candidate.architecture
    catalogue = mistakes(architecture)
    fitting = list(order.fitting(catalogue, candidate)) if isinstance(candidate, PairedCandidate) else []
    documented, found = _raises("the document's network"), tuple[Hypothesis, ...]()
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
    told = [(of and output.held_alone(mistake, of)) or _by_steps(mistake) for mistake in fitting]
    names = {hypothesis.mistake for hypothesis in told}
    found = (*sorted(told, key=lambda h: not h.explains), *(h for h in found if h.mistake not in names))
    if found and (documented.ratio > 1 or found[0].explains):
        yield _diagnosis(None, documented, found, "", None)


def _blocks(candidate: Candidate) -> Sequence[Block]:
    return candidate.pairing.blocks if isinstance(candidate, PairedCandidate) else ()


def _by_steps(mistake: Mistake) -> Hypothesis:
    return Hypothesis(mistake=mistake.id, words=mistake.words, ratio=0.0, residual=0.0)


def _diagnosis(
    layer: str | None, documented: Hypothesis, found: Sequence[Hypothesis], fix: str, evidence: Evidence | None
) -> Diagnosis:
    better = [h for h in found if h.residual < documented.residual or h.explains]
    if documented.explains:  # what shows is smaller than what is allowed here: only what is clearly nearer says anything
        better = [h for h in better if h.residual <= documented.residual / CLEARLY]
    fitted = next((h.fitted for h in better if h.fitted and h.explains), {})  # the numbers, beside the words of the catalogue
    shown = [h for place, h in enumerate(better) if h.explains or place < SHOWN]
    better = [replace(h, fix=fix, fitted=h.fitted or fitted) if h.explains else h for h in shown]
    return Diagnosis(layer=layer, documented=documented, hypotheses=tuple(better), evidence=evidence)


def _document(received: Array, expected: Array, slack: float) -> Hypothesis:
    if received.shape != expected.shape:
        words = f"the document's layer, whose output has the shape {expected.shape[1:]}, not {received.shape[1:]}"
        return Hypothesis(mistake="none", words=words, ratio=float("inf"), residual=1.0)
    with np.errstate(invalid="ignore"):
        error = np.abs(received - expected)
    size = float(np.sqrt(np.mean(received**2))) or 1.0
    ratio, residual = float(error.max()) / (slack * size), float(np.sqrt(np.mean(error**2))) / size
    finite = np.isfinite(ratio)
    return Hypothesis(
        mistake="none",
        words="the document's layer",
        ratio=ratio if finite else float("inf"),
        residual=residual if finite else 1.0,
    )


def _raises(words: str) -> Hypothesis:
    return Hypothesis(mistake="none", words=words, ratio=float("inf"), residual=1.0)


def framework(candidate: Candidate) -> Framework:
    """Return the framework in whose words a fix is given."""
    name: Framework = getattr(getattr(candidate, "port", None), "framework", "")
    return name
