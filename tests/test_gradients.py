"""Every backward equation, both losses and whole networks against derivatives by complex step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import reference
from alexnet_ref import bounds, gradient_bounds, step_bounds
from alexnet_ref.bounds import FLOAT32, FLOAT64, TF32, Arithmetic
from alexnet_ref.compare import assert_equal, assert_within
from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, InvalidInput, Layer, MaxPool, ReLU, Resize, Softmax
from reference.forward import apply
from reference.gradients import backward
from reference.losses import softmax_cross_entropy_with_logits, sparse_categorical_crossentropy
from reference.shapes import output_shape, param_shapes
from tests import complex_step
from tests.networks import networks
from tests.strategies import PADDINGS, SEEDS, STRIDES, distinct_sizes, integers, signed

Array = NDArray[Any]
Case = tuple[Layer, dict[str, Array], Array, Array, Array | None]  # layer, params, x, dy, mask

# ---- One layer -----------------------------------------------------------------------------------------------------------

WINDOWS = st.tuples(st.integers(1, 4), st.integers(1, 4))
KINDS: dict[str, st.SearchStrategy[Layer]] = {
    "conv": st.builds(
        Conv,
        name=st.just("conv"),
        filters=st.integers(1, 3),
        kernel_size=WINDOWS,
        strides=STRIDES,
        padding=PADDINGS,
        activation=st.sampled_from([None, "relu"]),
    ),
    "dense": st.builds(Dense, name=st.just("dense"), units=st.integers(2, 7), activation=st.sampled_from([None, "relu"])),
    "dense_softmax": st.builds(Dense, name=st.just("dense"), units=st.integers(2, 7), activation=st.just("softmax")),
    "lrn": st.builds(
        LRN,
        name=st.just("lrn"),
        depth_radius=st.integers(0, 6),
        bias=st.floats(0.25, 4),
        alpha=st.sampled_from([0.0, 1e-4, 0.03, 1.0, 2.5]),
        beta=st.floats(0, 1.5),
    ),
    "pool": st.builds(MaxPool, name=st.just("pool"), pool_size=WINDOWS, strides=STRIDES, padding=PADDINGS),
    "relu": st.just(ReLU(name="relu")),
    "resize": st.builds(Resize, name=st.just("resize"), height=st.integers(1, 11), width=st.integers(1, 11)),
    "dropout": st.builds(Dropout, name=st.just("dropout"), rate=st.sampled_from([0.0, 0.2, 0.5, 0.9])),
    "flatten": st.just(Flatten(name="flatten")),
    "softmax": st.just(Softmax(name="softmax")),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@st.composite
def cases(draw: st.DrawFn, kind: str, *, high: int = 6, dtype: type = np.float64) -> Case:
    """Draw a layer of one kind with params, x, dL/dy and, for dropout, a mask; dimensions pairwise distinct, values signed."""
    layer = draw(KINDS[kind])
    vector = isinstance(layer, Dense) or (isinstance(layer, Softmax) and draw(st.booleans()))
    low = 2 if isinstance(layer, Softmax) else 1  # a softmax of one class is always 1: Keras takes it for a mistake and warns
    shape = draw(distinct_sizes(2, low, 2 * high) if vector else distinct_sizes(4, low, high + low - 1))
    if isinstance(layer, Conv | MaxPool) and layer.padding == "VALID":  # the window fits
        window = layer.kernel_size if isinstance(layer, Conv) else layer.pool_size
        shape = (shape[0], shape[1] + window[0], shape[2] + window[1], shape[3])
    seed = draw(SEEDS)
    x = signed(shape, seed, draw(st.sampled_from([0.03, 1.0, 30.0])), dtype)
    dy = signed((shape[0], *output_shape(layer, shape[1:])), seed + 1, draw(st.sampled_from([1e-3, 1.0])), dtype)
    params = {part: signed(s, seed + 2, dtype=dtype) for part, s in param_shapes(layer, shape[1:]).items()}
    mask = np.random.default_rng(seed).random(shape) >= layer.rate if isinstance(layer, Dropout) else None
    return layer, params, x, dy, mask


def arrays(result: tuple[Array, Mapping[str, Array]]) -> dict[str, Array]:
    """Return {"x", "kernel", "bias"}, as far as the layer has them."""
    return {"x": result[0], **result[1]}


def oracle(case: Case) -> dict[str, Array]:
    """Return the backward equations' result in the case's own dtype."""
    layer, params, x, dy, mask = case
    return arrays(backward(layer, params, x, apply(layer, params, x, mask=mask), dy, mask=mask))


def double(case: Case) -> Case:
    """Return the case in float64."""
    layer, params, x, dy, mask = case
    return layer, {part: a.astype(float) for part, a in params.items()}, x.astype(float), dy.astype(float), mask


def limits(case: Case, arithmetic: Arithmetic, y: Array | None = None) -> dict[str, Array]:
    """Return what an implementation in `arithmetic` may differ: given y, or having computed y itself."""
    layer, params, x, dy, mask = double(case)
    if y is None and mask is None:
        y = apply(layer, params, x)
        d = gradient_bounds.Differences(x=np.zeros_like(x), y=bounds.allowed(layer, params, x, arithmetic), dy=np.zeros_like(dy))
        return arrays(gradient_bounds.allowed(layer, params, x, y, dy, arithmetic=arithmetic, differences=d))
    y = apply(layer, params, x, mask=mask) if y is None else y
    return arrays(gradient_bounds.allowed(layer, params, x, y, dy, arithmetic=arithmetic, mask=mask))


def complex_gradients(case: Case) -> dict[str, Array]:
    """Return the same derivatives by complex step, one element at a time."""
    layer, params, x, dy, mask = case
    operands = {"x": x, **params}

    def f(name: str) -> Callable[[Array], Array]:
        def of(value: Array) -> Array:
            given = {**operands, name: value}
            return complex_step.evaluate(layer, given, given["x"], mask)

        return of

    return {name: complex_step.gradient(f(name), value, dy) for name, value in operands.items()}


def assert_all_within(received: Mapping[str, Array], expected: Mapping[str, Array], allowed: Mapping[str, Array]) -> None:
    """Hold each array of `received` against the same of `expected`."""
    __tracebackhide__ = True
    assert list(received) == list(expected)
    for name in expected:
        try:
            assert_within(received[name], expected[name], allowed[name])
        except AssertionError as error:
            raise AssertionError(f"d{name}: {error}") from None


@kinds
@given(data=st.data())
def test_backward_is_the_derivative(kind: str, data: st.DataObject) -> None:
    """Each backward equation gives the derivatives of the definition, to the last roundings of float64."""
    case = data.draw(cases(kind, high=4))
    assert_all_within(complex_gradients(case), oracle(case), limits(case, complex_step.COMPLEX))


@pytest.mark.parametrize("radius", range(8))
def test_lrn_backward_at_every_radius(radius: int) -> None:
    """Each channel of 7, at the border or not, has the derivative of the definition at every radius, wider than the image too."""
    for bias, alpha, beta in ((1.0, 1.0, 0.5), (1.0, 0.001 / 9, 0.75), (2.0, 0.3, 1.0)):
        layer = LRN(name="lrn", depth_radius=radius, bias=bias, alpha=alpha, beta=beta)
        x = signed((2, 1, 3, 7), radius, math.sqrt(bias / alpha / 5))
        case = (layer, dict[str, Array](), x, signed(x.shape, 9), None)
        assert_all_within(complex_gradients(case), oracle(case), limits(case, complex_step.COMPLEX))


@given(data=st.data())
def test_pool_ties_take_the_first_maximum(data: st.DataObject) -> None:
    """Among equal maxima the first, row by row, takes the whole gradient; of overlapping windows each gives its own; exactly."""
    layer, params, x, dy, mask = data.draw(cases("pool", high=5))
    x, dy = integers(x.shape, 0, limit=1), integers(dy.shape, 1, limit=9)
    case = (layer, params, x, dy, mask)
    assert_equal(oracle(case)["x"], complex_gradients(case)["x"])


def test_relu_is_closed_at_zero() -> None:
    """At 0 and −0 nothing passes; at the least positive number everything does."""
    x = np.array([-1.0, -0.0, 0.0, 5e-324, 1.0])
    assert_equal(reference.ops.relu_backward(x, np.full(5, 3.0)), np.array([0.0, 0.0, 0.0, 3.0, 3.0]))


@pytest.mark.parametrize("kind", ["conv", "dense", "dropout", "flatten"])
@given(data=st.data())
def test_linear_ops_are_adjoint(kind: str, data: st.DataObject) -> None:
    """⟨dy, J·v⟩ = ⟨Jᵀ·dy, v⟩ exactly, on integers, for every operand in which the layer is linear."""
    layer, params, x, dy, mask = data.draw(cases(kind))
    if isinstance(layer, Dropout):
        layer = replace(layer, rate=0.5)  # a scale of 2
    if isinstance(layer, Conv | Dense):
        layer = replace(layer, activation=None)
    params, x, dy = {part: integers(a.shape, 1) for part, a in params.items()}, integers(x.shape, 2), integers(dy.shape, 3)
    result = arrays(backward(layer, params, x, dy, dy, mask=mask))
    base = apply(layer, params, x, mask=mask)
    for name, value in {"x": x, **params}.items():
        v = integers(value.shape, 4)
        moved = {"x": x, **params, name: value + v}
        jv = apply(layer, {part: moved[part] for part in params}, moved["x"], mask=mask) - base
        assert float((dy * jv).sum()) == float((result[name] * v).sum())


@given(data=st.data())
def test_resize_is_adjoint(data: st.DataObject) -> None:
    """⟨dy, R·v⟩ = ⟨Rᵀ·dy, v⟩ within the rounding of both sides: theirs, and that of the two sums of products."""
    layer, _, v, dy, _ = data.draw(cases("resize"))
    forward, back = apply(layer, {}, v), backward(layer, {}, v, dy, dy)[0]
    absolute = float((np.abs(dy) * apply(layer, {}, np.abs(v))).sum())
    terms = sum(v.shape) + sum(dy.shape) + v.size + dy.size  # more than either side adds up for one number
    assert abs((dy * forward).sum() - (back * v).sum()) <= 2 * terms * FLOAT64.u * absolute


# ---- The bounds ----------------------------------------------------------------------------------------------------------


@kinds
@given(data=st.data())
def test_float32_is_inside_its_bound(kind: str, data: st.DataObject) -> None:
    """The same equations computed in float32 stay inside float32's allowance."""
    case = data.draw(cases(kind, dtype=np.float32))
    layer, params, x, _, mask = case
    y = apply(layer, params, x, mask=mask)  # the candidate's own
    expected = arrays(backward(layer, *double(case)[1:3], y.astype(float), double(case)[3], mask=mask))
    received = oracle(case)
    assert {a.dtype for a in received.values()} == {np.dtype(np.float32)}
    assert_all_within(received, expected, limits(case, FLOAT32, y.astype(float)))


