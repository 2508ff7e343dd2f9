"""The catalogue's mistakes of one layer, each held against what the layer computed on a probe that shows them all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alexnet_ref import bounds
from alexnet_ref.arithmetic import FLOAT32, FLOAT64, Arithmetic
from alexnet_ref.checks.probes import probe_input
from alexnet_ref.diagnosis.diagnosis import Array, Hypothesis
from alexnet_ref.mistakes.interpret import run
from alexnet_ref.mistakes.mistake import Mistake, documented
from alexnet_ref.mistakes.parts import Parts, Rounded
from reference import LRN, InvalidInput, Layer, param_shapes
from reference.forward import apply

IMAGES = 4
# Roundings that any function of the catalogue takes at most, where the document's own layer takes none: a tanh or a square root
# of a few operations with a few units in the last place each.
ROUNDINGS = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """What a layer was fed, with which weights, and what it gave. `slack`: how far correct arithmetic may be, in rms(y)."""

    layer: Layer
    x: Array
    params: Mapping[str, Array]
    received: Array
    expected: Array
    allowed: Array
    slack: float


def probe(layer: Layer, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Array, dict[str, Array]]:
    """Return x (IMAGES, *shape) and weights, float32: of both signs, near 0 and far from it, so that every function shows.

    LRN gets its own designed probe. Elsewhere x and every sum have a standard deviation of about 3: a ReLU cut at 6 shows in the
    tails, a smooth one around 0.
    """
    shapes = param_shapes(layer, shape)
    k = math.prod(shapes["kernel"][:-1]) if shapes else 1
    scales = {"kernel": 1 / math.sqrt(k), "bias": 1.0}
    params = {part: (rng.standard_normal(size) * scales[part]).astype(np.float32) for part, size in shapes.items()}
    if isinstance(layer, LRN):
        return np.concatenate([probe_input(layer, shape, rng) for _ in range(IMAGES // 2)]), params
    return (3 * rng.standard_normal((IMAGES, *shape))).astype(np.float32), params


def observed(layer: Layer, x: Array, params: Mapping[str, Array], received: Array, arithmetic: Arithmetic) -> Observed:
    """Hold what a layer gave beside what the document gives."""
    exact, x64 = {part: value.astype(np.float64) for part, value in params.items()}, x.astype(np.float64)
    expected = apply(layer, exact, x64)
    allowed = bounds.allowed(layer, exact, x64, arithmetic)
    return Observed(
        layer=layer,
        x=x,
        params=params,
        received=np.asarray(received, np.float64),
        expected=expected,
        allowed=allowed,
        slack=float(allowed.max()) / rms(expected) + ROUNDINGS * max(arithmetic.u, FLOAT32.u),
    )


def rms(x: Array) -> float:
    """Return √(mean x²), or the smallest number above 0."""
    return math.sqrt(float(np.mean(np.square(x)))) or FLOAT64.u**2


def held(mistake: str, words: str, predicted: Array | None, seen: Observed, **details: object) -> Hypothesis | None:
    """Return the hypothesis that the layer should have given `predicted`; None where shapes differ.

    No theorem bounds a wrong layer's rounding errors: it is held to what the document's layer is allowed, relative to its size.
    """
    if predicted is None or predicted.shape != seen.received.shape or not np.isfinite(seen.received).all():
        return None
    error = np.abs(seen.received - predicted)
    size = rms(seen.received)
    with np.errstate(invalid="ignore", over="ignore"):
        ratio, residual = float(error.max()) / (seen.slack * size), rms(error) / size
    if not math.isfinite(ratio):
        return None
    return Hypothesis(mistake=mistake, words=words, ratio=ratio, residual=residual, **details)  # type: ignore[arg-type]


def catalogued(mistakes: Sequence[Mistake], seen: Observed) -> Iterator[Hypothesis]:
    """Yield a hypothesis for each mistake that changes what this layer computes in inference."""
    for mistake in mistakes:
        if mistake.shows not in ("inference", "alone"):
            continue
        for parts in changed(mistake, seen.layer):
            try:
                predicted = _predicted(parts, seen)
            except (InvalidInput, ValueError, KeyError):  # another shape of weights or input than the layer was given
                continue
            if (hypothesis := held(mistake.id, mistake.words, predicted, seen)) is not None:
                yield hypothesis


def _predicted(parts: Parts, seen: Observed) -> Array:
    """Return what the parts give; where they round at last, the nearest to what was received of what rounding may give.

    Of two numbers that differ by rounding errors, one may lie on either side of the middle between two coarse ones.
    """
    if not (len(parts) > 1 and isinstance(parts[-1], Rounded)):
        return run(parts, seen.params, seen.x)
    exact = run(parts[:-1], seen.params, seen.x)
    margin = seen.slack * rms(exact)
    low, high = (run(parts[-1:], {}, exact + sign * margin) for sign in (-1, 1))
    return np.clip(seen.received, low, high) if low.shape == seen.received.shape else low


def changed(mistake: Mistake, layer: Layer) -> Iterator[Parts]:
    """Yield what the mistake makes of this layer, unless it leaves it as it is.

    What is done to images counts to the first layer; what a port adds behind the layer before, or before the layer behind, may
    have been paired with this one.
    """
    own = dict(documented(mistake.architecture))
    names = list(own)
    place = names.index(layer.name)
    network = dict(mistake.network)
    parts = network.get(layer.name)
    if parts is None:
        return
    if place == 0:
        parts = (*mistake.input, *parts)
    if parts != (layer,):
        yield parts
        return
    if place > 0 and (before := network.get(names[place - 1], ()))[:1] == own[names[place - 1]] and len(before) > 1:
        yield (*before[1:], layer)
    if place + 1 < len(names) and (behind := network.get(names[place + 1], ()))[-1:] == own[names[place + 1]] and len(behind) > 1:
        yield (layer, *behind[:-1])


def ranked(hypotheses: Sequence[Hypothesis]) -> tuple[Hypothesis, ...]:
    """Return them, best first: those that explain every element, then the others by residual.

    Residuals of explanations are rounding noise: within a factor of four of the least, the catalogue's order decides.
    """
    explaining = [h for h in hypotheses if h.explains]
    if explaining:
        least = max(min(h.residual for h in explaining), FLOAT32.u)
        tied = [h for h in explaining if h.residual <= 4 * least]
    else:
        tied = []
    others = sorted((h for h in hypotheses if h not in tied), key=lambda h: (not h.explains, h.residual))
    return (*tied, *others)
