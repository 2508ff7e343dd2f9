"""The inference step: one call of the model, its result on the host."""

from __future__ import annotations

from typing import Any

import pytest
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, TF32
from alexnet_ref.devices import describe, settings
from alexnet_ref.models import build_model
from benchmarks.conftest import Timed
from benchmarks.material import check_result, digits, params
from reference import Architecture

pytestmark = pytest.mark.tf


def test_inference_step(architecture: Architecture, batch: int, device: str, timed: Timed) -> None:
    """A step runs where it should, and its result is the oracle's."""
    import tensorflow as tf

    images, _ = digits(architecture, batch)
    with settings(device=device):
        model = build_model(architecture, params(architecture.name))
        x = tf.constant(images)
        call = tf.function(lambda x: model(x, training=False))

        def step() -> NDArray[Any]:
            result: NDArray[Any] = call(x).numpy()
            return result

        place: str = call(x).device  # traces and allocates
        step()
        facts = describe(device)
        result = timed(step, architecture=architecture.name, kind="inference", batch=batch, runner=device, facts=facts)
    assert place.endswith(f"device:{device}")
    assert str(result.dtype) == "float32"
    check_result(result, architecture, images, TF32 if facts["device_kind"] == "GPU" and facts["tf32"] else FLOAT32)
