"""Each layer made ready: the step of its kind, with its parameters and the shape of its input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, assert_never

import numpy as np
from numpy.typing import DTypeLike

from reference import ops
from reference.fast.conv import conv2d
from reference.fast.dense import dense
from reference.fast.lrn import lrn
from reference.fast.pool import max_pool2d
from reference.fast.resize import resize_bilinear
from reference.fast.resized_conv import resized_conv2d
from reference.fast.step import Step
from reference.fast.team import Array, Worker
from reference.layers import LRN, Conv, Dense, Dropout, Flatten, MaxPool, ReLU, Resize, Softmax
from reference.shapes import Shape, output_shape

Plain = Resize | LRN | ReLU | MaxPool | Dropout | Flatten | Softmax  # layers without parameters


def ready(layer: Conv | Dense, params: Mapping[str, Array], shape: Shape, dtype: DTypeLike) -> Step:
    """Return the step of a layer with parameters for x (N, *shape) of `dtype`."""
    kernel, bias, activation = np.asarray(params["kernel"]), np.asarray(params["bias"]), layer.activation
    if isinstance(layer, Conv):
        how: Any = {"strides": layer.strides, "padding": layer.padding, "relu": activation == "relu"}
        return conv2d(kernel, bias, as_image(shape), dtype, **how)
    step = dense(kernel, bias, dtype, relu=activation == "relu")
    return step if activation != "softmax" else _then_softmax(step)


@lru_cache(maxsize=256)
def ready_plain(layer: Plain, shape: Shape, dtype: np.dtype[Any]) -> Step:
    """Return the step of a layer without parameters for x (N, *shape) of `dtype`, kept from call to call."""
    match layer:
        case Resize(height=height, width=width):
            return resize_bilinear(as_image(shape), dtype, height=height, width=width)
        case LRN(depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta):
            return lrn(shape, dtype, depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta)
        case ReLU():
            zeros = np.zeros(shape[1:], dtype)  # a row of them: with the number 0 it takes four times as long
            return Step(run=lambda x, y, _: _discard(np.maximum(x, zeros, out=y)), shape=shape, in_place=True)
        case MaxPool(pool_size=pool_size, strides=strides, padding=padding):
            return max_pool2d(as_image(shape), pool_size=pool_size, strides=strides, padding=padding)
        case Dropout() | Flatten():
            flat = output_shape(layer, shape)
            return Step(run=lambda x, y, _: np.copyto(y, x.reshape(y.shape)), shape=flat, in_place=True)
        case Softmax():
            return _plain(ops.softmax, shape)
        case _:
            assert_never(layer)


def ready_together(resize: Resize, conv: Conv, params: Mapping[str, Array], shape: Shape, dtype: DTypeLike) -> Step:
    """Return the step of both layers, the one after the other, for x (N, *shape) of `dtype`."""
    how: Any = {"strides": conv.strides, "padding": conv.padding, "relu": conv.activation == "relu"}
    size = resize.height, resize.width
    return resized_conv2d(np.asarray(params["kernel"]), np.asarray(params["bias"]), as_image(shape), dtype, size=size, **how)


def _plain(op: Callable[[Array], Array], shape: Shape) -> Step:
    """Return a step by definition: its layer is too small a part of the work."""
    return Step(run=lambda x, y, _: np.copyto(y, op(x)), shape=shape)


def _then_softmax(step: Step) -> Step:
    def run(x: Array, y: Array, worker: Worker) -> None:
        step.run(x, y, worker)
        y[...] = ops.softmax(y)

    return replace(step, run=run)


def as_image(shape: Shape) -> tuple[int, int, int]:
    """Return the shape of an image (H, W, C)."""
    h, w, c = shape
    return h, w, c


def _discard(_: object) -> None:
    """Return nothing, as a step does."""
