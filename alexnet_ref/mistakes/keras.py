"""Mistakes realised in Keras 3 on TensorFlow: what a person's wrong model would be. Shares no arithmetic with `interpret`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np

from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import OddResize, Parts
from alexnet_ref.mistakes.shapes import fed_shapes, needed_params, shape_after
from alexnet_ref.mistakes.weights import as_ported
from alexnet_ref.models import keras_layer
from reference import Architecture, InvalidInput, Layer, Params, init_params
from reference.shapes import Shape, param_shapes

PREPROCESSING = "preprocessing"  # the name of the layer that changes images first


def build(mistake: Mistake, params: Params | None = None, *, seed: int = 0) -> Any:
    """Return the wrong port as a keras.Model: input (N, *input_shape) float32, layers named as the document names them.

    A layer that a right port could have, with whatever hyperparameters, is Keras's own; any other is a layer of its own class,
    with "kernel" and "bias" as Keras's have them. `params` are the intended weights, changed on their way as the mistake
    says; without them they are drawn as it draws them. A mistake of the recipe is compiled, to be fitted to integer labels.
    InvalidInput where Keras cannot do it.
    """
    import keras

    _refuse(mistake)
    architecture = mistake.architecture
    if params is None:
        drawn = replace(architecture, recipe=mistake.training.recipe) if mistake.training else architecture
        params = init_params(drawn, seed)
    own = {layer.name: layer for layer in architecture.layers}
    fed = fed_shapes(mistake)
    entries: list[tuple[str, Parts, Shape]] = [(name, parts, fed[name]) for name, parts in mistake.network]
    if mistake.input:
        entries.insert(0, (PREPROCESSING, mistake.input, architecture.input_shape))
    layers = [_keras_layer(name, parts, shape, own.get(name), architecture) for name, parts, shape in entries]
    model = keras.Sequential([keras.Input(architecture.input_shape), *layers], name=architecture.name)
    for name, values in as_ported(mistake, params).items():
        if name in dict(mistake.network):
            for part, value in values.items():
                getattr(model.get_layer(name), part).assign(np.ascontiguousarray(value))
    if mistake.training is None:
        return model
    from alexnet_ref.mistakes.keras_training import compiled

    return compiled(model, mistake.training)


def _refuse(mistake: Mistake) -> None:
    for part in (part for _, parts in mistake.network for part in parts):
        if isinstance(part, OddResize) and part.method == "bicubic" and part.cubic != "tensorflow":
            raise InvalidInput("TensorFlow has no such interpolation", where=mistake.id, received="PyTorch's cubic")


def _keras_layer(name: str, parts: Parts, fed: Shape, own: Layer | None, architecture: Architecture) -> Any:
    if len(parts) == 1 and isinstance(parts[0], get_args(Layer)):
        return keras_layer(replace(parts[0], name=name), architecture)
    from alexnet_ref.mistakes.keras_layer import Ported

    documented = param_shapes(own, fed) if own is not None and not parts else None
    shapes = documented or (needed_params(parts, fed, own) if own is not None else {})
    return Ported(name=name, parts=parts, shapes=shapes, output=shape_after(parts, fed, own))