@pytest.mark.parametrize("mean", [0.0, 3.0])
def test_long_sums_are_inside_their_bound(mean: float) -> None:
    """Coherent or signed, the gradients of a convolution over 4,608 positions in float32 stay inside, and rounding moves them."""
    layer = Conv(name="conv", filters=16, kernel_size=(3, 2), padding="SAME", strides=(1, 1))
    x, dy = ((signed(s, i) + mean).astype(np.float32) for i, s in enumerate([(2, 48, 48, 5), (2, 48, 48, 16)]))
    case = (layer, {"kernel": signed((3, 2, 5, 16), 3, dtype=np.float32), "bias": np.zeros(16, np.float32)}, x, dy, None)
    received, expected = oracle(case), oracle(double(case))
    assert_all_within(received, expected, limits(case, FLOAT32))
    assert any((received[name] != expected[name].astype(np.float32)).any() for name in expected)


def test_tf32_rounds_the_factors() -> None:
    """Gradients of factors that were rounded to 11 bits are inside TF32's allowance, and not inside float32's."""
    layer = Dense(name="dense", units=40)
    x, dy, kernel = signed((30, 50), 0), signed((30, 40), 1), signed((50, 40), 2)
    short = [np.ldexp(np.round(np.ldexp(m, 11)), e - 11) for m, e in map(np.frexp, (x, kernel, dy))]
    received = dict(zip(("x", "kernel"), reference.ops.dense_backward(*short), strict=False))
    case = (layer, {"kernel": kernel, "bias": np.zeros(40)}, x, dy, None)
    expected = {name: oracle(case)[name] for name in received}
    assert_all_within(received, expected, limits(case, TF32))
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_all_within(received, expected, limits(case, FLOAT32))
    assert_equal(limits(case, TF32)["bias"], limits(case, FLOAT32)["bias"])  # a sum without products


