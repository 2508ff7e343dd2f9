"""Dropout's mistakes, told by what repeated calls have in common: masks are random, so no element can be predicted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alexnet_ref.arithmetic import FLOAT32
from alexnet_ref.candidates import NotCheckable
from alexnet_ref.diagnosis.diagnosis import Array, Hypothesis
from alexnet_ref.mistakes.arrays.noise import mask_shape
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import OddDropout
from reference import Dropout

FALSE_ALARM = 1e-9  # that a right fraction is called wrong, as in the checks
ELEMENTS = 2**18


@dataclass(frozen=True, kw_only=True, eq=False)
class Calls:
    """What a layer made of x: in inference, and in two calls in training, where it can be trained."""

    x: Array
    inferred: Array | None
    trained: tuple[Array, Array] | None


def call(layer: Callable[[Array, bool], Array], shape: tuple[int, ...], rng: np.random.Generator) -> Calls:
    """Call the layer (x, training) on numbers between 1 and 2, none of which is 0 unless it was dropped."""
    x = rng.uniform(1, 2, (max(4, ELEMENTS // math.prod(shape)), *shape)).astype(np.float32)
    try:
        trained = layer(x, True), layer(x, True)
    except NotCheckable:
        trained = None
    try:
        inferred = layer(x, False)
    except NotCheckable:
        inferred = None
    right = trained is None or all(y.shape == x.shape for y in trained)
    return Calls(x=x, inferred=inferred, trained=trained if right else None)


def explanations(layer: Dropout, mistakes: Sequence[Mistake], calls: Calls) -> tuple[Hypothesis, tuple[Hypothesis, ...]]:
    """Return the document as a hypothesis, and those of the catalogue and of the measured numbers, best first."""
    right = OddDropout(rate=layer.rate, scale=1 / layer.keep_prob)
    documented = _judged("none", "the document's dropout", right, calls)
    found = [_judged(m.id, m.words, part, calls) for m in mistakes if (part := _part(m, layer)) is not None and part != right]
    found += list(_measured(layer, calls))
    absent = {m.id for m in mistakes if not dict(m.network).get(layer.name)}  # what has a step is rather wrong than missing
    return documented, tuple(
        sorted(found, key=lambda h: (not h.explains, h.residual if not h.explains else 0, h.mistake in absent))
    )


def _part(mistake: Mistake, layer: Dropout) -> OddDropout | None:
    parts = next((parts for name, parts in mistake.network if name == layer.name), None)
    if parts is None or parts == ():
        return OddDropout(rate=0.0, scale=1.0, active="never") if mistake.layer == layer.name else None
    match parts:
        case (OddDropout() as part,):
            return part
        case (Dropout() as part,):
            return OddDropout(rate=part.rate, scale=1 / part.keep_prob)  # equal to the document's where it is
        case (Dropout(), *others) if all(isinstance(part, Dropout) for part in others):  # one after the other
            kept = math.prod(part.keep_prob for part in parts if isinstance(part, Dropout))
            return OddDropout(rate=1 - kept, scale=1 / kept)
        case _:
            return None


def _judged(mistake: str, words: str, part: OddDropout, calls: Calls) -> Hypothesis:
    """Hold every feature against what the part would show; the worst decides, infinite where a feature is simply another."""
    deviations = [(0.0, 0.0)]  # (deviation/allowed, relative deviation)
    if calls.inferred is not None and part.active != "always":
        deviations.append(_scaled(calls.x, calls.inferred, part.at_inference))
    elif calls.inferred is not None:
        deviations.extend(_masked(part, calls.x, calls.inferred))
    if calls.trained is not None:
        first, second = calls.trained
        deviations.extend([_scaled(calls.x, first, 1.0)] if part.active == "never" else _masked(part, calls.x, first))
        same = bool(np.array_equal(first, second))
        if same != (part.fixed or part.active == "never" or part.rate == 0):
            deviations.append((math.inf, 1.0))
    ratio, residual = (max(values) for values in zip(*deviations, strict=True))
    return Hypothesis(mistake=mistake, words=words, ratio=ratio, residual=residual)


def _scaled(x: Array, y: Array, scale: float) -> tuple[float, float]:
    """Return how far y is from x · scale: four roundings are allowed, those of two factors and two products, and our own."""
    if y.shape != x.shape:
        return math.inf, 1.0
    relative = float(np.abs(y / (x.astype(np.float64) * scale) - 1).max()) if scale else float(np.abs(y).max())
    return relative / (5 * FLOAT32.u), relative


def _masked(part: OddDropout, x: Array, y: Array) -> Iterator[tuple[float, float]]:
    """Yield the deviations of a call with a mask: scale of what is kept, share of what is kept, what lives and dies together."""
    if part.noise == "gaussian":
        factor = y / x.astype(np.float64)
        expected = math.sqrt(part.rate / (1 - part.rate))
        # The standard error of a normal sample's standard deviation is σ/√(2n); six of them are beyond FALSE_ALARM.
        deviation = abs(float(factor.std()) - expected)
        yield deviation / (6 * expected / math.sqrt(2 * y.size)), deviation / expected
        yield (math.inf, 1.0) if not (y != 0).all() else (0.0, 0.0)
        return
    kept = y != 0
    if not kept.any():
        yield math.inf, 1.0
        return
    yield _scaled(x[kept], y[kept], part.scale)
    units = mask_shape(part, x.shape)
    together = kept.reshape(x.shape)[tuple(slice(0, n) for n in units)]
    if not np.array_equal(np.broadcast_to(together, x.shape), kept):
        yield math.inf, 1.0
        return
    if part.shared == "none" and together.size > 1 and _shares(kept):
        yield math.inf, 1.0
    n, probability = together.size, 1 - part.rate
    fraction = float(together.mean())
    c = math.log(2 / FALSE_ALARM) / n
    allowed = c / 3 + math.sqrt((c / 3) ** 2 + 2 * probability * (1 - probability) * c)  # Bernstein, as in checks/dropout.py
    yield abs(fraction - probability) / allowed, abs(fraction - probability)


def _shares(kept: Array) -> bool:
    """Tell whether whole channels, pixels or batches have one fate, which independent elements do not have."""
    axes: list[tuple[int, ...]] = [(0,), (kept.ndim - 1,)] + ([(1, 2)] if kept.ndim == 4 else [])
    return any((kept.all(axis) | ~kept.any(axis)).all() for axis in axes if math.prod(kept.shape[i] for i in axis) > 8)


def _measured(layer: Dropout, calls: Calls) -> Iterator[Hypothesis]:
    if calls.trained is None:
        return
    y = calls.trained[0]
    kept = y != 0
    if not 0 < kept.mean() < 1:
        return
    rate, scale = 1 - float(kept.mean()), float((y[kept] / calls.x[kept].astype(np.float64)).mean())
    words = f"drops {rate:.4f} of the elements and multiplies the others by {scale:.6g}"
    part = OddDropout(rate=rate, scale=scale)
    judged = _judged(f"fit.rate_scale[{layer.name}]", words, part, calls)
    fitted = {"rate": rate, "scale": scale}
    yield Hypothesis(mistake=judged.mistake, words=words, ratio=judged.ratio, residual=judged.residual, fitted=fitted)
