"""A convolution that leaves out what never sees data. Imports TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from alexnet_ref.fast.products import bfloat16_convolution, product


@keras.saving.register_keras_serializable(package="alexnet_ref.fast")
class Conv2D(keras.layers.Conv2D):  # type: ignore[misc]  # Keras is untyped
    """keras.layers.Conv2D; where its one window covers the whole image, a product with the taps that meet it.

    Of the 3×3 taps of a SAME window on a 1×1 image that is the middle one: 8 of 9 meet padding. They keep their place in the
    kernel, and a gradient of exactly 0.
    """

    def __init__(self, filters: int, kernel_size: Any, *, bfloat16: bool = False, **kwargs: Any) -> None:
        """Take what Keras's layer takes, and whether products have bfloat16 factors."""
        super().__init__(filters, kernel_size, **kwargs)
        self.bfloat16 = bfloat16

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve inputs (N, H, W, C) with kernel (P, Q, C, O)."""
        h, w, c = inputs.shape[1:]
        if self.padding == "same" and self._one_window(h, w):
            top, left = _before(h, self.kernel_size[0]), _before(w, self.kernel_size[1])
            seen = tf.convert_to_tensor(kernel)[top : top + h, left : left + w]  # (H, W, C, O)
            rows = tf.reshape(inputs, (-1, h * w * c))
            y = product(rows, tf.reshape(seen, (h * w * c, self.filters)), bfloat16=self.bfloat16)
            return tf.reshape(y, (-1, 1, 1, self.filters))
        if self.bfloat16 and self.padding == "same":
            return bfloat16_convolution(inputs, kernel, strides=self.strides)
        return super().convolution_op(inputs, kernel)

    def _one_window(self, h: int, w: int) -> bool:
        """Return whether the one position of a SAME window, at this stride, covers the image."""
        covered = all(n <= k and n <= s for n, k, s in zip((h, w), self.kernel_size, self.strides, strict=True))
        return covered and self.groups == 1 and self.dilation_rate == (1, 1)

    def get_config(self) -> dict[str, Any]:
        """Return what the constructor takes, for saving."""
        return {**super().get_config(), "bfloat16": self.bfloat16}


def _before(n: int, k: int) -> int:
    """Return how many of k taps meet padding before n ≤ k positions."""
    return (k - n) // 2