@kinds
@given(data=st.data(), mode=st.sampled_from(["every x and dy", "one x", "one dy"]))
def test_differences_are_carried(kind: str, data: st.DataObject, mode: str) -> None:
    """A full difference of one number, or normal ones of 1/λ of their bounds, moves the result within the bound.

    To first order: a part in 10,000 is left for what is beyond it.
    """
    case = data.draw(cases(kind))
    layer, params, x, dy, mask = case
    rng = np.random.default_rng(x.size)
    d_x, d_dy = (np.abs(signed(a.shape, 5)) * np.abs(a).max() * 1e-7 for a in (x, dy))
    e_x, e_dy = (d * rng.standard_normal(d.shape) / bounds.confidence(10**6) for d in (d_x, d_dy))
    if mode != "every x and dy":
        one, other = (d_x, d_dy) if mode == "one x" else (d_dy, d_x)
        one *= np.arange(one.size).reshape(one.shape) == rng.integers(one.size)
        other *= 0
        e_x, e_dy = (0.9999 * d * rng.choice([-1, 1]) for d in (d_x, d_dy))
    y = apply(layer, params, x, mask=mask)
    d_y = d_x if mask is not None else bounds.carried(layer, params, x, d_x, FLOAT64)
    d = gradient_bounds.Differences(x=d_x, y=d_y, dy=d_dy)
    allowed = arrays(gradient_bounds.allowed(layer, params, x, y, dy, arithmetic=FLOAT64, mask=mask, differences=d))
    assert_all_within(oracle((layer, params, x + e_x, dy + e_dy, mask)), oracle(case), allowed)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("operand", ["x", "dy"])
