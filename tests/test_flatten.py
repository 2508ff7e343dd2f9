"""Flattening against its definition, and TensorFlow's. Values only move: every comparison is of equality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.compare import assert_equal
from reference.ops import flatten
from tests.strategies import SEEDS, distinct_sizes, signed

Array = NDArray[Any]
SHAPES = distinct_sizes(4, high=7)


def numbered(shape: tuple[int, ...]) -> Array:
    """Return an array of this shape whose every element is different."""
    return np.arange(np.prod(shape), dtype=float).reshape(shape) - 3


def definition(x: Array) -> Array:
    """Return y[n, (i·W + j)·C + c] = x[n, i, j, c]."""
    n, h, w, c = x.shape
    y = np.empty((n, h * w * c), x.dtype)
    for index in np.ndindex(x.shape):
        y[index[0], (index[1] * w + index[2]) * c + index[3]] = x[index]
    return y


@given(shape=SHAPES)
@example(shape=(2, 4, 4, 256))  # tf1_graph: 4·4·256
@example(shape=(2, 1, 1, 256))  # keras_sequential: the order cannot be seen
@example(shape=(1, 2, 3, 4))
def test_flatten_is_its_definition(shape: tuple[int, ...]) -> None:
    """Rows vary slowest and channels fastest, in float64 and float32."""
    for dtype in (np.float32, np.float64):
        x: Array = numbered(shape).astype(dtype)
        assert_equal(flatten(x), definition(x))


@given(shape=SHAPES, order=st.permutations([0, 1, 2, 3]), seed=SEEDS)
def test_flatten_does_not_see_the_memory_layout(shape: tuple[int, ...], order: list[int], seed: int) -> None:
    """The same values in another memory order flatten to the same vector."""
    x = signed(shape, seed)
    back = tuple(int(axis) for axis in np.argsort(order))
    elsewhere = np.ascontiguousarray(x.transpose(order)).transpose(back)
    assert_equal(flatten(elsewhere), definition(x))
    assert_equal(flatten(np.repeat(x, 2, axis=3)[..., ::2]), definition(x))


@given(shape=distinct_sizes(2, high=9), seed=SEEDS)
def test_flatten_of_vectors_is_the_identity(shape: tuple[int, ...], seed: int) -> None:
    """A batch of vectors is flat already."""
    assert_equal(flatten(signed(shape, seed)), signed(shape, seed))


MUTANTS: dict[str, Callable[[Array], Array]] = {
    "NCHW": lambda x: x.transpose(0, 3, 1, 2).reshape(len(x), -1),
    "columns first": lambda x: x.transpose(0, 2, 1, 3).reshape(len(x), -1),
    "channels reversed": lambda x: flatten(x[..., ::-1]),
    "rows reversed": lambda x: flatten(x[:, ::-1]),
    "Fortran order": lambda x: x.reshape(len(x), -1, order="F"),
    "batch last": lambda x: x.transpose(1, 2, 3, 0).reshape(len(x), -1),
    "batch flattened too": lambda x: x.reshape(1, -1),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=list(MUTANTS))
def test_flatten_comparison_rejects(mutant: Callable[[Array], Array]) -> None:
    """The equality that flattening keeps is broken by another order."""
    x = numbered((2, 3, 4, 5))
    assert_equal(flatten(x), definition(x))
    with pytest.raises(AssertionError):
        assert_equal(mutant(x), definition(x))


@pytest.mark.tf
@given(shape=SHAPES)
@example(shape=(2, 4, 4, 256))
def test_flatten_is_tensorflows(shape: tuple[int, ...]) -> None:
    """tf1_graph's reshape and Keras's Flatten order the values as the oracle does."""
    import keras
    import tensorflow as tf

    x = numbered(shape).astype(np.float32)
    assert_equal(tf.reshape(x, [-1, x[0].size]).numpy(), flatten(x))
    assert_equal(keras.layers.Flatten()(x).numpy(), flatten(x))
