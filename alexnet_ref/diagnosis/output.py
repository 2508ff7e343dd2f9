"""Mistakes that are no single layer's: order of layers, several in one step, ports that show their result alone.

A mistake is held against the stretch of the port that it changes, fed what the port itself was fed there; where the port shows
nothing between images and result, against the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alexnet_ref import bounds
from alexnet_ref.arithmetic import FLOAT32, Arithmetic
from alexnet_ref.diagnosis.diagnosis import Array, Hypothesis
from alexnet_ref.diagnosis.hypotheses import ROUNDINGS, Observed, held, ranked, rms
from alexnet_ref.mistakes.interpret import run
from alexnet_ref.mistakes.mistake import Mistake, Network, documented
from reference import Architecture, InvalidInput, Params
from reference.forward import apply, as_params

NEAREST = 5  # of the mistakes that explain most, to each of which every other is added where none explains all


@dataclass(frozen=True, kw_only=True, eq=False)
class Whole:
    """What the port made of images: every tensor that it shows, in its own order; and the weights that it has."""

    architecture: Architecture
    params: Mapping[str, Mapping[str, Array]]
    images: Array
    shown: Mapping[str, Array]
    arithmetic: Arithmetic
    merged: frozenset[str] = frozenset()  # layers that the port computes in one step with the next: nothing shows behind them


def whole(
    architecture: Architecture,
    params: Params,
    images: Array,
    shown: Mapping[str, Array],
    *,
    arithmetic: Arithmetic,
    merged: frozenset[str] = frozenset(),
) -> Whole:
    """Gather what the port made of the images."""
    exact = as_params(architecture, params, np.float64)
    return Whole(architecture=architecture, params=exact, images=images, shown=shown, arithmetic=arithmetic, merged=merged)


def explanations(mistakes: Sequence[Mistake], of: Whole) -> tuple[Hypothesis, tuple[Hypothesis, ...]]:
    """Return the document as a hypothesis, and the mistakes, best first; two at once where none explains it alone."""
    shown = [
        m for m in mistakes if m.shows in ("inference", "training") and not m.weights and m.network != documented(of.architecture)
    ]
    shown += [m for m in mistakes if m.input and m not in shown]
    single = {mistake.id: mistake for mistake in shown}
    stretches: dict[tuple[str, str], Observed] = {}
    found = ranked([h for mistake in shown if (h := _held(mistake, of, stretches)) is not None])
    whole_run = _observed(of, 0, len(of.architecture.layers), stretches)
    if found and not found[0].explains:
        nearest = [single[hypothesis.mistake] for hypothesis in found[:NEAREST]]
        pairs = [both for first in nearest for mistake in shown if (both := together(first, mistake)) is not None]
        promising = _nearest(pairs, _one_image(of))
        found = ranked([*(h for both in promising if (h := _held(both, of, stretches)) is not None), *found])
    right = held("none", "the document's network", whole_run.expected, whole_run)
    return right or Hypothesis(mistake="none", words="the document's network", ratio=float("inf"), residual=1.0), found


def _nearest(pairs: Sequence[Mistake], of: Whole) -> list[Mistake]:
    """Return the NEAREST of many."""
    named, stretches = {both.id: both for both in pairs}, dict[tuple[str, str], Observed]()
    found = ranked([h for both in pairs if (h := _held(both, of, stretches)) is not None])
    return [named[hypothesis.mistake] for hypothesis in found[:NEAREST]]


def _one_image(of: Whole) -> Whole:
    """Return the first image alone, enough to tell near from far."""
    return replace(of, images=of.images[:1], shown={name: y[:1] for name, y in of.shown.items()})


def together(first: Mistake, second: Mistake) -> Mistake | None:
    """Return a port that makes both mistakes, at different layers of one order; None where they do not go together."""
    own = dict(documented(first.architecture))
    names = list(own)
    if any([name for name, _ in mistake.network] != names for mistake in (first, second)) or (first.input and second.input):
        return None
    a, b = dict(first.network), dict(second.network)
    changed = [{name for name in names if parts[name] != own[name]} for parts in (a, b)]
    if changed[0] & changed[1] or not (changed[0] or first.input) or not (changed[1] or second.input):
        return None
    return replace(
        first,
        id=f"{first.id} + {second.id}",
        words=f"{first.words}; and {second.words}",
        network=tuple((name, a[name] if name in changed[0] else b[name]) for name in names),
        input=first.input or second.input,
    )


def held_alone(mistake: Mistake, of: Whole) -> Hypothesis | None:
    """Hold one mistake against what the port shows, whether or not the document fits as well."""
    return _held(mistake, of, {}, even_if_right=True)


def _held(
    mistake: Mistake, of: Whole, stretches: dict[tuple[str, str], Observed], *, even_if_right: bool = False
) -> Hypothesis | None:
    """Run the stretch that the mistake changes, and hold it against what the port shows at its end."""
    names = documented(of.architecture)
    start, stop = stretch(mistake.network, names)
    start, stop = _visible(of, 0 if mistake.input else start, stop)
    seen = _observed(of, start, stop, stretches)
    right = held("none", "the document's layers", seen.expected, seen)
    if right is not None and right.explains and not even_if_right:
        return None  # there is nothing wrong where this mistake would show
    try:
        y = run(mistake.input, {}, seen.x)
        for name, parts in mistake.network[start : len(mistake.network) - (len(names) - stop)]:
            y = run(parts, of.params.get(name, {}), y)
    except (InvalidInput, ValueError, KeyError):  # it cannot take these weights: another mistake's port
        return None
    return held(mistake.id, mistake.words, y, seen)


def stretch(network: Network, right: Network) -> tuple[int, int]:
    """Return the documented layers start … stop − 1, outside of which the network is the document's."""
    most = min(len(network), len(right))
    start = next((i for i in range(most) if network[i] != right[i]), most)
    same = next((i for i in range(most - start) if network[-1 - i] != right[-1 - i]), most - start)
    return start, len(right) - same


