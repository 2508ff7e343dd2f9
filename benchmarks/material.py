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
    """Return `batch` real digits as the document feeds them, (batch, H, W, C), and labels; after the last, the first again."""
    prepared = prepare(architecture, load(), hold_out=SAMPLE_HOLD_OUT)
    which = np.arange(batch) % len(prepared.x_train)
    return prepared.x_train[which].reshape(batch, *architecture.input_shape), prepared.y_train[which]


@cache
def params(name: str) -> Params:
    """Return the initial weights of the architecture of this name; drawn once, since keras_sequential has 21 million."""
    return init_params(ARCHITECTURES[name])


def check_result(result: NDArray[Any], architecture: Architecture, images: NDArray[np.float32], arithmetic: Arithmetic) -> None:
    """Raise AssertionError unless `result` is finite, (N, 10), and agrees with the oracle on the first and the last image."""
    assert result.shape == (len(images), 10)
    check_ends(result, _known_ends(architecture.name, images[[0, -1]].tobytes(), arithmetic))


@cache
def _known_ends(name: str, two_images: bytes, arithmetic: Arithmetic) -> Ends:
    """Return what the oracle says of two images with the initial weights; asked once, since every benchmark asks the same."""
    architecture = ARCHITECTURES[name]
    images = np.frombuffer(two_images, np.float32).reshape(2, *architecture.input_shape)
    return ends(architecture, params(name), images, arithmetic)


Ends = tuple[NDArray[Any], NDArray[Any]]  # the oracle's result for two images (2, ...), and what a port may differ from it


def ends(architecture: Architecture, weights: Params, images: NDArray[np.float32], arithmetic: Arithmetic) -> Ends:
    """Return what the oracle says of the first and the last image: two images of N, since it takes its time.

    The allowance carries the rounding of every layer to the end.
    """
    weights = as_params(architecture, weights, np.float64)
    x = as_input(architecture, images[[0, -1]], np.float64)
    difference = np.zeros_like(x)
    for layer in architecture.layers:
        own = weights.get(layer.name, {})
        difference = carried(layer, own, x, difference, arithmetic)
        x = apply(layer, own, x)
    return x, difference


def check_ends(result: NDArray[Any], expected: Ends) -> None:
    """Raise AssertionError unless the result (N, ...) is finite, and its first and last image's are as expected."""
    assert np.isfinite(result).all(), "not finite"
    assert_within(result[[0, -1]], *expected)