def test_lrn_differences_are_carried(operand: str, seed: int) -> None:
    """The same for each single number, where LRN's denominator is far from constant."""
    layer = LRN(name="lrn", depth_radius=3, bias=0.25, alpha=2.5, beta=1.5)
    x, dy = signed((1, 1, 1, 7), seed), signed((1, 1, 1, 7), seed + 9)
    for i in np.eye(7)[:, None, None, None] * 1e-6:
        d_x, d_dy = (i, 0 * i) if operand == "x" else (0 * i, i)
        d = gradient_bounds.Differences(x=d_x, y=d_x, dy=d_dy)
        allowed, _ = gradient_bounds.allowed(layer, {}, x, x, dy, arithmetic=FLOAT64, differences=d)
        for size in (-0.999, 0.999):
            moved, _ = backward(layer, {}, x + size * d_x, x, dy + size * d_dy)
            assert_within(moved, backward(layer, {}, x, x, dy)[0], allowed)


@pytest.mark.parametrize("kind", ["pool", "relu"])
@given(data=st.data(), size=st.sampled_from([0.4, 0.6, 3.0]))
def test_doubt_is_allowed_for(kind: str, data: st.DataObject, size: float) -> None:
    """Where x may differ by so much that another maximum wins, or a ReLU opens, the gradient that comes or goes is allowed."""
    layer, params, x, dy, mask = data.draw(cases(kind))
    x = integers(x.shape, 1, limit=2)
    e = signed(x.shape, 2)
    e *= size / np.abs(e).max()
    d = gradient_bounds.Differences(x=np.abs(e), y=apply(layer, params, np.abs(e)), dy=np.zeros_like(dy))
    y = apply(layer, params, x)
    allowed = arrays(gradient_bounds.allowed(layer, params, x, y, dy, arithmetic=FLOAT64, differences=d))
    assert_all_within(oracle((layer, params, x + e, dy, mask)), oracle((layer, params, x, dy, mask)), allowed)


