"""Parameters: drawn as the documents draw them, reproducibly; anything else refused.

The statistical bounds are theorems for every sample size, not approximations. A correct generator breaks one of them for at most
FALSE_ALARM (1e-9) of all seeds; the seeds here are fixed or drawn by Hypothesis.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref.bounds import FALSE_ALARM, FLOAT32
from alexnet_ref.compare import assert_equal
from reference import ARCHITECTURES, Architecture, Conv, Dense, Flatten, InvalidInput, Recipe, check_params, init_params
from reference.params import all_param_shapes
from tests import golden
from tests.miniatures import SMALLER

Array = NDArray[Any]
Draws = dict[str, dict[str, NDArray[np.float32]]]
LOG = math.log(2 / FALSE_ALARM)

SHAPES = {
    "keras_sequential": {
        "conv2d": (11, 11, 3, 96),
        "conv2d_1": (5, 5, 96, 256),
        "conv2d_2": (3, 3, 256, 384),
        "conv2d_3": (3, 3, 384, 384),
        "conv2d_4": (3, 3, 384, 256),
        "dense": (256, 4096),
        "dense_1": (4096, 4096),
        "dense_2": (4096, 10),
    },
    "tf1_graph": {  # 'wc1', 'wc2', 'wc3', 'wd1', 'wd2', 'out'
        "conv1": (3, 3, 1, 64),
        "conv2": (3, 3, 64, 128),
        "conv3": (3, 3, 128, 256),
        "fc1": (4 * 4 * 256, 1024),
        "fc2": (1024, 1024),
        "out": (1024, 10),
    },
}
# √(6 / (fan_in + fan_out)), a window's positions counted in both: 6 / 11979 = 6 / (11·11·(3 + 96)), …
GLOROT = {
    "conv2d": math.sqrt(6 / 11979),
    "conv2d_1": math.sqrt(6 / 8800),
    "conv2d_2": math.sqrt(6 / 5760),
    "conv2d_3": math.sqrt(6 / 6912),
    "conv2d_4": math.sqrt(6 / 5760),
    "dense": math.sqrt(6 / 4352),
    "dense_1": math.sqrt(6 / 8192),
    "dense_2": math.sqrt(6 / 4106),
}


def small(recipe: Recipe) -> Architecture:
    """Return a network of a convolution and two dense layers, whose kernels have a few hundred weights."""
    layers = (
        Conv(name="conv", filters=9, kernel_size=(2, 3), padding="VALID"),
        Flatten(name="flatten"),
        Dense(name="dense", units=13),
        Dense(name="out", units=13),
    )
    return Architecture(name="small", input_shape=(3, 5, 4), layers=layers, recipe=recipe)


# The layers from seed 0 are drawn one after the other; the second dense layer's sixteen million weights take a second.
QUICK = ("conv2d", "conv2d_1", "conv2d_2", "conv2d_3", "conv2d_4", "dense")
GLOROT_LAYERS = [pytest.param(layer, marks=[] if layer in QUICK else pytest.mark.slow) for layer in GLOROT]
GLOROT_RECIPE = ARCHITECTURES["keras_sequential"].recipe
NORMAL_RECIPE = ARCHITECTURES["tf1_graph"].recipe


@cache
def drawn(name: str, last: str | None = None) -> Draws:
    """Return the architecture's parameters from seed 0, up to a layer's; to be read only."""
    architecture = ARCHITECTURES[name]
    end = None if last is None else [layer.name for layer in architecture.layers].index(last) + 1
    return init_params(dataclasses.replace(architecture, layers=architecture.layers[:end]))


def glorot(layer: str) -> Array:
    """Return the kernel of this layer of keras_sequential."""
    return drawn("keras_sequential", "dense" if layer in QUICK else None)[layer]["kernel"]


# ---- Names, shapes, seeds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALLER)
def test_params_have_the_documents_shapes(name: str) -> None:
    """Every layer that has parameters has a kernel and a bias of the document's shape, in float32, in its order."""
    params = drawn(name)
    expected = {layer: {"kernel": shape, "bias": shape[-1:]} for layer, shape in SHAPES[name].items()}
    assert {layer: {part: array.shape for part, array in parts.items()} for layer, parts in params.items()} == expected
    assert list(params) == list(expected)
    assert {array.dtype for parts in params.values() for array in parts.values()} == {np.dtype(np.float32)}
    assert sum(array.size for parts in params.values() for array in parts.values()) == golden.TOTALS[name]
    check_params(ARCHITECTURES[name], params)


