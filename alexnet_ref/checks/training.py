"""How a port trains: its loss, every layer's gradient, and its optimiser's steps; each fed what the port itself computed before.

So each mistake shows where it is made: a loss that is summed in the loss alone, a weight decay in the gradients of the kernels, another
epsilon in the steps. Dropout is off: whatever it keeps, the rest is held against the oracle. Weights are drawn so that every layer
shows itself (`output.drawn_weights`), as those with which tf1_graph begins saturate its softmax.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alexnet_ref import gradient_bounds, step_bounds
from alexnet_ref.arithmetic import FLOAT64, Arithmetic
from alexnet_ref.candidates import Candidate, NotCheckable
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.candidates.trained import FACTORS, TrainedNetwork
from alexnet_ref.checks.check import Check, Material, absent, check_id, compared, not_checkable, raised
from alexnet_ref.checks.output import drawn_weights
from alexnet_ref.compare import Comparison, compare
from reference import Architecture, Conv, Dense, Dropout, Flatten, Layer, MaxPool, Recipe, Resize, layer_shapes
from reference.adam import AdamState, adam_step
from reference.forward import apply
from reference.gradients import backward, logits_layers
from reference.losses import one_hot, softmax_cross_entropy_with_logits, sparse_categorical_crossentropy
from reference.ops import softmax_backward

IMAGES = 2
SAMPLE = 2**16  # elements of an array whose steps are looked at: an optimiser treats all elements of an array alike
WHOLE, LOSS = "network.training", "network.loss"
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
    yield _loss(trained, batch, material.arithmetic)
    yield from _gradients(candidate, architecture, trained, batch, material.arithmetic)
    if not trained.weights:
        return  # without an optimiser there is no loss either, which has been said
    rng = np.random.default_rng([material.seed, 8])
    for layer in _weighted(architecture):
        yield _step(layer, architecture.recipe, trained, batch.weights, rng, material.arithmetic)


def training_ids(architecture: Architecture) -> list[str]:
    """Return every id that `check_training` may give: `network.training` alone; or all, but for the steps where there are none."""
    gradients = [check_id(layer, "gradient") for layer in trained_layers(architecture)]
    steps = [check_id(layer, "step") for layer in _weighted(architecture)]
    return [WHOLE, LOSS, *gradients, *steps]


def trained_layers(architecture: Architecture) -> list[Layer]:
    """Return the layers that a gradient passes through and that do something to it: from the first with weights to the logits."""
    layers = list(logits_layers(architecture) or ())
    while layers and not isinstance(layers[0], (Conv, Dense)):
        del layers[0]
    return [layer for layer in layers if not isinstance(layer, (Resize, Dropout, Flatten))]


def _weighted(architecture: Architecture) -> list[Layer]:
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


def _whole(trained: TrainedNetwork, weights: Weights) -> Check:
    names = {f"{layer}'s {part}" for layer, parts in weights.items() for part in parts}
    missing = [name for name in sorted(names) if name not in _names(trained.gradients)]
    if missing:
        return Check(id=WHOLE, layer=None, status="failed", fact=f"not trained: {', '.join(missing)}")
    return Check(id=WHOLE, layer=None, status="passed", fact=f"all {len(names)} kernels and biases are trained")


def _names(weights: Weights) -> set[str]:
    return {f"{layer}'s {part}" for layer, parts in weights.items() for part in parts}


def _worst(comparisons: Mapping[str, Comparison]) -> Comparison:
    """Return the worst, its fact beginning with what was compared."""
    what = max(comparisons, key=lambda name: _severity(comparisons[name]))
    return replace(comparisons[what], fact=f"{what}: {comparisons[what].fact}")


def _severity(comparison: Comparison) -> tuple[bool, bool, float]:
    return not comparison.passed, comparison.ratio is None, comparison.ratio or 0.0


# ---- Loss ----------------------------------------------------------------------------------------------------------------


def _loss(trained: TrainedNetwork, batch: Batch, arithmetic: Arithmetic) -> Check:
    """Hold the loss, and its derivative with respect to the logits, against the document's, fed the port's own result."""
    if trained.loss is None:
        return not_checkable(LOSS, None, trained.why)
    y = list(trained.outputs.values())[-1].astype(np.float64)
    dy = list(trained.output_gradients.values())[-1] if trained.output_gradients else None
    if y.shape != (len(batch.numbers), batch.classes) or not np.isfinite(y).all() or dy is None or dy.shape != y.shape:
        fact = f"no loss can be taken from a result of shape {y.shape} with {int((~np.isfinite(y)).sum())} numbers not finite"
        return Check(id=LOSS, layer=None, status="failed", fact=fact)
    try:
        comparisons = (_from_logits if trained.logits else _from_probabilities)(trained.loss, y, dy, batch, arithmetic)
    except ValueError as error:  # InvalidInput: no probabilities
        return Check(id=LOSS, layer=None, status="failed", fact=str(error))
    return replace(compared(LOSS, "", _worst(comparisons)), layer=None)


def _from_logits(loss: float, z: Array, dz: Array, batch: Batch, arithmetic: Arithmetic) -> dict[str, Comparison]:
    labels = batch.one_hot.astype(np.float64)
    expected, expected_dz = softmax_cross_entropy_with_logits(z, labels)
    allowed, allowed_dz = step_bounds.cross_entropy(z, labels, np.zeros_like(z), arithmetic)
    return {
        "loss": compare(np.array(loss), np.array(expected), allowed),
        "its derivative by the logits": compare(dz, expected_dz, allowed_dz),
    }


def _from_probabilities(loss: float, p: Array, dp: Array, batch: Batch, arithmetic: Arithmetic) -> dict[str, Comparison]:
    """Compare −ln p and, since Keras divides bare probabilities by their sum (`reference.losses`), the derivative by the logits.

    p and their sum, which is 1 but for (K + 2)·u, are each rounded; so is the quotient; the logarithm is off by 4·u of itself.
    y·(dy − Σ dy·y) of dp, computed here in float64, passes on dp's own roundings: those, one division and the sum's.
    """
    u, k = arithmetic.u + FLOAT64.u, p.shape[-1]
    expected, _ = sparse_categorical_crossentropy(p, batch.numbers)
    dz = (p - batch.one_hot) / len(p)
    each = (2 * k + 6) * u + 4 * u * np.abs(np.log(p[np.arange(len(p)), batch.numbers]))
    own = dp.astype(np.float64)
    spread = p * (np.abs(own) + (np.abs(own) * p).sum(axis=-1, keepdims=True))
    return {
        "loss": compare(np.array(loss), np.array(expected), float(each.mean()) + (len(p) + 1) * u * expected),
        "its derivative by the logits": compare(softmax_backward(p, own), dz, (2 * k + 6) * u * spread + arithmetic.tiny),
    }


# ---- Gradients -------------------------------------------------------------------------------------------------------------


def _gradients(
    candidate: Candidate, architecture: Architecture, trained: TrainedNetwork, batch: Batch, arithmetic: Arithmetic
) -> Iterator[Check]:
    """Yield a check for each layer: fed the port's own input, output and dL/doutput, its dL/dinput, dL/dkernel and dL/dbias."""
    layers = (logits_layers(architecture) if trained.logits else None) or architecture.layers
    checked = {layer.name for layer in trained_layers(architecture)}
    missing = absent(candidate, architecture)
    names = list(trained.outputs)
    unseen: list[Layer] = []
    for layer in layers:
        check = check_id(layer, "gradient")
        if layer.name in missing or layer.name not in trained.outputs:
            unseen.append(layer)
            if layer.name in checked:
                yield not_checkable(check, layer.name, missing.get(layer.name, "the candidate has no such layer"))
            continue
        before, unseen = unseen, []
        if layer.name not in checked:
            continue
        if any(not isinstance(each, (Dropout, Flatten)) for each in before):
            yield not_checkable(check, layer.name, "what it is fed does not show")
            continue
        place = names.index(layer.name)
        x = trained.outputs[names[place - 1]] if place else batch.x
        dx = trained.output_gradients.get(names[place - 1]) if place else None
        if any(isinstance(each, Flatten) for each in before):
            x, dx = x.reshape(len(x), -1), None if dx is None else dx.reshape(len(dx), -1)
        yield _gradient(layer, batch.weights.get(layer.name, {}), x, dx, trained, arithmetic)


