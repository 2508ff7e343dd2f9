"""The Keras model of a description, run eagerly, as a tf.function, or compiled by XLA. Imports TensorFlow."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from alexnet_ref.candidates.keras import KerasCandidate
from alexnet_ref.models import build_model
from alexnet_ref.tolerances.implementation import Array
from reference import Architecture, Params


class Compiled(KerasCandidate):
    """Everything inside tf.function, with XLA or without: the whole network at once, and each layer alone."""

    def __init__(self, model: Any, *, name: str, jit_compile: bool) -> None:
        """Wrap the model's taps, and later each layer, in tf.function."""
        self._jit_compile = jit_compile
        super().__init__(model, name=name, compiled=True)

    def _compile(self) -> Any:
        return tf.function(self._taps, jit_compile=self._jit_compile)

    def _run(self, layer: Any, x: Array, *, training: bool) -> Array:  # type: ignore[override]  # it needs the setting
        output: Array = tf.function(layer, jit_compile=self._jit_compile)(tf.constant(x), training=training).numpy()
        return output


def keras_run(kind: str, architecture: Architecture, params: Params) -> KerasCandidate:
    """Return the model with these weights; `kind` is eager, function or XLA."""
    model = build_model(architecture, params)
    if kind == "eager":
        return KerasCandidate(model, name="TensorFlow eager")
    return Compiled(model, name=f"TensorFlow {kind}", jit_compile=kind == "XLA")
