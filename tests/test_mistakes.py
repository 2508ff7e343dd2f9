"""The catalogue of mistakes: many, named, and each one really a mistake, or proved to be none."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

import reference
from alexnet_ref import bounds
from alexnet_ref.arithmetic import Arithmetic
from alexnet_ref.compare import compare
from alexnet_ref.mistakes import Mistake, as_ported, catalogue, mistakes, named, right, run, run_network
from alexnet_ref.mistakes.mistake import Family, documented
from reference import InvalidInput
from reference.forward import apply
from tests.miniatures import MINIATURES, SMALLER, material

Array = NDArray[Any]
NAMES = list(reference.ARCHITECTURES)


@functools.cache
def right_run(name: str, training: bool) -> tuple[Any, Array, dict[str, Array]]:
    """Return (params, images, {layer: output}) of the right miniature; in training, with the generator of seed 0."""
    architecture = MINIATURES[name]
    params, x = material(architecture)
    rng = np.random.default_rng(0) if training else None
    return params, x, run_network(right(architecture), params, x, rng=rng)


@functools.cache
def allowances(name: str, arithmetic: Arithmetic) -> dict[str, Array]:
    """Return {layer: what rounding, carried along, allows the output of the right miniature} in this arithmetic."""
    architecture = MINIATURES[name]
    params, x, outputs = right_run(name, training=False)
    fed, difference, allowed = x.astype(np.float64), np.zeros(x.shape), {}
    for layer in architecture.layers:
        own = {part: array.astype(np.float64) for part, array in params.get(layer.name, {}).items()}
        allowed[layer.name] = difference = bounds.carried(layer, own, fed, difference, arithmetic)
        fed = outputs[layer.name]
    return allowed


def first_shown(mistake: Mistake, arithmetic: Arithmetic) -> str | None:
    """Return the first of the document's layers whose output is missing or wrong by more than rounding; None: no layer's is.

    In training both networks draw from generators of the same seed. Entries are run from the first that is not the document's.
    """
    training = mistake.shows == "training"
    params, x, expected = right_run(mistake.architecture.name, training)
    allowed = allowances(mistake.architecture.name, arithmetic)
    ported = as_ported(mistake, params)
    changed = {layer for layer in params if any(not np.array_equal(ported[layer][p], params[layer][p]) for p in params[layer])}
    rng, names = np.random.default_rng(0), [layer.name for layer in mistake.architecture.layers]
    y, same = run(mistake.input, {}, x), not mistake.input
    for i, (name, parts) in enumerate(mistake.network):
        entry = documented(mistake.architecture)[i] if i < len(names) else None
        same = same and entry == (name, parts) and name not in changed
        if same and not training:
            y = expected[name]
            continue
        y = run(parts, ported.get(name, {}), y, rng=rng if training else None)
        if name in names and not compare(y, expected[name], allowed[name]).passed:
            return name
    missing = [name for name in names if name not in dict(mistake.network)]
    return missing[0] if missing else None


# ---- The catalogue -------------------------------------------------------------------------------------------------------


def test_mistakes_are_many() -> None:
    """There are at least 200, of at least 150 different names, none twice in one network."""
    assert len(catalogue()) >= 200
    assert len({(mistake.family, mistake.word) for mistake in catalogue()}) >= 150
    for name in NAMES:
        ids = [mistake.id for mistake in mistakes(name)]
        assert len(set(ids)) == len(ids) >= 200


def test_mistakes_families_are_complete() -> None:
    """Every family has members; all but the enlargement, which tf1_graph has not, in both networks."""
    for name in NAMES:
        families = {mistake.family for mistake in mistakes(name)}
        assert families == set(get_args(Family)) - ({"resize"} if name == "tf1_graph" else set())


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_are_told_in_their_ids(name: str) -> None:
    """An id is family.word[layer], its layer the network's, its words one sentence without a full stop."""
    layers = [layer.name for layer in reference.ARCHITECTURES[name].layers]
    for mistake in mistakes(name):
        suffix = f"[{mistake.layer}]" if mistake.layer else ""
        assert mistake.id == f"{mistake.family}.{mistake.word}{suffix}"
        assert mistake.layer in [*layers, None]
        assert mistake.words.strip(".") == mistake.words != ""
        assert bool(mistake.equivalent) == (mistake.shows in ("nothing", "alone"))


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_differ_from_one_another(name: str) -> None:
    """No two mistakes of a network are the same network, input, weights and training."""
    keys = [(m.network, m.input, m.weights, m.training) for m in mistakes(name)]
    twice = {mistakes(name)[i].id for i, key in enumerate(keys) if keys.count(key) > 1}
    assert twice == set()