def test_weights_are_drawn_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are drawn at a time, a seed gives the same weights: those of one draw."""
    architecture = small(GLOROT_RECIPE)
    whole = init_params(architecture, 3)
    monkeypatch.setattr("reference.params._DRAWN", 7)
    for layer, parts in init_params(architecture, 3).items():
        assert_equal(parts["kernel"], whole[layer]["kernel"])


@given(seed=st.integers(0, 2**64))
@pytest.mark.parametrize("recipe", [GLOROT_RECIPE, NORMAL_RECIPE], ids=["glorot", "normal"])
def test_params_follow_the_seed(recipe: Recipe, seed: int) -> None:
    """One seed gives the same bits every time, another seed others; no two kernels of one draw begin alike."""
    first, again, other = (init_params(small(recipe), s) for s in (seed, seed, seed + 1))
    for layer, parts in first.items():
        for part, array in parts.items():
            assert_equal(again[layer][part], array)
        with pytest.raises(AssertionError):
            assert_equal(other[layer]["kernel"], parts["kernel"])
    begins = [tuple(parts["kernel"].ravel()[:3]) for parts in first.values()]
    assert len(set(begins)) == len(begins) == 3


def test_params_do_not_touch_numpys_own_generator() -> None:
    """Drawing parameters neither reads nor moves the global random state."""
    before = np.random.get_state()  # noqa: NPY002 - the legacy state is what must not move
    init_params(small(NORMAL_RECIPE))
    after = np.random.get_state()  # noqa: NPY002 - likewise
    assert str(before) == str(after)


# ---- Distributions -----------------------------------------------------------------------------------------------------


def cdf_distance(values: Array, cdf: Callable[[float], float]) -> float:
    """Return sup|F_n − F|, the Kolmogorov–Smirnov distance, of a sample."""
    ordered = np.sort(values.ravel().astype(float))
    n = len(ordered)
    exact = np.array([cdf(float(v)) for v in ordered])
    return float(max((np.arange(1, n + 1) / n - exact).max(), (exact - np.arange(n) / n).max()))


def cdf_allowed(n: int) -> float:
    """Return t with P(sup|F_n − F| > t) ≤ 2·exp(−2·n·t²) = FALSE_ALARM (Massart 1990); float32 moves F by at most u."""
    return math.sqrt(LOG / (2 * n)) + FLOAT32.u


def uniform_cdf(limit: float) -> Callable[[float], float]:
    """Return the distribution function of U(−limit, limit)."""
    return lambda v: min(max((v + limit) / (2 * limit), 0.0), 1.0)


def normal_cdf(v: float) -> float:
    """Return the distribution function of N(0, 1)."""
    return 0.5 * math.erfc(-v / math.sqrt(2))


@pytest.mark.parametrize("layer", GLOROT_LAYERS)
def test_glorot_kernels_fill_their_range(layer: str) -> None:
    """No weight lies beyond √(6 / (fan_in + fan_out)), and the largest comes as near to it as n uniform draws must.

    P(all |w| < limit·(1 − ε)) = (1 − ε)ⁿ = FALSE_ALARM. Rounding to float32 adds at most one rounding.
    """
    largest = float(np.abs(glorot(layer)).max())
    n = math.prod(SHAPES["keras_sequential"][layer])
    assert largest <= GLOROT[layer] * (1 + FLOAT32.u)
    assert largest >= GLOROT[layer] * math.exp(math.log(FALSE_ALARM) / n) * (1 - FLOAT32.u)


@pytest.mark.parametrize("layer", GLOROT_LAYERS)
def test_glorot_kernels_have_mean_and_variance(layer: str) -> None:
    """The mean is 0 and the variance limit²/3, within Hoeffding's bound for n values in a range.

    w/limit lies in −1 … 1: P(|mean| > t) ≤ 2·exp(−n·t²/2); (w/limit)² in 0 … 1: P(|mean − ⅓| > t) ≤ 2·exp(−2·n·t²). Rounding to
    float32 moves w/limit by at most u, its square by at most 2·u.
    """
    kernel = glorot(layer).ravel().astype(float) / GLOROT[layer]
    n = math.prod(SHAPES["keras_sequential"][layer])
    assert abs(kernel.mean()) <= math.sqrt(2 * LOG / n) + FLOAT32.u
    assert abs((kernel**2).mean() - 1 / 3) <= math.sqrt(LOG / (2 * n)) + 3 * FLOAT32.u


@pytest.mark.parametrize("last", ["dense", pytest.param("dense_2", marks=pytest.mark.slow)])
def test_glorot_biases_are_zero(last: str) -> None:
    """keras_sequential's biases start at exactly zero, up to this layer's."""
    for layer, parts in drawn("keras_sequential", last).items():
        assert_equal(parts["bias"], np.zeros(SHAPES["keras_sequential"][layer][-1:], np.float32))


@pytest.mark.parametrize("part", ["kernel", "bias"])
@pytest.mark.parametrize("layer", [pytest.param(x, marks=pytest.mark.slow if x == "fc1" else []) for x in SHAPES["tf1_graph"]])
def test_tf1_graph_starts_from_a_standard_normal(layer: str, part: str) -> None:
    """Mean 0 and variance 1, of kernels and biases alike, within exact tail bounds for n normal values.

    P(|mean| > t) ≤ 2·exp(−n·t²/2). n·variance is χ²: P(> n + 2·√(n·l) + 2·l) ≤ exp(−l) and P(< n − 2·√(n·l)) ≤ exp(−l) (Laurent &
    Massart 2000, lemma 1), with exp(−l) = FALSE_ALARM / 2. Rounding to float32 is relative: u of |w|, 2·u of w².
    """
    values = drawn("tf1_graph")[layer][part].ravel().astype(float)
    n = len(values)
    square = (values**2).sum()
    assert abs(values.mean()) <= math.sqrt(2 * LOG / n) + FLOAT32.u * np.abs(values).mean()
    assert square * (1 - 2 * FLOAT32.u) <= n + 2 * math.sqrt(n * LOG) + 2 * LOG
    assert square * (1 + 2 * FLOAT32.u) >= n - 2 * math.sqrt(n * LOG)


@pytest.mark.parametrize(
    ("name", "layer", "cdf"),
    [("keras_sequential", "conv2d", uniform_cdf(GLOROT["conv2d"])), ("tf1_graph", "conv2", normal_cdf)],
    ids=["uniform", "normal"],
)
def test_params_have_the_documented_distribution(name: str, layer: str, cdf: Callable[[float], float]) -> None:
    """The whole distribution is the documented one: no quantile is off by more than n draws allow."""
    values = drawn(name, layer)[layer]["kernel"].ravel()[:50_000]
    assert cdf_distance(values, cdf) <= cdf_allowed(len(values))


@given(seed=st.integers(0, 2**32))
def test_params_of_every_seed_have_their_distribution(seed: int) -> None:
    """Small networks too, from any seed, have Glorot-uniform or standard normal kernels, and fan_in and fan_out are right."""
    for layer, limit in {"conv": math.sqrt(6 / (2 * 3 * (4 + 9))), "dense": math.sqrt(6 / (54 + 13))}.items():
        uniform = init_params(small(GLOROT_RECIPE), seed)[layer]["kernel"]
        normal = init_params(small(NORMAL_RECIPE), seed)[layer]["kernel"]
        assert np.abs(uniform).max() <= limit * (1 + FLOAT32.u)
        assert cdf_distance(uniform, uniform_cdf(limit)) <= cdf_allowed(uniform.size)
        assert cdf_distance(normal, normal_cdf) <= cdf_allowed(normal.size)


WRONG_NORMALS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "uniform of variance 1": lambda rng, n: rng.uniform(-math.sqrt(3), math.sqrt(3), n),
    "truncated at 2": lambda rng, n: (w := rng.standard_normal(2 * n))[np.abs(w) < 2][:n],
    "standard deviation 0.9": lambda rng, n: 0.9 * rng.standard_normal(n),
    "mean 0.1": lambda rng, n: rng.standard_normal(n) + 0.1,
    "magnitudes": lambda rng, n: np.abs(rng.standard_normal(n)),
}


@pytest.mark.parametrize("wrong", WRONG_NORMALS.values(), ids=list(WRONG_NORMALS))
def test_distribution_bound_rejects(wrong: Callable[[np.random.Generator, int], Array]) -> None:
    """The bound that standard normal draws keep is exceeded by draws from another distribution, Keras's truncated one too."""
    rng = np.random.default_rng(0)
    assert cdf_distance(rng.standard_normal(50_000), normal_cdf) <= cdf_allowed(50_000)
    assert cdf_distance(wrong(rng, 50_000), normal_cdf) > cdf_allowed(50_000)


