"""Mistakes of the recipe and of dropout's training: each one changes a step, and Keras makes the step that NumPy says."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import reference
from alexnet_ref import bounds
from alexnet_ref.compare import assert_within
from alexnet_ref.mistakes import Mistake, Training, mistakes, run
from alexnet_ref.mistakes.arrays import training as numpy_training
from alexnet_ref.mistakes.arrays.noise import dropout
from alexnet_ref.mistakes.parts import OddDropout
from reference import AdamState, Architecture, adam_step
from tests.miniatures import MINIATURES

Array = NDArray[Any]
NAMES = list(reference.ARCHITECTURES)
RECIPES = [m for name in NAMES for m in mistakes(MINIATURES[name]) if m.shows == "recipe"]
IDS = [f"{m.architecture.name}-{m.word}" for m in RECIPES]
RNG = np.random.default_rng(0)
THETA, GRADIENTS = RNG.standard_normal(5), RNG.standard_normal((3, 5)) * np.array([1, 1e-3, 1e-6, 1, 1])
GRADIENTS[1:, 3] /= 1000  # from one step to the next, so that Adam begins to forget and AMSGrad does not
LOGITS, LABELS = RNG.standard_normal((6, 10)) * 3, RNG.integers(0, 10, 6)


def right_training(architecture: Architecture) -> Training:
    """Return the document's training."""
    return Training(recipe=architecture.recipe)


def scores(training: Training) -> Array:
    """Return what the network gives out: probabilities or logits."""
    return reference.ops.softmax(LOGITS) if training.recipe.loss == "sparse_categorical_crossentropy" else LOGITS


def after_steps(training: Training) -> Array:
    """Return the parameter after three steps down fixed gradients."""
    theta, state = THETA, numpy_training.start(THETA)
    for g in GRADIENTS:
        theta, state = numpy_training.step(training, theta, g, state)
    return theta


@pytest.mark.parametrize("name", NAMES)
def test_recipe_right_is_the_oracles(name: str) -> None:
    """Without a mistake, the loss and the steps are those of `reference`."""
    training = right_training(MINIATURES[name])
    theta, state = {"layer": {"kernel": THETA}}, AdamState.start({"layer": {"kernel": THETA}})
    for g in GRADIENTS:
        recipe = training.recipe
        theta, state = adam_step(
            theta, {"layer": {"kernel": g}}, state, learning_rate=recipe.learning_rate, epsilon=recipe.epsilon
        )
    assert_within(after_steps(training), theta["layer"]["kernel"], 8 * bounds.FLOAT64.u * np.abs(THETA))
    expected, _ = reference.losses.softmax_cross_entropy_with_logits(LOGITS, np.eye(10)[LABELS])
    assert abs(numpy_training.loss(training, scores(training), LABELS) - expected) <= _loss_allowed(bounds.FLOAT64.u, 1)


@pytest.mark.parametrize("mistake", RECIPES, ids=IDS)
def test_recipe_mistakes_change_a_step(mistake: Mistake) -> None:
    """Each changes the loss, the step, what training begins with, how many images a step takes, or what it trains.

    By more than float64 rounds: three steps are few for Adam to forget what AMSGrad remembers.
    """
    assert mistake.training is not None
    wrong, right = mistake.training, right_training(mistake.architecture)
    u = bounds.FLOAT64.u
    loss = abs(numpy_training.loss(wrong, scores(wrong), LABELS) - numpy_training.loss(right, scores(right), LABELS))
    moved = np.abs(after_steps(wrong) - after_steps(right)) > _step_allowed(after_steps(right)) * u / bounds.FLOAT32.u
    drawn = [
        reference.init_params(dataclasses.replace(mistake.architecture, recipe=training.recipe)) for training in (wrong, right)
    ]
    begun = any(
        not np.array_equal(drawn[0][layer][part], drawn[1][layer][part]) for layer in drawn[0] for part in drawn[0][layer]
    )
    other = (wrong.recipe.batch_size, wrong.frozen, wrong.l2) != (right.recipe.batch_size, right.frozen, right.l2)
    assert loss > _loss_allowed(u, len(LABELS)) or moved.any() or begun or other


