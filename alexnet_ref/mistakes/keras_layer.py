"""A Keras layer that does what a tuple of parts says, in TensorFlow's operations. Imports TensorFlow: import it late."""

from __future__ import annotations

from typing import Any

import keras

from alexnet_ref.mistakes import keras_parts
from alexnet_ref.mistakes.parts import Parts
from reference.shapes import Shape


class Ported(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """The parts, one after the other, with one kernel and one bias."""

    def __init__(self, *, name: str, parts: Parts, shapes: dict[str, Shape], output: Shape) -> None:
        """Take the shapes of the weights, {} for none, and of the output, without the batch axis."""
        super().__init__(name=name)
        self.parts, self.shapes, self.output_without_batch = parts, shapes, output
        self.kernel: Any = None
        self.bias: Any = None
        self.random = keras.random.SeedGenerator(0)

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        del input_shape
        for part, shape in self.shapes.items():
            setattr(self, part, self.add_weight(shape=shape, name=part))

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Apply the parts."""
        x = inputs
        for part in self.parts:
            x = keras_parts.run(part, self.kernel, self.bias, x, self.random if training else None)
        return x

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape that the parts make."""
        return (input_shape[0], *self.output_without_batch)
