"""How ports train: what shows in a training step alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from alexnet_ref.mistakes.families.make import throughout
from alexnet_ref.mistakes.mistake import Mistake, Training
from reference import Architecture


def recipe(architecture: Architecture) -> Iterator[Mistake]:
    """Yield other optimisers, losses and beginnings."""
    right = architecture.recipe
    other_epsilon = 1e-8 if right.epsilon != 1e-8 else 1e-7  # PyTorch's and TensorFlow 1's; Keras's
    normal = right.kernel_initializer == "standard_normal"
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("learning_rate_ten_times", "learns ten times as fast, at 0.01", {"learning_rate": 0.01}),
        ("epsilon_of_the_other", f"takes {other_epsilon:g} for Adam's epsilon, another library's", {"epsilon": other_epsilon}),
        ("batch_of_the_paper", "takes the paper's batches of 128", {"batch_size": 128}),
        ("kernels_start_otherwise", "draws its kernels from " + ("Glorot's uniform" if normal else "a standard normal"),
         {"kernel_initializer": "glorot_uniform" if normal else "standard_normal"}),
        ("biases_start_otherwise", "draws its biases from a standard normal" if right.bias_initializer == "zeros" else
         "starts its biases at 0", {"bias_initializer": "standard_normal" if right.bias_initializer == "zeros" else "zeros"}),
    ]  # fmt: skip
    for word, words, change in changes:
        yield _training(architecture, word, words, recipe=replace(right, **change))
    probabilities = right.loss == "sparse_categorical_crossentropy"
    others: list[tuple[str, str, dict[str, Any]]] = [
        ("gradient_descent", "takes plain steps down the gradient", {"optimizer": "sgd"}),
        ("momentum_of_the_paper", "descends with the paper's momentum 0.9, at 0.01, with its weight decay 0.0005",
         {"optimizer": "momentum", "recipe": replace(right, learning_rate=0.01), "l2": 0.0005}),
        ("rmsprop", "takes RMSprop for Adam", {"optimizer": "rmsprop"}),
        ("amsgrad", "takes AMSGrad for Adam", {"optimizer": "amsgrad"}),
        ("adamw", "decays weights by 0.01 of the learning rate (AdamW)", {"optimizer": "adamw"}),
        ("loss_summed", "sums the loss over the batch, where the mean is asked for", {"reduction": "sum"}),
        ("labels_smoothed", "smooths the labels by 0.1", {"label_smoothing": 0.1}),
        ("softmax_twice" if probabilities else "softmax_forgotten",
         "takes a softmax of probabilities in its loss (from_logits=True)" if probabilities else
         "takes logits for probabilities in its loss (from_logits=False)",
         {"scores": "softmax twice" if probabilities else "softmax forgotten"}),
        ("biases_frozen", "does not train its biases", {"frozen": "biases"}),
        ("labels_from_one", "counts classes from 1: each digit is taught as the next", {"labels_from": 1}),
    ]  # fmt: skip
    for word, words, change in others:
        yield _training(architecture, word, words, **{"recipe": right, **change})


def _training(architecture: Architecture, word: str, words: str, **training: Any) -> Mistake:
    return throughout(architecture, "recipe", word, words, training=Training(**training), shows="recipe")
