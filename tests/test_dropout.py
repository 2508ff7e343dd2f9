"""Dropout against its definition and its laws."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.compare import assert_equal, assert_within
from reference import ARCHITECTURES, LRN, Architecture, Dropout, Flatten, InvalidInput, draw_masks, forward
from reference.forward import apply
from reference.ops import dropout
from reference.shapes import layer_inputs
from tests.strategies import SEEDS, images, integers, signed

Array = NDArray[Any]
# (layer, shape of its input, keep probability): the probabilities as the documents write them, in decimal.
KEEP = {"keras_sequential": Fraction(1, 2), "tf1_graph": Fraction(4, 5)}
DOCUMENTED = [
    (layer, layer_inputs(architecture)[layer.name], KEEP[architecture.name])
    for architecture in ARCHITECTURES.values()
    for layer in architecture.layers
    if isinstance(layer, Dropout)
]
NAMES = [layer.name for layer, _, _ in DOCUMENTED]
RATES = st.floats(0, 1 - 2.0**-10)


def draw(shape: tuple[int, ...], seed: int, keep_prob: float = 0.5) -> Array:
    """Return a mask of another stream than `signed` has of this seed."""
    return np.random.default_rng([seed, 1]).random(shape) < keep_prob


def definition(x: Array, mask: Array, keep_prob: Fraction) -> Array:
    """Return x / keep_prob where the mask keeps and 0 elsewhere, in exact arithmetic, then rounded once, to float64."""
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        if mask[index]:
            y[index] = float(Fraction(float(x[index])) / keep_prob)
    return y


# ---- The definition ----------------------------------------------------------------------------------------------------


@given(x=images(high=7), rate=RATES, seed=SEEDS)
@example(x=signed((2, 3, 5, 4), 0), rate=0.5, seed=0)
@example(x=signed((2, 3, 5, 4), 0), rate=0.2, seed=0)
def test_dropout_is_its_definition(x: Array, rate: float, seed: int) -> None:
    """Every element is x/(1 − rate) or 0, at any rate and in both precisions, but for the roundings that the factor takes."""
    mask = draw(x.shape, seed)
    for dtype in (np.float32, np.float64):
        y = dropout(x.astype(dtype), mask, rate=rate)
        expected = definition(x.astype(dtype), mask, 1 - Fraction(rate))
        # 1 − rate, its reciprocal and `expected` round in float64; the factor and the product in the operand's precision.
        roundings = 3 * np.finfo(np.float64).eps / 2 + 2 * np.finfo(dtype).eps / 2
        assert_within(y, expected, np.expm1(roundings) * np.abs(expected))
        assert y.dtype == dtype
        assert (y[~mask] == 0).all()


@pytest.mark.parametrize(("layer", "shape", "keep_prob"), DOCUMENTED, ids=NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_documented_dropout_keeps_exactly(layer: Dropout, shape: tuple[int, ...], keep_prob: Fraction, dtype: type) -> None:
    """At the documents' rates kept values are x/0.5 and x/0.8 rounded correctly, every bit, and dropped ones are 0.

    The factors 2 and 1.25 are exact; and a float32 x times 1.25 is exact in float64, so that `expected` is rounded once.
    """
    x = signed((2, *shape), 0, dtype=dtype)
    mask = draw(x.shape, 0, layer.keep_prob)
    assert 0 < mask.mean() < 1
    assert_equal(apply(layer, {}, x, mask=mask), definition(x, mask, keep_prob).astype(dtype))


def test_dividing_by_a_rounded_keep_probability_is_not_exact() -> None:
    """What the exact test above rejects: x divided by the float32 0.8, and x times a factor off by one unit in the last place."""
    x = signed((2, 3, 5, 4), 0, dtype=np.float32)
    mask: Array = np.ones(x.shape, bool)
    expected = definition(x, mask, Fraction(4, 5)).astype(np.float32)
    assert_equal(dropout(x, mask, rate=0.2), expected)
    for wrong in (x / np.float32(0.8), x * np.nextafter(np.float32(1.25), np.float32(2))):
        with pytest.raises(AssertionError, match="differ by more than allowed"):
            assert_equal(wrong, expected)


# ---- Laws --------------------------------------------------------------------------------------------------------------


@given(x=images(high=7), seed=SEEDS)
def test_dropout_at_rate_0_is_the_identity(x: Array, seed: int) -> None:
    """At rate 0 the factor is 1 exactly, and a mask that is drawn keeps everything."""
    network = Architecture(name="n", input_shape=x.shape[1:], layers=(Dropout(name="drop", rate=0.0),))
    masks = draw_masks(network, len(x), seed)
    mask: Array = masks["drop"]
    assert mask.all()
    assert_equal(dropout(x, mask, rate=0.0), x)
    assert_equal(forward(network, {}, x, masks=masks)["drop"], x)


@pytest.mark.parametrize(("layer", "shape", "keep_prob"), DOCUMENTED, ids=NAMES)
def test_documented_dropout_is_the_identity_at_inference(layer: Dropout, shape: tuple[int, ...], keep_prob: Fraction) -> None:
    """Without a mask the output is the input, bit for bit; with one it is not."""
    assert keep_prob < 1
    x = signed((2, *shape), 0)
    assert_equal(apply(layer, {}, x), x)
    with pytest.raises(AssertionError):
        assert_equal(apply(layer, {}, x, mask=np.ones(x.shape, bool)), x)


def test_forward_drops_where_the_masks_say() -> None:
    """`forward` with masks drops each layer by its own mask, image by image across its blocks; without masks it drops nothing."""
    first, norm, last = Dropout(name="a", rate=0.5), LRN(name="b", depth_radius=1, bias=1.0, alpha=1.0, beta=1.0), Dropout.keeping
    layers = (first, norm, last(name="c", keep_prob=0.8), Flatten(name="d"))
    network = Architecture(name="n", input_shape=(3, 4, 5), layers=layers)
    x = signed((19, 3, 4, 5), 0)  # two whole blocks of images and a part of one
    masks = draw_masks(network, len(x), seed=3)
    outputs = forward(network, {}, x, masks=masks)
    assert_equal(outputs["a"], definition(x, masks["a"], Fraction(1, 2)))
    assert_equal(outputs["c"], definition(outputs["b"], masks["c"], Fraction(4, 5)))
    outputs = forward(network, {}, x)
    assert_equal(outputs["a"], x)
    assert_equal(outputs["c"], outputs["b"])


@given(x=images(high=7), seed=SEEDS)
def test_dropout_is_linear_and_its_own_adjoint(x: Array, seed: int) -> None:
    """With the mask held, drop(2·x − 3·x') = 2·drop(x) − 3·drop(x') and ⟨g, drop(x)⟩ = ⟨drop(g), x⟩, exact on integers.

    So the gradient of dropout is dropout of the gradient, with the same mask and the same factor.
    """
    x, other, mask = integers(x.shape, seed), integers(x.shape, seed ^ 1), draw(x.shape, seed)
    for rate in (0.5, 0.2):  # the factors 2 and 1.25 are dyadic: nothing rounds
        y = dropout(x, mask, rate=rate)
        assert_equal(dropout(2 * x - 3 * other, mask, rate=rate), 2 * y - 3 * dropout(other, mask, rate=rate))
        assert (other * y).sum() == (dropout(other, mask, rate=rate) * x).sum()


@pytest.mark.parametrize(("rate", "kept", "dropped"), [(0.5, 1, 1), (0.2, 4, 1)])
def test_dropout_keeps_the_expected_value(rate: float, kept: int, dropped: int) -> None:
    """The mean over all masks, each weighed by its probability, is x, exactly: here over the 64 masks of six elements."""
    x = integers((1, 1, 2, 3), 0)
    total, weights = np.zeros_like(x), 0
    for bits in np.ndindex((2,) * x.size):
        mask = np.array(bits, bool).reshape(x.shape)
        weight = kept ** sum(bits) * dropped ** (x.size - sum(bits))
        total += weight * dropout(x, mask, rate=rate)
        weights += weight
    assert_equal(total, weights * x)


# ---- The documents' words ----------------------------------------------------------------------------------------------


def test_dropout_keep_080_is_rate_020() -> None:
    """tf1_graph keeps with probability 0.8: its layers have rate 0.2, the decimal, and keras_sequential's have rate 0.5."""
    assert Dropout.keeping(name="drop", keep_prob=0.8) == Dropout(name="drop", rate=0.2)
    rates = {layer.name: (layer.rate, layer.keep_prob) for layer, _, _ in DOCUMENTED}
    halves = dict.fromkeys(["dropout", "dropout_1"], (0.5, 0.5))
    assert rates == {**halves, **dict.fromkeys(["drop1", "drop2", "drop3"], (0.2, 0.8))}


