"""The fully connected layer against its definition, its laws, and TensorFlow's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, FLOAT64, allowed
from alexnet_ref.compare import assert_equal, assert_within
from reference import ARCHITECTURES, Dense, InvalidInput
from reference.ops import dense
from reference.shapes import layer_inputs
from tests.strategies import SEEDS, distinct_sizes, integers, signed

Array = NDArray[Any]
DOCUMENTED = [  # the largest of each document without --slow not: millions of weights
    pytest.param(
        layer,
        layer_inputs(architecture)[layer.name][0],
        id=layer.name,
        marks=pytest.mark.slow if layer.name in {"dense_1", "fc1"} else (),
    )
    for architecture in ARCHITECTURES.values()
    for layer in architecture.layers
    if isinstance(layer, Dense)
]
SIZES = distinct_sizes(3, high=20)  # N, inputs, units


def definition(x: Array, kernel: Array, bias: Array) -> Array:
    """Return y[n, o] = bias[o] + Σ_i x[n, i]·kernel[i, o], in float64."""
    y = np.empty((x.shape[0], kernel.shape[1]))
    for n, o in np.ndindex(y.shape):
        y[n, o] = float(bias[o])
        for i in range(x.shape[1]):
            y[n, o] += float(x[n, i]) * float(kernel[i, o])
    return y


def operands(sizes: tuple[int, ...], seed: int, draw: Any = signed) -> tuple[Array, Array, Array]:
    """Return x (N, I), kernel (I, O), bias (O,)."""
    n, i, o = sizes
    return draw((n, i), seed), draw((i, o), seed + 1), draw((o,), seed + 2)


def bound(x: Array, kernel: Array, bias: Array, arithmetic: Any) -> Array:
    """Return what the layer may differ by."""
    return allowed(Dense(name="dense", units=kernel.shape[1]), {"kernel": kernel, "bias": bias}, x, arithmetic)


@given(sizes=SIZES, seed=SEEDS)
@example(sizes=(1, 40, 10), seed=0)
@example(sizes=(2, 1, 3), seed=0)
def test_dense_is_its_definition(sizes: tuple[int, ...], seed: int) -> None:
    """Every element is the sum that the equation names, within two float64 roundings of it."""
    x, kernel, bias = operands(sizes, seed)
    assert_within(dense(x, kernel, bias), definition(x, kernel, bias), bound(x, kernel, bias, FLOAT64))


@given(sizes=SIZES, seed=SEEDS)
def test_dense_is_exact_on_integers(sizes: tuple[int, ...], seed: int) -> None:
    """On small integers no sum rounds: every bit is the definition's, in float32 too, and the dtype is the operands'."""
    exact = operands(sizes, seed, integers)
    for dtype in (np.float32, np.float64):
        cast: list[Array] = [operand.astype(dtype) for operand in exact]
        assert_equal(dense(*cast), definition(*exact).astype(dtype))


@pytest.mark.parametrize(("layer", "inputs"), DOCUMENTED)
def test_documented_dense_is_its_definition(layer: Dense, inputs: int) -> None:
    """At the documents' sizes the first, the last and a middle unit are the definition's, bit for bit on integers."""
    x, kernel, bias = operands((2, inputs, layer.units), 0, integers)
    units = [0, layer.units // 2, layer.units - 1]
    assert_equal(dense(x, kernel, bias)[:, units], definition(x, kernel[:, units], bias[units]))


@given(sizes=SIZES, seed=SEEDS)
def test_dense_is_linear(sizes: tuple[int, ...], seed: int) -> None:
    """dense(2·x − 3·x') = 2·dense(x) − 3·dense(x') without bias, likewise in the kernel; the bias is added once."""
    x, kernel, bias = operands(sizes, seed, integers)
    other, kernel_other, _ = operands(sizes, seed + 9, integers)
    zero = np.zeros_like(bias)
    y = dense(x, kernel, zero)
    assert_equal(dense(2 * x - 3 * other, kernel, zero), 2 * y - 3 * dense(other, kernel, zero))
    assert_equal(dense(x, 2 * kernel - 3 * kernel_other, zero), 2 * y - 3 * dense(x, kernel_other, zero))
    assert_equal(dense(x, kernel, bias), y + bias)


@given(sizes=SIZES, seed=SEEDS)
def test_dense_reads_the_kernels_rows(sizes: tuple[int, ...], seed: int) -> None:
    """A unit vector as input gives the kernel's row, (in, out), plus the bias: no transposition, no mirror."""
    _, kernel, bias = operands(sizes, seed, integers)
    assert_equal(dense(np.eye(len(kernel)), kernel, bias), kernel + bias)


