"""Which of a port's steps make up which layer of the document: by order and kind, and by name where a name map is given.

Every way to cut the port's chain into one run of steps for each layer has a price; the cheapest is taken. What is natural is
free: padding, transposing, a bias or an activation of its own beside their layer; no step at all for what is nothing at
inference. What is a guess costs, what must be wrong costs more, and is reported: a layer without steps, a step without a layer.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from alexnet_ref.candidates.layout import Shape, channels_first
from alexnet_ref.candidates.step import Step
from reference import Architecture, Conv, Dense, Dropout, Flatten, InvalidInput, Layer, ReLU, Softmax, layer_shapes
from reference.layers import Activation
from reference.shapes import layer_inputs, param_shapes

WRONG = 20.0  # a layer without steps, a step without a layer
STEPS = 400  # of a port at most: the documents have 21 layers, and the price of cutting grows with the square
MISNAMED = 100.0  # against a name that the user gave, or that is the document's
ODD = 3.0  # a shape, a number of weights or an activation that is not the document's
GUESS = 1.0  # a step that no word describes


@dataclass(frozen=True, kw_only=True)
class Block:
    """A run of steps and the layers that it computes: one as a rule, several where nothing can be seen between them, or none."""

    layers: tuple[str, ...]
    first: int  # steps first … last; last < first: no step
    last: int


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """How a port is cut. `architecture` is the document's, with an activation merged into its layer where the port does so."""

    architecture: Architecture
    blocks: tuple[Block, ...]
    price: float

    @property
    def natural(self) -> bool:
        """Whether nothing had to be guessed, nothing is missing and nothing left over."""
        return self.price < GUESS


def pair(
    architecture: Architecture, steps: Sequence[Step], names: Mapping[str, str] | None = None, *, own_names: bool = True
) -> Pairing:
    """Cut the steps into blocks. names: {document's layer: name of the step that ends it}, from the user.

    `own_names`: whether a step that is called as a layer of the document is meant to be that layer.

    InvalidInput: a name that neither of the two sides has.
    """
    if len(steps) > STEPS:
        raise InvalidInput("the port has too many steps to be paired", expected=f"at most {STEPS}", received=str(len(steps)))
    _check_names(architecture, steps, names or {})
    pairings = [_cut(merged, steps, names or {}, own_names=own_names) for merged in _merged(architecture, steps)]
    return min(pairings, key=lambda pairing: pairing.price)


def _check_names(architecture: Architecture, steps: Sequence[Step], names: Mapping[str, str]) -> None:
    there = {step.name for step in steps}
    for layer, step in names.items():
        architecture[layer]  # InvalidInput, with the names that there are
        if step not in there:
            expected = "one of " + ", ".join(sorted(there))
            raise InvalidInput("the port has no such step", where=f"name map: {layer}", expected=expected, received=step)


def _merged(architecture: Architecture, steps: Sequence[Step]) -> list[Architecture]:
    """Return the network as documented, and with activations merged into their layers, if the port has as many layers so."""
    fused = sum(isinstance(step.means, (Conv, Dense)) and step.means.activation is not None for step in steps)
    layers: list[Layer] = []
    for layer in architecture.layers:
        last = layers[-1] if layers else None
        activation = _activation(layer)
        words = ("relu",) if isinstance(last, Conv) else ("relu", "softmax")
        if isinstance(last, (Conv, Dense)) and last.activation is None and activation in words:
            layers[-1] = replace(last, activation=activation)  # type: ignore[arg-type]  # refused where a layer has no such word
        else:
            layers.append(layer)
    both = [architecture, replace(architecture, layers=tuple(layers))]
    return both if fused and len(layers) < len(architecture.layers) else both[:1]


def _activation(layer: Layer) -> Activation | None:
    match layer:
        case ReLU():
            return "relu"
        case Softmax():
            return "softmax"
        case _:
            return None


def _cut(architecture: Architecture, steps: Sequence[Step], names: Mapping[str, str], *, own_names: bool) -> Pairing:
    """Return the cheapest cut."""
    prices = _Prices(architecture, steps, names, own_names=own_names)
    n, m = len(architecture.layers), len(steps)

    @functools.cache
    def best(i: int, j: int) -> tuple[float, tuple[Block, ...]]:
        """Return the cheapest cut of the layers from i and the steps from j."""
        if (i, j) == (n, m):
            return 0.0, ()
        options: list[tuple[float, tuple[int, ...], int]] = []
        if i < n:
            options.extend((prices.one(i, j, stop), (i,), stop) for stop in range(j, prices.reach(j, 2) + 1))
        if j < m:  # a step of no layer; of two that stand in each other's place, the document's first is the missing one
            options.append((WRONG + prices.named(j), (), j + 1))
        for stop in range(j + 1, prices.reach(j, 0) + 1):
            options.extend((prices.several(i, k, j, stop), tuple(range(i, i + k)), stop) for k in range(2, n - i + 1))
        found: list[tuple[float, tuple[Block, ...]]] = []
        for price, taken, stop in options:
            if price < math.inf:
                rest, blocks = best(i + len(taken), stop)
                layers = tuple(architecture.layers[k].name for k in taken)
                found.append((price + rest, (Block(layers=layers, first=j, last=stop - 1), *blocks)))
        return min(found, key=lambda option: option[0])  # there is always one: no steps for a layer, no layer for a step

    price, blocks = best(0, 0)
    return Pairing(architecture=architecture, blocks=blocks, price=price)


