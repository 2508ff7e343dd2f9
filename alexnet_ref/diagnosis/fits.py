"""Continuous hypotheses, fitted by least squares to what the layer computed from its own input."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from alexnet_ref.diagnosis.diagnosis import Array, Hypothesis
from alexnet_ref.diagnosis.hypotheses import Observed, held
from reference import LRN

ELEMENTS = 4096  # that are fitted: three numbers need no more
STEPS = 60  # of Gauss and Newton: a dozen suffice where the hypothesis is right


def fits(seen: Observed, *, explained: bool) -> Iterator[Hypothesis]:
    """Yield the hypotheses with free numbers: LRN's alpha, beta, bias; a scale; a scale and an offset.

    LRN's are fitted in the document's window first, and in others where that does not explain it, nor has anything (`explained`).
    """
    found = list(_lrn(seen.layer, seen, explained=explained)) if isinstance(seen.layer, LRN) else []
    if seen.received.shape == seen.expected.shape:
        found += _affine(seen)
    yield from sorted(found, key=lambda hypothesis: len(hypothesis.fitted))  # of two that explain it, the one with fewer numbers


def _affine(seen: Observed) -> Iterator[Hypothesis]:
    y, r = seen.expected.ravel(), seen.received.ravel()
    scale = float(y @ r) / (float(y @ y) or 1.0)
    where = seen.layer.name
    words = f"the right result times {scale:.6g}"
    if (found := held(f"fit.scale[{where}]", words, scale * seen.expected, seen, fitted={"scale": scale})) is not None:
        yield found
    slope, offset = (float(v) for v in np.polyfit(y, r, 1)) if y.std() > 0 else (0.0, float(r.mean()))
    words = f"the right result times {slope:.6g}, plus {offset:.6g}"
    fitted = {"scale": slope, "offset": offset}
    if (found := held(f"fit.affine[{where}]", words, slope * seen.expected + offset, seen, fitted=fitted)) is not None:
        yield found


def _lrn(layer: LRN, seen: Observed, *, explained: bool) -> Iterator[Hypothesis]:
    """Yield the best fit of ln(x/y) = beta·ln(bias + alpha·s) for each window, s = Σx² over it.

    Only two of bias, alpha and beta can be told apart where alpha·s ≫ bias everywhere, and only the product alpha·beta where
    alpha·s ≪ bias; the probe is of both kinds and between. First the document's value of all but one, then two, then all free.
    """
    x = seen.x.astype(np.float64)
    y = seen.received
    if y.shape != x.shape:
        return
    usable = (np.abs(x) > 1e-3 * np.abs(x).max()) & (y * x > 0)  # a logarithm needs the same sign; small numbers say little
    if usable.sum() < x.size // 4:
        return
    places = np.flatnonzero(usable)
    places = places[:: max(1, len(places) // ELEMENTS)]  # of every pixel and channel some
    target = np.log(x.ravel()[places] / y.ravel()[places])
    start = {"alpha": layer.alpha, "beta": layer.beta, "bias": layer.bias}
    squares = np.concatenate([np.zeros((*x.shape[:-1], 1)), np.cumsum(x**2, axis=-1)], axis=-1)
    found: list[Hypothesis] = []
    for before, after in _windows(layer):
        if found and (explained or any(hypothesis.explains for hypothesis in found)):
            break
        s = _window_sums(squares, before, after)
        radius = {} if (before, after) == (layer.depth_radius,) * 2 else {"before": float(before), "after": float(after)}
        for free in (("alpha",), ("beta",), ("bias",), ("alpha", "beta"), ("alpha", "beta", "bias")):
            values = _least_squares(s.ravel()[places], target, start, free)
            if values is None or min(values["bias"], values["beta"]) <= 0:
                continue
            with np.errstate(invalid="ignore", over="ignore"):
                predicted = x * (values["bias"] + values["alpha"] * s) ** -values["beta"]
            fitted = {name: values[name] for name in free} | radius
            words = "the document's formula with " + ", ".join(f"{name} = {value:.6g}" for name, value in fitted.items())
            hypothesis = held(f"fit.{'_'.join(fitted)}[{layer.name}]", words, predicted, seen, fitted=fitted)
            if hypothesis is not None:
                found.append(hypothesis)
    yield from sorted(found, key=lambda h: (not h.explains, len(h.fitted) if h.explains else 0, h.residual))[:3]


def _windows(layer: LRN) -> Iterator[tuple[int, int]]:
    yield layer.depth_radius, layer.depth_radius
    for before in range(2 * layer.depth_radius + 2):
        for after in {before, before - 1, before + 1} - {-1}:
            if (before, after) != (layer.depth_radius, layer.depth_radius):
                yield before, after


def _window_sums(running: Array, before: int, after: int) -> Array:
    """Return Σx² over channels i − before … i + after, from the running sums (0 first)."""
    count = running.shape[-1] - 1
    i = np.arange(count)
    return running[..., np.minimum(i + after + 1, count)] - running[..., np.maximum(i - before, 0)]


def _least_squares(s: Array, target: Array, start: dict[str, float], free: tuple[str, ...]) -> dict[str, float] | None:
    """Minimise Σ(beta·ln(bias + alpha·s) − target)² over the free numbers (Gauss–Newton, halved steps); None where it fails."""
    values = dict(start)

    error = _residual(values, s, target)
    for _ in range(STEPS):
        if error is None:
            return None
        # In relative changes of each number, so that alpha of 1e-4 and beta of 0.75 are steps of one size.
        jacobian = np.stack([_slope(name, values, s) * (values[name] or 1.0) for name in free], axis=-1)
        step = np.linalg.lstsq(jacobian, -error, rcond=None)[0]
        trials = ({**values, **_moved(values, free, step / 2**halving)} for halving in range(20))
        better = next((t for t in trials if _worth(_residual(t, s, target)) < _worth(error)), None)
        if better is None:
            break
        values, error = better, _residual(better, s, target)
    return values if all(math.isfinite(value) for value in values.values()) else None


def _residual(values: dict[str, float], s: Array, target: Array) -> Array | None:
    with np.errstate(over="ignore", invalid="ignore"):  # a step too far is refused below
        d = values["bias"] + values["alpha"] * s
    return values["beta"] * np.log(d) - target if (d > 0).all() and np.isfinite(d).all() else None


def _worth(error: Array | None) -> float:
    return math.inf if error is None else float(error @ error)


def _moved(values: dict[str, float], free: tuple[str, ...], step: Array) -> dict[str, float]:
    return {name: values[name] + (values[name] or 1.0) * float(d) for name, d in zip(free, step, strict=True)}


def _slope(name: str, values: dict[str, float], s: Array) -> Array:
    """Return the derivative of beta·ln(bias + alpha·s) by this number."""
    d = values["bias"] + values["alpha"] * s
    match name:
        case "alpha":
            return values["beta"] * s / d
        case "beta":
            return np.log(d)
        case _:
            return values["beta"] / d
