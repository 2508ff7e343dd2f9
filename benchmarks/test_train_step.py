"""The training step: forward, backward, Adam's update and the metrics, as the document's `fit` runs it for each batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alexnet_ref.devices import describe, settings
from alexnet_ref.models import build_model, compile_model
from benchmarks.conftest import Timed
from benchmarks.material import digits, params
from reference import Architecture

pytestmark = pytest.mark.tf


def test_train_step(architecture: Architecture, batch: int, device: str, timed: Timed) -> None:
    """A step runs where it should, moves every layer's weights as Adam's first step must, and leaves a finite loss."""
    import tensorflow as tf

    with settings(device=device):
        model = compile_model(build_model(architecture, params(architecture.name)), architecture)
        model.optimizer.build(model.trainable_variables)
        x, y = (tf.constant(array) for array in digits(architecture, batch))
        train_step = tf.function(model.train_step)
        last_bias = model.trainable_variables[-1].value

        def step() -> tuple[float, NDArray[Any]]:
            """Force the loss and the ten weights that were updated with the rest to the host, so that no work is left."""
            loss = train_step((x, y))["loss"]
            return float(loss.numpy()), last_bias.numpy()

        # Every weight, so that one that is not trained is noticed.
        before = {weight.path: weight.numpy() for weight in model.weights}
        first_loss, first_bias = step()  # traces and allocates
        moved = {weight.path: float(np.abs(weight.numpy() - before[weight.path]).max()) for weight in model.weights}
        step()
        loss, bias = timed(
            step, architecture=architecture.name, kind="training", batch=batch, runner=device, facts=describe(device)
        )
    _check_first_step(before, moved, architecture.recipe.learning_rate)
    places = {weight.value.device for weight in model.weights}
    assert len(places) == 1
    assert places.pop().endswith(f"device:{device}")
    assert np.isfinite([first_loss, loss]).all()
    assert np.isfinite(bias).all()
    assert not np.array_equal(bias, first_bias)


def _check_first_step(before: dict[str, NDArray[np.float32]], moved: dict[str, float], learning_rate: float) -> None:
    """Adam's first step moves a weight of gradient g by learning_rate · |g| / (|g| + ε/√(1 − β₂)): almost the learning rate.

    So none moves farther, apart from rounding, and in every layer the one of the greatest gradient moves more than half as far.
    `moved`: the farthest move in each array of weights.
    """
    for path, farthest in moved.items():
        largest = np.abs(before[path]).max() + np.float32(learning_rate)
        rounding = np.spacing(largest) + 8 * np.finfo(np.float32).eps * learning_rate
        assert learning_rate / 2 < farthest <= learning_rate + rounding, path