# ---- Refusals ----------------------------------------------------------------------------------------------------------

ARCHITECTURE = small(GLOROT_RECIPE)


def changed(layer: str, part: str, value: Any) -> dict[str, dict[str, Any]]:
    """Return right params but for one part."""
    params: dict[str, dict[str, Any]] = dict(init_params(ARCHITECTURE))
    params[layer] = params[layer] | {part: value}
    return params


def with_value(value: float) -> Array:
    """Return a kernel of dense with one such value."""
    kernel = np.zeros((54, 13), np.float32)
    kernel[53, 12] = value
    return kernel


def without(*keys: str) -> dict[str, Any]:
    """Return right params without one layer, or without one part of it."""
    params: dict[str, Any] = dict(init_params(ARCHITECTURE))
    if len(keys) == 1:
        del params[keys[0]]
    else:
        params[keys[0]] = {part: array for part, array in params[keys[0]].items() if part != keys[1]}
    return params


REFUSED: list[tuple[Any, str]] = [
    (None, "params are no mapping; expected {layer: {part: array}}; received NoneType"),
    ([("conv", {})], "params are no mapping; expected {layer: {part: array}}; received list"),
    ({}, "the layers differ from the architecture's; received missing: conv, dense, out; unknown: none"),
    (without("dense"), "the layers differ from the architecture's; received missing: dense; unknown: none"),
    (without("out") | {"fc": {}}, "the layers differ from the architecture's; received missing: out; unknown: fc"),
    (
        init_params(ARCHITECTURE) | {"flatten": {}},
        "the layers differ from the architecture's; received missing: none; unknown: flatten",
    ),
    (
        without("dense", "bias"),
        "the parts of layer 'dense' differ from the architecture's; received missing: bias; unknown: none",
    ),
    (
        changed("out", "gamma", 1.0),
        "the parts of layer 'out' differ from the architecture's; received missing: none; unknown: gamma",
    ),
    (changed("dense", "kernel", np.ones((13, 54))), ": dense/kernel: wrong shape; expected (54, 13); received (13, 54)"),
    (
        changed("conv", "kernel", np.ones((9, 4, 2, 3))),
        ": conv/kernel: wrong shape; expected (2, 3, 4, 9); received (9, 4, 2, 3)",
    ),
    (changed("conv", "bias", np.ones((1, 9))), ": conv/bias: wrong shape; expected (9,); received (1, 9)"),
    (changed("conv", "bias", None), ": conv/bias: wrong shape; expected (9,); received ()"),
    (changed("conv", "bias", np.ones(9, np.int64)), ": conv/bias: wrong dtype; expected floating point; received int64"),
    (changed("conv", "bias", np.ones(9, complex)), ": conv/bias: wrong dtype; expected floating point; received complex128"),
    (changed("conv", "bias", np.ones(9, bool)), ": conv/bias: wrong dtype; expected floating point; received bool"),
    (changed("conv", "bias", np.array(["1"] * 9)), ": conv/bias: wrong dtype; expected floating point; received <U1"),
    (changed("dense", "kernel", with_value(math.nan)), ": dense/kernel: values are not finite; expected finite values"),
    (changed("dense", "kernel", with_value(math.inf)), ": dense/kernel: values are not finite; expected finite values"),
    (changed("dense", "kernel", with_value(-math.inf)), ": dense/kernel: values are not finite; expected finite values"),
]


