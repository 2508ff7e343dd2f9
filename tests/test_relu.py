"""The rectified linear unit: its definition, its laws, and TensorFlow's. Nothing rounds, so that everything here is exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, FLOAT64, Arithmetic, allowed
from alexnet_ref.compare import assert_equal, assert_within
from alexnet_ref.models import keras_layer
from reference import ARCHITECTURES, Architecture, Conv, Dense, ReLU
from reference.forward import activate, apply
from reference.ops import relu
from reference.shapes import layer_inputs
from tests.strategies import SEEDS, images, integers, signed

Array = NDArray[Any]
ARITHMETICS: dict[type, Arithmetic] = {np.float32: FLOAT32, np.float64: FLOAT64}
DTYPES = pytest.mark.parametrize("dtype", ARITHMETICS)
DOCUMENTED = [
    (layer, layer_inputs(architecture)[layer.name])
    for architecture in ARCHITECTURES.values()
    for layer in architecture.layers
    if isinstance(layer, ReLU)
]
# Values of every size: subnormal, normal and largest numbers, both zeros.
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
FINITE = hnp.arrays(np.float64, hnp.array_shapes(max_dims=4, max_side=5), elements=NUMBERS)


def definition(x: Array) -> Array:
    """Return x where it is above 0 and 0 elsewhere, element by element."""
    y = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        if x[index] > 0:
            y[index] = x[index]
    return y


# ---- The definition ----------------------------------------------------------------------------------------------------


@given(x=FINITE)
def test_relu_is_its_definition(x: Array) -> None:
    """Every element is itself above 0 and else 0, whatever its size and the number of axes, in either precision."""
    assert_equal(relu(x), definition(x))
    x = np.clip(x, -(2.0**127), 2.0**127).astype(np.float32)
    assert_equal(relu(x), definition(x))


@pytest.mark.parametrize(("layer", "shape"), DOCUMENTED, ids=[layer.name for layer, _ in DOCUMENTED])
def test_documented_relu_is_its_definition(layer: ReLU, shape: tuple[int, int, int]) -> None:
    """At keras_sequential's sizes; about half of the values are negative."""
    x = signed((1, *shape), 0)
    assert_equal(apply(layer, {}, x), definition(x))


@DTYPES
def test_relu_at_the_ends(dtype: type) -> None:
    """Both zeros give a zero, infinities themselves or 0, the least and the greatest numbers themselves; NaN is not hidden."""
    info = np.finfo(dtype)
    least, greatest = info.smallest_subnormal, info.max
    x: Array = np.array([-0.0, 0.0, np.inf, -np.inf, least, -least, info.tiny, -info.tiny, greatest, -greatest] * 3, dtype)
    expected: Array = np.array([0, 0, np.inf, 0, least, 0, info.tiny, 0, greatest, 0] * 3, dtype)
    for size in range(1, len(x) + 1):  # vectors of every length, whole registers and what is left over
        y = relu(x[:size])
        assert y.dtype == dtype
        assert (y == expected[:size]).all()
        assert np.isnan(relu(np.append(x[:size], dtype(np.nan)))[-1])


# ---- Laws --------------------------------------------------------------------------------------------------------------


@given(x=FINITE)
def test_relu_is_idempotent_and_never_negative(x: Array) -> None:
    """relu(relu(x)) = relu(x) ≥ 0."""
    y = relu(x)
    assert_equal(relu(y), y)
    assert (y >= 0).all()


@given(x=images(high=7), factor=st.floats(0, 2.0**60))
def test_relu_is_positively_homogeneous(x: Array, factor: float) -> None:
    """relu(c·x) = c·relu(x) for c ≥ 0, every bit, for both sides round the same product; and not for c < 0."""
    assert_equal(relu(factor * x), factor * relu(x))
    assert not np.array_equal(relu(-x), -relu(x))


@given(x=FINITE)
def test_relu_splits_x_in_two_parts(x: Array) -> None:
    """x = relu(x) − relu(−x) and |x| = relu(x) + relu(−x): one of the two is 0."""
    assert_equal(relu(x) - relu(-x), x)
    assert_equal(relu(x) + relu(-x), np.abs(x))


@given(x=images(high=7), seed=SEEDS)
def test_relu_keeps_order_and_widens_no_gap(x: Array, seed: int) -> None:
    """x ≤ x' gives relu(x) ≤ relu(x'), and |relu(x) − relu(x')| ≤ |x − x'|: exact on integers."""
    x, other = integers(x.shape, seed), integers(x.shape, seed ^ 1)
    assert (relu(np.minimum(x, other)) <= relu(np.maximum(x, other))).all()
    assert (np.abs(relu(x) - relu(other)) <= np.abs(x - other)).all()


@given(x=images(high=7), seed=SEEDS)
def test_relu_knows_no_neighbours(x: Array, seed: int) -> None:
    """Elements in any order give their outputs in that order."""
    order = np.random.default_rng(seed).permutation(x.size).reshape(x.shape)
    assert_equal(relu(x.ravel()[order]), relu(x).ravel()[order])


