"""The same correct runs and the same mistakes judged by other people's constants, and by ours.

Two ways of judging: *end to end*, the network's result on real digits with the document's initial weights, which is what most
people compare; and *layer by layer*, every layer's output against the oracle fed the same input, on the same digits. Ours is
judged in both ways on the same arrays, and once more as the tool is used, with its designed probes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from alexnet_ref import bounds
from alexnet_ref.checks.check import Material
from alexnet_ref.checks.impulses import check_impulses
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.checks.products import check_products
from alexnet_ref.compare import compare
from alexnet_ref.tolerances.drawn import DATA, Data, draw_images, draw_weights
from alexnet_ref.tolerances.implementation import Array, Implementation, LayerFunction, oracle_in_float32
from alexnet_ref.tolerances.mistakes import mistakes
from alexnet_ref.tolerances.orders import ORDERS, in_order
from alexnet_ref.tolerances.others import OTHERS
from alexnet_ref.tolerances.sharpness import alone_in_a_network
from reference import ARCHITECTURES, Architecture, Params, init_params
from reference.forward import apply, as_params
from reference.shapes import layer_inputs

OURS = "derived, this package"
WAYS = ("end to end", "layer by layer", "with designed probes")


@dataclass(kw_only=True)
class Score:
    """How often one judge called a correct run wrong, and a mistake right, in one way of judging."""

    false_alarms: int = 0
    correct: int = 0
    misses: int = 0
    mistakes: int = 0
    missed: list[str] = field(default_factory=list)


Scores = dict[tuple[str, str], Score]  # {(way of judging, judge): score}


def side_by_side(*, images: int = 4, seed: int = 0) -> Scores:
    """Judge every correct run and every mistake, of both networks."""
    scores: Scores = {}
    for architecture in ARCHITECTURES.values():
        for run, data, number in _correct_runs():
            rng = np.random.default_rng([seed, number])
            params, x = draw_weights(architecture, data, rng), draw_images(architecture, data, images, rng)
            for key, accepted in judge(architecture, params, x, run):
                score = scores.setdefault(key, Score())
                score.correct += 1
                score.false_alarms += not accepted
        params = init_params(architecture, seed)
        x = draw_images(architecture, "real", images, np.random.default_rng(seed))
        for mistake in mistakes(architecture):
            for key, accepted in judge(architecture, params, x, mistake.run, at=mistake.layer):
                score = scores.setdefault(key, Score())
                score.mistakes += 1
                score.misses += accepted
                if accepted:
                    score.missed.append(f"{architecture.name}, {mistake.layer}: {mistake.name}")
    return scores


def _correct_runs() -> Iterator[tuple[LayerFunction, Data, int]]:
    runs = [oracle_in_float32, *(in_order(order) for order in ORDERS if not order.winograd)]
    for number, (run, data) in enumerate((run, data) for run in runs for data in DATA):
        yield run, data, number


def judge(
    architecture: Architecture, params: Params, x: Array, run: LayerFunction, at: str | None = None
) -> Iterator[tuple[tuple[str, str], bool]]:
    """Yield ((way, judge), whether it accepts). `at` names the one layer that is wrong: the others need not be judged again."""
    port = Implementation(name="port", architecture=architecture, weights=params, run=run)
    outputs = port.outputs(x)
    exact = as_params(architecture, params, np.float64)
    result = x.astype(np.float64)
    difference, fed = np.zeros_like(result), result
    layerwise = {other.name: True for other in OTHERS} | {OURS: True}
    for layer in architecture.layers:
        own = exact.get(layer.name, {})
        difference = bounds.carried(layer, own, result, difference, bounds.FLOAT32)
        result = apply(layer, own, result)
        received = outputs[layer.name]
        if at in (None, layer.name):
            expected = apply(layer, own, fed)
            allowed = bounds.allowed(layer, own, fed, bounds.FLOAT32)
            for other in OTHERS:
                layerwise[other.name] &= other.accepts(received, expected)
            layerwise[OURS] &= compare(received, expected, allowed).passed
        fed = received.astype(np.float64)
    last = outputs[architecture.layers[-1].name]
    for other in OTHERS:
        yield ("end to end", other.name), other.accepts(last, result)
    yield ("end to end", OURS), compare(last, result, difference).passed
    for name, accepted in layerwise.items():
        yield ("layer by layer", name), accepted
    yield ("with designed probes", OURS), layerwise[OURS] and _probed(architecture, port, at)


def _probed(architecture: Architecture, port: Implementation, at: str | None) -> bool:
    """Tell whether the probes accept the port; with `at`, that one layer's."""
    material = Material(images=np.zeros((1, *architecture.input_shape), np.float32))
    layers = [architecture[at]] if at else list(architecture.layers)
    inputs = layer_inputs(architecture)
    for layer in layers:
        alone = alone_in_a_network(layer, inputs[layer.name])
        single = Implementation(name="port", architecture=alone, weights={}, run=port.run)
        functions = (check_probes, check_products, check_impulses) if at else (check_probes, check_products)
        if any(check.status == "failed" for function in functions for check in function(single, alone, material)):
            return False
    return True
