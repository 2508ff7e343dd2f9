"""Softmax: its definition, its laws, its ends, and TensorFlow's."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, FLOAT64, Arithmetic, allowed
from alexnet_ref.compare import assert_equal, assert_within
from alexnet_ref.models import keras_layer
from reference import ARCHITECTURES, Dense, Softmax
from reference.forward import activate
from reference.ops import softmax
from tests.strategies import SEEDS, distinct_sizes, integers, signed

Array = NDArray[Any]
SOFTMAX = Softmax(name="softmax")
ARITHMETICS: dict[type, Arithmetic] = {np.float32: FLOAT32, np.float64: FLOAT64}
DTYPES = pytest.mark.parametrize("dtype", ARITHMETICS)


def definition(x: Array) -> Array:
    """Return exp(x_k) / Σ exp(x_l), as it stands, in decimal numbers of fifty digits, which nothing overflows."""
    y = np.empty(x.shape)
    with localcontext(prec=50):
        for index in np.ndindex(x.shape[:-1]):
            e = [Decimal(float(value)).exp() for value in x[index]]
            y[index] = [float(value / sum(e)) for value in e]
    return y


def bound(x: Array, arithmetic: Arithmetic = FLOAT64) -> Array:
    """Return what a computation in the arithmetic and one in float64 may differ by."""
    return allowed(SOFTMAX, {}, x.astype(np.float64), arithmetic)


@st.composite
def scores(draw: st.DrawFn, dtype: type = np.float64, high: int = 12) -> Array:
    """Draw (N, K) or (N, H, W, K) scores of pairwise distinct dimensions, from all alike to one that outweighs the others."""
    shape = draw(distinct_sizes(2, high=high) | distinct_sizes(4, high=5))
    return signed(shape, draw(SEEDS), 2.0 ** draw(st.integers(-6, 5)), dtype)


# ---- The definition ----------------------------------------------------------------------------------------------------


@given(x=scores())
def test_softmax_is_its_definition(x: Array) -> None:
    """Every element is the quotient that the equation names, over the last axis, within the roundings of either precision."""
    assert_within(softmax(x), definition(x), bound(x))
    x = x.astype(np.float32)
    assert softmax(x).dtype == np.float32
    assert_within(softmax(x), definition(x), bound(x, FLOAT32))


def test_documented_softmax_is_its_definition() -> None:
    """At keras_sequential's ten classes and batch of 64; it stands there beside the dense layer."""
    x = signed((64, 10), 0, 5.0)
    assert_within(activate("softmax", x), definition(x), bound(x))


# ---- Laws --------------------------------------------------------------------------------------------------------------


@given(x=scores())
def test_softmax_sums_to_one(x: Array) -> None:
    """Probabilities lie in 0 … 1 and sum to 1, but for K + 1 roundings: K − 1 of their own sum, the quotient, this sum."""
    for dtype, arithmetic in ARITHMETICS.items():
        y = softmax(x.astype(dtype))
        assert ((y >= 0) & (y <= 1)).all()
        k = y.shape[-1]
        for row in y.reshape(-1, k).tolist():
            assert abs(math.fsum(row) - 1) <= math.expm1((k + 1) * arithmetic.u) + k * arithmetic.tiny


@given(sizes=distinct_sizes(2), seed=SEEDS, shift=st.integers(-(2**40), 2**40))
def test_softmax_ignores_a_shift(sizes: tuple[int, ...], seed: int, shift: int) -> None:
    """softmax(x + c) = softmax(x), every bit where x + c is exact: here sixteenths."""
    x = integers(sizes, seed, limit=99) / 16
    assert_equal(softmax(x + shift / 16), softmax(x))


@given(sizes=distinct_sizes(2), seed=SEEDS)
def test_softmax_keeps_the_order(sizes: tuple[int, ...], seed: int) -> None:
    """The larger score has the larger probability, strictly, where scores are at least 1/256 apart: a gap of 0.4 %."""
    rng = np.random.default_rng(seed)
    x = np.stack([rng.choice(np.arange(-4096, 4097), sizes[1], replace=False) for _ in range(sizes[0])]) / 256
    for dtype in ARITHMETICS:
        ascending = np.take_along_axis(softmax(x.astype(dtype)), np.argsort(x), axis=-1)
        assert (np.diff(ascending) > 0).all()