@pytest.mark.parametrize(("params", "message"), REFUSED, ids=[message.split(";")[0].strip(": ") for _, message in REFUSED])
def test_wrong_params_are_refused(params: Any, message: str) -> None:
    """The refusal names the architecture, the layer and the part, and what was expected and received there."""
    with pytest.raises(InvalidInput) as caught:
        check_params(ARCHITECTURE, params)
    separator = "" if message.startswith(":") else ": "
    assert str(caught.value).startswith(f"params of 'small'{separator}{message}")


def test_other_architectures_params_are_refused() -> None:
    """One document's parameters do not pass for the other's: the missing and the unknown layers are listed."""
    shapes = all_param_shapes(ARCHITECTURES["tf1_graph"])
    params = {layer: {part: np.zeros(s, np.float32) for part, s in parts.items()} for layer, parts in shapes.items()}
    with pytest.raises(InvalidInput, match=r"missing: conv2d, conv2d_1.*unknown: conv1, conv2, conv3, fc1, fc2, out"):
        check_params(ARCHITECTURES["keras_sequential"], params)


@pytest.mark.parametrize("wrap", [MappingProxyType, dict], ids=["read-only", "dict"])
def test_right_params_are_accepted(wrap: Callable[[Any], Mapping[str, Any]]) -> None:
    """Any mapping of any floating dtype and memory layout will do, in any order of layers."""
    params = init_params(ARCHITECTURE)
    reordered = {layer: wrap({part: np.asfortranarray(a) for part, a in params[layer].items()}) for layer in reversed(params)}
    check_params(ARCHITECTURE, wrap(reordered))
    for dtype in (np.float16, np.float32, np.float64):
        check_params(ARCHITECTURE, {layer: {p: a.astype(dtype) for p, a in parts.items()} for layer, parts in params.items()})
