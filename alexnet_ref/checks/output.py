"""A port that shows its outputs alone, or whose layers cannot be fed: judged by images that were designed to let little hide.

Digits are grey, sparse, never negative and never above 1. A probe that starts at the pixels is what remains where no layer can be
fed by itself: it decides less than `probes` does layer by layer, and cannot say more of the place than which output is off first.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from alexnet_ref import bounds
from alexnet_ref.arithmetic import Arithmetic
from alexnet_ref.candidates import Candidate, NotCheckable
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.candidates.function import FunctionPort
from alexnet_ref.checks.agreement import own_weights
from alexnet_ref.checks.check import Check, Material, absent, compared, not_checkable, raised
from alexnet_ref.compare import Comparison, compare
from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, param_shapes
from reference.forward import apply
from reference.shapes import layer_inputs

Weights = Mapping[str, Mapping[str, Array]]
DRAWS = 2  # of weights, where they can be set


def check_output(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield a check for each kind of designed images, where some layer cannot be fed by itself; nothing elsewhere.

    With the port's weights, and with others drawn to show everything where the port takes weights; the worst is told.
    """
    why = _unfed(candidate, architecture)
    if why is None:
        return
    cases = list(_cases(candidate, architecture, material))
    for place, (kind, design) in enumerate(IMAGES.items()):
        check = f"network.probe[{kind}]"
        if not cases:
            yield not_checkable(check, None, "its weights cannot be used")
            continue
        images = design(architecture.input_shape, np.random.default_rng([material.seed, place, 5])).astype(np.float32)
        try:
            comparisons = [_compared(port, weights, images, material.arithmetic) for port, weights in cases]
        except Exception as error:  # noqa: BLE001 - a port may raise anything; whatever it is, it does not conform
            yield raised(check, None, error)
            continue
        worst = max(comparisons, key=lambda c: (not c.passed, c.ratio is None, c.ratio or 0.0))
        made = compared(check, "", worst)
        yield dataclasses.replace(made, layer=None, fact=f"{made.fact}; from the pixels, as {why}")


def _unfed(candidate: Candidate, architecture: Architecture) -> str | None:
    """Return why some layer cannot be fed by itself; None where each can, or needs not be there."""
    inputs, missing = layer_inputs(architecture), absent(candidate, architecture)
    for layer in architecture.layers:
        if layer.name in missing:
            if layer.name in candidate.hidden and not isinstance(layer, (Dropout, Flatten)):
                return candidate.hidden[layer.name]
            continue
        try:
            candidate.layer(layer.name, np.zeros((1, *inputs[layer.name]), np.float32))
        except NotCheckable as error:
            return str(error)
        except Exception:  # noqa: BLE001, S112 - it can be fed, and other checks say what it makes of it
            continue
    return None


def _cases(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[tuple[Candidate, Weights]]:
    """Yield the port with the weights that it has, and with drawn ones where it takes weights."""
    _, own = own_weights(candidate, architecture, material)
    if own is not None:
        yield candidate, own
    port = getattr(candidate, "port", None)
    if isinstance(port, FunctionPort) and port.given is not None:
        for draw in range(DRAWS):
            weights = drawn_weights(architecture, np.random.default_rng([material.seed, draw, 6]))
            other: Any = copy.copy(candidate)
            other.port = port.with_params(weights)
            yield other, {name: {k: v.astype(np.float64) for k, v in parts.items()} for name, parts in weights.items()}


def _compared(candidate: Candidate, weights: Weights, images: Array, arithmetic: Arithmetic) -> Comparison:
    """Compare every layer that shows, from the pixels; return the first that is wrong, else the closest to its allowance."""
    outputs = candidate.outputs(images)
    exact, difference = images.astype(np.float64), np.zeros(images.shape)
    found = []
    for layer in candidate.architecture.layers:
        own = weights.get(layer.name, {})
        difference = bounds.carried(layer, own, exact, difference, arithmetic)
        exact = apply(layer, own, exact)
        if layer.name in outputs:
            comparison = compare(outputs[layer.name], exact, difference)
            found.append(dataclasses.replace(comparison, fact=f"{layer.name}: {comparison.fact}"))
            if not comparison.passed:
                return found[-1]
    return max(found, key=lambda comparison: comparison.ratio or 0.0)


def drawn_weights(architecture: Architecture, rng: np.random.Generator) -> dict[str, dict[str, Array]]:
    """Draw weights, biases among them, that keep every layer's numbers where they show: as an LRN behind wants them, else near 1.

    Each layer is scaled by what it makes of noise, so that alpha·Σa² ≈ bias in the LRN behind it (as in `probes`).
    """
    y = _signed(architecture.input_shape, rng).astype(np.float32)
    inputs = layer_inputs(architecture)
    weights: dict[str, dict[str, Array]] = {}
    for place, layer in enumerate(architecture.layers):
        if isinstance(layer, (Conv, Dense)):
            shapes = param_shapes(layer, inputs[layer.name])
            parts = {part: rng.standard_normal(shape, np.float32) for part, shape in shapes.items()}
            parts["kernel"] /= np.float32(math.sqrt(math.prod(shapes["kernel"][:-1])))
            sums = apply(dataclasses.replace(layer, activation=None), parts, y)
            factor = np.float32(_wanted(architecture, place) / sums.std(dtype=np.float64))
            weights[layer.name] = {part: np.multiply(value, factor, out=value) for part, value in parts.items()}
        y = apply(layer, weights.get(layer.name, {}), y)
    return weights


def _wanted(architecture: Architecture, place: int) -> float:
    """Return the magnitude that the next LRN shows itself at; 1 where another layer with weights comes first."""
    for layer in architecture.layers[place + 1 :]:
        if isinstance(layer, (Conv, Dense)):
            break
        if isinstance(layer, LRN) and layer.alpha:
            return math.sqrt(layer.bias / (layer.alpha * layer.window))
    return 1.0


# ---- Images: (H, W, C) and a source of chance → (N, H, W, C) -----------------------------------------------------------------


def _signed(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Noise of both signs, every pixel and channel another: what takes pixels for 0 … 1 shows."""
    return rng.uniform(-1, 1, (2, *shape))


def _magnitude(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Noise far below 1 and far above: what clips, normalises or quantises shows."""
    return rng.random((4, *shape)) * np.exp2([-8, -4, 4, 8]).reshape(-1, *(1 for _ in shape))


def _corners(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """One bright pixel in a corner, and on each side, in one channel: what padding is missing or too much shows."""
    h, w, c = shape
    places = [(0, 0), (0, w - 1), (h - 1, 0), (h - 1, w - 1), (0, w // 2), (h // 2, 0), (h - 1, w // 2), (h // 2, w - 1)]
    images = np.zeros((len(places), *shape))
    for image, (row, column) in enumerate(places):
        images[image, row, column, (image + int(rng.integers(c))) % c] = 1
    return images


def _constant(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Nothing at all, and one colour all over: what remains are biases and borders."""
    colours = np.concatenate([np.zeros((1, shape[-1])), rng.random((2, shape[-1]))])
    return np.broadcast_to(colours[:, None, None, :], (3, *shape)).copy()


IMAGES: Mapping[str, Callable[[tuple[int, ...], np.random.Generator], Array]] = {
    "signed": _signed,
    "magnitude": _magnitude,
    "corners": _corners,
    "constant": _constant,
}