class _Prices:
    """What it costs to take a run of steps for a layer."""

    def __init__(self, architecture: Architecture, steps: Sequence[Step], names: Mapping[str, str], *, own_names: bool) -> None:
        self.layers, self.steps = architecture.layers, steps
        self.shapes, inputs = layer_shapes(architecture), layer_inputs(architecture)
        self.params = {
            layer.name: sum(map(math.prod, param_shapes(layer, inputs[layer.name]).values())) for layer in architecture.layers
        }
        # Where a name is the document's own, it is meant.
        called = {step.name for step in steps} if own_names else set()
        own = {layer.name: layer.name for layer in architecture.layers if layer.name in called}
        self.meant = {step: layer for layer, step in (own | dict(names)).items()}
        self.ends = dict(names)

    def reach(self, j: int, layers: int) -> int:
        """Return where a run from step j must stop if it may hold so many recognised layers."""
        seen = 0
        for stop in range(j, len(self.steps)):
            seen += isinstance(self.steps[stop].means, get_args(Layer))
            if seen > layers:
                return stop
        return len(self.steps)

    def named(self, j: int) -> float:
        """Return the price of leaving step j to no layer."""
        return MISNAMED if self.steps[j].name in self.ends.values() else 0.0

    def one(self, i: int, first: int, stop: int) -> float:
        """Return the price of steps first … stop − 1 for layer i alone; infinite where they are another's."""
        layer, run = self.layers[i], self.steps[first:stop]
        if not run:
            named = MISNAMED if layer.name in self.meant.values() else 0.0
            return named + (0.01 if isinstance(layer, (Dropout, Flatten)) else WRONG)
        price = self._names(layer, run) + self._shape(layer, run[-1])
        cores = [step for step in run if not isinstance(step.means, (str, type(None)))]
        unknown = [step for step in run if step.means is None]
        if not cores and not unknown:  # helpers alone are no layer, unless a layer is nothing but moving data, or nothing at all
            nothing = isinstance(layer, Dropout) and all(step.means == "identity" for step in run)
            moved = isinstance(layer, Flatten) and any(step.means == "reshape" for step in run)
            return price + (0.1 if moved else 0.02 if nothing else math.inf)
        price += self._cores(layer, cores, bool(unknown)) + self._unknown(first, stop, unknown)
        price += 2 * ODD if run[-1].means == "pad" else 0.0  # it is the next layer's, even where it makes up this one's shape
        if all(step.params is not None for step in run) and sum(step.params or 0 for step in run) != self.params[layer.name]:
            price += ODD if cores and self.params[layer.name] else 2 * ODD  # less than any weights where there are none
        return price

    def _names(self, layer: Layer, run: Sequence[Step]) -> float:
        strangers = sum(self.meant.get(step.name, layer.name) != layer.name for step in run)
        unended = layer.name in self.ends and run[-1].name != self.ends[layer.name]
        return MISNAMED * (strangers + unended)

    def _shape(self, layer: Layer, step: Step) -> float:
        if step.output_shape is None:
            return 0.0
        return 0.0 if _same_shape(step.output_shape, self.shapes[layer.name]) else ODD

    def _cores(self, layer: Layer, cores: Sequence[Step], others: bool) -> float:
        """Return the price of the recognised steps for this layer: its own kind first, then at most its activation."""
        if not cores:
            return 0.0
        own, *behind = [step.means for step in cores]
        if others and not behind and isinstance(layer, (Conv, Dense)) and isinstance(own, (ReLU, Softmax)):
            # The unknown step is the layer, written in another way, and this its activation.
            return 0.0 if _activation(own) == layer.activation else ODD
        if type(own) is not type(layer):
            meant = len(cores) == 1 and self.meant.get(cores[0].name) == layer.name
            return 2 * ODD if meant else math.inf  # the port calls it so: it shall be judged as what it is called
        if not isinstance(layer, (Conv, Dense)):
            return 0.0 if not behind else math.inf
        assert isinstance(own, (Conv, Dense))  # noqa: S101 - of the layer's type
        activations = [own.activation, *(_activation(step) for step in behind if not isinstance(step, (str, type(None))))]
        if len(activations) - 1 > 1 or None in activations[1:]:
            return math.inf
        received = activations[-1]
        # An unknown step behind may be the activation, written in another way.
        return 0.0 if received == layer.activation or (received is None and others) else ODD

    def _unknown(self, first: int, stop: int, unknown: Sequence[Step]) -> float:
        """Return the price of steps that no word describes: more if others follow or precede, whose border is then a guess."""
        if not unknown:
            return 0.0
        beside = [self.steps[k] for k in (first - 1, stop) if 0 <= k < len(self.steps)]
        loose = any(step.means is None and step.name not in self.meant for step in beside)
        return GUESS * len(unknown) + (GUESS if loose else 0.0)

    def several(self, i: int, count: int, first: int, stop: int) -> float:
        """Return the price of steps first … stop − 1, none of them known, for layers i … i + count − 1 together."""
        run, layers = self.steps[first:stop], self.layers[i : i + count]
        if all(step.means is not None for step in run):  # helpers alone
            return math.inf
        names = {layer.name for layer in layers}
        strangers = sum(self.meant.get(step.name, layers[-1].name) not in names for step in run)
        hidden = sum(step.name in self.meant and step is not run[-1] for step in run)
        hidden += self.meant.get(run[-1].name, layers[-1].name) != layers[-1].name  # a step of a layer's name ends that layer
        return 1.5 * GUESS * count + MISNAMED * (strangers + hidden) + self._shape(layers[-1], run[-1])


def _same_shape(shape: Shape, documented: Shape) -> bool:
    squeezed = [tuple(n for n in s if n != 1) for s in (shape, documented, channels_first(documented))]
    return squeezed[0] in squeezed[1:]
