"""One training step and one evaluation, held against the oracle's equations within derived bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref import step_bounds
from alexnet_ref.bounds import FLOAT32, carried
from alexnet_ref.compare import assert_within
from alexnet_ref.devices import settings
from alexnet_ref.mnist import SAMPLE_HOLD_OUT, load, prepare
from alexnet_ref.train.loop import Trainer, kept, relu_layers
from alexnet_ref.train.schedule import dropout_seeds
from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, InvalidInput, MaxPool, Recipe
from reference.forward import apply
from tests.binomial import assert_plausible, count_kept
from tests.miniatures import SMALLER

pytestmark = pytest.mark.tf

LAYERS = (
    Conv(name="conv", filters=3, kernel_size=(5, 5), strides=(4, 4), padding="SAME", activation="relu"),
    MaxPool(name="pool", pool_size=(2, 2), strides=(2, 2), padding="SAME"),
    LRN(name="norm", depth_radius=1, bias=1.0, alpha=0.1, beta=0.75),
    Dropout(name="drop", rate=0.25),
    Flatten(name="flatten"),
    Dense(name="fc", units=8, activation="relu"),
    Dropout(name="drop_fc", rate=0.5),
)
# Each document's recipe, data and loss, with a network that trains in milliseconds.
TINY_TF1 = Architecture(
    name="tf1_graph",
    input_shape=(28, 28, 1),
    fed_shape=(784,),
    layers=(*LAYERS, Dense(name="out", units=10)),
    recipe=Recipe(
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        loss="softmax_cross_entropy_with_logits",
        epsilon=1e-8,
    ),
)
TINY_KERAS = Architecture(
    name="keras_sequential",
    input_shape=(32, 32, 3),
    layers=(*LAYERS, Dense(name="out", units=10, activation="softmax")),
)
TINY = {"keras_sequential": TINY_KERAS, "tf1_graph": TINY_TF1}


@pytest.fixture(params=SMALLER)
def tiny(request: pytest.FixtureRequest) -> Architecture:
    """Return each tiny network in turn."""
    return TINY[request.param]


def digits(architecture: Architecture, count: int) -> tuple[Any, Any]:
    """Return training digits of the shipped sample as the document prepares them."""
    prepared = prepare(architecture, load(), hold_out=SAMPLE_HOLD_OUT)
    return prepared.x_train[:count], prepared.y_train[:count]


def masks_of(trainer: Trainer, count: int, step: int) -> dict[str, Any]:
    """Return the dropout masks of a step, as the oracle takes them."""
    shapes = reference.layer_shapes(trainer.architecture)
    seeds = dropout_seeds(trainer.seed, step, len(trainer.dropouts))
    layers = [layer for layer in trainer.architecture.layers if isinstance(layer, Dropout)]
    return {
        layer.name: kept((count, *shapes[layer.name]), seed, layer).numpy() for layer, seed in zip(layers, seeds, strict=True)
    }


def test_a_step_is_the_oracles(tiny: Architecture) -> None:
    """Loss, and every parameter after one step with dropout, are the oracle's within what one correct step may differ."""
    x, y = digits(tiny, 6)
    with settings(deterministic=True):
        trainer = Trainer(tiny, seed=3)
        before = trainer.params()
        loss, *_ = trainer.step(x, y, 5)
        masks = masks_of(trainer, 6, 5)
        after = trainer.params()
    exact = reference.loss_and_gradients(tiny, before, x, y, masks=masks)
    allowed = step_bounds.end_to_end(tiny, before, x, y, arithmetic=FLOAT32, masks=masks)
    assert_within(np.array([loss]), np.array([exact.loss]), allowed.loss)
    recipe = {"learning_rate": tiny.recipe.learning_rate, "epsilon": tiny.recipe.epsilon}
    expected, _ = reference.adam_step(before, exact.gradients, reference.AdamState.start(before), **recipe)
    for layer, parts in expected.items():
        for part, theta in parts.items():
            limit, _ = step_bounds.adam(
                before[layer][part].astype(np.float64),
                exact.gradients[layer][part],
                allowed.gradients[layer][part],
                step_bounds.AdamArray.start(),
                arithmetic=FLOAT32,
                **recipe,
            )
            assert_within(after[layer][part], theta, limit)


def test_without_dropout_a_step_is_keras_own(tiny: Architecture) -> None:
    """On a network without dropout, three steps give the weights that Keras's train_on_batch gives, to the bit."""
    plain = replace(tiny, layers=tuple(layer for layer in tiny.layers if not isinstance(layer, Dropout)))
    x, y = digits(plain, 8)
    with settings(deterministic=True):
        ours, keras_own = Trainer(plain, seed=1), Trainer(plain, seed=1)
        for step in range(3):
            ours.step(x, y, step)
            keras_own.model.train_on_batch(x.reshape(8, *plain.input_shape), y)
        ours_state, expected = ours.state(), keras_own.state()
    assert {name: array.tobytes() for name, array in ours_state.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }


