"""The fast layers, one by one: outputs and gradients are the oracle's within what float32 may differ, and bfloat16 in its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ref import bounds, gradient_bounds
from alexnet_ref.arithmetic import BFLOAT16_STORED, FLOAT32, Arithmetic
from alexnet_ref.compare import assert_equal, assert_within
from alexnet_ref.gradient_bounds import Differences
from alexnet_ref.models import keras_layer
from reference import ARCHITECTURES, LRN, Conv, Dense, Layer, Resize
from reference.forward import apply
from reference.gradients import backward
from reference.shapes import output_shape, param_shapes
from tests.strategies import signed
from tests.test_gradients import Case, arrays, assert_all_within, cases, double
from tests.test_gradients_tensorflow import corrupts_memory

pytestmark = pytest.mark.tf

Array = NDArray[Any]
ARITHMETICS = pytest.mark.parametrize("arithmetic", [FLOAT32, BFLOAT16_STORED], ids=["float32", "bfloat16"])


def fast(layer: Layer, arithmetic: Arithmetic = FLOAT32) -> Any:
    """Return the fast Keras layer."""
    from alexnet_ref.fast.build import _fast

    built = _fast(layer, keras_layer(layer, ARCHITECTURES["tf1_graph"]), bfloat16=arithmetic is BFLOAT16_STORED)
    assert type(built).__module__.startswith("alexnet_ref.fast.")
    return built


def run(
    built: Any, params: dict[str, Array], x: Array, dy: Array, spoiled: Callable[[Any], Any] = lambda y: y
) -> dict[str, Array]:
    """Return {"y", "x", "kernel", "bias"}: the output, and the vector-Jacobian products of a spoiled one."""
    import tensorflow as tf

    built.build(x.shape)
    for part, value in params.items():
        getattr(built, part).assign(value)

    def vjp(x: Any, dy: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = spoiled(built(x))
        sources = {"x": x, **{part: getattr(built, part).value for part in params}}
        return {"y": y, **tape.gradient(y, sources, output_gradients=dy, unconnected_gradients="zero")}

    return {name: value.numpy() for name, value in tf.function(vjp)(tf.constant(x), tf.constant(dy)).items()}


def check(case: Case, arithmetic: Arithmetic, spoiled: Callable[[Any], Any] = lambda y: y) -> None:
    """Hold a layer's output, and its gradients given that output, against the oracle's."""
    layer, params, x, dy, _ = case
    received = run(fast(layer, arithmetic), params, x, dy, spoiled)
    y = received.pop("y").astype(float)
    layer, params, x, dy, _ = double(case)
    assert_within(y, apply(layer, params, x), bounds.allowed(layer, params, x, arithmetic))
    expected = arrays(backward(layer, params, x, y, dy))
    assert_all_within(received, expected, arrays(gradient_bounds.allowed(layer, params, x, y, dy, arithmetic=arithmetic)))


def case_of(layer: Layer, shape: tuple[int, ...], scale: float = 1.0, seed: int = 0) -> Case:
    """Return signed params, x (N, …) and dL/dy."""
    params = {part: signed(s, seed + 2, dtype=np.float32) for part, s in param_shapes(layer, shape[1:]).items()}
    dy = signed((shape[0], *output_shape(layer, shape[1:])), seed + 1, 1.0, np.float32)
    return layer, params, signed(shape, seed, scale, np.float32), dy, None


def scaled_gradient(y: Any) -> Any:
    """Return y, whose gradient is 0.1 % too large."""
    import tensorflow as tf

    return tf.custom_gradient(lambda y: (tf.identity(y), lambda dy: dy * 1.001))(y)


# ---- Dense and convolution -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "arithmetic"),
    [
        *((kind, FLOAT32) for kind in ("dense", "dense_softmax", "conv")),
        *((kind, BFLOAT16_STORED) for kind in ("dense", "conv")),  # what a softmax is stored as, this arithmetic does not say
    ],
    ids=lambda p: p if isinstance(p, str) else p.name.split()[0],
)
@given(data=st.data())
def test_products_agree(kind: str, arithmetic: Arithmetic, data: st.DataObject) -> None:
    """Any dense layer or convolution: outputs, dL/dx, dL/dkernel and dL/dbias."""
    case = data.draw(cases(kind, dtype=np.float32))
    assume(not corrupts_memory(case[0]))
    check(case, arithmetic)


ONE_WINDOW = [(1, 1), (3, 3), (2, 1), (2, 3)]


def one_window(size: tuple[int, int]) -> Case:
    """Return keras_sequential's 3×3 convolution at stride 4, with few channels, on an image that one window covers."""
    conv = Conv(name="conv", filters=5, kernel_size=(3, 3), strides=(4, 4), padding="SAME")
    return case_of(conv, (4, *size, 7))