def test_dropout_keep_is_one_less_rate_in_decimal() -> None:
    """For every percentage, keeping p/100 is dropping (100 − p)/100, and back, as the decimals are written."""
    for percent in range(1, 101):
        layer = Dropout.keeping(name="drop", keep_prob=percent / 100)
        assert (layer.rate, layer.keep_prob) == ((100 - percent) / 100, percent / 100)
    assert 1 - 0.8 != 0.2  # what subtracting in binary would give


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divided_by_dropout_probability_holds_only_at_one_half(dtype: type) -> None:
    """keras_sequential divides "by dropout probability": of all percentages this is right at 50 alone."""
    x = signed((2, 3, 5, 4), 0, dtype=dtype)
    everything: Array = np.ones(x.shape, bool)
    right = [p for p in range(1, 100) if (dropout(x, everything, rate=p / 100) == x / dtype(p / 100)).all()]
    assert right == [50]
    # At tf1_graph's rate the sentence makes kept values four times too large.
    assert_within(x / dtype(0.2), 4 * dropout(x, everything, rate=0.2), 2 * np.finfo(dtype).eps * np.abs(5 * x))


# ---- Drawing masks -----------------------------------------------------------------------------------------------------


def test_masks_are_reproduced_by_their_seed(architecture: Architecture) -> None:
    """One seed draws the same masks again, another seed other masks; there is one for each layer, of its output's shape."""
    masks, again, other = (draw_masks(architecture, 3, seed=seed) for seed in (7, 7, 8))
    assert {name: mask.shape for name, mask in masks.items()} == {
        layer.name: (3, *shape) for layer, shape, _ in DOCUMENTED if layer in architecture.layers
    }
    for name, mask in masks.items():
        assert mask.dtype == np.bool_
        assert np.array_equal(mask, again[name])
        assert not np.array_equal(mask, other[name])


