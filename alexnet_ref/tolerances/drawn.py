"""Random networks and inputs from a seed: the whole vocabulary, in sizes that tell the axes apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax, init_params, ops
from reference.shapes import Shape, output_shape

Array = NDArray[Any]
Data = Literal["random", "real", "coherent", "scaled"]
DATA: tuple[Data, ...] = ("random", "real", "coherent", "scaled")
Rng = np.random.Generator


def draw_network(rng: Rng) -> Architecture:
    """Draw two to five image layers and, for half of the networks, up to three vector layers behind a flatten."""
    h, w, c = (int(n) for n in rng.permutation(np.arange(2, 10))[:3])
    shape: Shape = (h, w, c)
    layers: list[Layer] = []
    for _ in range(rng.integers(2, 6)):
        layers.append(_image_layer(f"layer{len(layers)}", shape, rng))
        shape = output_shape(layers[-1], shape)
    if rng.random() < 0.5:
        layers.append(Flatten(name="flatten"))
        shape = output_shape(layers[-1], shape)
        for _ in range(rng.integers(1, 4)):
            layers.append(_vector_layer(f"layer{len(layers)}", shape, rng))
            shape = output_shape(layers[-1], shape)
    return Architecture(name="drawn", input_shape=(h, w, c), layers=tuple(layers))


def _image_layer(name: str, shape: Shape, rng: Rng) -> Layer:
    h, w, c = shape
    padding: Literal["SAME", "VALID"] = "SAME" if rng.random() < 0.5 else "VALID"
    most = (5, 5) if padding == "SAME" else (min(h, 5), min(w, 5))
    window = (int(rng.integers(1, most[0] + 1)), int(rng.integers(1, most[1] + 1)))
    strides = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    match rng.integers(9):
        case 0 | 1 | 2:
            filters = int(rng.integers(1, 40))
            activation: Literal["relu"] | None = "relu" if rng.random() < 0.5 else None
            layer = Conv(name=name, filters=filters, kernel_size=window, strides=strides, padding=padding, activation=activation)
            return ReLU(name=name) if left_unwritten(layer, shape) else layer
        case 3 | 4:
            beta = float(rng.choice([0.5, 0.75, 1.0, rng.uniform(0.01, 1.5)]))
            alpha = float(rng.choice([1e-4, 0.03, 1.0, 2.5]))
            return LRN(name=name, depth_radius=int(rng.integers(1, 8)), bias=float(rng.uniform(0.25, 4)), alpha=alpha, beta=beta)
        case 5:
            return MaxPool(name=name, pool_size=window, strides=strides, padding=padding)
        case 6:
            return Resize(name=name, height=int(rng.integers(2, 20)), width=int(rng.integers(2, 20)))
        case 7 if c > 1:  # a softmax of one class is always 1: Keras takes it for a mistake and warns
            return Softmax(name=name)
        case _:
            return ReLU(name=name)


def left_unwritten(layer: Conv, shape: Shape) -> bool:
    """Tell whether TensorFlow 2.21 with oneDNN leaves rows of this convolution unwritten: a defect of its own, avoided here.

    One channel, a window wider than 1, a horizontal stride alone, down to a column of width 1 and a height of more.
    """
    height, width, _ = output_shape(layer, shape)
    return shape[2] == 1 and layer.strides[0] == 1 < layer.strides[1] and width == 1 < height


def misplaced_by_xla(layer: Resize, shape: Shape) -> bool:
    """Tell whether tf.image.resize, compiled by XLA in TensorFlow 2.21, may take the wrong pixel: its own defect, avoided here.

    An output's centre that lies on an input's (row 17 of 32 → 224 on pixel 2) comes out a little beside it in float32. The pixel
    is taken from one side and the weight from the other, a whole pixel off. JAX and TensorFlow without XLA are right.
    """
    for n, o in ((shape[0], layer.height), (shape[1], layer.width)):
        doubled = (2 * np.arange(o) + 1) * n - o  # 2·o·u_i, an integer
        if n != o and (doubled % (2 * o) == 0).any():
            return True
    return False


def without_misplaced(architecture: Architecture) -> Architecture:
    """Return the network without the resizings that XLA misplaces; where that is the first layer, its output is the input."""
    layers: list[Layer] = []
    shape: Shape = architecture.input_shape
    start = architecture.input_shape
    for layer in architecture.layers:
        if isinstance(layer, Resize) and misplaced_by_xla(layer, shape):
            if not layers:
                start = (layer.height, layer.width, shape[2])
                shape = start
            continue
        layers.append(layer)
        shape = output_shape(layer, shape)
    return replace(architecture, input_shape=start, fed_shape=start, layers=tuple(layers) or (ReLU(name="relu"),))


def _vector_layer(name: str, shape: Shape, rng: Rng) -> Layer:
    match rng.integers(6):
        case 0:
            return Dropout(name=name, rate=float(rng.choice([0.0, 0.2, 0.5, 0.9])))
        case 1 if shape[-1] > 1:
            return Softmax(name=name)
        case 2:
            return Dense(name=name, units=int(rng.integers(2, 40)), activation="softmax")
        case _:
            activation: Literal["relu"] | None = "relu" if rng.random() < 0.5 else None
            return Dense(name=name, units=int(rng.integers(1, 200)), activation=activation)


def draw_weights(architecture: Architecture, data: Data, rng: Rng) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Draw the document's initial weights; all positive for coherent data, of sizes far apart for scaled data."""
    params = init_params(architecture, int(rng.integers(2**31)))
    for parts in params.values():
        for part, value in parts.items():
            if data == "coherent":
                parts[part] = np.abs(value)
            if data == "scaled":
                parts[part] = value * np.float32(10 ** rng.uniform(-3, 3))
            if part == "bias" and not value.any():
                parts[part] = (rng.standard_normal(value.shape) * 0.1).astype(np.float32)
    return params


def draw_images(architecture: Architecture, data: Data, count: int, rng: Rng) -> NDArray[np.float32]:
    """Draw inputs: signed, real (shipped digits), all positive, or each image at a scale of its own, 1e-6 … 1e6."""
    shape = (count, *architecture.input_shape)
    match data:
        case "random":
            return rng.standard_normal(shape, np.float32)
        case "real":
            return _digits(architecture, count, rng)
        case "coherent":
            return rng.random(shape, np.float32)
        case "scaled":
            scale = 10 ** rng.uniform(-6, 6, (count, 1, 1, 1))
            return (rng.standard_normal(shape) * scale).astype(np.float32)


def _digits(architecture: Architecture, count: int, rng: Rng) -> NDArray[np.float32]:
    """Take shipped digits: whole for the documented networks, the middle of each, in all channels, for small ones."""
    from alexnet_ref.verify import digits
    from reference import ARCHITECTURES

    if architecture.name in ARCHITECTURES:
        documented = ARCHITECTURES[architecture.name]
        images = digits(documented, None, 300).reshape(-1, *documented.input_shape)[rng.permutation(300)[:count]]
        if architecture.input_shape != documented.input_shape:  # the network is judged without its resizing
            shape = (architecture.input_shape[0], architecture.input_shape[1])
            images = ops.resize_bilinear(images, height=shape[0], width=shape[1])
        return images
    h, w, c = architecture.input_shape
    top, left = (28 - h) // 2, (28 - w) // 2
    cut = digits(ARCHITECTURES["tf1_graph"], None, 300).reshape(-1, 28, 28, 1)[:, top : top + h, left : left + w]
    return np.repeat(cut[rng.permutation(300)[:count]], c, axis=-1)
