"""Winograd's convolution, written out in float32: inside its own class, outside float32's exactness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from alexnet_ref import bounds, winograd
from alexnet_ref.arithmetic import FLOAT32, WINOGRAD
from alexnet_ref.compare import compare
from reference import Conv
from reference.forward import apply
from reference.padding import Padding
from tests.strategies import PADDINGS, SEEDS, distinct_sizes, integers, signed

Array = NDArray[Any]
# F(2×2, 3×3), Lavin & Gray 2016, section 4.1; F(4×4, 3×3) is the module's own.
SMALL = (
    np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float64),
    np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]),
    np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float64),
)
LARGE = (winograd.B_T, winograd.G, winograd.A_T)
TRANSFORMS = pytest.mark.parametrize("transforms", [SMALL, LARGE], ids=["2x2", "4x4"])


def layer_of(filters: int, padding: Padding) -> Conv:
    """Return a 3×3 convolution of stride 1."""
    return Conv(name="conv", filters=filters, kernel_size=(3, 3), padding=padding)


def convolved(
    transforms: tuple[Array, Array, Array], x: Array, kernel: Array, padding: Padding, dtype: type[np.floating]
) -> Array:
    """Return the convolution by minimal filtering, every step in `dtype`: x (N, H, W, C), kernel (3, 3, C, O)."""
    matrices: list[Array] = [matrix.astype(dtype) for matrix in transforms]
    b_t, g, a_t = matrices
    tile, step = len(b_t), len(a_t)
    rows, columns = (n if padding == "SAME" else n - 2 for n in x.shape[1:3])
    before = 1 if padding == "SAME" else 0
    room = [(before, tile + step)] * 2  # beyond the last tile
    padded: Array = np.pad(x.astype(dtype), [(0, 0), *room, (0, 0)])
    filters = np.einsum("ap,pqco,bq->abco", g, kernel.astype(dtype), g).astype(dtype)
    y = np.zeros((len(x), rows + step, columns + step, kernel.shape[3]), dtype)
    for i in range(0, rows, step):
        for j in range(0, columns, step):
            d = np.einsum("ak,nklc,bl->nabc", b_t, padded[:, i : i + tile, j : j + tile], b_t).astype(dtype)
            m = np.einsum("nabc,abco->nabo", d, filters).astype(dtype)
            y[:, i : i + step, j : j + step] = np.einsum("ia,nabo,jb->nijo", a_t, m, a_t)
    return y[:, :rows, :columns]


@TRANSFORMS
@given(shape=distinct_sizes(4, low=3, high=12), padding=PADDINGS, seed=SEEDS)
def test_winograd_is_a_convolution(transforms: tuple[Array, Array, Array], shape: Any, padding: Padding, seed: int) -> None:
    """In float64 minimal filtering is the convolution, within the class's bound for float64."""
    layer, x, params = layer_of(5, padding), signed(shape, seed), _params(shape[3], seed)
    exact = winograd.bound(layer, params, x, bounds.confidence(x.size), 2 * 2.0**-53)  # its own rounding and the oracle's
    assert compare(convolved(transforms, x, params["kernel"], padding, np.float64), apply(layer, params, x), exact).passed


@TRANSFORMS
@given(shape=distinct_sizes(4, low=3, high=12), padding=PADDINGS, seed=SEEDS)
def test_winograd_stays_inside_its_class(transforms: tuple[Array, Array, Array], shape: Any, padding: Padding, seed: int) -> None:
    """In float32 it stays inside the allowance of `float32 with Winograd`, whatever the pixels' scales are."""
    rng = np.random.default_rng(seed)
    x = (signed(shape, seed) * np.exp(rng.uniform(-9, 9, (*shape[:3], 1)))).astype(np.float32).astype(np.float64)
    layer, params = layer_of(5, padding), _params(shape[3], seed)
    received = convolved(transforms, x, params["kernel"], padding, np.float32)
    assert compare(received, apply(layer, params, x), bounds.allowed(layer, params, x, WINOGRAD)).passed


def test_winograd_is_not_judged_as_float32() -> None:
    """Where a large pixel lies beside small ones, Winograd's error exceeds what float32 is allowed without it."""
    x = signed((1, 16, 16, 3), 1) * 1e-6
    x[0, 7, 7] = 1e6
    layer, params = layer_of(5, "SAME"), _params(3, 2)
    received = convolved(LARGE, x, params["kernel"], "SAME", np.float32)
    assert not compare(received, apply(layer, params, x), bounds.allowed(layer, params, x, FLOAT32)).passed
    assert compare(received, apply(layer, params, x), bounds.allowed(layer, params, x, WINOGRAD)).passed


def test_the_large_transform_is_not_exact_on_integers() -> None:
    """Integers do not stay exact under F(4×4, 3×3), which divides by 6 and 24; under F(2×2, 3×3) they do."""
    x, kernel = integers((2, 9, 10, 4), 3), integers((3, 3, 4, 5), 4)
    expected = apply(layer_of(5, "SAME"), {"kernel": kernel, "bias": np.zeros(5)}, x)
    assert not compare(convolved(LARGE, x, kernel, "SAME", np.float32), expected).passed
    assert compare(convolved(SMALL, x, kernel, "SAME", np.float32), expected).passed


def test_the_class_still_rejects_a_wrong_convolution() -> None:
    """A mirrored kernel is outside even this class."""
    x, params = signed((2, 9, 10, 4), 5), _params(4, 6)
    layer = layer_of(5, "SAME")
    mirrored = apply(layer, {**params, "kernel": params["kernel"][::-1]}, x)
    assert not compare(mirrored, apply(layer, params, x), bounds.allowed(layer, params, x, WINOGRAD)).passed


def test_other_convolutions_keep_their_bound() -> None:
    """A stride or another window leaves nothing to Winograd: the allowance is float32's."""
    layer = Conv(name="conv", filters=5, kernel_size=(3, 3), strides=(2, 1), padding="SAME")
    x, params = signed((2, 9, 10, 4), 7), _params(4, 8)
    assert (bounds.allowed(layer, params, x, WINOGRAD) == bounds.allowed(layer, params, x, FLOAT32)).all()


def _params(channels: int, seed: int) -> dict[str, Array]:
    kernel = signed((3, 3, channels, 5), seed + 1, dtype=np.float32).astype(np.float64)
    return {"kernel": kernel, "bias": np.zeros(5)}