def _loss_allowed(u: float, summed: int) -> float:
    """Return what a float32 loss may differ: each image's logits round, then K exponentials, their sum and its logarithm."""
    return float(u * summed * (4 * np.abs(LOGITS).max() + 4 * LOGITS.shape[1] + 64))


def _step_allowed(theta: Array) -> Array:
    """Return what three float32 steps may differ: a step takes 16 operations, and is added to theta.

    Adam's 1 − β₂ and 1 − β₂^t are differences of numbers near 1: what is left of a rounded 0.999 is off by u/0.001, twice.
    """
    return 3 * bounds.FLOAT32.u * (np.abs(THETA) + np.abs(theta) + (16 + 2 / 0.001) * np.abs(theta - THETA))


@pytest.mark.tf
@pytest.mark.parametrize("mistake", RECIPES, ids=IDS)
def test_recipe_mistakes_in_keras(mistake: Mistake) -> None:
    """Keras's loss and optimiser, as the mistake sets them, compute what NumPy says."""
    import keras
    import tensorflow as tf

    from alexnet_ref.mistakes import keras_training

    assert mistake.training is not None
    training = mistake.training
    variable, optimizer = keras.Variable(THETA.astype(np.float32)), keras_training.optimizer(training)
    for g in GRADIENTS:
        optimizer.apply([tf.constant(g, tf.float32)], [variable])
    assert_within(variable.numpy(), after_steps(training), _step_allowed(after_steps(training)))
    # As a model gives them out: of a softmax, Keras keeps the logits with the probabilities.
    logits = tf.constant(LOGITS, tf.float32)
    given = keras.activations.softmax(logits) if training.recipe.loss == "sparse_categorical_crossentropy" else logits
    loss = float(keras_training.loss(training)(tf.constant(LABELS), given))
    expected = numpy_training.loss(training, scores(training), LABELS)
    assert abs(loss - expected) <= _loss_allowed(bounds.FLOAT32.u, len(LABELS)), (loss, expected)


@pytest.mark.tf
def test_recipe_mistakes_build_and_train_in_keras() -> None:
    """A mistake of the recipe is built compiled: drawn, decayed and frozen as it says, and trains a step."""
    from alexnet_ref.mistakes.keras import build

    architecture = MINIATURES["tf1_graph"]
    named = {m.word: m for m in mistakes(architecture) if m.shows == "recipe"}
    x = np.random.default_rng(0).random((4, 28, 28, 1), np.float32)
    frozen = build(named["biases_frozen"])
    before = {layer.name: layer.bias.numpy() for layer in frozen.layers if hasattr(layer, "bias") and hasattr(layer, "kernel")}
    frozen.train_on_batch(x, np.arange(4))
    assert all(np.array_equal(frozen.get_layer(name).bias.numpy(), bias) for name, bias in before.items())
    decayed = build(named["momentum_of_the_paper"])
    expected = sum(
        np.sum(np.square(layer.kernel.numpy(), dtype=np.float64)) for layer in decayed.layers if hasattr(layer, "kernel")
    )
    size = max(layer.kernel.numpy().size for layer in decayed.layers if hasattr(layer, "kernel"))
    assert abs(float(sum(decayed.losses)) - 0.00025 * expected) <= size * bounds.FLOAT32.u * 0.00025 * expected
    biases = build(named["biases_start_otherwise"])
    assert not any(layer.bias.numpy().any() for layer in biases.layers if hasattr(layer, "kernel"))