# ---- Refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1.0, -0.1, 1.5, float("nan")])
def test_dropout_refuses_rates_outside_0_to_1(rate: float) -> None:
    """Rate 1 would divide by 0: it, anything negative and NaN are refused by the equation and by the vocabulary."""
    with pytest.raises(InvalidInput, match="rate is out of range; expected at least 0 and below 1"):
        dropout(np.ones((1, 2)), np.ones((1, 2), bool), rate=rate)
    with pytest.raises(InvalidInput, match=r"Dropout\.rate is not allowed"):
        Dropout(name="drop", rate=rate)


@pytest.mark.parametrize("keep_prob", [0.0, -0.2, 1.1, float("nan")])
def test_dropout_refuses_to_keep_nothing(keep_prob: float) -> None:
    """A keep probability of 0, below it, above 1, or NaN is refused under its own name."""
    with pytest.raises(InvalidInput, match=r"Dropout\.keep_prob is not allowed; expected a number above 0 and at most 1"):
        Dropout.keeping(name="drop", keep_prob=keep_prob)


def test_dropout_refuses_masks_that_do_not_fit() -> None:
    """A mask of numbers, or of one image for a batch, is refused: it would scale twice, or drop every image alike."""
    x = np.ones((2, 3, 4, 5))
    with pytest.raises(InvalidInput, match="mask must be boolean, True where kept; expected bool; received float64"):
        dropout(x, np.ones(x.shape), rate=0.5)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(InvalidInput, match=r"the mask's shape must equal the shape of x"):
        dropout(x, np.ones((1, 3, 4, 5), bool), rate=0.5)