CONV = Conv(name="conv", filters=4, kernel_size=(3, 2), strides=(2, 1), padding="SAME", activation="relu")
NORM = LRN(name="lrn", depth_radius=2, bias=1.0, alpha=0.3, beta=0.75)
POOL = MaxPool(name="pool", pool_size=(3, 2), strides=(2, 1), padding="SAME")
IMAGE = (2, 6, 7, 5)
WRONG: dict[str, tuple[Layer, Callable[..., dict[str, Array]]]] = {
    "conv: odd pixel before": (CONV, lambda g, x, y, dy: {**g(x, y, dy), "x": np.roll(g(x, y, dy)["x"], 1, axis=1)}),
    "conv: relu left out": (CONV, lambda g, x, y, dy: g(x, np.ones_like(y), dy)),
    "conv: bias of the mean": (CONV, lambda g, x, y, dy: {**g(x, y, dy), "bias": g(x, y, dy)["bias"] / y[..., 0].size}),
    "conv: kernel mirrored": (CONV, lambda g, x, y, dy: {**g(x, y, dy), "kernel": g(x, y, dy)["kernel"][::-1, ::-1]}),
    "conv: one image lost": (CONV, lambda g, x, y, dy: g(x, y, dy * (np.arange(2) < 1)[:, None, None, None])),
    "dense: relu of the gradient": (Dense(name="dense", units=7, activation="relu"), lambda g, x, _, dy: g(x, dy, dy)),
    "dense: mean over images": (
        Dense(name="dense", units=7),
        lambda g, x, y, dy: {name: a / (1 if name == "x" else len(x)) for name, a in g(x, y, dy).items()},
    ),
    "lrn: denominator held": (NORM, lambda g, x, y, dy: {"x": g(x, y, dy)["x"] * 0 + dy * y / x}),
    "lrn: own dy for its neighbours'": (NORM, lambda g, x, y, dy: {"x": dy * g(x, y, np.ones_like(dy))["x"]}),
    "pool: every maximum": (POOL, lambda g, x, y, dy: g(x + 1e-9 * np.arange(x.size).reshape(x.shape), y, dy)),
    "pool: overlap overwritten": (POOL, lambda g, x, y, dy: {"x": np.sign(g(x, y, np.abs(dy))["x"]) * dy.mean()}),
    "relu: of the gradient": (ReLU(name="relu"), lambda g, _x, _y, dy: g(dy, dy, dy)),
    "resize: pixel corners": (Resize(name="resize", height=9, width=8), lambda g, x, y, dy: g(x, y, np.roll(dy, 1, axis=2))),
    "dropout: not scaled": (Dropout(name="dropout", rate=0.2), lambda g, x, y, dy: {"x": g(x, y, dy)["x"] * 0.8}),
    "dropout: scaled by rate": (Dropout(name="dropout", rate=0.2), lambda g, x, y, dy: {"x": g(x, y, dy)["x"] * 0.8 / 0.2}),
    "flatten: columns first": (
        Flatten(name="flatten"),
        lambda _g, x, _y, dy: {"x": dy.reshape(x.shape[0], x.shape[2], x.shape[1], x.shape[3]).swapaxes(1, 2)},
    ),
    "softmax: diagonal alone": (Softmax(name="softmax"), lambda _g, _x, y, dy: {"x": y * (1 - y) * dy}),
    "softmax: of dense, 1e-5 too much": (
        Dense(name="dense", units=7, activation="softmax"),
        lambda g, x, y, dy: {name: a * 1.00001 for name, a in g(x, y, dy).items()},
    ),
}
for _field, _factor in (("alpha", 1.001), ("beta", 1.001), ("bias", 1.001), ("depth_radius", 2)):
    _changed = replace(NORM, **{_field: getattr(NORM, _field) * _factor})
    WRONG[f"lrn: {_field} changed"] = (NORM, lambda _g, x, y, dy, layer=_changed: arrays(backward(layer, {}, x, y, dy)))


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_backward_is_rejected(wrong: str) -> None:
    """Each mistake exceeds the allowance of float32; the right equation does not."""
    layer, mistake = WRONG[wrong]
    shape = (3, 11) if isinstance(layer, Dense | Softmax) else IMAGE
    x = integers(shape, 0, limit=2) if wrong == "pool: every maximum" else signed(shape, 0)
    params = {part: signed(s, 2) for part, s in param_shapes(layer, shape[1:]).items()}
    mask = np.random.default_rng(0).random(shape) >= 0.2 if isinstance(layer, Dropout) else None
    y = apply(layer, params, x, mask=mask)
    dy = signed(y.shape, 1)

    def right(x: Array, y: Array, dy: Array) -> dict[str, Array]:
        return arrays(backward(layer, params, x, y, dy, mask=mask))

    allowed = limits((layer, params, x, dy, mask), FLOAT32, y)
    assert_all_within(right(x, y, dy), right(x, y, dy), allowed)
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_all_within(mistake(right, x, y, dy), right(x, y, dy), allowed)


@pytest.mark.parametrize("kind", ["conv", "dense", "pool"])
def test_a_gradient_of_another_shape_is_refused(kind: str) -> None:
    """dL/dy that is not of the output's shape raises InvalidInput: NumPy would broadcast it."""
    layers: dict[str, Layer] = {"conv": CONV, "dense": Dense(name="dense", units=4), "pool": POOL}
    layer = layers[kind]
    x = np.ones((2, 3) if kind == "dense" else IMAGE)
    params = {part: np.ones(s) for part, s in param_shapes(layer, x.shape[1:]).items()}
    dy = apply(layer, params, x)[:1]
    with pytest.raises(InvalidInput, match="shape of dy must equal that of the output"):
        backward(replace(layer, activation=None) if isinstance(layer, Conv) else layer, params, x, dy, dy)


# ---- The losses ----------------------------------------------------------------------------------------------------------

LOGITS = st.tuples(distinct_sizes(2, low=2, high=12), SEEDS, st.sampled_from([0.1, 1.0, 30.0, 1e5]))


def one_hot(labels: Array, classes: int) -> Array:
    """Return (N, K), a 1 at each label."""
    return np.equal.outer(labels, np.arange(classes)).astype(float)


@given(drawn=LOGITS)
def test_cross_entropy_of_logits(drawn: tuple[tuple[int, int], int, float]) -> None:
    """Loss and derivative are those of −mean ln softmax(z)[label], however saturated."""
    shape, seed, scale = drawn
    z, labels = signed(shape, seed, scale), one_hot(np.random.default_rng(seed).integers(0, shape[1], shape[0]), shape[1])
    loss, dz = softmax_cross_entropy_with_logits(z, labels)
    allowed, dallowed = step_bounds.cross_entropy(z, labels, np.zeros(shape), complex_step.COMPLEX)

    def f(z: Array) -> Array:
        losses: Array = -(complex_step.log_softmax(z) * labels).sum(axis=-1, keepdims=True)
        return losses

    assert abs(loss - f(z + 0j).real.mean()) <= allowed
    assert_within(complex_step.gradient(f, z, np.full((len(z), 1), 1 / len(z))), dz, dallowed)