# ---- Dropout -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_dropout_rightly_said_is_no_mistake(name: str) -> None:
    """The wrong parts' own word for right dropout gives what the vocabulary's layer gives, from the same generator."""
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 6))
    for layer in MINIATURES[name].layers:
        if isinstance(layer, reference.Dropout):
            odd = OddDropout(rate=layer.rate, scale=1 / layer.keep_prob)
            y = dropout(odd, x, np.random.default_rng(1))
            expected = run((layer,), {}, x, rng=np.random.default_rng(1))
            assert_within(y, expected, 2 * bounds.FLOAT64.u * np.abs(expected))


def _facts(y: Array, again: Array) -> tuple[Any, ...]:
    """Return (values of what was kept of ones, all together; by channel, by pixel, by image shared; the same twice)."""
    mask = y != 0
    shared = tuple(bool((mask == mask.any(axis=axes, keepdims=True)).all()) for axes in ((1, 2), (3,), (0,)))
    values = tuple(float(value) for value in np.unique(y[mask]).astype(np.float32)[:2])
    return values, shared, bool(np.array_equal(y, again))


def _first(name: str) -> list[Mistake]:
    """Return the mistakes made at the network's first dropout layer."""
    architecture = MINIATURES[name]
    first = next(layer.name for layer in architecture.layers if isinstance(layer, reference.Dropout))
    return [m for m in mistakes(architecture) if (m.family, m.layer) == ("dropout", first)]


_TRAINED = [mistake for name in NAMES for mistake in _first(name)]


@pytest.mark.tf
@pytest.mark.parametrize("mistake", _TRAINED, ids=[f"{m.architecture.name}-{m.word}" for m in _TRAINED])
def test_dropout_mistakes_in_keras_and_torch(mistake: Mistake) -> None:
    """Keras and PyTorch drop as NumPy does: the same values, as many, shared by the same elements, anew or not at each call."""
    assert mistake.layer is not None
    parts, x = mistake.parts(mistake.layer), np.ones((8, 9, 10, 32), np.float32)
    rng = np.random.default_rng(0)
    expected = [run(parts, {}, x, rng=rng) for _ in range(2)]
    for realised in (_keras, _torch):
        received = realised(parts, x)
        if any(isinstance(part, OddDropout) and part.noise == "gaussian" for part in parts):
            # 23,040 values of N(1, s²): their mean within 6·s/√n, their variance within 6·s²·√(2/n).
            s = float(expected[0].std())
            assert abs(float(received[0].mean()) - 1) <= 6 * s / received[0].size ** 0.5
            assert abs(float(received[0].var()) - expected[0].var()) <= 12 * s**2 * (2 / received[0].size) ** 0.5
            continue
        assert _facts(*received) == _facts(*expected)
        kept, n = [float((y != 0).mean()) for y in (received[0], expected[0])], _independent(parts, x)
        assert abs(kept[0] - kept[1]) <= 2 * 6 * 0.5 / n**0.5  # six deviations of each, of n independent choices


def _independent(parts: Any, x: Array) -> int:
    shared = next((part.shared for part in parts if isinstance(part, OddDropout)), "none")
    n, h, w, c = x.shape
    count: int = {"none": n * h * w * c, "batch": h * w * c, "channel": n * c, "pixel": n * h * w}[shared]
    return count


def _keras(parts: Any, x: Array) -> tuple[Array, Array]:
    from alexnet_ref.mistakes.keras_layer import Ported

    layer = Ported(name="dropout", parts=parts, shapes={}, output=x.shape[1:])
    return tuple(layer(x, training=True).numpy() for _ in range(2))


def _torch(parts: Any, x: Array) -> tuple[Array, Array]:
    torch = pytest.importorskip("torch")
    from alexnet_ref.mistakes import torch_parts

    torch.manual_seed(0)

    def once() -> Array:
        y = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        for part in parts:
            y = torch_parts.run(part, None, y, training=True)
        return np.asarray(y.permute(0, 2, 3, 1).numpy())

    return once(), once()
