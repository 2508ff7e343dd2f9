"""Adam: by hand, against Keras and TensorFlow 1 on the same gradients, and one complete training step of both documents."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import reference
from alexnet_ref import step_bounds
from alexnet_ref.bounds import FLOAT32, FLOAT64
from alexnet_ref.compare import assert_within
from alexnet_ref.weights import get_params
from reference import AdamState, InvalidInput, adam_step
from tests.strategies import SEEDS, signed

Array = NDArray[Any]
DEFAULTS = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999}
EPSILONS = st.sampled_from([1e-7, 1e-8, 1e-3])


def one(array: Any) -> dict[str, dict[str, Array]]:
    """Return params of a single layer with a single array."""
    return {"layer": {"kernel": np.asarray(array)}}


def steps(theta: Array, gradients: list[Array], **hyper: float) -> tuple[list[Array], list[Array]]:
    """Return theta after each step, and what float32 may differ by then."""
    params, state = one(theta), AdamState.start(one(theta))
    memory, allowed = step_bounds.AdamArray.start(), np.zeros(theta.shape)
    after, limits = [], []
    for g in gradients:
        more, memory = step_bounds.adam(
            params["layer"]["kernel"], g, np.zeros_like(g), memory, arithmetic=FLOAT32, **{**DEFAULTS, **hyper}
        )
        allowed = allowed + more
        params, state = adam_step(params, one(g), state, **{**DEFAULTS, **hyper})
        after.append(params["layer"]["kernel"])
        limits.append(allowed)
    return after, limits


def drawn_gradients(seed: int, n: int = 5, shape: tuple[int, ...] = (7, 40)) -> list[Array]:
    """Return gradients from 1e-12 to 1e3 of both signs, float32 values: around every epsilon, and far from it."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-12, 3, shape)
    return [(rng.standard_normal(shape) * scale).astype(np.float32).astype(float) for _ in range(n)]


# ---- By hand -------------------------------------------------------------------------------------------------------------


def test_first_step_by_hand() -> None:
    """With lr 0.5, β₁ 0.5, β₂ 0.75, ε 1 and g = 4: m = 2, v = 4, α = 0.5·√0.25/0.5 = 0.5, θ = 3 − 0.5·2/(2 + 1) = 8/3."""
    params, state = adam_step(
        one([3.0]), one([4.0]), AdamState.start(one([3.0])), learning_rate=0.5, beta_1=0.5, beta_2=0.75, epsilon=1.0
    )
    assert state.t == 1
    assert state.m["layer"]["kernel"].tolist() == [2.0]
    assert state.v["layer"]["kernel"].tolist() == [4.0]
    assert abs(params["layer"]["kernel"][0] - 8 / 3) <= 4 * FLOAT64.u * 3


def test_second_step_by_hand() -> None:
    """Then g = −4: m = −1, v = 7, α = 0.5·√(1 − 0.5625)/0.75, and θ rises by α/(√7 + 1)."""
    state = AdamState(t=1, m=one([2.0]), v=one([4.0]))
    params, state = adam_step(one([1.0]), one([-4.0]), state, learning_rate=0.5, beta_1=0.5, beta_2=0.75, epsilon=1.0)
    assert state.t == 2
    assert state.m["layer"]["kernel"].tolist() == [-1.0]
    assert state.v["layer"]["kernel"].tolist() == [7.0]
    expected = 1 + 0.5 * math.sqrt(0.4375) / 0.75 / (math.sqrt(7) + 1)
    assert abs(params["layer"]["kernel"][0] - expected) <= 8 * FLOAT64.u * expected


def test_nothing_is_changed_in_place() -> None:
    """The params, gradients and state that go in come out as they were."""
    params, g, state = one(np.ones(3)), one(np.ones(3)), AdamState.start(one(np.ones(3)))
    adam_step(params, g, state, learning_rate=1.0, epsilon=1e-7)
    for arrays, value in ((params, 1), (g, 1), (state.m, 0), (state.v, 0)):
        assert arrays["layer"]["kernel"].tolist() == [value] * 3


