"""Ports to Keras as people write them: the same network by other means. Keras is imported when one is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alexnet_ref.models import keras_layer
from reference import LRN, Architecture, Conv, Dense, Flatten, Layer, MaxPool, Params
from reference.padding import pad_widths

Way = Callable[[Any, Layer, Architecture], Any]  # (symbolic tensor, layer, architecture) → symbolic tensor


def built(architecture: Architecture, params: Params, way: Way) -> Any:
    """Return the functional model whose layers are made in this way, with the params set by rank, in order."""
    import keras

    x = y = keras.Input(architecture.input_shape)
    for layer in architecture.layers:
        y = way(y, layer, architecture)
    model = keras.Model(x, y)
    set_in_order(model, params)
    return model


def set_in_order(model: Any, params: Params) -> None:
    """Set kernels and biases as they come."""
    import numpy as np

    kernels = [w for w in model.weights if len(w.shape) in (2, 4)]
    biases = [w for w in model.weights if len(w.shape) == 1 and "seed" not in w.path]
    for variables, part in ((kernels, "kernel"), (biases, "bias")):
        for variable, parts in zip(variables, params.values(), strict=True):
            value = parts[part]
            variable.assign(value if tuple(variable.shape) == value.shape else np.zeros(variable.shape))


def plain(y: Any, layer: Layer, architecture: Architecture) -> Any:
    """Return the layer as our own model has it."""
    return keras_layer(layer, architecture)(y)


def renamed(y: Any, layer: Layer, architecture: Architecture) -> Any:
    """Return the layer under a name of Keras's choice."""
    made = keras_layer(layer, architecture)
    return type(made).from_config({**made.get_config(), "name": None})(y)


def handwritten_lrn(y: Any, layer: Layer, architecture: Architecture, factor: float = 1.0) -> Any:
    """Return LRN out of keras.ops, its alpha times a factor; every other layer under a name of Keras's choice."""
    from keras import ops

    if not isinstance(layer, LRN):
        return renamed(y, layer, architecture)
    r, channels = layer.depth_radius, y.shape[-1]
    square = ops.pad(ops.square(y), [[0, 0], [0, 0], [0, 0], [r, r]])
    total = square[..., :channels]
    for i in range(1, 2 * r + 1):
        total = total + square[..., i : i + channels]
    return y / ops.power(layer.bias + factor * layer.alpha * total, layer.beta)


def lrn_once_more(y: Any, layer: Layer, architecture: Architecture) -> Any:
    """Return LRN out of keras.ops, its alpha divided by the window once more: a mistake."""
    return handwritten_lrn(y, layer, architecture, 1 / layer.window if isinstance(layer, LRN) else 1)


def in_pieces(y: Any, layer: Layer, architecture: Architecture) -> Any:
    """Return padding, sum, bias and activation as layers of their own, and a flatten as a reshape."""
    from keras import layers

    match layer:
        case Conv():
            rows, columns = (
                pad_widths(n, k, s, "SAME") for n, k, s in zip(y.shape[1:3], layer.kernel_size, layer.strides, strict=True)
            )
            y = layers.ZeroPadding2D((rows, columns))(y)
            y = bias_layer()(layers.Conv2D(layer.filters, layer.kernel_size, strides=layer.strides, use_bias=False)(y))
            return layers.ReLU()(y) if layer.activation else y
        case Dense():
            y = bias_layer()(layers.Dense(layer.units, use_bias=False)(y))
            return layers.Activation(layer.activation)(y) if layer.activation else y
        case Flatten():
            return layers.Reshape((-1,))(y)
        case _:
            return renamed(y, layer, architecture)


def bias_layer(scale: float = 1.0) -> Any:
    """Return a layer of one's own that adds a vector of weights, times a scale."""
    import keras

    class Bias(keras.layers.Layer):  # type: ignore[misc, name-defined, unused-ignore]  # Keras is untyped
        """Adds b."""

        def build(self, shape: Any) -> None:
            """Make b."""
            self.b = self.add_weight(shape=(shape[-1],), name="b")

        def call(self, x: Any) -> Any:
            """Add it."""
            return x + self.b * scale

    return Bias()


def nested(architecture: Architecture, params: Params) -> Any:
    """Return a functional model of two Sequentials, the second of which holds another."""
    import keras

    made = [keras_layer(layer, architecture) for layer in architecture.layers]
    half = len(made) // 2
    first = keras.Sequential(made[:half], name="features")
    second = keras.Sequential([keras.Sequential(made[half:], name="inner")], name="classifier")
    x = keras.Input(architecture.input_shape)
    model = keras.Model(x, second(first(x)))
    set_in_order(model, params)
    return model


def channels_first(architecture: Architecture, params: Params, *, flatten: str) -> Any:
    """Return tf1_graph's network in (C, H, W), LRN between two transpositions, flattened in either order."""
    import keras
    import numpy as np
    from keras import layers

    image: tuple[int, ...] = ()  # (C, H, W), as it is flattened
    x = keras.Input(architecture.input_shape)
    y = layers.Permute((3, 1, 2))(x)
    for layer in architecture.layers:
        match layer:
            case Conv():
                first = {"data_format": "channels_first", "padding": "same", "activation": layer.activation}
                y = layers.Conv2D(layer.filters, layer.kernel_size, strides=layer.strides, **first)(y)
            case MaxPool():
                first = {"data_format": "channels_first", "padding": layer.padding.lower()}
                y = layers.MaxPooling2D(layer.pool_size, strides=layer.strides, **first)(y)
            case LRN():
                y = layers.Permute((3, 1, 2))(keras_layer(layer, architecture)(layers.Permute((2, 3, 1))(y)))
            case Flatten():
                image = y.shape[1:]
                y = layers.Flatten(data_format=flatten)(y)
            case _:
                y = keras_layer(layer, architecture)(y)
    model = keras.Model(x, y)
    set_in_order(model, params)
    if flatten == "channels_last":  # Keras's word for leaving the order as it is
        dense = next(layer for layer in model.layers if isinstance(layer, layers.Dense))
        c, h, w = image
        kernel = np.moveaxis(params["fc1"]["kernel"].reshape(h, w, c, -1), 2, 0).reshape(h * w * c, -1)
        dense.kernel.assign(kernel)
    return model


def subclassed(architecture: Architecture, params: Params) -> Any:
    """Return the network as a keras.Model with a call of its own."""
    import keras
    import numpy as np

    class Net(keras.Model):  # type: ignore[misc, name-defined, unused-ignore]  # Keras is untyped
        """The layers one after the other."""

        def __init__(self) -> None:
            """Make the layers."""
            super().__init__()
            self.steps = [keras_layer(layer, architecture) for layer in architecture.layers]

        def call(self, x: Any, training: bool = False) -> Any:
            """Apply them."""
            for step in self.steps:
                x = step(x, training=training)
            return x

    model = Net()
    model(np.zeros((1, *architecture.input_shape), np.float32))
    set_in_order(model, params)
    return model