def _gradient(
    layer: Layer, weights: Mapping[str, Array], x: Array, dx: Array | None, trained: TrainedNetwork, arithmetic: Arithmetic
) -> Check:
    check = check_id(layer, "gradient")
    y, dy = trained.outputs[layer.name], trained.output_gradients.get(layer.name)
    received = dict(trained.gradients.get(layer.name, {}))
    if missing := [part for part in weights if part not in received]:
        return Check(id=check, layer=layer.name, status="failed", fact=f"its {' and '.join(missing)} has no gradient")
    if dy is None or not all(np.isfinite(array).all() for array in (x, y, dy)):
        return not_checkable(check, layer.name, "it is fed no finite numbers")
    own = {part: value.astype(np.float64) for part, value in weights.items()}
    x, y, dy = (array.astype(np.float64) for array in (x, y, dy))
    try:
        if apply(layer, own, x[:1]).shape[1:] != y.shape[1:] or dy.shape != y.shape:
            return not_checkable(check, layer.name, f"its output has the shape {y.shape[1:]}, not the document's")
        expected_dx, expected = backward(layer, own, x, y, dy)
        allowed_dx, allowed = gradient_bounds.allowed(
            layer, own, x, y, dy, arithmetic=arithmetic, differences=_ties(x, y, dy) if isinstance(layer, MaxPool) else None
        )
    except ValueError as error:  # InvalidInput, or shapes that do not fit
        return not_checkable(check, layer.name, f"its input is not the document's: {error}")
    comparisons = {f"dL/d{part}": compare(received[part], expected[part], allowed[part]) for part in weights}
    if dx is not None:
        comparisons["dL/dinput"] = compare(dx, expected_dx, allowed_dx)
    if not comparisons:
        return not_checkable(check, layer.name, "no gradient of its shows")
    return compared(check, layer.name, _worst(comparisons))


