"""Hypothesis strategies: inputs that let no mistake hide.

Dimensions are pairwise distinct, so that no axis can stand for another; values are signed, so that ReLU and squares matter.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

# One example of each documented size is in the tests by hand; random sizes stay small, for speed.
SIZES = st.integers(1, 9)
SEEDS = st.integers(0, 2**32 - 1)
PADDINGS = st.sampled_from(["SAME", "VALID"])
STRIDES = st.tuples(st.integers(1, 5), st.integers(1, 5))


def signed(shape: tuple[int, ...], seed: int, scale: float = 1.0, dtype: type = np.float64) -> NDArray[np.floating]:
    """Return normally distributed values of both signs."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(dtype)


def integers(shape: tuple[int, ...], seed: int, limit: int = 4, dtype: type = np.float64) -> NDArray[np.floating]:
    """Return integer values −limit … limit, for which sums of products are exact in any order."""
    return np.random.default_rng(seed).integers(-limit, limit + 1, shape).astype(dtype)


def distinct_sizes(count: int, low: int = 1, high: int = 12) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw `count` pairwise distinct sizes."""
    return st.lists(st.integers(low, high), min_size=count, max_size=count, unique=True).map(tuple)


@st.composite
def images(draw: st.DrawFn, scale: float = 1.0, high: int = 12) -> NDArray[np.floating]:
    """Draw an (N, H, W, C) float64 image batch with pairwise distinct dimensions and signed values."""
    shape = draw(distinct_sizes(4, high=high))
    return signed(shape, draw(SEEDS), scale)