@given(x=scores(), seed=SEEDS)
def test_softmax_follows_permuted_classes_and_rows(x: Array, seed: int) -> None:
    """Classes, and rows, in another order give the probabilities in that order."""
    rng = np.random.default_rng(seed)
    order = np.ix_(*(rng.permutation(size) for size in x.shape))
    assert_within(softmax(x[order]), softmax(x)[order], bound(x[order]))


@given(x=scores())
def test_softmax_of_a_row_depends_on_that_row_alone(x: Array) -> None:
    """Each row by itself has the probabilities that it has among the others."""
    each = [softmax(row[np.newaxis].copy())[0] for row in x]
    assert_within(np.stack(each), softmax(x), bound(x))


@given(x=scores(), seed=SEEDS)
def test_softmax_of_two_is_the_logistic_function(x: Array, seed: int) -> None:
    """Of two classes the first has 1 / (1 + exp(x_1 − x_0))."""
    x = np.stack([x.ravel(), signed((x.size,), seed)], axis=-1)
    expected = np.array([1 / (1 + math.exp(b - a)) for a, b in x.tolist()])
    assert_within(softmax(x)[:, 0], expected, bound(x)[:, 0])


@pytest.mark.parametrize("k", [1, 2, 3, 7, 10])
@DTYPES
def test_softmax_of_equal_scores_is_even(k: int, dtype: type) -> None:
    """K equal scores, whatever they are, have 1/K each, rounded once."""
    for score in (0.0, -0.0, 1.0, -1e4, 1e4, np.finfo(dtype).max, np.finfo(dtype).min):
        assert_equal(softmax(np.full((3, k), score, dtype)), np.full((3, k), dtype(1) / dtype(k), dtype))


# ---- The ends ----------------------------------------------------------------------------------------------------------

SATURATED = [
    (np.float64, [1e308, -1e308, 0.0], [1, 0, 0]),
    (np.float64, [-1.7e308, 1.7e308, 1.7e308], [0, 0.5, 0.5]),
    (np.float64, [-1.7e308, -1.6e308, -1e308], [0, 0, 1]),
    (np.float64, [1000.0, 0.0, -1000.0], [1, 0, 0]),
    (np.float64, [-1e300, -1e300, -1e300, -1e300], [0.25, 0.25, 0.25, 0.25]),
    (np.float32, [1e4, -1e4, 0.0], [1, 0, 0]),
    (np.float32, [-1e4, -2e4, -1e4], [0.5, 0, 0.5]),
    (np.float32, [3e38, -3e38, 3e38], [0.5, 0, 0.5]),
    (np.float32, [0.0, -200.0, -0.0], [0.5, 0, 0.5]),
]
ENDS = pytest.mark.parametrize(("dtype", "row", "expected"), SATURATED)


@ENDS
def test_softmax_saturates_without_overflow(dtype: type, row: list[float], expected: list[float]) -> None:
    """Scores that exp or a difference would overflow give exact 0, 1 and equal parts, without a warning."""
    y = softmax(np.array([row, row[::-1]], dtype))
    assert_equal(y, np.array([expected, expected[::-1]], dtype))


@ENDS
def test_softmax_bound_at_the_ends(dtype: type, row: list[float], expected: list[float]) -> None:
    """The bound too takes any finite scores: it leaves exact 0 as good as no room, and is never NaN."""
    del dtype
    limit = bound(np.array([row]), FLOAT32)
    assert ((limit >= 0) & (limit <= 1)).all()
    assert (limit[0][np.array(expected) == 0] <= 2 * FLOAT32.tiny).all()


def test_softmax_takes_both_zeros_for_one() -> None:
    """−0.0 and 0.0 are equal scores."""
    assert_equal(softmax(np.array([[-0.0, 0.0], [0.0, -0.0]])), np.full((2, 2), 0.5))


# ---- Wrong ones: the bound rejects each ----------------------------------------------------------------------------------