@ARITHMETICS
@pytest.mark.parametrize("size", ONE_WINDOW, ids=str)
def test_a_window_that_covers_the_image(size: tuple[int, int], arithmetic: Arithmetic) -> None:
    """Only the taps that meet the image are multiplied, all the others have a gradient of exactly 0."""
    case = one_window(size)
    check(case, arithmetic)
    kernel = run(fast(case[0], arithmetic), *case[1:4])["kernel"]
    assert int((kernel != 0).all(axis=(2, 3)).sum()) == size[0] * size[1]


def test_another_tap_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product with a tap beside the middle one is not the convolution of a 1×1 image."""
    from alexnet_ref.fast import conv

    monkeypatch.setattr(conv, "_before", lambda n, k: (k - n) // 2 + 1)
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        check(one_window((1, 1)), FLOAT32)


def test_bfloat16_is_no_float32() -> None:
    """Products with bfloat16 factors are rejected where float32 is declared."""
    case = case_of(Dense(name="dense", units=6), (4, 9))
    wrong = run(fast(case[0], BFLOAT16_STORED), *case[1:4])["y"]
    layer, params, x, _, _ = double(case)
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_within(wrong, apply(layer, params, x), bounds.allowed(layer, params, x, FLOAT32))


# ---- LRN -----------------------------------------------------------------------------------------------------------------


def lrn(depth_radius: int, bias: float, alpha: float, beta: float) -> LRN:
    """Return a layer of these hyperparameters."""
    return LRN(name="lrn", depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta)


LRNS = {
    "keras_sequential": (lrn(5, 1.0, 1.0, 0.5), 13, 0.3),
    "tf1_graph": (lrn(4, 1.0, 0.001 / 9, 0.75), 11, 30.0),
    "other powers": (lrn(2, 0.7, 0.3, 0.6), 7, 1.0),
    "fewer channels than the window": (lrn(5, 2.0, 1.0, 0.5), 3, 1.0),
    "no neighbours": (lrn(0, 1.0, 2.0, 0.75), 4, 1.0),
    "no power": (lrn(1, 1.0, 1.0, 0.0), 4, 1.0),
}


@pytest.mark.parametrize("which", LRNS)
def test_lrn_agrees(which: str) -> None:
    """Outputs and gradients, for both documents' hyperparameters and at the edges of what is allowed."""
    layer, channels, scale = LRNS[which]
    check(case_of(layer, (2, 5, 3, channels), scale), FLOAT32)


