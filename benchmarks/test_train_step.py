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

        before = [variable.numpy() for variable in model.trainable_variables]
        first_loss, first_bias = step()  # traces and allocates
        _check_first_step(model, before, architecture.recipe.learning_rate)
        step()
        loss, bias = timed(
            step, architecture=architecture.name, kind="training", batch=batch, runner=device, facts=describe(device)
        )
    places = {variable.value.device for variable in model.trainable_variables}
    assert len(places) == 1
    assert places.pop().endswith(f"device:{device}")
    assert np.isfinite([first_loss, loss]).all()
    assert np.isfinite(bias).all()
    assert not np.array_equal(bias, first_bias)


def _check_first_step(model: Any, before: list[NDArray[np.float32]], learning_rate: float) -> None:
    """Adam's first step moves a weight of gradient g by learning_rate · |g| / (|g| + ε/√(1 − β₂)): almost the learning rate.

    So none moves farther, apart from rounding, and in every layer the one of the greatest gradient moves more than half as far.
    """
    for variable, old in zip(model.trainable_variables, before, strict=True):
        farthest = np.abs(variable.numpy() - old).max()
        rounding = np.spacing(np.abs(old).max() + np.float32(learning_rate)) + 8 * np.finfo(np.float32).eps * learning_rate
        assert learning_rate / 2 < farthest <= learning_rate + rounding, variable.path
