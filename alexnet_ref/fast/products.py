"""Products of images or vectors with a kernel, and their gradients, in float32 or with bfloat16 factors. Imports TensorFlow.

    y = x·K        dx = (K·dyᵀ)ᵀ        dK = xᵀ·dy              x: (N, in), K: (in, out), y: (N, out)

dx is written so because TensorFlow's CPU library multiplies a large K by a narrow matrix three times as fast as a narrow matrix
by a large Kᵀ. With `bfloat16` the factors of each product are rounded to bfloat16, summed in float32, and the sums rounded to
bfloat16 again: TensorFlow's CPU kernels have no other result. Weights, element-wise work and Adam stay float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

PRODUCT = {False: tf.float32, True: tf.bfloat16}  # what factors and sums are stored as, by whether bfloat16 is wanted


def product(x: Any, kernel: Any, *, bfloat16: bool) -> Any:
    """Return x·K, float32, with the gradient above."""
    dtype = PRODUCT[bfloat16]

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow is untyped
    def multiply(x: Any, kernel: Any) -> tuple[Any, Any]:
        x, kernel = tf.cast(x, dtype), tf.cast(kernel, dtype)

        def gradient(dy: Any) -> tuple[Any, Any]:
            dy = tf.cast(dy, dtype)
            if bfloat16:  # whose library has no such weakness
                dx = tf.matmul(dy, kernel, transpose_b=True)
            else:
                # In a batch of one: TensorFlow would fold the inner transposition back into the product, a third slower.
                dx = tf.transpose(tf.matmul(kernel[None], tf.transpose(dy)[None])[0])
            return tf.cast(dx, tf.float32), tf.cast(tf.matmul(x, dy, transpose_a=True), tf.float32)

        return tf.cast(tf.matmul(x, kernel), tf.float32), gradient

    return multiply(x, tf.convert_to_tensor(kernel))


def bfloat16_convolution(x: Any, kernel: Any, *, strides: tuple[int, int]) -> Any:
    """Return the SAME convolution of x (N, H, W, C) with kernel (P, Q, C, O), its products as above: float32.

    The kernel's gradient is one product with all windows side by side: TensorFlow's own takes three times as long in bfloat16.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow is untyped
    def convolve(x: Any, kernel: Any) -> tuple[Any, Any]:
        x, kernel = tf.cast(x, tf.bfloat16), tf.cast(kernel, tf.bfloat16)

        def gradient(dy: Any) -> tuple[Any, Any]:
            dy = tf.cast(dy, tf.bfloat16)
            dx = tf.nn.conv2d_transpose(dy, kernel, tf.shape(x), strides, "SAME")
            rows = tf.reshape(_windows(x, kernel.shape[:2], strides), (-1, math.prod(kernel.shape[:3])))
            dkernel = tf.matmul(rows, tf.reshape(dy, (-1, kernel.shape[3])), transpose_a=True)
            return tf.cast(dx, tf.float32), tf.cast(tf.reshape(dkernel, kernel.shape), tf.float32)

        return tf.cast(tf.nn.conv2d(x, kernel, strides, "SAME"), tf.float32), gradient

    return convolve(x, tf.convert_to_tensor(kernel))


def _windows(x: Any, size: tuple[int, int], strides: tuple[int, int]) -> Any:
    """Return what each window of a SAME convolution meets, padding included: (N, I, J, P, Q, C)."""
    _, *image, c = x.shape
    pads, taps = [], []
    for n, k, s in zip(image, size, strides, strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        pads.append((total // 2, total - total // 2))
        taps.append(np.arange(-(-n // s))[:, None] * s + np.arange(k))
    x = tf.pad(x, ((0, 0), *pads, (0, 0)))
    x = tf.gather(tf.gather(x, taps[0].ravel(), axis=1), taps[1].ravel(), axis=2)  # (N, I·P, J·Q, C)
    (i, p), (j, q) = (positions.shape for positions in taps)
    return tf.transpose(tf.reshape(x, (-1, i, p, j, q, c)), (0, 1, 3, 2, 4, 5))