@pytest.mark.parametrize("document", ["keras_sequential", "tf1_graph"])
def test_a_wrong_power_in_the_gradient_is_rejected(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """n^(−β) where n^(−β−1) should stand changes gradients alone, and they are rejected."""
    from alexnet_ref.fast import lrn as module

    layer, channels, scale = LRNS[document]
    whole = {"keras_sequential": 1, "tf1_graph": 3}[document]
    times = module._times
    monkeypatch.setattr(module, "_times", lambda factor, count: times(factor, count) if count == whole else 1.0)
    module._normalization.cache_clear()
    try:
        with pytest.raises(AssertionError, match=r"dx: .* differ by more than allowed"):
            check(case_of(layer, (2, 5, 3, channels), scale), FLOAT32)
    finally:
        module._normalization.cache_clear()


# ---- The enlarged convolution ----------------------------------------------------------------------------------------------

Pair = tuple[Resize, Conv, tuple[int, ...]]
PAIRS: dict[str, Pair] = {
    "documented": (
        Resize(name="resize", height=224, width=224),
        Conv(name="conv", filters=5, kernel_size=(11, 11), strides=(4, 4), padding="SAME"),
        (2, 32, 32, 3),
    ),
    "rectangular": (
        Resize(name="resize", height=24, width=40),
        Conv(name="conv", filters=3, kernel_size=(7, 9), strides=(2, 4), padding="SAME"),
        (2, 8, 10, 2),
    ),
}


def check_enlarged(pair: Pair, arithmetic: Arithmetic, spoiled: Callable[[Any], Any] = lambda y: y) -> None:
    """Hold the folded layer's output and gradients against the two layers', whose differences are carried along."""
    from alexnet_ref.fast.enlarged import Conv2D

    resize, conv, shape = pair
    _, params, _, dy, _ = case_of(conv, (shape[0], resize.height, resize.width, shape[3]))
    x = signed(shape, 5, 1.0, np.float32)
    own = {key: getattr(conv, key) for key in ("filters", "kernel_size", "strides")}
    built = Conv2D(height=resize.height, width=resize.width, bfloat16=arithmetic is BFLOAT16_STORED, **own)
    received = run(built, params, x, dy, spoiled)

    params, x, dy = {part: a.astype(float) for part, a in params.items()}, x.astype(float), dy.astype(float)
    enlarged, difference = apply(resize, {}, x), bounds.allowed(resize, {}, x, FLOAT32)
    y = apply(conv, params, enlarged)
    assert_within(received.pop("y"), y, bounds.carried(conv, params, enlarged, difference, arithmetic))
    d = Differences(x=difference, y=np.zeros_like(y), dy=np.zeros_like(y))
    dx, parts = backward(conv, params, enlarged, y, dy)
    ddx, allowed = gradient_bounds.allowed(conv, params, enlarged, y, dy, arithmetic=arithmetic, differences=d)
    expected_x, _ = backward(resize, {}, x, enlarged, dx)
    d = Differences(x=np.zeros_like(x), y=difference, dy=ddx)
    allowed_x, _ = gradient_bounds.allowed(resize, {}, x, enlarged, dx, arithmetic=arithmetic, differences=d)
    assert_all_within(received, {"x": expected_x, **parts}, {"x": allowed_x, **allowed})


@ARITHMETICS
@pytest.mark.parametrize("which", PAIRS)
def test_the_enlarged_convolution_agrees(which: str, arithmetic: Arithmetic) -> None:
    """Outputs, dL/dimage, dL/dkernel and dL/dbias are those of the enlargement and the convolution behind it."""
    check_enlarged(PAIRS[which], arithmetic)


def test_an_unpadded_border_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folded kernel whose border windows meet the enlargement continued, not zeros, is rejected."""
    from alexnet_ref.fast import enlarged, folding

    original = folding.columns

    def continued(n: int, o: int, k: int, s: int) -> Any:
        found = original(n, o, k, s)
        assert found is not None
        pixel = found.pixel.copy()
        pixel[0, :2] = 0
        return replace(found, pixel=pixel)

    monkeypatch.setattr(enlarged, "columns", continued)
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        check_enlarged(PAIRS["documented"], FLOAT32)


def test_a_window_that_does_not_repeat_is_refused() -> None:
    """Enlarged from 5 to 12, no group of windows repeats: ValueError."""
    from alexnet_ref.fast.enlarged import Conv2D

    layer = Conv2D(height=12, width=12, filters=1, kernel_size=(3, 3), strides=(1, 1))
    with pytest.raises(ValueError, match="do not repeat"):
        layer.build((None, 5, 5, 1))


# ---- Gradients that are wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        case_of(Dense(name="dense", units=6), (4, 9)),
        case_of(Conv(name="conv", filters=3, kernel_size=(2, 3), strides=(1, 2), padding="SAME"), (2, 5, 7, 4)),
        case_of(LRNS["keras_sequential"][0], (2, 5, 3, 13), 0.3),
        one_window((1, 1)),
    ],
    ids=["dense", "conv", "lrn", "one window"],
)
def test_gradients_a_thousandth_off_are_rejected(case: Case) -> None:
    """Every layer's gradients, 0.1 % too large, are rejected; they alone, as the outputs are right."""
    with pytest.raises(AssertionError, match=r"^d(x|kernel): .* differ by more than allowed"):
        check(case, FLOAT32, scaled_gradient)


def test_an_enlarged_gradient_a_thousandth_off_is_rejected() -> None:
    """So are the folded layer's."""
    with pytest.raises(AssertionError, match=r"^d(x|kernel): .* differ by more than allowed"):
        check_enlarged(PAIRS["rectangular"], FLOAT32, scaled_gradient)


# ---- Adam ------------------------------------------------------------------------------------------------------------------


def updated(optimizer: Any, theta: Array, gradients: list[Array]) -> list[Array]:
    """Return theta after each step."""
    import keras

    variable = keras.Variable(theta)
    optimizer.build([variable])
    after = []
    for g in gradients:
        optimizer.apply([np.asarray(g, np.float32)], [variable])
        after.append(np.array(variable.numpy()))
    return after


@pytest.mark.parametrize("epsilon", [1e-7, 1e-8])
def test_adam_agrees(epsilon: float) -> None:
    """Six steps on gradients of 15 orders of magnitude are the oracle's, each within its bound; a wrong β₂ or ε is rejected."""
    from alexnet_ref.fast.adam import Adam
    from tests.test_adam import drawn_gradients, steps

    theta, gradients = signed((7, 40), 3, 0.05, np.float32), drawn_gradients(4, 6)
    expected = list(zip(*steps(theta, gradients, epsilon=epsilon), strict=True))

    def agree(**changed: float) -> None:
        received = updated(Adam(0.001, **{"epsilon": epsilon, **changed}), theta, gradients)
        for new, (exact, allowed) in zip(received, expected, strict=True):
            assert_within(new, exact, allowed)

    agree()
    for wrong in ({"beta_2": 0.9991}, {"epsilon": 1.1 * epsilon}, {"beta_1": 0.899}):
        with pytest.raises(AssertionError, match="differ by more than allowed"):
            agree(**wrong)


def test_adam_is_saved_as_keras_saves_it() -> None:
    """The slots have Keras's names, shapes and order: an optimizer's state fits either."""
    import keras

    from alexnet_ref.fast.adam import Adam

    own, plain = (adam(0.001, name="adam") for adam in (Adam, keras.optimizers.Adam))
    variables = [keras.Variable(np.zeros(shape, np.float32), name=name) for name, shape in (("a", (2, 3)), ("b", (5,)))]
    for optimizer in (own, plain):
        optimizer.build(variables)
    for a, b in itertools.zip_longest(own.variables, plain.variables):
        assert (a.path, a.shape, a.dtype) == (b.path, b.shape, b.dtype)
    assert own.get_config() == plain.get_config()


def test_amsgrad_is_keras_own() -> None:
    """What the kernel cannot do is left to Keras: the same bits."""
    import keras

    from alexnet_ref.fast.adam import Adam

    theta, gradients = signed((5,), 0, 1.0, np.float32), [signed((5,), i, 1.0, np.float32) for i in range(3)]
    own, plain = (updated(adam(0.001, amsgrad=True), theta, gradients) for adam in (Adam, keras.optimizers.Adam))
    for a, b in zip(own, plain, strict=True):
        assert_equal(a, b)