@given(drawn=LOGITS)
def test_cross_entropy_of_probabilities(drawn: tuple[tuple[int, int], int, float]) -> None:
    """Loss and derivative are those of −mean ln p[label]: a logarithm, a quotient and a mean, each rounded."""
    shape, seed, _ = drawn
    p = np.random.default_rng(seed).uniform(1e-12, 1, shape)
    labels = np.random.default_rng(seed).integers(0, shape[1], shape[0])
    loss, dp = sparse_categorical_crossentropy(p, labels)
    losses = [-math.log(p[n, k]) for n, k in enumerate(labels)]
    assert abs(loss - math.fsum(losses) / len(p)) <= (len(p) + 4) * FLOAT64.u * loss

    def f(p: Array) -> Array:
        losses: Array = -np.log(p[np.arange(len(p)), labels])
        return losses

    expected = complex_step.gradient(f, p, np.full(len(p), 1 / len(p)))
    assert_within(dp, expected, 8 * complex_step.COMPLEX.u * np.abs(expected))


@given(seed=SEEDS)
def test_the_two_losses_are_one(seed: int) -> None:
    """The derivative by way of probabilities and softmax is softmax(z) − [label], and so is the loss."""
    z, labels = signed((4, 7), seed, 3), np.random.default_rng(seed).integers(0, 7, 4)
    p = reference.ops.softmax(z)
    loss, dp = sparse_categorical_crossentropy(p, labels)
    expected, dz = softmax_cross_entropy_with_logits(z, one_hot(labels, 7))
    allowed, dallowed = step_bounds.cross_entropy(z, one_hot(labels, 7), np.zeros_like(z), FLOAT64)
    assert abs(loss - expected) <= allowed
    # −1/p of a p that may be 2·|z − m| + K + 5 roundings off, itself multiplied by p again.
    off = (2 * np.abs(z - z.max(axis=-1, keepdims=True)).max() + 24) * 2 * FLOAT64.u
    assert_within(reference.ops.softmax_backward(p, dp), dz, dallowed + off)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_loss_below_the_roundoff_is_right(dtype: type) -> None:
    """A logit 60 above the other has the loss e⁻⁶⁰, not 0; one 1,000 below the other has 1,000, not infinity."""
    u = float(np.finfo(dtype).eps)
    z: Array = np.array([[60.0, 0.0]], dtype)
    assert abs(softmax_cross_entropy_with_logits(z, np.array([[1, 0]]))[0] - math.exp(-60)) <= 8 * u * math.exp(-60)
    loss, dz = softmax_cross_entropy_with_logits(np.array([[-1000.0, 0.0]], dtype), np.array([[1, 0]]))
    assert loss == 1000
    assert_equal(dz, np.array([[-1.0, 1.0]], dtype))


REFUSED_INTEGERS: dict[str, tuple[Any, str]] = {
    "negative": (np.array([0, -1]), "names no class"),
    "one too large": (np.array([0, 3]), "names no class"),
    "floating": (np.array([0.0, 1.0]), "must be integers"),
    "boolean": (np.array([False, True]), "must be integers"),
    "one-hot": (np.eye(3, dtype=int)[:2], "wrong shape"),
    "a column": (np.array([[0], [1]]), "wrong shape"),
    "too few": (np.array([0]), "wrong shape"),
    "a list": ([0, 1], "must be integers"),
}
REFUSED_ONE_HOT: dict[str, tuple[Any, str]] = {
    "two ones": (np.array([[1.0, 1, 0], [0, 0, 1]]), "not one-hot"),
    "no one": (np.array([[0.0, 0, 0], [0, 0, 1]]), "not one-hot"),
    "smoothed": (np.array([[0.9, 0.1, 0], [0, 0, 1]]), "not one-hot"),
    "not a number": (np.array([[np.nan, 1, 0], [0, 0, 1]]), "not one-hot"),
    "integers": (np.array([0, 1]), "wrong shape"),
    "transposed": (np.eye(3)[:, :2], "wrong shape"),
    "boolean": (np.eye(3, dtype=bool)[:2], "must be numbers"),
    "a list": ([[1, 0, 0], [0, 0, 1]], "must be numbers"),
}