WRONG: dict[str, Callable[[Array], Array]] = {
    "the scores themselves": lambda x: x,
    "over the batch": lambda x: softmax(x.T).T,
    "over everything": lambda x: softmax(x.reshape(1, -1)).reshape(x.shape),
    "not divided": lambda x: np.exp(x - x.max(axis=-1, keepdims=True)),
    "divided by the largest": lambda x: np.exp(x) / np.exp(x).max(axis=-1, keepdims=True),
    "logarithm of it": lambda x: np.log(softmax(x)),
    "logistic function": lambda x: 1 / (1 + np.exp(-x)),
    "without exponential": lambda x: np.abs(x) / np.abs(x).sum(axis=-1, keepdims=True),
    "powers of 2": lambda x: softmax(x * math.log(2)),
    "sign": lambda x: softmax(-x),
    "twice": lambda x: softmax(softmax(x)),
    "the largest alone": lambda x: (x == x.max(axis=-1, keepdims=True)).astype(x.dtype),
    "classes reversed": lambda x: softmax(x)[:, ::-1],
    "a ten-thousandth to the sum": lambda x: softmax(x) / 1.0001,
    "half precision": lambda x: softmax(x.astype(np.float16)).astype(np.float64),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_softmax_comparison_rejects(wrong: Callable[[Array], Array]) -> None:
    """The bound that the true softmax keeps, even that of float32, is exceeded by the wrong one."""
    x = signed((7, 10), 0, 2.0)
    assert_within(softmax(x), definition(x), bound(x, FLOAT32))
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_within(wrong(x), definition(x), bound(x, FLOAT32))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the overflow is the mistake
@ENDS
def test_softmax_without_the_shift_is_rejected(dtype: type, row: list[float], expected: list[float]) -> None:
    """exp(x) / Σ exp(x) as it stands loses every row above but those whose exponentials fit, and is equal to softmax there."""
    e = np.exp(np.array(row, dtype))
    if np.isfinite(e).all() and e.any():
        assert_within(e / e.sum(), np.array(expected, dtype), 0.0)
    else:
        with pytest.raises(AssertionError, match="not finite"):
            assert_equal(e / e.sum(), np.array(expected, dtype))


# ---- TensorFlow --------------------------------------------------------------------------------------------------------


def tensorflows(x: Array) -> list[Array]:
    """Return TensorFlow's operation and, in float32, the models' layers: the layer, and the activation of a dense layer.

    Of a single class Keras warns that softmax is always 1; it is asked about two and more.
    """
    import tensorflow as tf

    results = [tf.nn.softmax(x).numpy()]
    if x.dtype == np.float32 and x.shape[-1] > 1:
        architecture = ARCHITECTURES["keras_sequential"]
        dense = Dense(name="dense", units=x.shape[-1], activation="softmax")
        results.append(keras_layer(SOFTMAX, architecture)(x).numpy())
        results.append(keras_layer(dense, architecture).activation(x).numpy())
    return results


@pytest.mark.tf
@given(x=scores())
def test_softmax_is_tensorflows(x: Array) -> None:
    """TensorFlow's lies within the derived bound of the oracle's, in either precision."""
    for dtype, arithmetic in ARITHMETICS.items():
        exact = x.astype(dtype).astype(np.float64)
        for y in tensorflows(x.astype(dtype)):
            assert_within(y, softmax(exact), bound(exact, arithmetic))


@pytest.mark.tf
@pytest.mark.parametrize(("dtype", "least", "greatest"), [(np.float32, 85, 106), (np.float64, 705, 747)])
def test_softmax_near_the_least_number_is_tensorflows(dtype: type, least: int, greatest: int) -> None:
    """Where exp(−t) passes through the least normal and subnormal numbers to 0, TensorFlow's stays within the bound."""
    t: Array = np.linspace(least, greatest, 1001).astype(dtype)
    for k in (2, 3, 10):
        x: Array = np.zeros((len(t), k), dtype)
        x[:, 0] = -t
        exact = x.astype(np.float64)
        for y in tensorflows(x):
            assert_within(y, softmax(exact), bound(exact, ARITHMETICS[dtype]))


@pytest.mark.tf
@ENDS
def test_softmax_saturates_as_tensorflows(dtype: type, row: list[float], expected: list[float]) -> None:
    """At the ends TensorFlow's too is exact."""
    for y in tensorflows(np.array([row, row[::-1]], dtype)):
        assert_equal(y, np.array([expected, expected[::-1]], dtype))
