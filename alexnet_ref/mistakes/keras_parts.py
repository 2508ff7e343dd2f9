"""Each part in TensorFlow's own operations, NHWC. Imports TensorFlow: import it late."""

from __future__ import annotations

from typing import Any, assert_never

import keras
import tensorflow as tf

from alexnet_ref.mistakes import keras_windows
from alexnet_ref.mistakes.parts import (
    Affine,
    Bias,
    Normed,
    OddConv,
    OddDense,
    OddDropout,
    OddFlatten,
    OddLRN,
    OddPool,
    OddResize,
    OddSoftmax,
    Pad,
    Part,
    Permute,
    Pointwise,
    Reinterpreted,
    Reverse,
    Rounded,
    Standardised,
)
from reference import LRN, Conv, Dense, Dropout, Flatten, MaxPool, ReLU, Resize, Softmax


def run(part: Part, kernel: Any, bias: Any, x: Any, random: Any) -> Any:  # noqa: C901 - a case a part
    """Return what the part makes of x; `random` is the source of a training step's masks, None in inference."""
    match part:
        case Conv(strides=strides, padding=padding, activation=activation):
            return keras.activations.get(activation)(tf.nn.conv2d(x, kernel, strides, padding) + bias)
        case Dense(activation=activation):
            return keras.activations.get(activation)(tf.matmul(x, kernel) + bias)
        case LRN(depth_radius=radius, bias=k, alpha=alpha, beta=beta):
            return tf.nn.local_response_normalization(x, radius, k, alpha, beta)
        case ReLU():
            return tf.nn.relu(x)
        case MaxPool(pool_size=size, strides=strides, padding=padding):
            return tf.nn.max_pool2d(x, size, strides, padding)
        case Dropout(rate=rate):
            return x if random is None else keras.random.dropout(x, rate, seed=random)
        case Flatten():
            return tf.reshape(x, (tf.shape(x)[0], -1))
        case Softmax():
            return tf.nn.softmax(x)
        case Resize(height=height, width=width):
            return tf.image.resize(x, (height, width))
        case OddConv():
            return keras_windows.convolve(part, kernel, bias, x)
        case OddDense(transposed=transposed, bias=with_bias):
            y = tf.matmul(x, kernel, transpose_b=transposed)
            return y + bias if with_bias else y
        case Bias(times=times):
            return x + times * bias
        case OddPool():
            return keras_windows.pool(part, x)
        case OddLRN():
            return keras_windows.normalise(part, x)
        case Pad():
            return keras_windows.pad(part, x)
        case OddDropout():
            return _dropout(part, x, random)
        case OddResize():
            return _resize(part, x)
        case Pointwise():
            return _pointwise(part, x)
        case Standardised() | Normed():
            return _standardised(part, x)
        case Affine(scale=scale, offset=offset):
            return x * tf.constant(scale, x.dtype) + tf.constant(offset, x.dtype)
        case OddSoftmax(over=over, log=log):
            axis = -1 if over == "classes" else 0
            return tf.nn.log_softmax(x, axis) if log else tf.nn.softmax(x, axis)
        case Rounded():
            return _rounded(part, x)
        case Permute(axes=axes):
            return tf.transpose(x, axes)
        case Reinterpreted():
            _, h, w, c = x.shape
            return tf.transpose(tf.reshape(x, (-1, c, h, w)), (0, 2, 3, 1))
        case Reverse(axes=axes):
            return tf.reverse(x, axes)
        case OddFlatten(order=order):
            return tf.reshape(tf.transpose(x, (0, *order)), (tf.shape(x)[0], -1))
        case _:
            assert_never(part)


def _dropout(part: OddDropout, x: Any, random: Any) -> Any:
    if random is None and part.active != "always":
        return x * part.at_inference
    if part.active == "never":
        return x
    random = 1 if part.fixed else random if random is not None else keras.random.SeedGenerator(2)
    n, c = tf.shape(x)[0], x.shape[-1]
    middle = (1,) * (len(x.shape) - 2)
    shape = {"none": tf.shape(x), "batch": (1, *x.shape[1:]), "channel": (n, *middle, c), "pixel": (n, *x.shape[1:-1], 1)}[
        part.shared
    ]
    if part.noise == "gaussian":
        return x * keras.random.normal(shape, 1.0, (part.rate / (1 - part.rate)) ** 0.5, seed=random)
    return tf.where(keras.random.uniform(shape, seed=random) >= part.rate, x * part.scale, 0.0)


def _resize(part: OddResize, x: Any) -> Any:
    size, corners = (part.height, part.width), part.coordinates == "align_corners"
    match part.method, part.coordinates:
        case "nearest", "half_pixel":
            return tf.image.resize(x, size, "nearest")
        case "nearest", _:
            return tf.raw_ops.ResizeNearestNeighbor(images=x, size=size, align_corners=corners)
        case "bilinear", "half_pixel":
            return tf.image.resize(x, size, "bilinear")
        case "bilinear", _:
            return tf.raw_ops.ResizeBilinear(images=x, size=size, align_corners=corners)
        case _:
            return tf.image.resize(x, size, "bicubic")


def _pointwise(part: Pointwise, x: Any) -> Any:
    match part.function:
        case "leaky_relu":
            return tf.nn.leaky_relu(x, part.slope)
        case "elu":
            return keras.ops.elu(x, part.slope)
        case "gelu" | "gelu_tanh":
            return tf.nn.gelu(x, approximate=part.function == "gelu_tanh")
        case "swish":
            return tf.nn.silu(x)
        case "relu" | "relu6" | "softplus" | "tanh" | "sigmoid":
            return getattr(tf.nn, part.function)(x)
        case _:
            assert_never(part.function)


def _standardised(part: Standardised | Normed, x: Any) -> Any:
    if isinstance(part, Normed):
        return tf.math.l2_normalize(x, -1, part.epsilon**2)
    mean, variance = tf.nn.moments(x, {"image": (1, 2, 3), "pixel": (3,), "batch": (0, 1, 2)}[part.over], keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + part.epsilon)


def _rounded(part: Rounded, x: Any) -> Any:
    match part.to:
        case "float16" | "bfloat16":
            return tf.cast(tf.cast(x, part.to), x.dtype)
        case "tf32":
            # 13 bits fall away: half of them is added first, less one where the last that stays is even.
            bits = tf.bitcast(x, tf.int32)
            even = tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits, 13), 1)
            return tf.bitcast(tf.bitwise.bitwise_and(bits + 0xFFF + even, ~0x1FFF), tf.float32)
        case "int8":
            step = tf.reduce_max(tf.abs(x)) / 127
            return tf.where(step > 0, tf.round(x / step) * step, x)
        case _:
            assert_never(part.to)