@pytest.mark.parametrize("labels", REFUSED_INTEGERS)
def test_labels_that_are_no_integers_of_the_classes_are_refused(labels: str) -> None:
    """(N,) integers 0 … K−1 alone are taken; the error names what is wrong."""
    given_, message = REFUSED_INTEGERS[labels]
    with pytest.raises(InvalidInput, match=message):
        sparse_categorical_crossentropy(np.full((2, 3), 1 / 3), given_)


@pytest.mark.parametrize("labels", REFUSED_ONE_HOT)
def test_labels_that_are_not_one_hot_are_refused(labels: str) -> None:
    """(N, K) with one 1 in each row alone is taken; the error names what is wrong."""
    given_, message = REFUSED_ONE_HOT[labels]
    with pytest.raises(InvalidInput, match=message):
        softmax_cross_entropy_with_logits(np.ones((2, 3)), given_)


def test_a_loss_that_is_infinite_is_refused() -> None:
    """Probability 0 for the label raises InvalidInput and names the loss that can be computed; so does what is no probability."""
    with pytest.raises(InvalidInput, match="softmax_cross_entropy_with_logits"):
        sparse_categorical_crossentropy(np.array([[1.0, 0.0]]), np.array([1]))
    with pytest.raises(InvalidInput, match=r"out of range; expected 0 … 1"):
        sparse_categorical_crossentropy(np.array([[1.5, -0.5]]), np.array([1]))
    with pytest.raises(InvalidInput, match="one vector for each image"):
        softmax_cross_entropy_with_logits(np.ones((2, 3, 3)), np.ones((2, 3, 3)))


# ---- Networks ------------------------------------------------------------------------------------------------------------

CLASSES = 5
ENDS: dict[str, tuple[reference.layers.Loss, tuple[Layer, ...]]] = {
    "dense with softmax": ("sparse_categorical_crossentropy", (Dense(name="end", units=CLASSES, activation="softmax"),)),
    "softmax": ("sparse_categorical_crossentropy", (Dense(name="end", units=CLASSES), Softmax(name="probabilities"))),
    "logits": ("softmax_cross_entropy_with_logits", (Dense(name="end", units=CLASSES),)),
}


def ended(drawn: Architecture, end: str) -> Architecture:
    """Return the drawn network with classes and a loss at its end."""
    loss, layers = ENDS[end]
    flat = () if any(isinstance(layer, Flatten) for layer in drawn.layers) else (Flatten(name="flat"),)
    return replace(drawn, layers=(*drawn.layers, *flat, *layers), recipe=replace(drawn.recipe, loss=loss))


def complex_loss(
    architecture: Architecture, params: reference.Params, x: Array, labels: Array, masks: Mapping[str, Array]
) -> Array:
    """Return the mean of −ln softmax(z)[label], in complex numbers, from the definitions."""
    for layer in architecture.layers:
        if isinstance(layer, Softmax) and layer is architecture.layers[-1]:
            continue
        linear = replace(layer, activation=None) if isinstance(layer, Dense) and layer is architecture.layers[-1] else layer
        x = complex_step.evaluate(linear, params.get(layer.name, {}), x, masks.get(layer.name))
    result: Array = -(complex_step.log_softmax(x) * one_hot(labels, CLASSES)).sum() / len(x)
    return result


@pytest.mark.parametrize("end", ENDS)
@given(drawn=networks(), seed=SEEDS, training=st.booleans())
def test_gradients_of_whole_networks(
    end: str, drawn: tuple[Architecture, reference.Params, Array], seed: int, training: bool
) -> None:
    """Along a random direction in every parameter array and in x, the loss of a random network rises as `gradients` says."""
    architecture, _, x = drawn
    architecture, x = ended(architecture, end), x.astype(float)
    rng = np.random.default_rng(seed)
    params: dict[str, dict[str, Array]] = {
        name: {part: a.astype(float) for part, a in parts.items()}
        for name, parts in reference.init_params(architecture, seed).items()
    }
    masks = reference.draw_masks(architecture, len(x), seed) if training else None
    labels = rng.integers(0, CLASSES, len(x))
    given_ = one_hot(labels, CLASSES) if end == "logits" else labels
    result = reference.loss_and_gradients(architecture, params, x, given_, masks=masks)
    allowed = step_bounds.end_to_end(architecture, params, x, given_, arithmetic=complex_step.COMPLEX, masks=masks)
    assert abs(result.loss - complex_loss(architecture, params, x + 0j, labels, masks or {}).real) <= allowed.loss
    assert list(result.outputs) == list(allowed.outputs) == [layer.name for layer in architecture.layers]
    assert list(result.gradients) == list(params)

    v = rng.standard_normal(x.shape)
    rise = complex_step.along(lambda x: complex_loss(architecture, params, x, labels, masks or {}), x, v)
    assert_along(rise, result.x, v, allowed.x)
    for name, parts in params.items():
        for part, value in parts.items():
            v = rng.standard_normal(value.shape)

            def f(moved: Array, name: str = name, part: str = part, parts: dict[str, Array] = parts) -> Array:
                changed = {**params, name: {**parts, part: moved}}
                return complex_loss(architecture, changed, x, labels, masks or {})

            assert_along(complex_step.along(f, value, v), result.gradients[name][part], v, allowed.gradients[name][part])


