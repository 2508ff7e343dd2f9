"""A convolution of an enlarged image that never enlarges it. Imports TensorFlow.

    y[n,i,j,o] = Σ_{a,b,c} K[a,b,c,o] · Σ_{h,w} C[i,a,h] · D[j,b,w] · x[n,h,w,c] + bias[o]
               = Σ_{h,w,c} x[n,h,w,c] · B[i,j,h,w,c,o] + bias[o]         B[i,j,h,w,c,o] = Σ_{a,b} C[i,a,h] · D[j,b,w] · K[a,b,c,o]

with C, D the weights that taps give to rows and columns of pixels (`folding`). A window meets few of them: 32 products stand for
the 121 of keras_sequential's 11×11 window over a 7-fold enlargement. A row of windows is one matrix product, all its groups of
columns and all images together, and all rows are one batch: large enough for a matrix library to be at its best, which one kernel
for each of 49 phases, of 3 or 4 pixels a side, is not.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import initializers

from alexnet_ref.fast.folding import Columns, Rows, columns, rows
from alexnet_ref.fast.products import PRODUCT


@keras.saving.register_keras_serializable(package="alexnet_ref.fast", name="EnlargedConv2D")
class Conv2D(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Bilinear enlargement to (height, width), then a SAME convolution with bias: two of the document's layers in one.

    Inputs (N, H, W, C); kernel (P, Q, C, O) and bias (O,) as the convolution's alone. It is no keras.layers.Conv2D: its input is
    not what the document's convolution is fed, and nobody shall take it for one.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        filters: int,
        kernel_size: tuple[int, int],
        strides: tuple[int, int],
        bfloat16: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        """Take the enlargement's and the convolution's hyperparameters, and whether products have bfloat16 factors."""
        super().__init__(**kwargs)
        self.height, self.width, self.filters, self.bfloat16 = height, width, filters, bfloat16
        self.kernel_size, self.strides = tuple(kernel_size), tuple(strides)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        """Add the two weights; ValueError where the windows over such an image do not repeat."""
        _, h, w, c = input_shape
        (p, q), (s, t) = self.kernel_size, self.strides
        found = columns(w, self.width, q, t)
        if found is None:
            raise ValueError(f"windows of {q}, moved by {t}, over {w} enlarged to {self.width} do not repeat")
        self._rows: Rows = rows(h, self.height, p, s)
        self._columns: Columns = found
        self.kernel = self.add_weight(name="kernel", shape=(p, q, c, self.filters), initializer=self.kernel_initializer)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer=self.bias_initializer)

    def call(self, inputs: Any) -> Any:
        """Return (N, I, J, O)."""
        (_, i, j, o), g = self.compute_output_shape(inputs.shape), self._columns.weight.shape[1]
        x, b = self._met(inputs), self._composite()
        if not self.bfloat16:  # the bias as the weight of a pixel of 1: no pass of its own over the output, nor over its gradient
            x = tf.pad(x, ((0, 0), (0, 0), (0, 1)), constant_values=1)
            b = tf.concat([b, tf.broadcast_to(tf.tile(self.bias, [g]), (i, 1, g * o))], axis=1)
        dtype = PRODUCT[self.bfloat16]
        y = tf.matmul(tf.cast(x, dtype), tf.cast(b, dtype))  # (I, N·T, G·O)
        y = tf.cast(tf.transpose(tf.reshape(y, (i, -1, j, o)), (1, 0, 2, 3)), tf.float32)
        return tf.nn.bias_add(y, self.bias) if self.bfloat16 else y

    def _met(self, x: Any) -> Any:
        """Return the pixels that each row of windows and group of columns meets: (I, N·T, H·S·C)."""
        (i, h), (t, s), c = self._rows.pixel.shape, self._columns.pixel.shape, x.shape[-1]
        x = tf.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0)))  # an empty slot holds a pixel of 0
        x = tf.gather(x, self._columns.pixel.ravel(), axis=2)  # (N, H, T·S, C)
        x = tf.gather(tf.transpose(x, (1, 0, 2, 3)), self._rows.pixel.ravel())  # (I·H, N, T·S, C)
        x = tf.reshape(x, (i, h, -1, t, s * c))
        return tf.reshape(tf.transpose(x, (0, 2, 3, 1, 4)), (i, -1, h * s * c))

    def _composite(self) -> Any:
        """Return B of each row of windows: (I, H·S·C, G·O)."""
        (i, h, p), (s, g, q) = self._rows.weight.shape, self._columns.weight.shape
        c, o = self.kernel.shape[2:]
        across = tf.constant(self._columns.weight.reshape(s * g, q), tf.float32)
        down = tf.constant(self._rows.weight.reshape(i * h, p), tf.float32)
        b = tf.matmul(across, tf.reshape(tf.convert_to_tensor(self.kernel), (p, q, c * o)))  # (P, S·G, C·O)
        b = tf.transpose(tf.reshape(b, (p, s, g, c, o)), (0, 1, 3, 2, 4))  # (P, S, C, G, O)
        return tf.reshape(tf.matmul(down, tf.reshape(b, (p, s * c * g * o))), (i, h * s * c, g * o))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (N, I, J, O)."""
        return (input_shape[0], -(-self.height // self.strides[0]), -(-self.width // self.strides[1]), self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return what the constructor takes, for saving."""
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "bfloat16": self.bfloat16,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
        }


def folds(n: int, o: int, k: int, s: int) -> bool:
    """Return whether the windows of one axis repeat, and meet fewer pixels than they have taps."""
    found = columns(n, o, k, s)
    return found is not None and found.pixel.shape[1] < k and np.shape(rows(n, o, k, s).pixel)[1] < k
