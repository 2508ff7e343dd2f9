"""The batch that a port is trained on: images, labels and weights, and what the port shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alexnet_ref.candidates import NotCheckable
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.candidates.trained import TrainedNetwork
from alexnet_ref.checks.check import Check, not_checkable, raised
from alexnet_ref.checks.output import drawn_weights
from alexnet_ref.compare import Comparison
from reference import Architecture, Conv, Dense, Dropout, Flatten, Layer, Resize, layer_shapes
from reference.gradients import logits_layers
from reference.losses import one_hot

IMAGES = 2
WHOLE, LOSS = "network.training", "network.loss"  # ids
Weights = Mapping[str, Mapping[str, Array]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """What the port is trained on, once."""

    x: Array  # (N, H, W, C) float32
    numbers: Array  # (N,) integers
    classes: int
    weights: Weights

    @property
    def one_hot(self) -> Array:
        """The labels as (N, K)."""
        return one_hot(self.numbers, self.classes, len(self.numbers), np.float32)


def trained_layers(architecture: Architecture) -> list[Layer]:
    """Return the layers that a gradient passes through and that do something to it: from the first with weights to the logits."""
    layers = list(logits_layers(architecture) or ())
    while layers and not isinstance(layers[0], (Conv, Dense)):
        del layers[0]
    return [layer for layer in layers if not isinstance(layer, (Resize, Dropout, Flatten))]


def weighted(architecture: Architecture) -> list[Layer]:
    """Return the layers with weights."""
    return [layer for layer in architecture.layers if isinstance(layer, (Conv, Dense))]


def drawn_batch(architecture: Architecture, seed: int) -> Batch:
    """Draw images of both signs, labels and weights."""
    rng = np.random.default_rng([seed, 7])
    classes = layer_shapes(architecture)[architecture.layers[-1].name][-1]
    return Batch(
        x=rng.uniform(-1, 1, (IMAGES, *architecture.input_shape)).astype(np.float32),
        numbers=rng.integers(classes, size=IMAGES),
        classes=classes,
        weights=drawn_weights(architecture, rng),
    )


def train(candidate: Any, architecture: Architecture, batch: Batch) -> TrainedNetwork | Check:
    """Train with labels in the document's form, or else, since a loss may be written for the other, in that."""
    forms = [batch.numbers, batch.one_hot]
    if architecture.recipe.loss == "softmax_cross_entropy_with_logits":
        forms.reverse()
    errors = []
    for labels in forms:
        try:
            trained: TrainedNetwork = candidate.training_step(batch.x, labels, batch.weights)
        except NotCheckable as error:
            return not_checkable(WHOLE, None, str(error))
        except Exception as error:  # noqa: BLE001 - a port may raise anything; whatever it is, it does not conform
            errors.append(error)
            continue
        # What gives out logits, as tf1_graph does, has no softmax that they could be the argument of.
        logits = trained.logits or architecture.recipe.loss == "softmax_cross_entropy_with_logits"
        return replace(trained, logits=logits)
    return raised(WHOLE, None, errors[0])


def worst(comparisons: Mapping[str, Comparison]) -> Comparison:
    """Return the worst, its fact beginning with what was compared."""
    what = max(comparisons, key=lambda name: _severity(comparisons[name]))
    return replace(comparisons[what], fact=f"{what}: {comparisons[what].fact}")


def _severity(comparison: Comparison) -> tuple[bool, bool, float]:
    return not comparison.passed, comparison.ratio is None, comparison.ratio or 0.0
