"""Mistakes of the recipe, told by a batch: each predicts a loss, which parts are trained, and what the optimiser's steps make."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from alexnet_ref.arithmetic import FLOAT32
from alexnet_ref.bounds import confidence
from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.trained import FACTORS, TrainedNetwork
from alexnet_ref.checks import Check, Material
from alexnet_ref.checks.batch import Batch, drawn_batch, train
from alexnet_ref.diagnosis.diagnosis import Array, Diagnosis, Hypothesis
from alexnet_ref.diagnosis.explained import explained
from alexnet_ref.mistakes.arrays import training as numpy_training
from alexnet_ref.mistakes.catalogue import mistakes
from alexnet_ref.mistakes.mistake import Mistake, Training
from reference import Architecture
from reference.ops import softmax

ELEMENTS = 256  # of each part whose steps are looked at
KINDS = {"training", "loss", "gradient", "step"}  # of the checks of training
Deviation = tuple[float, float]  # (error/allowed, relative error)


def training(candidate: Candidate, material: Material) -> Diagnosis | None:
    """Return what is wrong with the recipe, trained on one batch again; None where that shows the document's, or nothing."""
    architecture = candidate.architecture
    batch = drawn_batch(architecture, material.seed)
    trained = train(candidate, architecture, batch)
    if isinstance(trained, Check):
        return None
    documented, found = explanations(architecture, mistakes(architecture), trained, batch)
    if documented.explains:  # a wrong gradient of one layer is no recipe's: its check has said so
        return None
    return explained(None, documented, found, right_line(architecture), None)


def explanations(
    architecture: Architecture, catalogue: Sequence[Mistake], trained: TrainedNetwork, batch: Batch
) -> tuple[Hypothesis, tuple[Hypothesis, ...]]:
    """Return the document's recipe as a hypothesis, and those of the catalogue that one batch can show, best first."""
    documented = _judged("none", "the document's recipe", Training(recipe=architecture.recipe), trained, batch)
    found = [
        _judged(mistake.id, mistake.words, mistake.training, trained, batch)
        for mistake in catalogue
        if mistake.training is not None and shows(mistake.training, architecture)
    ]
    return documented, tuple(sorted(found, key=lambda h: (not h.explains, h.residual)))


def right_line(architecture: Architecture) -> str:
    """Return how a Keras model is compiled rightly."""
    recipe = architecture.recipe
    loss = {
        "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy(from_logits=False)",
        "softmax_cross_entropy_with_logits": "CategoricalCrossentropy(from_logits=True)",
    }[recipe.loss]
    optimizer = f"keras.optimizers.Adam({recipe.learning_rate:g}, epsilon={recipe.epsilon:g})"
    return f"Compile it as model.compile(optimizer={optimizer}, loss=keras.losses.{loss})."


def shows(training: Training, architecture: Architecture) -> bool:
    """Tell whether it is more than other batches or another beginning, of which one batch shows nothing."""
    own = architecture.recipe
    begun = {"batch_size": own.batch_size, "kernel_initializer": own.kernel_initializer, "bias_initializer": own.bias_initializer}
    return replace(training, recipe=replace(training.recipe, **begun)) != Training(recipe=own)  # type: ignore[arg-type]  # its fields


def _judged(mistake: str, words: str, training: Training, trained: TrainedNetwork, batch: Batch) -> Hypothesis:
    deviations = [*_parts(training, trained, batch), _loss(training, trained, batch), *_steps(training, trained, batch)]
    ratio, residual = (max(values) for values in zip(*deviations, strict=True))
    return Hypothesis(mistake=mistake, words=words, ratio=ratio, residual=residual)


def _parts(training: Training, trained: TrainedNetwork, batch: Batch) -> Iterator[Deviation]:
    for layer, parts in batch.weights.items():
        for part in parts:
            frozen = training.frozen == "biases" and part == "bias"
            yield (math.inf, 1.0) if (part in trained.gradients.get(layer, {})) == frozen else (0.0, 0.0)


def _loss(training: Training, trained: TrainedNetwork, batch: Batch) -> Deviation:
    """Hold the loss against what the mistake makes of the port's own result, and of the weights that decay.

    Each image's logits round, then K exponentials, their sum and its logarithm; a sum of squares as any sum of products.
    """
    if trained.loss is None:
        return 0.0, 0.0
    z = list(trained.outputs.values())[-1].astype(np.float64)
    probabilities = training.recipe.loss == "sparse_categorical_crossentropy"
    expected = numpy_training.loss(training, softmax(z) if probabilities and trained.logits else z, batch.numbers)
    count = len(z) if training.reduction == "sum" else 1
    allowed = FLOAT32.u * (count * (4 * np.abs(z).max() + 4 * z.shape[1] + 64) + 4 * abs(expected))
    if training.l2:
        for parts in batch.weights.values():
            squares = training.l2 / 2 * float((parts["kernel"].astype(np.float64) ** 2).sum())
            expected += squares
            allowed += confidence(1) * math.sqrt(parts["kernel"].size + 1) * FLOAT32.u * squares
    error = abs(trained.loss - expected)
    # A logarithm that meets a negative number says that this was not what was computed.
    return (error / allowed, error / abs(expected)) if math.isfinite(error) else (math.inf, 1.0)


def _steps(training: Training, trained: TrainedNetwork, batch: Batch) -> Iterator[Deviation]:
    """Hold each step against the mistake's optimiser, fed the port's own gradients and weights."""
    for layer, parts in trained.gradients.items():
        for part, gradient in parts.items():
            places = np.linspace(0, gradient.size - 1, min(ELEMENTS, gradient.size)).astype(int)
            g, theta = (array.ravel()[places].astype(np.float64) for array in (gradient, batch.weights[layer][part]))
            state = numpy_training.start(theta)
            for factor, after in zip(FACTORS, trained.weights, strict=False):
                expected, state = numpy_training.step(training, theta, factor * g, state)
                received = after[layer][part].ravel()[places].astype(np.float64)
                yield _step(theta, expected, received)
                theta = received


def _step(theta: Array, expected: Array, received: Array) -> Deviation:
    """Compare: 16 operations, and the sum with theta; 1 − β₂ and 1 − β₂^t are differences of rounded numbers near 1."""
    moved = np.abs(expected - theta)
    allowed = FLOAT32.u * (np.abs(theta) + np.abs(expected) + (16 + 2 / 0.001) * moved) + FLOAT32.tiny
    error = np.abs(received - expected)
    return float((error / allowed).max()), float(np.sqrt((error**2).sum() / ((moved**2).sum() + FLOAT32.tiny)))
