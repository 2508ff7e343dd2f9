"""What a step is fed, and what its result is held against."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.bounds import Arithmetic, carried
from alexnet_ref.compare import assert_within
from alexnet_ref.mnist import SAMPLE_HOLD_OUT, load, prepare
from reference import ARCHITECTURES, Architecture, Params, init_params
from reference.forward import apply, as_input, as_params


def digits(architecture: Architecture, batch: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the first `batch` real digits as the document feeds them, (batch, H, W, C), and their labels."""
    prepared = prepare(architecture, load(), hold_out=SAMPLE_HOLD_OUT)
    images = prepared.x_train[:batch].reshape(batch, *architecture.input_shape)
    return images, prepared.y_train[:batch]


@cache
def params(name: str) -> Params:
    """Return the initial weights of the architecture of this name; drawn once, since keras_sequential has 21 million."""
    return init_params(ARCHITECTURES[name])


def check_result(result: NDArray[Any], architecture: Architecture, images: NDArray[np.float32], arithmetic: Arithmetic) -> None:
    """Raise AssertionError unless `result` is finite, (N, 10), and agrees with the oracle on the first and the last image.

    The allowance carries the rounding of every layer to the end; two images of N, since the oracle takes its time.
    """
    assert result.shape == (len(images), 10)
    assert np.isfinite(result).all()
    ends = [0, -1]
    weights = as_params(architecture, params(architecture.name), np.float64)
    x = as_input(architecture, images[ends], np.float64)
    difference = np.zeros_like(x)
    for layer in architecture.layers:
        own = weights.get(layer.name, {})
        difference = carried(layer, own, x, difference, arithmetic)
        x = apply(layer, own, x)
    assert_within(result[ends], x, difference)
