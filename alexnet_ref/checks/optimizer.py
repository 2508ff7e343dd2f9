"""A port's optimiser, fed the port's own gradients and weights, against Adam."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alexnet_ref import step_bounds
from alexnet_ref.arithmetic import Arithmetic
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.candidates.trained import FACTORS, TrainedNetwork
from alexnet_ref.checks.batch import Batch, weighted, worst
from alexnet_ref.checks.check import Check, Material, check_id, compared, not_checkable
from alexnet_ref.compare import Comparison, compare
from reference import Architecture, Layer, Recipe
from reference.adam import AdamState, adam_step

SAMPLE = 2**16  # elements of an array whose steps are looked at: an optimiser treats all elements of an array alike


@dataclass(frozen=True, kw_only=True)
class Adam:
    """The document's optimiser, and what the port computes in."""

    recipe: Recipe
    arithmetic: Arithmetic

    def compared(self, part: str, theta: Array, g: Array, after: Sequence[Array]) -> dict[str, Comparison]:
        """Compare the weights after each step with Adam's."""
        recipe, arithmetic = self.recipe, self.arithmetic
        hyper = {"learning_rate": recipe.learning_rate, "epsilon": recipe.epsilon}
        state, bound = AdamState.start({"": {"": theta}}), step_bounds.AdamArray.start()
        comparisons = {}
        for place, (factor, received) in enumerate(zip(FACTORS, after, strict=True), start=1):
            exact = theta.astype(np.float64)
            expected, state = adam_step({"": {"": exact}}, {"": {"": factor * g}}, state, **hyper)
            allowed, bound = step_bounds.adam(exact, factor * g, np.zeros_like(g), bound, arithmetic=arithmetic, **hyper)
            comparisons[f"{part} after step {place}"] = compare(received, expected[""][""], allowed)
            theta = received
        return comparisons


def check_steps(architecture: Architecture, trained: TrainedNetwork, batch: Batch, material: Material) -> Iterator[Check]:
    """Yield a check for each layer with weights."""
    rng = np.random.default_rng([material.seed, 8])
    adam = Adam(recipe=architecture.recipe, arithmetic=material.arithmetic)
    for layer in weighted(architecture):
        yield _step(layer, adam, trained, batch.weights[layer.name], rng)


def _step(layer: Layer, adam: Adam, trained: TrainedNetwork, weights: Mapping[str, Array], rng: np.random.Generator) -> Check:
    """Hold the optimiser's steps against Adam's, fed the port's own gradients and, from the second on, its own weights."""
    check = check_id(layer, "step")
    comparisons: dict[str, Comparison] = {}
    for part, start in weights.items():
        gradient = trained.gradients.get(layer.name, {}).get(part)
        if gradient is None:
            continue  # the gradient's check says so
        pick = rng.integers(start.size, size=SAMPLE) if start.size > SAMPLE else np.arange(start.size)
        g = gradient.ravel()[pick].astype(np.float64)
        after = [each.get(layer.name, {}).get(part, np.empty(0)).ravel() for each in trained.weights]
        if not np.isfinite(g).all() or any(each.size != start.size for each in after):
            return not_checkable(check, layer.name, "its gradient is not finite, or its weights do not show")
        comparisons |= adam.compared(part, start.ravel()[pick], g, [each[pick] for each in after])
    return compared(check, layer.name, worst(comparisons)) if comparisons else not_checkable(check, layer.name, "not trained")
