"""A Keras model as a candidate. Imports TensorFlow: import this module only inside a function that needs it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from alexnet_ref import devices
from alexnet_ref.candidates.candidate import Fact
from alexnet_ref.layers import LocalResponseNormalization
from alexnet_ref.weights import get_params
from reference import (
    LRN,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    InvalidInput,
    Layer,
    MaxPool,
    ReLU,
    Resize,
    Softmax,
)

Array = NDArray[Any]


class KerasCandidate:
    """A keras.Model with a symbolic graph (Sequential or functional), run eagerly or, with `compiled`, as a tf.function."""

    def __init__(self, model: Any, *, name: str | None = None, compiled: bool = False) -> None:
        """Wrap the model; InvalidInput where it has no graph whose intermediate outputs could be taken."""
        self.name = name or f"Keras model {model.name!r}"
        self.model = model
        self.layers = {layer.name: layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)}
        try:
            taps = [layer.output for layer in self.layers.values()]
            # One input goes without its list: Keras warns of a tensor where it expects a list of one.
            self._taps = keras.Model(model.inputs[0] if len(model.inputs) == 1 else model.inputs, taps)
        except (AttributeError, ValueError) as error:
            raise InvalidInput(
                "the model's intermediate outputs cannot be taken",
                where=self.name,
                expected="a Sequential or functional model that is built",
                received=str(error),
            ) from None
        self._call = self._compile() if compiled else self._taps

    def _compile(self) -> Any:
        import tensorflow as tf

        return tf.function(self._taps)

    def environment(self) -> dict[str, Any]:
        """Return TensorFlow's versions, devices and settings."""
        return dict(devices.describe())

    def facts(self) -> list[Fact]:
        """Return what Keras says of each layer."""
        return [
            Fact(
                name=name,
                output_shape=tuple(layer.output.shape[1:]),
                params=sum(math.prod(weight.shape) for weight in layer.weights if "seed" not in weight.path),
                layer=describe(layer),
            )
            for name, layer in self.layers.items()
        ]

    def params(self, architecture: Architecture) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return the model's weights by layer name."""
        return get_params(self.model, architecture)

    def outputs(self, x: Array) -> dict[str, Array]:
        """Return every layer's inference output."""
        outputs = self._call(x, training=False)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        return {name: keras.ops.convert_to_numpy(output) for name, output in zip(self.layers, outputs, strict=True)}

    def layer(self, name: str, x: Array, params: Mapping[str, Array] | None = None, *, training: bool = False) -> Array:
        """Run one layer alone; `params` are set for this call and the model's own restored after it."""
        layer = self.layers[name]
        if not params:
            return self._run(layer, x, training=training)
        variables = {part: getattr(layer, part) for part in params if getattr(layer, part, None) is not None}
        own = {part: np.array(variable.numpy()) for part, variable in variables.items()}
        try:
            for part, variable in variables.items():
                variable.assign(params[part])
            return self._run(layer, x, training=training)
        finally:
            for part, variable in variables.items():
                variable.assign(own[part])

    @staticmethod
    def _run(layer: Any, x: Array, *, training: bool) -> Array:
        # Not every layer's call takes `training`; Keras's own __call__ hands it to those that do.
        output: Array = keras.ops.convert_to_numpy(layer(x, training=training))
        return output


def describe(layer: Any) -> Layer | None:
    """Return the Keras layer in the vocabulary; None where it is none of its words, or differs in what the words leave open."""
    try:
        return _describe(layer, layer.get_config(), layer.name)
    except (InvalidInput, NotImplementedError):  # illegal in the vocabulary; a layer of one's own that has no config
        return None


def _describe(layer: Any, config: dict[str, Any], name: str) -> Layer | None:
    match layer:
        case keras.layers.Resizing():
            plain = config["interpolation"] == "bilinear" and not config["crop_to_aspect_ratio"]
            return Resize(name=name, height=config["height"], width=config["width"]) if plain else None
        case keras.layers.Conv2D():
            plain = config["dilation_rate"] in ((1, 1), [1, 1]) and config["groups"] == 1 and config["use_bias"]
            return _conv(config, name) if plain else None
        case LocalResponseNormalization():
            return LRN(name=name, **{key: config[key] for key in ("depth_radius", "bias", "alpha", "beta")})
        case keras.layers.ReLU():
            return ReLU(name=name) if (config["max_value"], config["negative_slope"]) == (None, 0) else None
        case keras.layers.Activation():
            return _activation_layer(_activation(config), name)
        case keras.layers.Softmax():
            return Softmax(name=name)
        case keras.layers.MaxPooling2D():
            return MaxPool(
                name=name,
                pool_size=tuple(config["pool_size"]),
                strides=tuple(config["strides"]),
                padding=config["padding"].upper(),
            )
        case keras.layers.Dropout():
            return Dropout(name=name, rate=config["rate"])
        case keras.layers.Flatten():
            return Flatten(name=name)
        case keras.layers.Dense():
            activation = cast("Any", _activation(config))
            return Dense(name=name, units=config["units"], activation=activation) if config["use_bias"] else None
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
