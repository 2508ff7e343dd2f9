"""The Keras layer that Keras does not have: local response normalisation.

Imports TensorFlow: import this module only inside a function that needs it.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="alexnet_ref")
class LocalResponseNormalization(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """`tf.nn.local_response_normalization` with TensorFlow's meanings: alpha is not divided by the window.

    A Lambda around the operation, as in the document, saves and cannot be loaded again in safe mode; a registered layer can.
    """

    def __init__(self, *, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5, **kwargs: Any) -> None:
        """Take TensorFlow's defaults, which keras_sequential uses."""
        super().__init__(**kwargs)
        self.depth_radius, self.bias, self.alpha, self.beta = depth_radius, bias, alpha, beta

    def call(self, inputs: Any) -> Any:
        """Normalise inputs (N, H, W, C) over channels."""
        return tf.nn.local_response_normalization(
            inputs, depth_radius=self.depth_radius, bias=self.bias, alpha=self.alpha, beta=self.beta
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what the constructor takes, for saving."""
        parameters = {"depth_radius": self.depth_radius, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **parameters}