def test_mistakes_by_name() -> None:
    """A mistake is found by its id, and a name that is none refused."""
    assert named("tf1_graph", "lrn.alpha_over_window[norm1]").layer == "norm1"
    with pytest.raises(InvalidInput, match=r"no mistake is called 'lrn\.nothing'"):
        named("tf1_graph", "lrn.nothing")


# ---- Each is a mistake, or none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALLER)
def test_mistakes_show(name: str) -> None:
    """Each mistake that is not equivalent makes a layer's output wrong by more than float32 rounds, on designed images.

    Coarser formats are held against float64's rounding: how coarse float32's own sums may be is what a judge has to find out.
    """
    mistaken = [m for m in _computed(name) if not m.equivalent]
    arithmetic = {m.id: bounds.FLOAT64 if m.family == "precision" else bounds.FLOAT32 for m in mistaken}
    assert [m.id for m in mistaken if first_shown(m, arithmetic[m.id]) is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_that_are_equivalent_do_not_show(name: str) -> None:
    """Each equivalent one gives every layer's output, but for what float64 rounds."""
    equivalent = [m for m in _computed(name) if m.equivalent]
    assert equivalent
    assert {m.id: shown for m in equivalent if (shown := first_shown(m, bounds.FLOAT64))} == {}


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_that_show_alone(name: str) -> None:
    """Those that the network's own values hide show where the layer is fed signed values by itself."""
    architecture = MINIATURES[name]
    shapes = reference.shapes.layer_inputs(architecture)
    for mistake in mistakes(architecture):
        if mistake.shows == "alone":
            assert mistake.layer is not None
            x = 10 * np.random.default_rng(0).standard_normal((2, *shapes[mistake.layer]))
            y, expected = run(mistake.parts(mistake.layer), {}, x), apply(architecture[mistake.layer], {}, x)
            assert not np.array_equal(y, expected), mistake.id


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_with_the_same_result(name: str) -> None:
    """Where the result is said to be right all the same, it is, though some layer's output is not."""
    params, x, expected = right_run(name, training=False)
    last = list(expected)[-1]
    harmless = [m for m in mistakes(MINIATURES[name]) if m.same_result]
    assert harmless
    for mistake in harmless:
        result = run_network(mistake, params, x)[last]
        comparison = compare(result, expected[last], allowances(name, bounds.FLOAT64)[last])
        assert comparison.passed, f"{mistake.id}: {comparison.fact}"


def _computed(name: str) -> list[Mistake]:
    return [m for m in mistakes(MINIATURES[name]) if m.shows != "recipe"]


def test_first_shown_sees_nothing_in_the_right_network() -> None:
    """The search itself: the right network shows nothing, in inference and in training."""
    for name in NAMES:
        whole = right(MINIATURES[name])
        assert first_shown(whole, bounds.FLOAT64) is None
        assert first_shown(dataclasses.replace(whole, shows="training"), bounds.FLOAT64) is None


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_of_miniatures_are_those_of_the_documents(name: str) -> None:
    """The miniatures have the same mistakes, shown by the same things: what is found out about them holds for the documents."""
    few, whole = ([(m.id, m.shows, m.equivalent) for m in mistakes(a)] for a in (MINIATURES[name], name))
    assert few == whole