@pytest.mark.parametrize("what", ["gradients", "state.m", "state.v"])
@pytest.mark.parametrize("wrong", [{}, one(np.ones(1)), {"other": {"kernel": np.ones(3)}}], ids=["none", "shape", "name"])
def test_what_does_not_fit_the_params_is_refused(what: str, wrong: Any) -> None:
    """Names and shapes must be the params': InvalidInput, where NumPy would broadcast."""
    fit = one(np.ones(3))
    given_ = {"gradients": fit, "state.m": fit, "state.v": fit, what: wrong}
    state = AdamState(t=1, m=given_["state.m"], v=given_["state.v"])
    with pytest.raises(InvalidInput, match=rf"Adam: .*: {what} are not those of the params"):
        adam_step(fit, given_["gradients"], state, learning_rate=1.0, epsilon=1e-7)


# ---- The bound -----------------------------------------------------------------------------------------------------------


def float32_steps(theta: Array, gradients: list[Array], mistake: str = "", *, epsilon: float) -> list[Array]:
    """Return theta after each step in float32, as Keras orders the operations, or with a mistake."""
    f = np.float32
    lr, b1, b2, eps = f(0.001), f(0.9), f(0.999), f(epsilon)
    theta, m, v, after = theta.astype(f), np.zeros(theta.shape, f), np.zeros(theta.shape, f), []
    if mistake == "β₁ for β₂":
        b1, b2 = b2, b1
    for t, g in enumerate([g.astype(f) for g in gradients], 0 if mistake == "t from 0" else 1):
        m = m + (g - m) * (f(1) - b1)
        v = v + (np.square(g) - v) * (f(1) - b2)
        alpha = lr * np.sqrt(f(1) - b2 ** f(max(t, 1))) / (f(1) - b1 ** f(max(t, 1)))
        root = np.sqrt(v)
        if mistake == "no correction":
            alpha = lr
        if mistake == "epsilon in the root":
            root, eps = np.sqrt(v + f(epsilon)), f(0)
        if mistake == "epsilon corrected":
            eps = f(epsilon) * np.sqrt(f(1) - b2 ** f(t))
        if mistake == "v of the first moment":
            root = np.abs(m)
        sign = f(-1) if mistake == "ascent" else f(1)
        theta = theta - sign * alpha * m / (root + eps)
        after.append(theta)
    return after


@given(seed=SEEDS, epsilon=EPSILONS)
def test_float32_is_inside_the_bound(seed: int, epsilon: float) -> None:
    """Five steps in float32 on gradients of 15 orders of magnitude stay inside."""
    theta, gradients = signed((7, 40), seed, 0.05, np.float32), drawn_gradients(seed)
    for received, expected, allowed in zip(
        float32_steps(theta, gradients, epsilon=epsilon), *steps(theta, gradients, epsilon=epsilon), strict=True
    ):
        assert received.dtype == np.float32
        assert_within(received, expected, allowed)


@pytest.mark.parametrize(
    "mistake",
    ["β₁ for β₂", "t from 0", "no correction", "epsilon in the root", "epsilon corrected", "v of the first moment", "ascent"],
)
def test_a_wrong_adam_is_rejected(mistake: str) -> None:
    """Each mistake is outside the bound within two steps."""
    theta, gradients = signed((7, 40), 0, 0.05, np.float32), drawn_gradients(1, 2)
    expected, allowed = steps(theta, gradients, epsilon=1e-7)
    received = float32_steps(theta, gradients, mistake, epsilon=1e-7)
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_within(np.array(received), np.array(expected), np.array(allowed))


@pytest.mark.parametrize("epsilon", [1.1e-7, 1e-8])
def test_another_epsilon_is_rejected(epsilon: float) -> None:
    """The first step tells 1e-7 from 1e-8, and from a tenth more."""
    theta, gradients = np.zeros((7, 40)), drawn_gradients(1, 1)
    expected, allowed = steps(theta, gradients, epsilon=1e-7)
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_within(float32_steps(theta, gradients, epsilon=epsilon)[0], expected[0], allowed[0])


