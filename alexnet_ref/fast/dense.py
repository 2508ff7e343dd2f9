"""A dense layer whose gradient is that of `products`. Imports TensorFlow."""

from __future__ import annotations

from typing import Any

import keras

from alexnet_ref.fast.products import product


@keras.saving.register_keras_serializable(package="alexnet_ref.fast")
class Dense(keras.layers.Dense):  # type: ignore[misc]  # Keras is untyped
    """keras.layers.Dense of inputs (N, in)."""

    def __init__(self, units: int, *, bfloat16: bool = False, **kwargs: Any) -> None:
        """Take what Keras's layer takes, and whether products have bfloat16 factors."""
        super().__init__(units, **kwargs)
        self.bfloat16 = bfloat16

    def call(self, inputs: Any) -> Any:
        """Return activation(inputs · kernel + bias)."""
        return self.activation(keras.ops.add(product(inputs, self.kernel, bfloat16=self.bfloat16), self.bias))

    def get_config(self) -> dict[str, Any]:
        """Return what the constructor takes, for saving."""
        return {**super().get_config(), "bfloat16": self.bfloat16}
