"""The training step: forward, backward, Adam's update and the metrics, as the document's `fit` runs it for each batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alexnet_ref.arithmetic import BFLOAT16_STORED, FLOAT32, TF32, Arithmetic
from alexnet_ref.devices import describe, settings
from alexnet_ref.mnist import SAMPLE_HOLD_OUT, load, prepare
from alexnet_ref.models import Implementation, build_model, compile_model
from alexnet_ref.train.schedule import documented_schedule
from benchmarks.conftest import Timed
from benchmarks.material import check_result, digits, params
from reference import Architecture

pytestmark = pytest.mark.tf


IMPLEMENTATIONS: dict[str, tuple[Implementation, Arithmetic]] = {
    "documented": ("documented", FLOAT32),
    "fast": ("fast", FLOAT32),
    "fast-bfloat16": ("fast", BFLOAT16_STORED),
}


def test_train_step(architecture: Architecture, batch: int, device: str, implementation: str, timed: Timed) -> None:
    """A step runs where it should, moves every layer's weights as Adam's first step must, and leaves a finite loss.

    Before anything is timed the network's results are held against the oracle's; its gradients are tests/test_fast_network.py's.
    """
    which, arithmetic = IMPLEMENTATIONS[implementation]
    with settings(device=device):
        model = build_model(architecture, params(architecture.name), implementation=which, arithmetic=arithmetic)
        images, labels = digits(architecture, batch)
        facts = describe(device)
        tf32 = arithmetic is FLOAT32 and facts["device_kind"] == "GPU" and facts["tf32"]
        check_result(model(images, training=False).numpy(), architecture, images, TF32 if tf32 else arithmetic)
        step = _stepping(compile_model(model, architecture, implementation=which), images, labels)
        listing = None
        if which != "documented":
            plain = compile_model(build_model(architecture, params(architecture.name)), architecture)
            listing = _stepping(plain, images, labels)
            listing()
            listing()

        # Every weight, so that one that is not trained is noticed.
        before = {weight.path: weight.numpy() for weight in model.weights}
        first_loss, first_bias = step()  # traces and allocates
        moved = {weight.path: float(np.abs(weight.numpy() - before[weight.path]).max()) for weight in model.weights}
        step()
        loss, bias = timed(
            step,
            architecture=architecture.name,
            kind="training",
            batch=batch,
            runner=device,
            facts=facts,
            implementation=implementation,
            listing=listing,
        )
    _check_first_step(before, moved, architecture.recipe.learning_rate)
    places = {weight.value.device for weight in model.weights}
    assert len(places) == 1
    assert places.pop().endswith(f"device:{device}")
    assert np.isfinite([first_loss, loss]).all()
    assert np.isfinite(bias).all()
    assert not np.array_equal(bias, first_bias)


def _stepping(model: Any, images: NDArray[Any], labels: NDArray[Any]) -> Callable[[], tuple[float, NDArray[Any]]]:
    """Return what makes one step of a compiled model, on the same batch."""
    import tensorflow as tf

    model.optimizer.build(model.trainable_variables)
    x, y = tf.constant(images), tf.constant(labels)
    train_step = tf.function(model.train_step)
    last_bias = model.trainable_variables[-1].value

    def step() -> tuple[float, NDArray[Any]]:
        """Force the loss and the ten weights that were updated with the rest to the host, so that no work is left."""
        loss = train_step((x, y))["loss"]
        return float(loss.numpy()), last_bias.numpy()

    return step


def test_input(architecture: Architecture, batch: int, timed: Timed) -> None:
    """The next batch is fetched from the shuffled digits and handed to TensorFlow: every step another, each of them whole."""
    import tensorflow as tf

    device = "CPU:0"
    prepared = prepare(architecture, load(), hold_out=SAMPLE_HOLD_OUT)
    plan = documented_schedule(architecture, digits=len(prepared.x_train), batch_size=batch)
    steps = itertools.count()

    def step() -> tuple[Any, Any]:
        indices = plan.batch(next(steps) % (len(prepared.x_train) // batch))
        return tf.constant(prepared.x_train[indices]), tf.constant(prepared.y_train[indices])

    x, y = timed(
        step,
        architecture=architecture.name,
        kind="training",
        batch=batch,
        runner=device,
        facts=describe(device),
        implementation="input",
    )
    assert x.shape == (batch, *architecture.fed_shape)
    assert len(y) == batch
    following, _ = step()
    assert not np.array_equal(x, following)


def _check_first_step(before: dict[str, NDArray[np.float32]], moved: dict[str, float], learning_rate: float) -> None:
    """Adam's first step moves a weight of gradient g by learning_rate · |g| / (|g| + ε/√(1 − β₂)): almost the learning rate.

    So none moves farther, apart from rounding, and in every layer the one of the greatest gradient moves more than half as far.
    `moved`: the farthest move in each array of weights.
    """
    for path, farthest in moved.items():
        largest = np.abs(before[path]).max() + np.float32(learning_rate)
        rounding = np.spacing(largest) + 8 * np.finfo(np.float32).eps * learning_rate
        assert learning_rate / 2 < farthest <= learning_rate + rounding, path