@given(seed=SEEDS, t=st.integers(0, 3), epsilon=EPSILONS)
def test_a_gradient_inside_its_interval_moves_the_step_inside_the_bound(seed: int, t: int, epsilon: float) -> None:
    """Whatever gradient lies within g ± dg, 0 included, the step from the same state lies within the bound."""
    gradients = drawn_gradients(seed, t + 1)
    rng = np.random.default_rng(seed)
    dg = np.abs(gradients[-1]) * 10.0 ** rng.uniform(-6, 1, gradients[-1].shape)
    theta, state, memory = np.zeros(dg.shape), AdamState.start(one(np.zeros(dg.shape))), step_bounds.AdamArray.start()
    hyper = {**DEFAULTS, "epsilon": epsilon}
    for g in gradients[:-1]:
        _, memory = step_bounds.adam(theta, g, np.zeros_like(g), memory, arithmetic=FLOAT64, **hyper)
        _, state = adam_step(one(theta), one(g), state, **hyper)
    expected, _ = adam_step(one(theta), one(gradients[-1]), state, **hyper)
    allowed, _ = step_bounds.adam(theta, gradients[-1], dg, memory, arithmetic=FLOAT64, **hyper)
    for side in (-1.0, 1.0, rng.uniform(-1, 1, dg.shape)):
        moved, _ = adam_step(one(theta), one(gradients[-1] + side * dg), state, **hyper)
        assert_within(moved["layer"]["kernel"], expected["layer"]["kernel"], allowed)


def test_an_unknown_sign_allows_the_whole_step() -> None:
    """In the first step a gradient of 0 ± dg ≫ ε may move θ by learning_rate to either side, and by little more."""
    zero = np.zeros(1)
    allowed, _ = step_bounds.adam(
        zero, zero, np.ones(1), step_bounds.AdamArray.start(), arithmetic=FLOAT32, epsilon=1e-7, **DEFAULTS
    )
    assert 0.001 * (1 - 4e-6) < allowed[0] < 0.001 * 1.001


# ---- Keras and TensorFlow 1 ----------------------------------------------------------------------------------------------


@pytest.mark.tf
def test_epsilons_are_the_libraries_defaults() -> None:
    """Neither document names an epsilon: each recipe holds its library's default, and compile_model passes it on."""
    import keras
    import tensorflow as tf

    from alexnet_ref.models import compile_model

    optimizers = {"keras_sequential": keras.optimizers.Adam, "tf1_graph": tf.compat.v1.train.AdamOptimizer}
    for name, optimizer in optimizers.items():
        defaults = {p.name: p.default for p in inspect.signature(optimizer).parameters.values()}
        recipe = reference.ARCHITECTURES[name].recipe
        beta_1, beta_2 = (defaults.get(b, defaults.get(b.replace("_", ""))) for b in ("beta_1", "beta_2"))
        assert (recipe.learning_rate, beta_1, beta_2, recipe.epsilon) == (0.001, 0.9, 0.999, defaults["epsilon"])
        compiled = compile_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(10)]), name).optimizer
        assert compiled.epsilon == recipe.epsilon
        assert (compiled.beta_1, compiled.beta_2) == (0.9, 0.999)


def keras_steps(theta: Array, gradients: list[Array], epsilon: float) -> list[Array]:
    """Return theta after each step of keras.optimizers.Adam."""
    import keras

    variable = keras.Variable(theta)
    optimizer = keras.optimizers.Adam(0.001, epsilon=epsilon)
    after = []
    for g in gradients:
        optimizer.apply([g.astype(np.float32)], [variable])
        after.append(np.array(variable.numpy()))
    return after


def tensorflow_1_steps(theta: Array, gradients: list[Array], epsilon: float) -> list[Array]:
    """Return theta after each step of the kernel behind tf.compat.v1.train.AdamOptimizer, its powers multiplied up as it does."""
    import tensorflow as tf

    var, m, v = (tf.Variable(a) for a in (theta, np.zeros_like(theta), np.zeros_like(theta)))
    beta_1, beta_2 = np.float32(0.9), np.float32(0.999)
    power_1 = power_2 = np.float32(1)
    after = []
    for g in gradients:
        power_1, power_2 = power_1 * beta_1, power_2 * beta_2
        tf.raw_ops.ResourceApplyAdam(
            var=var.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=power_1,
            beta2_power=power_2,
            lr=np.float32(0.001),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=np.float32(epsilon),
            grad=g.astype(np.float32),
        )
        after.append(np.array(var.numpy()))
    return after