def _ties(x: Array, y: Array, dy: Array) -> gradient_bounds.Differences:
    """Put equal maxima, such as the zeros of a closed ReLU, in doubt, and nothing else: each framework takes its own first."""
    return gradient_bounds.Differences(x=np.full_like(x, FLOAT64.tiny), y=np.zeros_like(y), dy=np.zeros_like(dy))


# ---- Steps -----------------------------------------------------------------------------------------------------------------


def _step(
    layer: Layer, recipe: Recipe, trained: TrainedNetwork, weights: Weights, rng: np.random.Generator, arithmetic: Arithmetic
) -> Check:
    """Hold the optimiser's steps against Adam's, fed the port's own gradients and, from the second on, its own weights."""
    check = check_id(layer, "step")
    comparisons = {}
    for part, start in weights[layer.name].items():
        gradient = trained.gradients.get(layer.name, {}).get(part)
        if gradient is None:
            continue  # the gradient's check says so
        pick = rng.integers(start.size, size=SAMPLE) if start.size > SAMPLE else np.arange(start.size)
        g = gradient.ravel()[pick].astype(np.float64)
        after = [each.get(layer.name, {}).get(part, np.empty(0)).ravel() for each in trained.weights]
        if not np.isfinite(g).all() or any(each.size != start.size for each in after):
            return not_checkable(check, layer.name, "its gradient is not finite, or its weights do not show")
        comparisons |= _adam(part, start.ravel()[pick], g, [each[pick] for each in after], recipe, arithmetic)
    return compared(check, layer.name, _worst(comparisons)) if comparisons else not_checkable(check, layer.name, "not trained")


def _adam(
    part: str, theta: Array, g: Array, after: Sequence[Array], recipe: Recipe, arithmetic: Arithmetic
) -> dict[str, Comparison]:
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
