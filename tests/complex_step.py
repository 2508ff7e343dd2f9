"""Derivatives by complex step: the definitions written as loops or sums over complex numbers, with no equation of `reference`.

For f analytic and h = 2⁻⁶⁶⁴, Im f(x + i·h·v) / h is the derivative of f along v with no truncation (h² is 0) and no
cancellation: every operation's imaginary part is its forward-mode derivative. Where f has a kink, the real parts decide, as in
TensorFlow: ReLU is closed at 0, and the first of equal maxima in row-major order is the maximum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT64, Arithmetic
from reference import LRN, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax
from reference.padding import output_size, pad_widths

Array = NDArray[Any]
STEP = 2.0**-664  # about 1e-200; a power of two, so that scaling by it is exact
# A complex product or quotient rounds up to four times where a real one rounds once; what underflows is divided by STEP.
COMPLEX = Arithmetic(name="complex128", u=4 * FLOAT64.u, accumulator=4 * FLOAT64.u, tiny=FLOAT64.tiny / STEP)


def gradient(f: Callable[[Array], Array], x: Array, dy: Array) -> Array:
    """Return Σ dy·∂f/∂x for each element of x in turn."""
    dx = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        z = x.astype(complex)
        z[index] += 1j * STEP
        dx[index] = (dy * f(z).imag / STEP).sum()
    return dx


def along(f: Callable[[Array], Array], x: Array, v: Array) -> Array:
    """Return the derivative of f along v."""
    derivative: Array = f(x + 1j * STEP * v).imag / STEP
    return derivative


def evaluate(layer: Layer, params: Mapping[str, Array], x: Array, mask: Array | None = None) -> Array:
    """Return the layer's output for complex x (N, ...) and params."""
    match layer:
        case Conv():
            return _activate(layer.activation, conv(layer, params["kernel"], params["bias"], x))
        case Dense():
            z = np.einsum("ni,io->no", x, params["kernel"]) + params["bias"]
            return _activate(layer.activation, z)
        case LRN():
            return lrn(layer, x)
        case MaxPool():
            return pool(layer, x)
        case Resize():
            return resize(layer, x)
        case ReLU():
            return _activate("relu", x)
        case Softmax():
            return _activate("softmax", x)
        case Flatten():
            return np.stack([image.ravel() for image in x])
        case Dropout():
            return x if mask is None else x * mask / (1 - layer.rate)
        case _:
            assert_never(layer)


def conv(layer: Conv, kernel: Array, bias: Array, x: Array) -> Array:
    """One output pixel at a time: the window, where it lies inside the image."""
    (p, q), (s, t) = layer.kernel_size, layer.strides
    top, left, rows, columns = _geometry(x, (p, q), (s, t), layer.padding)
    y = np.empty((len(x), rows, columns, layer.filters), complex)
    for i, j in np.ndindex(rows, columns):
        h, w = i * s - top, j * t - left
        window = x[:, max(h, 0) : h + p, max(w, 0) : w + q]
        taps = kernel[max(-h, 0) : max(-h, 0) + window.shape[1], max(-w, 0) : max(-w, 0) + window.shape[2]]
        y[:, i, j] = np.einsum("npqc,pqco->no", window, taps) + bias
    return y


def pool(layer: MaxPool, x: Array) -> Array:
    """One output pixel at a time: the first of the largest real parts, row by row."""
    (p, q), (s, t) = layer.pool_size, layer.strides
    top, left, rows, columns = _geometry(x, (p, q), (s, t), layer.padding)
    y = np.empty((len(x), rows, columns, x.shape[3]), complex)
    for i, j in np.ndindex(rows, columns):
        h, w = i * s - top, j * t - left
        window = x[:, max(h, 0) : h + p, max(w, 0) : w + q].reshape(len(x), -1, x.shape[3])
        first = window.real.argmax(axis=1)[:, None]
        y[:, i, j] = np.take_along_axis(window, first, axis=1)[:, 0]
    return y


def lrn(layer: LRN, x: Array) -> Array:
    """One channel at a time."""
    y = np.empty(x.shape, complex)
    for k in range(x.shape[-1]):
        window = x[..., max(0, k - layer.depth_radius) : k + layer.depth_radius + 1]
        y[..., k] = x[..., k] * np.exp(-layer.beta * np.log(layer.bias + layer.alpha * (window * window).sum(axis=-1)))
    return y


def resize(layer: Resize, x: Array) -> Array:
    """One output pixel at a time: four neighbours, those beyond the edge being the edge."""
    y = np.empty((len(x), layer.height, layer.width, x.shape[3]), complex)
    for i, j in np.ndindex(layer.height, layer.width):
        (a, b, f), (c, d, g) = _between(i, layer.height, x.shape[1]), _between(j, layer.width, x.shape[2])
        y[:, i, j] = (1 - f) * ((1 - g) * x[:, a, c] + g * x[:, a, d]) + f * ((1 - g) * x[:, b, c] + g * x[:, b, d])
    return y


def log_softmax(z: Array) -> Array:
    """Return ln softmax over the last axis."""
    t = z - z.real.max(axis=-1, keepdims=True)
    result: Array = t - np.log(np.exp(t).sum(axis=-1, keepdims=True))
    return result


def _activate(activation: str | None, z: Array) -> Array:
    if activation == "relu":
        return np.where(z.real > 0, z, 0)
    return np.exp(log_softmax(z)) if activation == "softmax" else z


def _geometry(x: Array, window: tuple[int, int], strides: tuple[int, int], padding: Any) -> tuple[int, int, int, int]:
    sizes = [(x.shape[1 + a], window[a], strides[a], padding) for a in (0, 1)]
    return pad_widths(*sizes[0])[0], pad_widths(*sizes[1])[0], output_size(*sizes[0]), output_size(*sizes[1])


def _between(i: int, outputs: int, inputs: int) -> tuple[int, int, float]:
    u = min(max((i + 0.5) * inputs / outputs - 0.5, 0), inputs - 1)
    return int(u), min(int(u) + 1, inputs - 1), u - int(u)