@pytest.mark.tf
@pytest.mark.parametrize("library", [keras_steps, tensorflow_1_steps], ids=["keras", "tensorflow_1"])
@pytest.mark.parametrize("epsilon", [1e-7, 1e-8])
def test_several_steps_agree(library: Callable[..., list[Array]], epsilon: float) -> None:
    """Six steps on the same gradients of 15 orders of magnitude: each within its bound of the oracle's."""
    theta, gradients = signed((7, 40), 3, 0.05, np.float32), drawn_gradients(4, 6)
    for received, expected, allowed in zip(
        library(theta, gradients, epsilon), *steps(theta, gradients, epsilon=epsilon), strict=True
    ):
        assert_within(received, expected, allowed)


# ---- One complete step ---------------------------------------------------------------------------------------------------


def keras_train_step(
    architecture: reference.Architecture, params: reference.Params, x: Array, labels: Array
) -> tuple[float, Any]:
    """Return the loss and the params after one step of the compiled model, dropout off."""
    import tensorflow as tf

    from alexnet_ref.models import build_model, compile_model

    model = compile_model(build_model(architecture, params), architecture)

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow is untyped
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(y=tf.constant(labels), y_pred=model(tf.constant(x), training=False))
        variables = model.trainable_variables
        model.optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    loss = float(step())
    return loss, get_params(model, architecture)


@pytest.mark.tf
@pytest.mark.slow
def test_one_complete_step_agrees(architecture: reference.Architecture) -> None:
    """From pixels and params to the loss and every updated parameter, Keras and the oracle agree within what is carried along.

    Nothing is excluded. The digits are noisy, so that no even background leaves the places of maxima in doubt by the hundred; a
    ReLU or maximum that is in doubt widens the bound by its whole gradient. Where a gradient's sign is in doubt, the bound is
    the whole step: such parameters are counted, and are few.
    """
    from tests.test_gradients_tensorflow import digits, documented_params

    recipe = architecture.recipe
    x, labels = digits(architecture, 2)
    x = x + signed(x.shape, 1, 0.3, np.float32)
    params = documented_params(architecture, "random")
    loss, received = keras_train_step(architecture, params, x, labels)

    exact = reference.loss_and_gradients(architecture, params, x, labels)
    differences = step_bounds.end_to_end(architecture, params, x, labels, arithmetic=FLOAT32)
    hyper = {"learning_rate": recipe.learning_rate, "epsilon": recipe.epsilon}
    expected, _ = adam_step(params, exact.gradients, AdamState.start(params), **hyper)
    assert_within(np.array(loss), np.array(exact.loss), differences.loss)
    decided, moving = 0, 0
    for name, parts in expected.items():
        for part, theta in parts.items():
            g, dg = exact.gradients[name][part], differences.gradients[name][part]
            for old, slope, doubt, exact_new, new in pieces(params[name][part], g, dg, theta, received[name][part]):
                start = step_bounds.AdamArray.start()
                allowed, _ = step_bounds.adam(old.astype(float), slope, doubt, start, arithmetic=FLOAT32, **hyper)
                assert_within(new, exact_new, allowed)
                moved = np.abs(exact_new - old)
                moving += int((moved > 0).sum())
                decided += int((allowed < moved / 2).sum())
    assert decided > 0.9 * moving


def pieces(*arrays: Array) -> Iterator[list[Array]]:
    """Yield the same flat parts of arrays of one shape, small enough for a processor's cache, which is faster."""
    assert len({a.shape for a in arrays}) == 1
    for start in range(0, arrays[0].size, 2**15):
        yield [a.reshape(-1)[start : start + 2**15] for a in arrays]
