"""Errors held against what they typically are: correct sums pass whatever their order, and each statistic alone sees a fault."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.arithmetic import ARITHMETICS, BFLOAT16, BFLOAT16_PRODUCTS, FLOAT16, FLOAT32, FLOAT64, TF32, Arithmetic
from alexnet_ref.spread import Measured, confidence, deviation, infer, judge, measure
from reference import Conv, Dense
from reference.forward import apply
from tests.strategies import SEEDS, signed
from tests.test_bounds import blocked, pairwise, sequential

Array = NDArray[Any]
DENSE = Dense(name="dense", units=40)


def probe(k: int, seed: int = 0, n: int = 100) -> tuple[Array, dict[str, Array]]:
    """Return n random inputs of k float32 numbers, and random parameters, all in float64."""
    x = signed((n, k), seed, dtype=np.float32).astype(np.float64)
    kernel, bias = (signed(shape, seed + i, dtype=np.float32).astype(np.float64) for i, shape in ((1, (k, 40)), (2, (40,))))
    return x, {"kernel": kernel, "bias": bias}


def computed(x: Array, params: dict[str, Array], bits: int = 24, result_bits: int = 24) -> Array:
    """Return the layer as float32 computes it, the factors of products rounded to so many bits, and the results as well."""
    factors = [rounded(array, bits).astype(np.float32) for array in (x, params["kernel"])]
    y = factors[0] @ factors[1] + params["bias"].astype(np.float32)
    return rounded(y.astype(np.float64), result_bits)


def rounded(x: Array, bits: int) -> Array:
    """Round to nearest with so many bits of significand."""
    fraction, exponent = np.frexp(x)
    result: Array = np.ldexp(np.round(np.ldexp(fraction, bits)), exponent - bits)
    return result


@pytest.mark.parametrize("add", [sequential, pairwise, blocked])
@pytest.mark.parametrize("k", [9, 64, pytest.param(363, marks=pytest.mark.slow)])
@given(seed=SEEDS)
def test_every_order_of_summation_passes(add: Callable[[Any], np.float32], k: int, seed: int) -> None:
    """Float32 sums of random terms, written out in three orders, pass all three tests."""
    x, params = probe(k, seed, n=4)
    terms = (x[:, None, :] * params["kernel"].T).astype(np.float32)  # (n, 40, k), each product rounded
    received = np.array(
        [[add(np.append(terms[n, o], params["bias"][o].astype(np.float32))) for o in range(40)] for n in range(4)]
    )
    assert judge(measure(received, DENSE, params, x), FLOAT32).passed


@given(seed=SEEDS, k=st.sampled_from([1, 2, 3, 30, 576, 4096]))
def test_matrix_products_pass(seed: int, k: int) -> None:
    """NumPy's own float32 matrix product passes, whatever it does inside."""
    x, params = probe(k, seed)
    assert judge(measure(computed(x, params), DENSE, params, x), FLOAT32).passed


def test_summation_is_inferred() -> None:
    """Many running sums are told from one, and the allowance shrinks with them."""
    x, params = probe(2048, n=8)
    terms = (x[:, None, :] * params["kernel"].T).astype(np.float32)
    one = np.zeros(terms.shape[:2], np.float32)
    for i in range(2048):
        one += terms[..., i]
    many = terms
    while many.shape[-1] > 1:
        many = many[..., ::2] + many[..., 1::2]
    bias = params["bias"].astype(np.float32)
    sequentially, by_pairs = (judge(measure(y + bias, DENSE, params, x), FLOAT32) for y in (one, many[..., 0]))
    assert sequentially.passed
    assert by_pairs.passed
    assert sequentially.lanes == 1
    assert by_pairs.lanes >= 128


def test_one_wrong_element_is_seen_by_the_maximum_alone() -> None:
    """A single output off by 40 standard deviations fails the maximum, and neither bias nor variance."""
    x, params = probe(576)
    received = computed(x, params).astype(np.float64)
    measured = measure(received, DENSE, params, x)
    received[3, 7] += 60 * deviation(measured, FLOAT32)[3, 7]
    errors = judge(measure(received, DENSE, params, x), FLOAT32)
    assert not errors.maximum.passed
    assert errors.bias.passed


