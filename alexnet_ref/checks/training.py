"""How a port trains: its loss, every layer's gradient, its optimiser's steps; each fed what the port itself computed before.

So each mistake shows where it is made: a loss that is summed in the loss alone, a weight decay in the gradients of the kernels,
another epsilon in the steps. Dropout is off: whatever it keeps, the rest is held against the oracle. Weights are drawn so that
every layer shows itself (`output.drawn_weights`), as those with which tf1_graph begins saturate its softmax.
"""

from __future__ import annotations

from collections.abc import Iterator

from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.trained import TrainedNetwork
from alexnet_ref.checks.batch import LOSS, WHOLE, Weights, drawn_batch, train, trained_layers, weighted
from alexnet_ref.checks.check import Check, Material, check_id, not_checkable
from alexnet_ref.checks.gradients import check_gradients
from alexnet_ref.checks.losses import check_loss
from alexnet_ref.checks.optimizer import check_steps
from reference import Architecture


def check_training(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield whether the port trains all its weights, its loss, each layer's gradient, and each layer's optimiser step.

    One check that is not checkable, where it cannot be trained. See `training_ids` for the ids.
    """
    untrainable = getattr(candidate, "untrainable", None)
    why = "nothing of its training is shown" if untrainable is None else untrainable()
    why = why or ("" if trained_layers(architecture) else "the document's loss is not taken from logits")
    if why:
        yield not_checkable(WHOLE, None, why)
        return
    batch = drawn_batch(architecture, material.seed)
    trained = train(candidate, architecture, batch)
    if isinstance(trained, Check):
        yield trained
        return
    yield _whole(trained, batch.weights)
    yield check_loss(trained, batch, material.arithmetic)
    yield from check_gradients(candidate, architecture, trained, batch, material.arithmetic)
    if not trained.weights:
        return  # without an optimiser there is no loss either, which has been said
    yield from check_steps(architecture, trained, batch, material)


def training_ids(architecture: Architecture) -> list[str]:
    """Return every id that `check_training` may give: `network.training` alone, or all; steps only with an optimiser."""
    gradients = [check_id(layer, "gradient") for layer in trained_layers(architecture)]
    steps = [check_id(layer, "step") for layer in weighted(architecture)]
    return [WHOLE, LOSS, *gradients, *steps]


def _whole(trained: TrainedNetwork, weights: Weights) -> Check:
    names = {f"{layer}'s {part}" for layer, parts in weights.items() for part in parts}
    missing = [name for name in sorted(names) if name not in _names(trained.gradients)]
    if missing:
        return Check(id=WHOLE, layer=None, status="failed", fact=f"not trained: {', '.join(missing)}")
    return Check(id=WHOLE, layer=None, status="passed", fact=f"all {len(names)} kernels and biases are trained")


def _names(weights: Weights) -> set[str]:
    return {f"{layer}'s {part}" for layer, parts in weights.items() for part in parts}