def test_dense_worked_out_by_hand() -> None:
    """[1 10] times [[1 2 3] [4 5 6]] plus [100 200 300] is [141 252 363]."""
    kernel = np.array([[1.0, 2, 3], [4, 5, 6]])
    assert_equal(dense(np.array([[1.0, 10]]), kernel, np.array([100.0, 200, 300])), np.array([[141.0, 252, 363]]))


def test_dense_refuses_operands_that_do_not_fit() -> None:
    """An image, a kernel for other inputs (a transposed one too) and a bias of another length are refused with both sizes."""
    x, kernel, bias = np.ones((2, 3)), np.ones((3, 5)), np.ones(5)
    for operand, message in (
        (
            (x.reshape(2, 1, 1, 3), kernel, bias),
            r"x has the wrong number of axes; expected \(N, I\); received shape \(2, 1, 1, 3\)",
        ),
        ((x.astype(np.int64), kernel, bias), "x must be a floating-point array"),
        ((x, kernel.T, bias), "kernel's inputs must equal the features of x; expected 3; received 5"),
        ((x, kernel, bias[:1]), r"bias's shape must equal the kernel's units; expected \(5,\); received \(1,\)"),
    ):
        with pytest.raises(InvalidInput, match=message):
            dense(*operand)


MUTANTS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "transposed": lambda x, k, b: dense(x, k.T, b),
    "missing bias": lambda x, k, b: dense(x, k, 0 * b),
    "bias twice": lambda x, k, b: dense(x, k, 2 * b),
    "inputs reversed": lambda x, k, b: dense(x[:, ::-1], k, b),
    "bias reversed": lambda x, k, b: dense(x, k, b[::-1]),
    "float32 for float64": lambda x, k, b: dense(x.astype(np.float32), k.astype(np.float32), b).astype(float),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=list(MUTANTS))
def test_dense_comparison_rejects(mutant: Callable[[Array, Array, Array], Array]) -> None:
    """The bound that the true layer keeps is exceeded by the wrong one; the kernel is square, so that no shape tells."""
    x, kernel, bias = operands((3, 7, 7), 0)
    expected = definition(x, kernel, bias)
    assert_within(dense(x, kernel, bias), expected, bound(x, kernel, bias, FLOAT64))
    with pytest.raises(AssertionError):
        assert_within(mutant(x, kernel, bias), expected, bound(x, kernel, bias, FLOAT64))


@pytest.mark.tf
@given(sizes=SIZES, seed=SEEDS)
def test_dense_is_tensorflows(sizes: tuple[int, ...], seed: int) -> None:
    """TensorFlow's float32 product lies within the derived bound of the oracle's, and is equal to it on integers."""
    import tensorflow as tf

    x, kernel, bias = (a.astype(np.float32) for a in operands(sizes, seed))
    received = (tf.matmul(x, kernel) + bias).numpy()
    x, kernel, bias = (a.astype(float) for a in (x, kernel, bias))
    assert_within(received, dense(x, kernel, bias), bound(x, kernel, bias, FLOAT32))
    x, kernel, bias = (a.astype(np.float32) for a in operands(sizes, seed, integers))
    assert_equal((tf.matmul(x, kernel) + bias).numpy(), dense(x, kernel, bias))


@pytest.mark.tf
@pytest.mark.parametrize(("layer", "inputs"), DOCUMENTED)
def test_documented_dense_is_tensorflows(layer: Dense, inputs: int) -> None:
    """At the documents' sizes TensorFlow's product is equal to the oracle's on integers."""
    import tensorflow as tf

    x, kernel, bias = (a.astype(np.float32) for a in operands((3, inputs, layer.units), 0, integers))
    assert_equal((tf.matmul(x, kernel) + bias).numpy(), dense(x, kernel, bias))