def test_a_scale_slightly_off_is_seen_by_the_bias_alone() -> None:
    """Results larger by a millionth fail the bias, and no other test."""
    x, params = probe(2000)
    received = computed(x, params).astype(np.float64) * (1 + 1e-6)
    errors = judge(measure(received, DENSE, params, x), FLOAT32)
    assert errors.maximum.passed
    assert not errors.bias.passed
    assert errors.variance.passed


def test_noise_is_seen_by_the_variance_alone() -> None:
    """Independent noise of one and a half standard deviations fails the variance, and no other test."""
    x, params = probe(576)
    received = computed(x, params).astype(np.float64)
    noise = 1.5 * deviation(measure(received, DENSE, params, x), FLOAT32) * signed(received.shape, 9)
    errors = judge(measure(received + noise, DENSE, params, x), FLOAT32)
    assert errors.maximum.passed
    assert errors.bias.passed
    assert not errors.variance.passed


@pytest.mark.parametrize(
    ("bits", "result_bits", "expected"),
    [(24, 24, FLOAT32), (11, 24, TF32), (11, 11, FLOAT16), (8, 24, BFLOAT16_PRODUCTS), (8, 8, BFLOAT16)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_arithmetic_is_inferred(bits: int, result_bits: int, expected: Arithmetic) -> None:
    """The arithmetic that a product was computed in is the sharpest that its errors are consistent with."""
    x, params = probe(363)
    assert infer(measure(computed(x, params, bits, result_bits), DENSE, params, x)) == expected


def test_float64_and_nonsense_are_told_apart() -> None:
    """The oracle's own result is float64; a result that is wrong by a tenth is consistent with nothing."""
    x, params = probe(363)
    exact = apply(DENSE, params, x)
    assert infer(measure(exact, DENSE, params, x)) == FLOAT64
    assert infer(measure(exact * 1.1, DENSE, params, x)) is None


def test_behind_a_relu_only_positive_results_count() -> None:
    """A convolution with a ReLU passes when right, and a wrong positive result is still seen."""
    layer = Conv(name="conv", filters=8, kernel_size=(3, 2), padding="SAME", activation="relu")
    x = signed((3, 9, 8, 5), 1, dtype=np.float32).astype(np.float64)
    params = {"kernel": signed((3, 2, 5, 8), 2), "bias": signed((8,), 3)}
    params = {part: value.astype(np.float32).astype(np.float64) for part, value in params.items()}
    received = apply(layer, {part: value.astype(np.float32) for part, value in params.items()}, x.astype(np.float32))
    assert judge(measure(received, layer, params, x), FLOAT32).passed
    received[received > 0] *= np.float32(1.0001)
    assert not judge(measure(received, layer, params, x), FLOAT32).passed


def test_nan_never_passes() -> None:
    """An error that is no number fails."""
    x, params = probe(9)
    received = computed(x, params)
    received[0, 0] = np.nan
    assert not judge(measure(received, DENSE, params, x), FLOAT32).passed


def test_confidence_bounds_the_walks_tail() -> None:
    """Twenty thousand simulated errors of random walks, scaled to σ 1, exceed the t of that many with no 1e-9: none does.

    A tenth of t is exceeded by many: the walks are the heavy-tailed ones that t is made for.
    """
    rng = np.random.default_rng(0)
    n, k = 20_000, 64
    walk = np.cumsum(rng.standard_normal((n, k)), axis=1)
    bridge = walk - walk[:, -1:] * np.arange(1, k + 1) / k
    errors = rng.standard_normal(n) * np.sqrt((bridge**2).sum(axis=1) / (k * k / 6))
    t = confidence(n)
    assert np.abs(errors).max() < t
    assert (np.abs(errors) > t / 10).any()
    assert t > math.sqrt(2 * math.log(2 * n / 1e-9))


def test_arithmetics_are_ordered_by_what_they_allow() -> None:
    """On one probe each arithmetic allows at least what the sharper ones before it allow."""
    x, params = probe(363)
    measured: Measured = measure(apply(DENSE, params, x), DENSE, params, x)
    medians = [float(np.median(deviation(measured, arithmetic))) for arithmetic in ARITHMETICS]
    assert medians == sorted(medians)
