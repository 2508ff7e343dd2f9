"""Convolution, pooling, LRN and padding in their misreadings, in TensorFlow's operations. Imports TensorFlow: import it late."""

from __future__ import annotations

from typing import Any, assert_never

import tensorflow as tf

from alexnet_ref.mistakes.parts import OddConv, OddLRN, OddPool, Pad, Pads


def convolve(part: OddConv, kernel: Any, bias: Any, x: Any) -> Any:
    """Return the convolution of x with the kernel as the part misuses it."""
    match part.kernel:
        case "as it is":
            pass
        case "mirrored":
            kernel = tf.reverse(kernel, (0, 1))
        case "transposed":
            kernel = tf.transpose(kernel, (1, 0, 2, 3))
        case "centre":
            rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
            edges = ((rows, kernel.shape[0] - 1 - rows), (columns, kernel.shape[1] - 1 - columns))
            kernel = tf.pad(kernel[rows : rows + 1, columns : columns + 1], (*edges, (0, 0), (0, 0)))
        case _:
            assert_never(part.kernel)
    x = tf.pad(x, ((0, 0), *part.pads, (0, 0)))
    y = _grouped(part.groups, x, kernel, part.strides if part.dilation == (1, 1) else (1, 1), part.dilation)
    if part.dilation != (1, 1):  # TensorFlow does not combine strides with dilation
        y = y[:, :: part.strides[0], :: part.strides[1]]
    return y + bias if part.bias else y


def _grouped(groups: int, x: Any, kernel: Any, strides: Any, dilation: Any) -> Any:
    if groups == 1:
        return tf.nn.conv2d(x, kernel, strides, "VALID", dilations=dilation)
    own = [tf.split(part, groups, axis=2)[g] for g, part in enumerate(tf.split(kernel, groups, axis=3))]
    parts = zip(tf.split(x, groups, axis=3), own, strict=True)
    return tf.concat([tf.nn.conv2d(*part, strides, "VALID", dilations=dilation) for part in parts], axis=3)


def pool(part: OddPool, x: Any) -> Any:
    """Return the pooled x."""
    pads, size, strides = ((0, 0), *part.pads, (0, 0)), part.pool_size, part.strides
    match part.kind:
        case "max":
            value = 0.0 if part.padding == "zero" else float("-inf")
            return tf.nn.max_pool2d(tf.pad(x, pads, constant_values=value), size, strides, "VALID")
        case "average":
            mean = tf.nn.avg_pool2d(tf.pad(x, pads), size, strides, "VALID")
            if part.padding == "zero":
                return mean
            return mean / tf.nn.avg_pool2d(tf.pad(tf.ones_like(x[:1, :, :, :1]), pads), size, strides, "VALID")
        case "first":
            x = tf.pad(x, pads)
            return x[:, : x.shape[1] - size[0] + 1 : strides[0], : x.shape[2] - size[1] + 1 : strides[1]]
        case _:
            assert_never(part.kind)


def normalise(part: OddLRN, x: Any) -> Any:
    """Return x over its denominator, as the part has it."""
    axes = {"batch": (0,), "height": (1,), "width": (2,), "channel": (3,), "space": (1, 2)}[part.axis]
    values = tf.abs(x) if part.statistic == "absolute" else tf.square(x)
    s = _summed(part, values, axes)
    if part.statistic == "present":
        s /= _summed(part, tf.ones_like(x), axes)
    if not part.own:
        s -= values
    match part.form:
        case "inside":
            d = tf.pow(part.bias + part.alpha * s, part.beta)
        case "outside":
            d = part.bias + tf.pow(part.alpha * s, part.beta)
        case "factor":
            d = part.bias + part.alpha * tf.pow(s, part.beta)
        case "all":
            d = tf.pow(part.alpha * (part.bias + s), part.beta)
        case _:
            assert_never(part.form)
    return x * d if part.multiplied else x / d


def _summed(part: OddLRN, values: Any, axes: tuple[int, ...]) -> Any:
    for axis in axes:
        n = tf.shape(values)[axis]
        shape = [n if each == axis else 1 for each in range(4)]
        total = tf.zeros_like(values)
        for offset in range(-part.before, part.after + 1):
            at = tf.range(n) + offset
            near = tf.math.floormod(at, n) if part.edges == "wrapped" else tf.clip_by_value(at, 0, n - 1)
            counts = tf.reshape(tf.cast((at >= 0) & (at < n), values.dtype), shape) if part.edges == "cut" else 1.0
            total += tf.gather(values, near, axis=axis) * counts
        values = total
    return values


def pad(part: Pad, x: Any) -> Any:
    """Return x with a margin, or without its outer rows and columns where a width is negative."""
    grown: Pads = tuple((max(before, 0), max(after, 0)) for before, after in part.pads)  # type: ignore[assignment]  # two axes
    match part.mode:
        case "constant":
            x = tf.pad(x, ((0, 0), *grown, (0, 0)), constant_values=part.value)
        case "reflect":
            x = tf.pad(x, ((0, 0), *grown, (0, 0)), "REFLECT")
        case "edge":
            for axis, (before, after) in enumerate(grown, 1):
                n = x.shape[axis]
                x = tf.gather(x, tf.clip_by_value(tf.range(-before, n + after), 0, n - 1), axis=axis)
        case _:
            assert_never(part.mode)
    rows, columns = (
        slice(max(-before, 0), n - max(-after, 0)) for (before, after), n in zip(part.pads, x.shape[1:3], strict=True)
    )
    return x[:, rows, columns]
