"""Keras's layers and operations in the vocabulary. Imports TensorFlow: import this module only in a function that needs it."""

from __future__ import annotations

from typing import Any, cast

import keras
import numpy as np

from alexnet_ref.candidates.keras_graph import Call
from alexnet_ref.candidates.step import Helper
from alexnet_ref.layers import LocalResponseNormalization
from reference import LRN, Conv, Dense, Dropout, Flatten, InvalidInput, Layer, MaxPool, ReLU, Resize, Softmax

Pads = tuple[tuple[int, int], tuple[int, int]]


def describe(operation: Any) -> Layer | None:
    """Return the layer or operation in the vocabulary; None where it is none of its words, or differs in what they leave open.

    A convolution or product without a bias is called by the same word: how many weights it has is told apart.
    """
    try:
        if isinstance(operation, keras.layers.Layer):
            return _layer(operation, operation.get_config(), _identifier(operation.name))
        return _operation(operation, _identifier(operation.name))
    # Illegal in the vocabulary; a layer of one's own that has no config, or another than its base class's.
    except (InvalidInput, NotImplementedError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _identifier(name: str) -> str:
    return name if name.isidentifier() else "layer"


def _layer(layer: Any, config: dict[str, Any], name: str) -> Layer | None:
    match layer:
        case keras.layers.Resizing():
            plain = config["interpolation"] == "bilinear" and not config["crop_to_aspect_ratio"]
            plain = plain and not config.get("pad_to_aspect_ratio") and not config.get("antialias")
            return Resize(name=name, height=config["height"], width=config["width"]) if plain else None
        case keras.layers.Conv2D():
            plain = config["dilation_rate"] in ((1, 1), [1, 1]) and config["groups"] == 1
            return _conv(config, name) if plain else None
        case LocalResponseNormalization():
            return LRN(name=name, **{key: config[key] for key in ("depth_radius", "bias", "alpha", "beta")})
        case keras.layers.ReLU():
            plain = (config["max_value"], config["negative_slope"], config["threshold"]) == (None, 0, 0)
            return ReLU(name=name) if plain else None
        case keras.layers.Activation():
            return _activation_layer(_activation(config), name)
        case keras.layers.Softmax():
            return Softmax(name=name) if config["axis"] == -1 else None
        case keras.layers.MaxPooling2D():
            return MaxPool(
                name=name,
                pool_size=tuple(config["pool_size"]),
                strides=tuple(config["strides"]),
                padding=config["padding"].upper(),
            )
        case keras.layers.Dropout():
            # Spatial dropout is a Dropout that says nothing of noise_shape; either draws for whole channels.
            plain = config.get("noise_shape", "not said") is None
            return Dropout(name=name, rate=config["rate"]) if plain else None
        case keras.layers.Flatten():
            return Flatten(name=name)
        case keras.layers.Dense():
            return Dense(name=name, units=config["units"], activation=cast("Any", _activation(config)))
        case _:
            return None


def _conv(config: dict[str, Any], name: str) -> Conv:
    return Conv(
        name=name,
        filters=config["filters"],
        kernel_size=tuple(config["kernel_size"]),
        strides=tuple(config["strides"]),
        padding=config["padding"].upper(),
        activation=cast("Any", _activation(config)),
    )


def _activation_layer(activation: str | None, name: str) -> Layer | None:
    match activation:
        case "relu":
            return ReLU(name=name)
        case "softmax":
            return Softmax(name=name)
        case _:
            return None


def _activation(config: dict[str, Any]) -> str | None:
    activation = config["activation"]
    return None if activation == "linear" else activation


def _operation(operation: Any, name: str) -> Layer | None:
    """Return an operation of keras.ops; its settings are its attributes."""
    match type(operation).__name__:
        case "Relu":
            return ReLU(name=name)
        case "Softmax":
            return Softmax(name=name) if operation.axis == -1 else None
        case "MaxPool":
            pool_size, strides = _pair(operation.pool_size), _pair(operation.strides or operation.pool_size)
            return MaxPool(name=name, pool_size=pool_size, strides=strides, padding=operation.padding.upper())
        case "Resize":
            plain = operation.interpolation == "bilinear" and not operation.antialias
            plain = plain and not operation.crop_to_aspect_ratio and not operation.pad_to_aspect_ratio
            return Resize(name=name, height=operation.size[0], width=operation.size[1]) if plain else None
        case _:
            return None


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def is_channels_first(operation: Any) -> bool:
    """Tell whether a layer or operation counts its axes (C, H, W)."""
    return getattr(operation, "data_format", None) == "channels_first"


def is_helper(call: Call) -> Helper | None:
    """Return what the call does for its neighbours; None where it is no helper."""
    operation = call.operation
    match operation:
        case keras.layers.ZeroPadding2D():
            return "pad"
        case keras.layers.Permute():
            return "transpose"
        case keras.layers.Reshape():
            return "reshape"
        case keras.layers.Identity():
            return "identity"
        case keras.layers.Activation():
            return "identity" if _activation(operation.get_config()) is None else None
        case keras.layers.Rescaling():
            return "identity" if np.all(operation.scale == 1) and np.all(operation.offset == 0) else None
        case keras.layers.Layer():
            return "bias" if _adds_bias(call) else None
        case _:
            return _helping_operation(call)


def _helping_operation(call: Call) -> Helper | None:
    match type(call.operation).__name__:
        case "Pad":
            return "pad" if pads_of(call)[0] is not None else None
        case "Transpose":
            return "transpose"
        case "Reshape" | "Squeeze" | "ExpandDims":
            return "reshape"
        case "Cast":
            return "cast"
        case "Add":
            return "bias" if call.constant_bias_size() else None
        case _:
            return None


def pads_of(call: Call) -> tuple[Pads | None, bool]:
    """Return what the call adds in front of and behind rows and columns, and whether with the lowest number instead of zeros.

    None where it adds anything else.
    """
    operation = call.operation
    if isinstance(operation, keras.layers.ZeroPadding2D):
        rows, columns = operation.padding
        return (tuple(rows), tuple(columns)), False
    value = call.arguments.kwargs.get("constant_values", 0)
    widths = [(int(before), int(after)) for before, after in operation.pad_width]
    number = 0.0 if value is None else float(value) if np.ndim(value) == 0 else np.nan
    lowest = bool(number <= np.finfo(np.float32).min)
    if operation.mode != "constant" or len(widths) != 4 or widths[0] != (0, 0) or not (number == 0 or lowest):
        return None, False
    if widths[3] == (0, 0):
        return (widths[1], widths[2]), lowest
    return ((widths[2], widths[3]), lowest) if widths[1] == (0, 0) else (None, False)


def _adds_bias(call: Call) -> bool:
    """Tell whether a layer of somebody's own adds its one vector of weights to the last axis: seen on numbers, to the bit."""
    layer = call.operation
    weights = [weight for weight in layer.weights if len(weight.shape) == 1]
    own = not type(layer).__module__.startswith("keras.")
    if not own or call.shape is None or len(layer.weights) != 1 or len(weights) != 1 or call.shape[-1] != weights[0].shape[0]:
        return False
    x = np.random.default_rng(0).standard_normal([n or 2 for n in call.shape], np.float32)
    try:
        y = keras.ops.convert_to_numpy(layer(keras.ops.array(x), training=False))
    except Exception:  # noqa: BLE001 - the layer's own code: whatever it raises, the checks will meet it again
        return False
    return bool(np.array_equal(y, x + weights[0].numpy()))
