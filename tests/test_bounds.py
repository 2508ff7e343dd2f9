"""The derived allowances: correct float32 arithmetic stays inside in every order, small faults do not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ref import bounds
from alexnet_ref.bounds import FLOAT32, FLOAT64, TF32
from alexnet_ref.compare import compare
from reference import LRN, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax
from reference.forward import apply
from tests.strategies import SEEDS, signed

Sum = Callable[[Any], np.float32]

DENSE = Dense(name="dense", units=1)
LRN_LAYER = LRN(name="lrn", depth_radius=2, bias=1.0, alpha=0.5, beta=0.75)


def sequential(terms: Any) -> np.float32:
    """Add from left to right."""
    total = np.float32(0)
    for term in terms:
        total = np.float32(total + term)
    return total


def pairwise(terms: Any) -> np.float32:
    """Add neighbours, then neighbours of sums."""
    while len(terms) > 1:
        if len(terms) % 2:
            terms = np.append(terms, np.float32(0))
        terms = (terms[::2] + terms[1::2]).astype(np.float32)
    return np.float32(terms[0])


def blocked(terms: Any) -> np.float32:
    """Add eight running sums, as a vector unit does, then those."""
    return sequential([sequential(terms[lane::8]) for lane in range(8)])


@pytest.mark.parametrize("add", [sequential, pairwise, blocked])
@pytest.mark.parametrize("k", [1, 7, 363, 4096])
@given(seed=SEEDS, mean=st.sampled_from([0.0, 3.0]))
def test_dense_allows_every_order_of_summation(add: Sum, k: int, seed: int, mean: float) -> None:
    """A float32 dot product of K terms, signed or coherent, is inside its allowance however it is added up."""
    x = (signed((1, k), seed) + mean).astype(np.float32)
    w = (signed((k, 1), seed + 1) + mean).astype(np.float32)
    bias = np.float32(0.5)
    received = np.array([[add(np.append(x[0] * w[:, 0], bias))]])
    params = {"kernel": w.astype(np.float64), "bias": np.array([0.5])}
    x64 = x.astype(np.float64)
    assert compare(received, apply(DENSE, params, x64), bounds.allowed(DENSE, params, x64, FLOAT32)).passed


@pytest.mark.parametrize("k", [7, 363, 4096])
def test_dense_rejects_one_lost_term(k: int) -> None:
    """Leaving out one of K terms is outside the allowance."""
    x, w = signed((1, k), 2), signed((k, 1), 3)
    params = {"kernel": w, "bias": np.zeros(1)}
    received = apply(DENSE, params, x) - x[0, -1] * w[-1, 0]
    assert not compare(received, apply(DENSE, params, x), bounds.allowed(DENSE, params, x, FLOAT32)).passed


def test_tf32_allows_rounded_operands_and_float32_does_not() -> None:
    """Products of operands rounded to 11 bits pass as TF32 and fail as float32."""
    k, layer = 512, Dense(name="dense", units=64)
    x, w = signed((8, k), 4), signed((k, 64), 5)
    params = {"kernel": w, "bias": np.zeros(64)}
    received = (_rounded(x, 11) @ _rounded(w, 11)).astype(np.float32)
    expected = apply(layer, params, x)
    assert compare(received, expected, bounds.allowed(layer, params, x, TF32)).passed
    assert not compare(received, expected, bounds.allowed(layer, params, x, FLOAT32)).passed


def _rounded(x: Any, bits: int) -> Any:
    fraction, exponent = np.frexp(x)
    return np.ldexp(np.round(np.ldexp(fraction, bits)), exponent - bits)


EXACT: list[Layer] = [
    ReLU(name="relu"),
    MaxPool(name="pool", pool_size=(3, 2), strides=(2, 1), padding="SAME"),
    Flatten(name="flatten"),
    Dropout(name="dropout", rate=0.5),
]


@pytest.mark.parametrize("layer", EXACT, ids=lambda layer: layer.name)
def test_selecting_and_moving_is_exact(layer: Layer) -> None:
    """Layers that compute nothing are allowed nothing."""
    assert not bounds.allowed(layer, {}, signed((2, 5, 7, 3), 6), FLOAT32).any()


@pytest.mark.parametrize(
    "layer",
    [LRN_LAYER, Softmax(name="softmax"), Resize(name="resize", height=11, width=17)],
    ids=lambda layer: layer.name,
)
@given(seed=SEEDS, scale=st.sampled_from([1e-6, 1.0, 1e3]))
def test_float32_stays_inside(layer: Layer, seed: int, scale: float) -> None:
    """The oracle's own float32 is inside the allowance for small, ordinary and large inputs."""
    x = signed((2, 5, 7, 6), seed, scale, np.float32)
    x64 = x.astype(np.float64)
    received = apply(layer, {}, x).astype(np.float32)
    assert compare(received, apply(layer, {}, x64), bounds.allowed(layer, {}, x64, FLOAT32)).passed


