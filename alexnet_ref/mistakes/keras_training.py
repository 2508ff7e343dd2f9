"""A mistake's training in Keras: its optimiser and loss. Imports TensorFlow: import it late."""

from __future__ import annotations

from typing import Any, assert_never

import keras
import tensorflow as tf

from alexnet_ref.mistakes.mistake import Training


def compiled(model: Any, training: Training) -> Any:
    """Return the model compiled as the mistake trains it; labels are integers for both networks."""
    for layer in model.layers:
        if getattr(layer, "kernel", None) is None:
            continue
        if training.l2:
            layer.kernel.regularizer = keras.regularizers.L2(training.l2 / 2)
        if training.frozen == "biases":
            layer.bias.trainable = False
    model.compile(optimizer=optimizer(training), loss=loss(training), metrics=["accuracy"])
    return model


def optimizer(training: Training) -> Any:
    """Return the Keras optimiser."""
    a, epsilon = training.recipe.learning_rate, training.recipe.epsilon
    betas = {"beta_1": training.beta_1, "beta_2": training.beta_2, "epsilon": epsilon}
    match training.optimizer:
        case "adam":
            return keras.optimizers.Adam(a, **betas)
        case "amsgrad":
            return keras.optimizers.Adam(a, **betas, amsgrad=True)
        case "adamw":
            return keras.optimizers.AdamW(a, weight_decay=0.01, **betas)
        case "sgd":
            return keras.optimizers.SGD(a)
        case "momentum":
            return keras.optimizers.SGD(a, momentum=0.9)
        case "rmsprop":
            return keras.optimizers.RMSprop(a, epsilon=epsilon)
        case _:
            assert_never(training.optimizer)


def loss(training: Training) -> Any:
    """Return the loss of (labels (N,), scores (N, K))."""
    probabilities = training.recipe.loss == "sparse_categorical_crossentropy"
    # A softmax of Keras's own leaves its logits on its result, and Keras's losses take them from there (`reference.losses`):
    # what takes a softmax twice has to take it from bare numbers.
    from_logits = {"right": not probabilities, "softmax twice": True, "softmax forgotten": False}[training.scores]
    inner = keras.losses.CategoricalCrossentropy(
        from_logits=from_logits, label_smoothing=training.label_smoothing, reduction=training.reduction
    )

    def value(labels: Any, scores: Any) -> Any:
        classes = scores.shape[-1]
        numbers = tf.math.floormod(tf.cast(tf.reshape(labels, (-1,)), tf.int32) + training.labels_from, classes)
        if training.scores == "softmax twice":
            scores = tf.identity(scores)
        return inner(tf.one_hot(numbers, classes), scores)

    return value