def assert_along(rise: Array, gradient: Array, v: Array, allowed: Array) -> None:
    """Hold ⟨gradient, v⟩ against the rise; the sum of products itself rounds as often as it has terms."""
    __tracebackhide__ = True
    rounding = (v.size + 1) * FLOAT64.u * np.abs(gradient * v).sum()
    assert_within(np.array((gradient * v).sum()), np.array(rise), (allowed * np.abs(v)).sum() + rounding)


def test_gradients_of_probabilities_without_logits() -> None:
    """Where dropout follows the softmax, the loss is taken from its output, and the derivatives are the definition's."""
    layers = (
        Flatten(name="flatten"),
        Dense(name="dense", units=CLASSES, activation="softmax"),
        Dropout(name="dropout", rate=0.5),
    )
    architecture = Architecture(name="probabilities", input_shape=(2, 3, 1), layers=layers)
    params, x = reference.init_params(architecture, 1), signed((4, 2, 3, 1), 2)
    labels = np.array([0, 4, 2, 1])
    result = reference.loss_and_gradients(architecture, params, x, labels)
    logits = replace(architecture, layers=layers[:2])
    expected = reference.loss_and_gradients(logits, params, x, labels)
    allowed = step_bounds.end_to_end(logits, params, x, labels, arithmetic=complex_step.COMPLEX)
    assert abs(result.loss - expected.loss) <= allowed.loss
    for part in ("kernel", "bias"):
        assert_within(result.gradients["dense"][part], expected.gradients["dense"][part], allowed.gradients["dense"][part])
    assert_equal(result.outputs["dropout"], result.outputs["dense"])
    assert ((result.outputs["dropout"] != 0) == (one_hot(labels, CLASSES) == 1)).all()


SMALL = Architecture(
    name="small",
    input_shape=(6, 7, 3),
    layers=(CONV, NORM, POOL, Flatten(name="flatten"), Dense(name="dense", units=CLASSES, activation="softmax")),
)


def test_gradients_refuse_labels_of_the_other_loss() -> None:
    """A loss of probabilities takes integers, one of logits one-hot labels, and each refuses the other's."""
    logits = replace(SMALL, recipe=replace(SMALL.recipe, loss="softmax_cross_entropy_with_logits"))
    for architecture, labels in ((SMALL, np.eye(CLASSES)[:1]), (logits, np.array([3]))):
        with pytest.raises(InvalidInput, match="labels"):
            reference.gradients(architecture, reference.init_params(architecture), np.zeros((1, 6, 7, 3)), labels)


def test_gradients_in_float32() -> None:
    """On request all arithmetic is float32, and its results lie within float32's allowance."""
    params, x, labels = reference.init_params(SMALL, 1), signed((2, 6, 7, 3), 1, dtype=np.float32), np.array([1, 4])
    received = reference.gradients(SMALL, params, x, labels, np.float32)
    expected = reference.gradients(SMALL, params, x, labels)
    allowed = step_bounds.end_to_end(SMALL, params, x, labels, arithmetic=FLOAT32).gradients
    for name, parts in expected.items():
        assert {a.dtype for a in received[name].values()} == {np.dtype(np.float32)}
        assert_all_within(received[name], parts, allowed[name])


@pytest.mark.parametrize(
    "wrong",
    [
        replace(NORM, alpha=NORM.alpha * 1.001),
        replace(NORM, beta=NORM.beta * 1.001),
        replace(POOL, pool_size=(2, 3)),
        replace(CONV, activation=None),
    ],
    ids=["lrn alpha", "lrn beta", "pool window", "conv activation"],
)
def test_gradients_of_another_network_are_rejected(wrong: Layer) -> None:
    """One hyperparameter changed, and the gradients are outside what float32 allows from end to end."""
    params, x, labels = reference.init_params(SMALL, 1), signed((2, 6, 7, 3), 1), np.array([1, 4])
    other = replace(SMALL, layers=tuple(wrong if layer.name == wrong.name else layer for layer in SMALL.layers))
    received, expected = (reference.gradients(a, params, x, labels)["conv"] for a in (other, SMALL))
    allowed = step_bounds.end_to_end(SMALL, params, x, labels, arithmetic=FLOAT32).gradients["conv"]
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_all_within(received, expected, allowed)