@pytest.mark.parametrize("field", ["bias", "alpha", "beta"])
def test_lrn_rejects_a_parameter_off_by_a_ten_thousandth(field: str) -> None:
    """At a probe where alpha·Σx² ≈ bias, each continuous parameter of LRN shows when it is off by 1e-4 of itself."""
    x = signed((2, 5, 7, 6), 7)
    values = {"depth_radius": 2, "bias": 1.0, "alpha": 0.5, "beta": 0.75}
    values[field] *= 1 + 1e-4
    wrong = LRN(name="lrn", **values)  # type: ignore[arg-type]  # one dictionary of an int and three floats
    assert not compare(apply(wrong, {}, x), apply(LRN_LAYER, {}, x), bounds.allowed(LRN_LAYER, {}, x, FLOAT32)).passed


def test_relu_of_a_negative_sum_allows_nothing() -> None:
    """Where the sum before the activation is negative beyond doubt, the activation's output must be 0 exactly."""
    layer = Conv(name="conv", filters=1, kernel_size=(1, 1), padding="SAME", activation="relu")
    params = {"kernel": np.ones((1, 1, 1, 1)), "bias": np.zeros(1)}
    allowed = bounds.allowed(layer, params, np.array([-1.0, 1.0]).reshape(1, 1, 2, 1), FLOAT32)
    assert allowed[0, 0, 0, 0] == 0 < allowed[0, 0, 1, 0]


@given(seed=SEEDS)
def test_carried_is_never_less_than_allowed(seed: int) -> None:
    """A difference in the input can only widen the allowance, and none leaves it as it is."""
    rng = np.random.default_rng(seed)
    x = signed((2, 6, 5, 4), seed)
    conv = Conv(name="conv", filters=3, kernel_size=(3, 2), padding="SAME", activation="relu")
    params = {"kernel": signed((3, 2, 4, 3), seed + 1), "bias": signed((3,), seed + 2)}
    layers: list[tuple[Layer, Any]] = [(conv, params), *((layer, {}) for layer in (*EXACT, LRN_LAYER, Softmax(name="softmax")))]
    for layer, own in layers:
        fresh = bounds.allowed(layer, own, x, FLOAT32)
        assert (bounds.carried(layer, own, x, np.zeros_like(x), FLOAT32) == fresh).all()
        wider = bounds.carried(layer, own, x, rng.random(x.shape) * 1e-3, FLOAT32)
        assert (wider >= fresh).all()
        assert (wider > fresh).any()


def test_confidence_solves_its_definition() -> None:
    """M elements with a failure probability of 2·exp(−λ²/2) each make FALSE_ALARM together, within rounding."""
    for elements in (1, 1000, 10**7):
        lam = bounds.confidence(elements)
        exponent = math.log(2 * elements / bounds.FALSE_ALARM)
        assert abs(lam**2 / 2 - exponent) <= 4 * exponent * 2.0**-53


def test_float64_allows_less_than_float32() -> None:
    """The allowance shrinks with the unit roundoff."""
    x = signed((1, 9), 8)
    params = {"kernel": signed((9, 1), 9), "bias": np.zeros(1)}
    narrow, wide = (bounds.allowed(DENSE, params, x, arithmetic) for arithmetic in (FLOAT64, FLOAT32))
    assert (narrow < wide * 2.0**-27).all()
