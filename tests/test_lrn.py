"""Local response normalisation against its definition, and wrong ones against the bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, FLOAT64, allowed
from alexnet_ref.compare import assert_within
from reference import ARCHITECTURES, LRN, InvalidInput
from reference.ops import local_response_normalization
from reference.shapes import layer_inputs
from tests.strategies import SEEDS, distinct_sizes, signed

Array = NDArray[Any]
DOCUMENTED = [
    (layer, layer_inputs(architecture)[layer.name])
    for architecture in ARCHITECTURES.values()
    for layer in architecture.layers
    if isinstance(layer, LRN)
]
NAMES = [layer.name for layer, _ in DOCUMENTED]
# The two documents' hyperparameters, typed by hand.
KERAS_SEQUENTIAL = LRN(name="lambda", depth_radius=5, bias=1.0, alpha=1.0, beta=0.5)
TF1_GRAPH = LRN(name="norm1", depth_radius=4, bias=1.0, alpha=0.001 / 9.0, beta=0.75)


def lrn(layer: LRN, x: Array) -> Array:
    """Return the oracle's operation with the layer's hyperparameters."""
    return local_response_normalization(x, depth_radius=layer.depth_radius, bias=layer.bias, alpha=layer.alpha, beta=layer.beta)


def definition(layer: LRN, x: Array) -> Array:
    """Return b_i = a_i / (bias + alpha · Σ a_j²)^beta, j from max(0, i − r) to min(C − 1, i + r), element by element."""
    y = np.empty(x.shape)
    for n, h, w, i in np.ndindex(x.shape):
        total = 0.0
        for j in range(max(0, i - layer.depth_radius), min(x.shape[3] - 1, i + layer.depth_radius) + 1):
            total += float(x[n, h, w, j]) ** 2
        y[n, h, w, i] = float(x[n, h, w, i]) / (layer.bias + layer.alpha * total) ** layer.beta
    return y


def bound(layer: LRN, x: Array) -> Array:
    """Return what two float64 computations on the same x may differ by."""
    return allowed(layer, {}, x, FLOAT64)


def scale(layer: LRN) -> float:
    """Return the |x| at which alpha·Σx² is about bias: far below it the sum hardly matters, far above it the bias."""
    return float(np.sqrt(layer.bias / (layer.alpha * layer.window)))


@st.composite
def cases(draw: st.DrawFn, high: int = 7, dtype: type = np.float64) -> tuple[LRN, Array]:
    """Draw a layer and an input (N, H, W, C) of a size at which every part of the equation matters."""
    shape = draw(distinct_sizes(4, high=high))
    layer = LRN(
        name="lrn",
        depth_radius=draw(st.integers(0, shape[3] + 2)),
        bias=draw(st.floats(0.25, 4)),
        alpha=2.0 ** draw(st.floats(-14, 2)),
        beta=draw(st.sampled_from([0.5, 0.75, 1.0]) | st.floats(0.125, 2)),
    )
    x = signed(shape, draw(SEEDS), scale(layer) * 2.0 ** draw(st.integers(-2, 2)))
    return layer, x.astype(dtype)


EXAMPLES = [(layer, signed((2, 3, 1, 14), 0, scale(layer))) for layer in (KERAS_SEQUENTIAL, TF1_GRAPH)]


# ---- The definition ----------------------------------------------------------------------------------------------------


@given(case=cases())
@example(case=EXAMPLES[0])
@example(case=EXAMPLES[1])
def test_lrn_is_its_definition(case: tuple[LRN, Array]) -> None:
    """Every element is the quotient that the equation names, within the roundings of float64, and of float32 there."""
    layer, x = case
    assert_within(lrn(layer, x), definition(layer, x), bound(layer, x))
    x = x.astype(np.float32)
    y = lrn(layer, x)
    assert y.dtype == np.float32
    assert_within(y, definition(layer, x), allowed(layer, {}, x.astype(np.float64), FLOAT32))


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_lrn_is_its_definition_at_every_radius(channels: int) -> None:
    """From the channel alone, depth_radius 0, through every radius between to two beyond the channel count."""
    for depth_radius in range(channels + 3):
        layer = LRN(name="lrn", depth_radius=depth_radius, bias=1.5, alpha=0.25, beta=0.75)
        x = signed((3, 2, 4, channels), depth_radius)
        assert_within(lrn(layer, x), definition(layer, x), bound(layer, x))


@pytest.mark.parametrize(("layer", "shape"), DOCUMENTED, ids=NAMES)
def test_documented_lrn_is_its_definition(layer: LRN, shape: tuple[int, int, int]) -> None:
    """At the documents' hyperparameters and sizes: every channel of the corner pixels and of others, of two images."""
    x = signed((2, *shape), 0, scale(layer))
    y, limit = lrn(layer, x), bound(layer, x)
    rng = np.random.default_rng(0)
    corners = [(n, h, w) for n in (0, 1) for h in (0, -1) for w in (0, -1)]
    for n, h, w in corners + [tuple(int(rng.integers(size)) for size in y.shape[:3]) for _ in range(8)]:
        pixel = x[n, h, w][None, None, None]
        assert_within(y[n, h, w], definition(layer, pixel)[0, 0, 0], limit[n, h, w])


