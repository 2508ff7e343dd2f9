"""Adam in one pass over each array. Imports TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="alexnet_ref.fast")
class Adam(keras.optimizers.Adam):  # type: ignore[misc]  # Keras is untyped
    """keras.optimizers.Adam with its update in one kernel.

        m ← m + (1 − β₁)·(g − m),   v ← v + (1 − β₂)·(g² − v),   θ ← θ − α_t · m / (√v + ε)

    TensorFlow's ResourceApplyAdam has the same ε beside the uncorrected √v. Keras makes eleven passes of it.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one tf.Variable and its two moments; as Keras does where the kernel cannot."""
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices) or tf.distribute.has_strategy():
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=tf.cast(self.beta_1, variable.dtype),
            beta2=tf.cast(self.beta_2, variable.dtype),
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=gradient,
        )
