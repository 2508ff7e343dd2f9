"""The description interpreted by Keras 3 on TensorFlow. Shares the vocabulary with the oracle, and no arithmetic."""

from __future__ import annotations

from typing import Any, Literal, assert_never

import numpy as np

from alexnet_ref.arithmetic import BFLOAT16_STORED, FLOAT32, Arithmetic
from alexnet_ref.weights import set_params
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
    Params,
    ReLU,
    Resize,
    Softmax,
    as_architecture,
    layer_shapes,
)
from reference.layers import Initializer

Implementation = Literal["documented", "fast"]


def build_model(
    architecture: Architecture | str,
    params: Params | None = None,
    *,
    seed: int = 0,
    implementation: Implementation = "documented",
    arithmetic: Arithmetic = FLOAT32,
) -> Any:
    """Return the documented network as a keras.Model whose layers bear the document's names.

    Input (N, *architecture.input_shape) float32. keras_sequential ends in probabilities, tf1_graph in logits. Without `params`
    the weights are drawn as the document draws them, reproducibly from `seed`; with them they are set, shapes checked.

    implementation: "documented", layer by layer as the document lists it; or "fast", the same function of the same weights, with
    an enlargement and the convolution behind it in one layer (`alexnet_ref.fast`). Files of weights fit both. `arithmetic`: what
    "fast" computes in, FLOAT32 or BFLOAT16_STORED.
    """
    import keras  # costs seconds, and TensorFlow with it

    architecture = as_architecture(architecture)
    layer_shapes(architecture)  # refuses, by layer name, a description that no input can pass through
    if arithmetic not in ((FLOAT32,) if implementation == "documented" else (FLOAT32, BFLOAT16_STORED)):
        expected = f"{FLOAT32.name}, or {BFLOAT16_STORED.name} where fast"
        raise InvalidInput(f"{implementation} does not compute so", expected=expected, received=arithmetic.name)
    layers = [keras_layer(layer, architecture, (seed, i)) for i, layer in enumerate(architecture.layers)]
    match implementation:
        case "documented":
            pass
        case "fast":
            from alexnet_ref.fast.build import fast_layers

            layers = fast_layers(architecture, layers, bfloat16=arithmetic == BFLOAT16_STORED)
        case _:
            assert_never(implementation)
    model = keras.Sequential([keras.Input(architecture.input_shape), *layers], name=architecture.name)
    if params is not None:
        set_params(model, architecture, params)
    return model


def keras_layer(layer: Layer, architecture: Architecture, seed: tuple[int, ...] = (0,)) -> Any:
    """Return one layer of the description as a Keras layer of the same name, not yet built."""
    from keras import layers

    from alexnet_ref.layers import LocalResponseNormalization

    # One independent stream for each random part of each layer; Keras takes seeds below 2³¹.
    kernel_seed, bias_seed, mask_seed = (int(s) >> 1 for s in np.random.SeedSequence(seed).generate_state(3))
    recipe = architecture.recipe
    initial = {
        "kernel_initializer": _initializer(recipe.kernel_initializer, kernel_seed),
        "bias_initializer": _initializer(recipe.bias_initializer, bias_seed),
    }

    match layer:
        case Resize(height=height, width=width):
            return layers.Resizing(height, width, interpolation="bilinear", name=layer.name)
        case Conv():
            return layers.Conv2D(
                layer.filters,
                layer.kernel_size,
                strides=layer.strides,
                padding=layer.padding.lower(),
                activation=layer.activation,
                name=layer.name,
                **initial,
            )
        case LRN():
            return LocalResponseNormalization(
                depth_radius=layer.depth_radius, bias=layer.bias, alpha=layer.alpha, beta=layer.beta, name=layer.name
            )
        case ReLU():
            return layers.Activation("relu", name=layer.name)
        case MaxPool():
            return layers.MaxPooling2D(layer.pool_size, strides=layer.strides, padding=layer.padding.lower(), name=layer.name)
        case Dropout(rate=rate):
            return layers.Dropout(rate, seed=mask_seed, name=layer.name)
        case Flatten():
            return layers.Flatten(name=layer.name)
        case Dense(units=units, activation=activation):
            return layers.Dense(units, activation=activation, name=layer.name, **initial)
        case Softmax():
            return layers.Activation("softmax", name=layer.name)
        case _:
            assert_never(layer)


def _initializer(initializer: Initializer, seed: int) -> Any:
    from keras import initializers

    match initializer:
        case "glorot_uniform":
            return initializers.GlorotUniform(seed=seed)
        case "zeros":
            return initializers.Zeros()
        case "standard_normal":
            return initializers.RandomNormal(mean=0.0, stddev=1.0, seed=seed)
        case _:
            assert_never(initializer)


def compile_model(
    model: Any, architecture: Architecture | str, *, jit_compile: bool = False, implementation: Implementation = "documented"
) -> Any:
    """Return the model compiled as its document trains it: Adam, its loss, accuracy.

    keras_sequential takes integer labels and the loss of probabilities; tf1_graph one-hot labels and the loss of logits.
    implementation: "fast" for Adam in one pass over each array, whatever the model is.
    """
    import keras

    recipe = as_architecture(architecture).recipe
    match recipe.loss:
        case "sparse_categorical_crossentropy":
            loss: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=False)
        case "softmax_cross_entropy_with_logits":
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        case _:
            assert_never(recipe.loss)
    match implementation:
        case "documented":
            optimizer = keras.optimizers.Adam(recipe.learning_rate, epsilon=recipe.epsilon)
        case "fast":
            from alexnet_ref.fast.adam import Adam

            optimizer = Adam(recipe.learning_rate, epsilon=recipe.epsilon)
        case _:
            assert_never(implementation)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"], jit_compile=jit_compile)
    return model