def test_documented_lrn_has_the_documents_hyperparameters() -> None:
    """Those typed by hand above; and at |x| of about 0.3 and 30 the sum weighs as much as the bias."""
    for layer, _ in DOCUMENTED:
        typed = KERAS_SEQUENTIAL if layer.name.startswith("lambda") else TF1_GRAPH
        assert replace(layer, name=typed.name, place="", quotes=()) == typed
    assert 0.3 < scale(KERAS_SEQUENTIAL) < 0.31
    assert 31 < scale(TF1_GRAPH) < 32


@pytest.mark.parametrize(
    ("depth_radius", "bias", "alpha", "beta", "expected"),
    [
        # Channels 1, 2, 3, 4. Squares 1, 4, 9, 16; of each and its two neighbours 5, 14, 29, 25; all of them 30.
        (1, 1.0, 1.0, 1.0, [1 / 6, 2 / 15, 3 / 30, 4 / 26]),
        (1, 4.0, 1.0, 1.0, [1 / 9, 2 / 18, 3 / 33, 4 / 29]),
        (1, 1.0, 3.0, 1.0, [1 / 16, 2 / 43, 3 / 88, 4 / 76]),
        (1, 1.0, 0.0, 1.0, [1, 2, 3, 4]),
        (1, 2.0, 0.0, 3.0, [1 / 8, 2 / 8, 3 / 8, 4 / 8]),
        (1, 1.0, 1.0, 2.0, [1 / 36, 2 / 225, 3 / 900, 4 / 676]),
        (1, 1.0, 1.0, 0.0, [1, 2, 3, 4]),
        (1, 11.0, 1.0, 0.5, [1 / 4, 2 / 5, 3 / 40**0.5, 4 / 6]),
        (0, 1.0, 1.0, 1.0, [1 / 2, 2 / 5, 3 / 10, 4 / 17]),
        (2, 1.0, 1.0, 1.0, [1 / 15, 2 / 31, 3 / 31, 4 / 30]),
        (3, 1.0, 1.0, 1.0, [1 / 31, 2 / 31, 3 / 31, 4 / 31]),
        (99, 1.0, 1.0, 1.0, [1 / 31, 2 / 31, 3 / 31, 4 / 31]),
    ],
)
def test_lrn_by_hand(depth_radius: int, bias: float, alpha: float, beta: float, expected: list[float]) -> None:
    """Each of depth_radius, bias, alpha and beta, changed by itself, changes what it should; alpha multiplies the sum itself."""
    layer = LRN(name="lrn", depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta)
    x = np.array([[[[1.0, 2.0, 3.0, 4.0]]]])
    assert_within(lrn(layer, x), np.array([[[expected]]]), bound(layer, x))


def test_lrn_refuses_what_has_no_channels_or_no_radius() -> None:
    """Integers, three axes and a negative radius are refused by the equation, a bias of 0 by the vocabulary."""
    with pytest.raises(InvalidInput, match="x must be a floating-point array"):
        lrn(KERAS_SEQUENTIAL, np.ones((1, 2, 3, 4), int))
    with pytest.raises(InvalidInput, match=r"x has the wrong number of axes; expected \(N, H, W, C\)"):
        lrn(KERAS_SEQUENTIAL, np.ones((2, 3, 4)))
    with pytest.raises(InvalidInput, match="depth_radius is out of range; expected at least 0; received -1"):
        local_response_normalization(np.ones((1, 2, 3, 4)), depth_radius=-1, bias=1.0, alpha=1.0, beta=0.5)
    with pytest.raises(InvalidInput, match=r"LRN\.bias is not allowed"):
        replace(KERAS_SEQUENTIAL, bias=0.0)
