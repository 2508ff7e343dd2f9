"""What one layer computes, asked on a probe that tells the catalogue's mistakes apart."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from alexnet_ref.candidates import Candidate, NotCheckable
from alexnet_ref.checks import Material
from alexnet_ref.checks.agreement import own_weights
from alexnet_ref.diagnosis.diagnosis import Array, Diagnosis, Evidence
from alexnet_ref.diagnosis.explained import explained, framework, the_document
from alexnet_ref.diagnosis.fits import fits
from alexnet_ref.diagnosis.fix import right_line
from alexnet_ref.diagnosis.hypotheses import Observed, catalogued, observed, probe, ranked
from alexnet_ref.diagnosis.smallest import smallest
from alexnet_ref.mistakes.catalogue import mistakes
from reference import Layer
from reference.forward import as_params
from reference.shapes import layer_inputs


def function(candidate: Candidate, layer: Layer, material: Material) -> Diagnosis:
    """Return what a layer computes instead of what it should; NotCheckable where its weights cannot be used in any way."""
    shape = layer_inputs(candidate.architecture)[layer.name]
    fix = right_line(layer, shape, framework(candidate))
    made: list[tuple[Diagnosis, View]] = []
    for view in _views(candidate, layer, material):
        seen = view.seen
        named = list(catalogued(mistakes(candidate.architecture), seen))
        found = ranked([*named, *fits(seen, explained=any(hypothesis.explains for hypothesis in named))])
        documented = the_document(seen.received, seen.expected, seen.slack)
        evidence = Evidence(x=seen.x, params=seen.params, expected=seen.expected, received=seen.received, allowed=seen.allowed)
        made.append((explained(layer.name, documented, found, fix, evidence), view))
        if made[-1][0].best and not documented.explains:
            return made[-1][0]
    if not made:
        raise NotCheckable("the layer's weights cannot be used")
    diagnosis, view = next((each for each in made if not each[0].documented.explains), made[0])
    if diagnosis.best is None and not diagnosis.documented.explains:
        evidence = smallest(view.run, layer, view.seen.params, view.seen.x, material.arithmetic)
        diagnosis = replace(diagnosis, evidence=evidence)
    return diagnosis


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What a layer gave, and how to ask it again."""

    seen: Observed
    run: Callable[[Array], Array]


def _views(candidate: Candidate, layer: Layer, material: Material) -> Iterator[View]:
    """Yield what the layer gives with drawn weights, with the port's own, and what it gives beside those that it should have.

    A port that changes its weights on the way may be set only behind the change: then its own alone show it. One that has weights
    in places where they do not show has others than those that can be read.
    """
    architecture = candidate.architecture
    shape = layer_inputs(architecture)[layer.name]
    x, params = probe(layer, shape, np.random.default_rng([material.seed, architecture.layers.index(layer), 4]))

    def view(run: Callable[[Array], Array], weights: Mapping[str, Array]) -> View:
        return View(seen=observed(layer, x, weights, run(x), material.arithmetic), run=run)

    with contextlib.suppress(NotCheckable):  # no weights that may be set
        yield view(lambda x: candidate.layer(layer.name, x, params), params)
    if not params:
        return
    _, own = own_weights(candidate, architecture, material)
    intended = None if material.params is None else as_params(architecture, material.params, np.float64)
    for known in (own, intended):
        if known is not None:
            rounded = {part: np.asarray(value, np.float32) for part, value in known[layer.name].items()}
            yield view(lambda x: candidate.layer(layer.name, x), rounded)
