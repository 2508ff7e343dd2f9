"""What a mistake's training computes, in NumPy and float64: its loss, and its optimiser's step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.mistakes.mistake import Training

Array = NDArray[Any]


def loss(training: Training, scores: Array, labels: Array) -> float:
    """Return the loss of `scores` (N, K), what the network gives out, for integer labels (N,), without the kernels' decay.

    Keras clips bare probabilities to 1e-7 … 1 − 1e-7 and divides them by their sum; logits taken for probabilities meet the same.
    """
    k = scores.shape[1]
    target = np.eye(k)[(labels + training.labels_from) % k]  # (N, K)
    target = target * (1 - training.label_smoothing) + training.label_smoothing / k
    probabilities = training.recipe.loss == "sparse_categorical_crossentropy"
    match training.scores:
        case "right":
            p = scores if probabilities else _softmax(scores)
        case "softmax twice":
            p = _softmax(scores)
        case "softmax forgotten":
            with np.errstate(divide="ignore", invalid="ignore"):  # logits may add up to anything
                p = np.clip(scores / scores.sum(axis=1, keepdims=True), 1e-7, 1 - 1e-7)
        case _:
            assert_never(training.scores)
    each = -(target * np.log(p)).sum(axis=1)  # (N,)
    return float(each.sum() if training.reduction == "sum" else each.mean())


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    y: Array = e / e.sum(axis=1, keepdims=True)
    return y


@dataclass(frozen=True, kw_only=True)
class State:
    """What an optimiser remembers of one parameter after t steps."""

    t: int
    m: Array
    v: Array
    largest: Array  # AMSGrad's


def start(theta: Array) -> State:
    """Return the state before the first step."""
    zero = np.zeros(np.shape(theta))
    return State(t=0, m=zero, v=zero, largest=zero)


def step(training: Training, theta: Array, g: Array, state: State) -> tuple[Array, State]:
    """Return (theta, state) after one step down the gradient g, as Keras's optimisers define it.

    Momentum: m ← 0.9·m − a·g, θ ← θ + m. RMSprop: v ← 0.9·v + 0.1·g², θ ← θ − a·g/√(v + ε). Adam as in `reference.adam`;
    AMSGrad takes the largest v so far; AdamW first takes a·0.01·θ from θ.
    """
    a, epsilon, t = training.recipe.learning_rate, training.recipe.epsilon, state.t + 1
    b1, b2 = training.beta_1, training.beta_2
    m, v, largest = state.m, state.v, state.largest
    match training.optimizer:
        case "sgd":
            theta = theta - a * g
        case "momentum":
            m = 0.9 * m - a * g
            theta = theta + m
        case "rmsprop":
            v = 0.9 * v + 0.1 * g**2
            theta = theta - a * g / np.sqrt(v + epsilon)
        case "adam" | "amsgrad" | "adamw":
            if training.optimizer == "adamw":
                theta = theta - a * 0.01 * theta
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            largest = np.maximum(largest, v)
            corrected = a * math.sqrt(1 - b2**t) / (1 - b1**t)
            theta = theta - corrected * m / (np.sqrt(largest if training.optimizer == "amsgrad" else v) + epsilon)
        case _:
            assert_never(training.optimizer)
    return theta, State(t=t, m=m, v=v, largest=largest)