def _visible(of: Whole, start: int, stop: int) -> tuple[int, int]:
    """Widen the stretch until its ends are tensors that the port shows: the images and the result always are."""
    names = [layer.name for layer in of.architecture.layers]
    while start > 0 and names[start - 1] not in of.shown:
        start -= 1
    while stop < len(names) and (names[stop] not in of.shown or (stop > 0 and names[stop - 1] in of.merged)):
        stop += 1
    return start, stop


def _observed(of: Whole, start: int, stop: int, stretches: dict[tuple[str, str], Observed]) -> Observed:
    """Return the documented stretch, fed the port's own tensor, beside what the port shows just before layer `stop`."""
    layers = of.architecture.layers
    key = (layers[start - 1].name if start else "", layers[stop].name if stop < len(layers) else "")
    if key in stretches:
        return stretches[key]
    order = list(of.shown)
    fed = of.shown[key[0]] if start else of.images
    before = order.index(key[1]) - 1 if key[1] else len(order) - 1
    received = of.shown[order[before]] if before >= 0 else of.images
    y = fed.astype(np.float64)
    difference = np.zeros_like(y)
    try:
        for layer in layers[start:stop]:
            own = of.params.get(layer.name, {})
            difference = bounds.carried(layer, own, y, difference, of.arithmetic)
            y = apply(layer, own, y)
    except InvalidInput:  # a shape of the port's own: nothing of the document fits
        y = difference = np.zeros_like(received, np.float64)
    stretches[key] = Observed(
        layer=layers[min(start, len(layers) - 1)],
        x=fed,
        params={},
        received=np.asarray(received, np.float64),
        expected=y,
        allowed=difference,
        slack=rms(difference) / rms(y) + ROUNDINGS * max(of.arithmetic.u, FLOAT32.u),
    )
    return stretches[key]
