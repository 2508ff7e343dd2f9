"""Wrong local response normalisations: the bound, even that of float32, rejects each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, allowed
from alexnet_ref.compare import assert_within
from reference import LRN
from tests.strategies import signed
from tests.test_lrn import KERAS_SEQUENTIAL, TF1_GRAPH, definition, lrn, scale

Array = NDArray[Any]


def divided(layer: LRN, x: Array, sums: Array) -> Array:
    """Return x over (bias + alpha · sums)^beta."""
    y: Array = x / (layer.bias + layer.alpha * sums) ** layer.beta
    return y


def summed(x: Array, before: int, after: int) -> Array:
    """Return Σ x_j over j from i − before to i + after, outside which nothing lies."""
    i = np.arange(x.shape[-1])
    y: Array = x @ ((i[:, None] >= i - before) & (i[:, None] <= i + after)).astype(x.dtype)
    return y


def padded(layer: LRN, x: Array, mode: Any) -> Array:
    """Normalise with channels beyond the ends that are made up from those inside."""
    r = layer.depth_radius
    wide = lrn(layer, np.pad(x, ((0, 0), (0, 0), (0, 0), (r, r)), mode=mode))
    return wide[..., r : wide.shape[-1] - r]


def moved_inside(layer: LRN, x: Array) -> Array:
    """Normalise over windows that are moved, not cut off, at the ends, so that all have 2r + 1 channels."""
    channels, sums = x.shape[-1], np.empty_like(x)
    for i in range(channels):
        start = min(max(0, i - layer.depth_radius), channels - layer.window)
        sums[..., i] = (x[..., start : start + layer.window] ** 2).sum(axis=-1)
    return divided(layer, x, sums)


def over_axis(layer: LRN, x: Array, axis: int) -> Array:
    """Normalise over another axis."""
    return lrn(layer, x.swapaxes(axis, 3)).swapaxes(axis, 3)


def squares(layer: LRN, x: Array) -> Array:
    """Return the right sums of squares."""
    return summed(x**2, layer.depth_radius, layer.depth_radius)


WRONG: dict[str, Callable[[LRN, Array], Array]] = {
    "switched off": lambda _, x: x,
    "alpha over window": lambda p, x: lrn(replace(p, alpha=p.alpha / p.window), x),
    "alpha times window": lambda p, x: lrn(replace(p, alpha=p.alpha * p.window), x),
    "mean over the channels there are": lambda p, x: divided(
        p, x, squares(p, x) / summed(np.ones_like(x), p.depth_radius, p.depth_radius)
    ),
    "radius for size": lambda p, x: lrn(replace(p, depth_radius=p.depth_radius // 2), x),
    "size for radius": lambda p, x: lrn(replace(p, depth_radius=p.window), x),
    "radius one less": lambda p, x: lrn(replace(p, depth_radius=p.depth_radius - 1), x),
    "radius one more": lambda p, x: lrn(replace(p, depth_radius=p.depth_radius + 1), x),
    "last channel of the window forgotten": lambda p, x: divided(p, x, summed(x**2, p.depth_radius, p.depth_radius - 1)),
    "channels before it alone": lambda p, x: divided(p, x, summed(x**2, p.depth_radius, 0)),
    "without the channel itself": lambda p, x: divided(p, x, squares(p, x) - x**2),
    "window wraps around": lambda p, x: padded(p, x, "wrap"),
    "end channels repeated": lambda p, x: padded(p, x, "edge"),
    "channels mirrored at the ends": lambda p, x: padded(p, x, "reflect"),
    "window moved inside at the ends": moved_inside,
    "over the batch": lambda p, x: over_axis(p, x, 0),
    "over rows": lambda p, x: over_axis(p, x, 1),
    "over columns": lambda p, x: over_axis(p, x, 2),
    "beta 1": lambda p, x: lrn(replace(p, beta=1.0), x),
    "beta halved": lambda p, x: lrn(replace(p, beta=p.beta / 2), x),
    "bias left out": lambda p, x: x / (p.alpha * squares(p, x)) ** p.beta,
    "bias of the paper": lambda p, x: lrn(replace(p, bias=2.0), x),
    "bias multiplied by alpha": lambda p, x: x / (p.alpha * (p.bias + squares(p, x))) ** p.beta,
    "sum without square": lambda p, x: divided(p, x, summed(np.abs(x), p.depth_radius, p.depth_radius)),
    "square of the sum": lambda p, x: divided(p, x, summed(x, p.depth_radius, p.depth_radius) ** 2),
    "root of the sum": lambda p, x: divided(p, x, np.sqrt(squares(p, x))),
    "alpha squared": lambda p, x: lrn(replace(p, alpha=p.alpha**2), x),
    "divided by the sum of squares": lambda p, x: x / squares(p, x),  # keras_sequential's sentence, taken at its word
    "multiplied": lambda p, x: x * (p.bias + p.alpha * squares(p, x)) ** p.beta,
    "ReLU before it": lambda p, x: np.where(x > 0, lrn(p, np.maximum(x, 0)), lrn(p, x)),
    "channels reversed": lambda p, x: lrn(p, x[..., ::-1]),
    "alpha off by a thousandth": lambda p, x: lrn(replace(p, alpha=p.alpha * 1.001), x),
    "beta off by a thousandth": lambda p, x: lrn(replace(p, beta=p.beta * 1.001), x),
    "bias off by a thousandth": lambda p, x: lrn(replace(p, bias=p.bias * 1.001), x),
    "half precision": lambda p, x: lrn(p, x.astype(np.float16)).astype(np.float64),
}


# With keras_sequential's alpha of 1 these are no mistakes.
EQUIVALENT = ["bias multiplied by alpha", "alpha squared"]


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("layer", [KERAS_SEQUENTIAL, TF1_GRAPH], ids=["keras_sequential", "tf1_graph"])
def test_lrn_comparison_rejects(layer: LRN, name: str) -> None:
    """With either document's hyperparameters the true normalisation keeps float32's bound and the wrong one exceeds it."""
    x = signed((3, 4, 5, 14), 0, scale(layer))
    expected, limit = definition(layer, x), allowed(layer, {}, x, FLOAT32)
    assert_within(lrn(layer, x), expected, limit)
    if layer is KERAS_SEQUENTIAL and name in EQUIVALENT:
        assert_within(WRONG[name](layer, x), expected, limit)
        return
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_within(WRONG[name](layer, x), expected, limit)


@pytest.mark.parametrize("layer", [KERAS_SEQUENTIAL, TF1_GRAPH], ids=["keras_sequential", "tf1_graph"])
def test_lrn_at_a_small_scale_shows_nothing(layer: LRN) -> None:
    """At a ten-thousandth of the right scale no float32 comparison can tell the normalisation from none: inputs decide."""
    x = signed((3, 4, 5, 14), 0, scale(layer) / 10_000)
    assert_within(x, definition(layer, x), allowed(layer, {}, x, FLOAT32))