def test_an_evaluation_is_the_oracles(tiny: Architecture) -> None:
    """Outputs without dropout are the oracle's within bounds; loss, accuracy and dead units are what they make of it.

    Seven digits in batches of three: the last batch is smaller, and must weigh less.
    """
    x, y = digits(tiny, 7)
    with settings(deterministic=True):
        trainer = Trainer(tiny, seed=2)
        trainer.step(x, y, 0)
        params = trainer.params()
        evaluation = trainer.evaluate(x, y, 3)
    output = x.reshape(7, *tiny.input_shape).astype(np.float64)
    difference = np.zeros_like(output)
    dead = {}
    for layer in tiny.layers:
        own = {part: array.astype(np.float64) for part, array in params.get(layer.name, {}).items()}
        difference = carried(layer, own, output, difference, FLOAT32)
        output = apply(layer, own, output)
        dead[layer.name] = (output.max(axis=tuple(range(output.ndim - 1))) <= 0).mean()
    assert_within(evaluation.outputs, output, difference)
    assert_within(evaluation.outputs, reference.predict(tiny, params, x), difference)
    assert evaluation.dead == {name: dead[name] for name in ("conv", "fc")}
    one_hot = y if y.ndim == 2 else np.eye(10)[y]
    assert evaluation.accuracy == (output.argmax(axis=1) == one_hot.argmax(axis=1)).mean()
    exact = reference.loss_and_gradients(tiny, params, x, y).loss
    allowed = step_bounds.end_to_end(tiny, params, x, y, arithmetic=FLOAT32).loss
    assert abs(evaluation.loss - exact) <= allowed


def test_dead_units_are_counted() -> None:
    """A filter and two of eight neurons that nothing makes positive are a third and a quarter of their layers."""
    x, y = digits(TINY_TF1, 5)
    trainer = Trainer(TINY_TF1, seed=0)
    state = {name: np.abs(array) for name, array in trainer.state().items()}
    state["weights/conv/bias"][0] = -1e6
    state["weights/fc/bias"][[1, 6]] = -1e6
    trainer.restore(state)
    assert trainer.evaluate(x, y, 2).dead == {"conv": 1 / 3, "fc": 2 / 8}


def test_the_documents_relus_are_found() -> None:
    """Every layer that ends in a ReLU is watched, and no other, typed from the documents."""
    names = {name: relu_layers(architecture) for name, architecture in reference.ARCHITECTURES.items()}
    assert names == {
        "keras_sequential": [
            "activation",
            "activation_1",
            "activation_2",
            "activation_3",
            "activation_4",
            "dense",
            "dense_1",
        ],
        "tf1_graph": ["conv1", "conv2", "conv3", "fc1", "fc2"],
    }


def test_dropout_keeps_the_documented_share() -> None:
    """Masks keep 1 − rate of the elements, as far as chance allows; steps and layers have masks of their own."""
    trainer = Trainer(TINY_TF1, seed=4)
    masks = [masks_of(trainer, 400, step) for step in range(2)]
    counts = [count_kept(mask["drop"], 0.75) for mask in masks] + [count_kept(mask["drop_fc"], 0.5) for mask in masks]
    assert_plausible(counts)
    assert not np.array_equal(masks[0]["drop"], masks[1]["drop"])


def test_the_state_has_a_name_for_everything(tiny: Architecture) -> None:
    """Weights, two slots for each, iteration and learning rate; the names do not depend on what was built before."""
    first, second = Trainer(tiny, seed=0).state(), Trainer(tiny, seed=0).state()
    arrays = 2 * sum(isinstance(layer, (Conv, Dense)) for layer in tiny.layers)
    assert len(first) == 3 * arrays + 2
    assert list(first) == list(second)


def broken(trainer: Trainer, name: str, value: float) -> None:
    """Put a value into the weights of a layer."""
    state = trainer.state()
    state[name].reshape(-1)[0] = value
    trainer.restore(state)


@pytest.mark.parametrize(("name", "place"), [("conv/kernel", "conv"), ("fc/bias", "fc"), ("out/kernel", "out")])
@pytest.mark.parametrize("value", [np.nan, pytest.param(np.inf, marks=pytest.mark.slow)])
def test_not_a_number_names_step_and_layer(tiny: Architecture, name: str, place: str, value: float) -> None:
    """Weights that are not finite stop the run with the step and their layer, even where a fused ReLU makes NaN to 0."""
    x, y = digits(tiny, 6)
    trainer = Trainer(tiny, seed=0)
    state = {key: np.abs(array) for key, array in trainer.state().items()}  # nothing negative: no ReLU hides an infinity
    trainer.restore(state)
    broken(trainer, f"weights/{name}", value)
    with pytest.raises(
        InvalidInput, match=f"^step 12: training has diverged: (the output of {place}|{name} after the update) is not finite"
    ) as caught:
        trainer.step(x, y, 11)
    assert "\n" not in str(caught.value)


def test_an_overflowing_gradient_names_its_place() -> None:
    """Outputs and loss are finite, and a gradient is not: the last layer's whose gradient overflows is named."""
    x, y = digits(TINY_TF1, 6)
    trainer = Trainer(TINY_TF1, seed=0)
    state = {key: np.abs(array) for key, array in trainer.state().items()}
    state["weights/conv/kernel"] = state["weights/conv/kernel"] * np.float32(1e-12)
    state["weights/fc/kernel"] = state["weights/fc/kernel"] * np.float32(1e20)
    state["weights/out/kernel"] = trainer.state()["weights/out/kernel"] * np.float32(1e20)  # signed: some digit is wrong
    trainer.restore(state)
    with pytest.raises(InvalidInput, match="step 1: training has diverged: the gradient of conv/bias is not finite"):
        trainer.step(x, y, 0)


def test_finite_but_huge_is_no_divergence() -> None:
    """A loss in the hundreds of thousands, as the second document's start gives, does not stop the run."""
    recipe = replace(TINY_TF1.recipe, kernel_initializer="standard_normal", bias_initializer="standard_normal")
    x, y = digits(TINY_TF1, 6)
    trainer = Trainer(replace(TINY_TF1, recipe=recipe), seed=0)
    state = trainer.state()
    trainer.restore({**state, "weights/out/kernel": state["weights/out/kernel"] * np.float32(1e5)})
    loss, *_ = trainer.step(x, y, 0)
    assert loss > 1e5
