"""LRN as sums of shifted arrays, compiled by XLA, with a gradient of its own. Imports TensorFlow.

    y_i = x_i · n_i^(−β)                                       n_i = bias + α · Σ_{|j−i| ≤ r} x_j²        x, y: (N, H, W, C)
    dx_i = dy_i · n_i^(−β) − 2αβ · x_i · Σ_{|j−i| ≤ r} q_j     q_j = dy_j · x_j · n_j^(−β−1)

Both windows are the sum of 2r + 1 slices of an array with r zeros on each side: XLA makes one or two passes of each direction,
where TensorFlow's own kernel for the gradient walks channel by channel with a power for each term of a window.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import tensorflow as tf

from alexnet_ref import layers


@keras.saving.register_keras_serializable(package="alexnet_ref.fast")
class LocalResponseNormalization(layers.LocalResponseNormalization):
    """The documented layer, computed as above."""

    def call(self, inputs: Any) -> Any:
        """Normalise inputs (N, H, W, C) over channels."""
        return _normalization(inputs.shape[-1], self.depth_radius, self.bias, self.alpha, self.beta)(inputs)


@cache
def _normalization(c: int, r: int, bias: float, alpha: float, beta: float) -> Any:
    """Return the function of x (N, H, W, c); one for all layers of the same numbers, so that it is traced once."""
    steps = {0.5: 2, 0.75: 4}.get(beta)  # n^(−β) is then a whole power of n^(−1/steps), and so is n^(−β−1)

    def window_sum(a: Any) -> Any:
        padded = tf.pad(a, ((0, 0), (0, 0), (0, 0), (r, r)))
        return tf.add_n([padded[..., d : d + c] for d in range(2 * r + 1)])

    def powers(kept: Any) -> tuple[Any, Any]:
        """Return n^(−β) and n^(−β−1) of what is kept of n: its root where that is one, else n itself."""
        if steps is None:
            return tf.pow(kept, -beta), tf.pow(kept, -beta - 1)
        power = _times(kept, round(beta * steps))
        return power, power * _times(kept, steps)

    def forward(x: Any) -> tuple[Any, Any]:
        n = bias + alpha * window_sum(x * x)
        kept = n if steps is None else tf.math.rsqrt(n if steps == 2 else tf.sqrt(n))
        return x * powers(kept)[0], kept

    def backward(x: Any, kept: Any, dy: Any) -> Any:
        power, next_power = powers(kept)
        return dy * power - 2 * alpha * beta * x * window_sum(dy * x * next_power)

    images = tf.TensorSpec((None, None, None, c), tf.float32)  # XLA compiles for each size that it meets
    forward = tf.function(forward, jit_compile=True, input_signature=[images])
    backward = tf.function(backward, jit_compile=True, input_signature=[images] * 3)

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow is untyped
    def normalize(x: Any) -> tuple[Any, Any]:
        y, kept = forward(x)
        return y, lambda dy: backward(x, kept, dy)

    return normalize


def _times(factor: Any, count: int) -> Any:
    product = factor
    for _ in range(count - 1):
        product = product * factor
    return product