def test_relu_is_the_activation_of_convolutions_and_dense_layers() -> None:
    """Wherever a document writes relu beside a layer it is this function; without the word nothing is applied."""
    x = signed((2, 3, 5, 4), 0)
    assert_equal(activate("relu", x), definition(x))
    assert_equal(activate(None, x), x)


# ---- Wrong units: equality rejects each ----------------------------------------------------------------------------------

WRONG: dict[str, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "absolute value": np.abs,
    "negative part": lambda x: np.maximum(-x, 0),
    "min for max": lambda x: np.minimum(x, 0),
    "leaky": lambda x: np.where(x > 0, x, 0.01 * x),
    "capped at six": lambda x: np.clip(x, 0, 6),
    "capped at one": lambda x: np.clip(x, 0, 1),
    "softplus": lambda x: np.logaddexp(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "gelu": lambda x: x * np.vectorize(lambda v: 0.5 * (1 + math.erf(v / 2**0.5)))(x),
    "step": lambda x: (x > 0).astype(x.dtype),
    "squared": lambda x: np.maximum(x, 0) ** 2,
    "threshold at one hundredth": lambda x: np.where(x > 0.01, x, 0),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_relu_comparison_rejects(wrong: Callable[[Array], Array]) -> None:
    """A wrong unit differs somewhere among values of both signs from near 0 to beyond 6."""
    x = signed((3, 5, 7, 11), 0, scale=4.0)
    assert_equal(relu(x), definition(x))
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_equal(wrong(x), definition(x))


# ---- TensorFlow --------------------------------------------------------------------------------------------------------


@pytest.mark.tf
@given(x=images(high=7), scale=st.floats(2.0**-60, 2.0**60))
def test_relu_is_tensorflows(x: Array, scale: float) -> None:
    """TensorFlow's operation and the models' Keras layer return the oracle's bits."""
    import tensorflow as tf

    built = keras_layer(ReLU(name="relu"), ARCHITECTURES["keras_sequential"])
    x = (scale * x).astype(np.float32)
    assert_equal(tf.nn.relu(x).numpy(), relu(x))
    assert_equal(built(x).numpy(), relu(x))


@pytest.mark.tf
@DTYPES
def test_relu_at_the_ends_is_tensorflows(dtype: type) -> None:
    """Zeros, infinities, the greatest numbers and NaN too; TensorFlow's processors may take a subnormal number for 0."""
    import tensorflow as tf

    info = np.finfo(dtype)
    x: Array = np.array([-0.0, 0.0, info.tiny, -info.tiny, info.max, -info.max] * 7, dtype)
    assert_equal(tf.nn.relu(x).numpy(), relu(x))
    assert tf.nn.relu(np.array([np.inf, -np.inf] * 9, dtype)).numpy().tolist() == [np.inf, 0] * 9
    assert np.isnan(tf.nn.relu(np.full(19, np.nan, dtype)).numpy()).all()
    x = np.array([info.smallest_subnormal, -info.smallest_subnormal, info.tiny / 2] * 7, dtype)
    assert_within(tf.nn.relu(x).numpy(), relu(x), ARITHMETICS[dtype].tiny)


@pytest.mark.tf
def test_documented_relu_is_tensorflows(architecture: Architecture) -> None:
    """Every layer with a ReLU, its own or beside it, applies the oracle's; convolution and dense layers without one, nothing."""
    x = signed((2, 3, 5, 4), 0, dtype=np.float32)
    for layer in architecture.layers:
        if isinstance(layer, ReLU) or (isinstance(layer, Conv | Dense) and layer.activation == "relu"):
            assert_equal(np.asarray(keras_layer(layer, architecture).activation(x)), relu(x))
        elif isinstance(layer, Conv | Dense) and layer.activation is None:
            assert_equal(np.asarray(keras_layer(layer, architecture).activation(x)), x)


@pytest.mark.tf
def test_relu_gradient_is_one_above_zero_and_none_elsewhere() -> None:
    """The gradient that comes in passes where x > 0 and is 0 elsewhere, at both zeros too: every bit."""
    import tensorflow as tf

    built = keras_layer(ReLU(name="relu"), ARCHITECTURES["keras_sequential"])
    x = signed((2, 3, 5, 4), 0, dtype=np.float32)
    x[0, 0] = 0.0
    x[1, 1] = -0.0
    coming, variable = signed(x.shape, 1, dtype=np.float32), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        y = built(variable)
    received = tape.gradient(y, variable, output_gradients=coming).numpy()
    assert_equal(received, np.where(x > 0, coming, np.float32(0)))


def test_relu_is_allowed_no_rounding() -> None:
    """The bound by which the verdict judges a ReLU is 0, or at most a subnormal number that a processor may take for 0."""
    x = signed((2, 3, 5, 4), 0)
    assert (allowed(ReLU(name="relu"), {}, x, FLOAT32) <= FLOAT32.tiny).all()
