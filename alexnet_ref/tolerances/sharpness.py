"""How sharp the allowances are: what they allow over what is observed, and the least fault that turns the verdict."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alexnet_ref.checks.check import Material, concept
from alexnet_ref.checks.dropout import check_dropout
from alexnet_ref.checks.impulses import check_impulses
from alexnet_ref.checks.lrn import check_lrn
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.checks.products import check_products
from alexnet_ref.tolerances.drawn import draw_images
from alexnet_ref.tolerances.faults import Fault, faults
from alexnet_ref.tolerances.implementation import Array, Implementation, LayerParams, oracle_in_float32
from alexnet_ref.tolerances.soundness import CHECKS
from reference import Architecture, Dropout, Flatten, Layer, init_params
from reference.forward import apply
from reference.shapes import Shape, layer_inputs

KINDS = ("probe", "isolated", "end_to_end", "bias", "variance")
# In the order in which they are tried: the cheapest first.
DESIGNED = (check_probes, check_products, check_lrn, check_impulses, check_dropout)
SMALLEST, LARGEST = -30, 0  # powers of two between which the least detected fault is sought


@dataclass(frozen=True, kw_only=True)
class Slack:
    """allowed/error of one layer by kind of check: at the worst element, or of the statistic. No entry: nothing is allowed."""

    layer: str
    concept: str
    slack: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Least:
    """The least power of two by which a parameter may be off and is found, and the check that finds it."""

    layer: str
    concept: str
    parameter: str
    size: float  # infinity: not found at any size
    check: str

    @property
    def found(self) -> bool:
        """Whether any size of it is found."""
        return math.isfinite(self.size)


def slack(architecture: Architecture, *, seed: int = 0, images: int = 4) -> list[Slack]:
    """Judge NumPy's float32 on real digits and on the probes; return the slack of each layer."""
    params = init_params(architecture, seed)
    x = draw_images(architecture, "real", images, np.random.default_rng(seed))
    candidate = Implementation(name="float32", architecture=architecture, weights=params, run=oracle_in_float32)
    material = Material(images=x, seed=seed, batch_size=images)
    found: dict[str, dict[str, float]] = {layer.name: {} for layer in architecture.layers}
    for check in (check for function in CHECKS for check in function(candidate, architecture, material)):
        if check.layer in found and check.ratio and check.kind in KINDS:
            found[check.layer][check.kind] = 1 / check.ratio
    return [Slack(layer=layer.name, concept=concept(layer), slack=found[layer.name]) for layer in architecture.layers]


def medians(rows: list[Slack]) -> dict[str, float]:
    """Return the median over layers of each kind's slack, over the layers that have one."""
    by_kind = {kind: [row.slack[kind] for row in rows if kind in row.slack] for kind in KINDS}
    return {kind: statistics.median(values) for kind, values in by_kind.items() if values}


def smallest_faults(architecture: Architecture) -> Iterator[Least]:
    """Yield, for each parameter of each layer, the least fault that the checks at designed probes find.

    Layers of one kind and shape behave alike: only the first of them is searched.
    """
    inputs, seen = layer_inputs(architecture), set()
    for layer in architecture.layers:
        key = (type(layer), inputs[layer.name], *(v for k, v in vars(layer).items() if k not in ("name", "place", "quotes")))
        if key in seen:
            continue
        seen.add(key)
        for fault in faults(layer, inputs[layer.name]):
            yield least(layer, inputs[layer.name], fault)


def least(layer: Layer, shape: Shape, fault: Fault) -> Least:
    """Bisect between the powers of two; a fault that is found is taken to be found at every greater size."""
    low, high, by = SMALLEST, LARGEST + 1, "none"
    while low < high:
        middle = (low + high) // 2
        if found := found_by(layer, shape, fault, 2.0**middle):
            high, by = middle, found
        else:
            low = middle + 1
    size = 2.0**high if high <= LARGEST else float("inf")
    return Least(layer=layer.name, concept=concept(layer), parameter=fault.parameter, size=size, check=by)


def found_by(layer: Layer, shape: Shape, fault: Fault, size: float) -> str | None:
    """Return the kind of the first check that rejects the layer with this fault, alone in a network; None where none does."""
    alone = alone_in_a_network(layer, shape)
    candidate = _Faulty(name="faulty", architecture=alone, weights={}, run=fault.port(size), fault=fault, size=size)
    material = Material(images=np.zeros((1, *alone.input_shape), np.float32))
    for function in DESIGNED:
        for check in function(candidate, alone, material):
            if check.layer == layer.name and check.status == "failed":
                return check.kind
    return None


def alone_in_a_network(layer: Layer, shape: Shape) -> Architecture:
    """Return the network of this layer only, behind a flatten where it takes vectors."""
    if len(shape) == 3:
        return Architecture(name="alone", input_shape=(shape[0], shape[1], shape[2]), layers=(layer,))
    return Architecture(name="alone", input_shape=(1, 1, shape[0]), layers=(Flatten(name="as_vector"), layer))


@dataclass(kw_only=True, eq=False)
class _Faulty(Implementation):
    """The implementation whose dropout may be faulty too: what it keeps, or by how much it multiplies that."""

    fault: Fault
    size: float

    def layer(self, name: str, x: Array, params: LayerParams | None = None, *, training: bool = False) -> Array:
        """Return one layer's output."""
        layer = self.architecture[name]
        if not (training and isinstance(layer, Dropout)):
            return super().layer(name, x, params)
        rate = self.fault.rate(self.size) if self.fault.rate else layer.rate
        factor = self.fault.scale(self.size) if self.fault.scale else 1.0
        mask = np.random.default_rng().random(x.shape, np.float32) >= rate
        return apply(layer, {}, x, mask=mask) * np.float32(factor)
