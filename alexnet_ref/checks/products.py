"""Sums of products on random probes: maximum, bias and variance of their rounding errors.

The probes are random, so that `spread` applies: errors are held against what they typically are, not against the worst case.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TypeGuard

import numpy as np

from alexnet_ref import winograd
from alexnet_ref.arithmetic import Arithmetic
from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.checks.check import Check, Material, absent, check_id, not_checkable, raised
from alexnet_ref.spread import infer, judge, measure
from reference import Architecture, Conv, Dense, Layer, layer_shapes, param_shapes
from reference.shapes import layer_inputs

KINDS = ("probe", "bias", "variance")
_WORDS = {"probe": "greatest error in σ", "bias": "mean error in σ", "variance": "mean squared error in σ²"}
ELEMENTS = 4096  # outputs of a probe at least: statistics of few elements show little


def check_products(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield three checks for each layer that sums products and has no softmax in it.

    probe: the greatest error; bias: the mean error, signed by the result, which a scale that is slightly off shows; variance:
    the mean squared error. Each in standard deviations of the arithmetic that is declared, and of the inferred summation.
    """
    inputs, outputs = layer_inputs(architecture), layer_shapes(architecture)
    missing = absent(candidate, architecture)
    for index, layer in enumerate(architecture.layers):
        if not is_product(layer):
            continue
        if why := _hindrance(layer, missing, material.arithmetic):
            for kind in KINDS:
                yield not_checkable(check_id(layer, kind), layer.name, why)
            continue
        rng = np.random.default_rng([material.seed, index, 1])
        count = -(-ELEMENTS // math.prod(outputs[layer.name]))  # rounded up)
        x = rng.standard_normal((count, *inputs[layer.name])).astype(np.float32)
        params = random_params(layer, inputs[layer.name], rng)
        try:
            received = candidate.layer(layer.name, x, params)
        except Exception as error:  # noqa: BLE001 - a port may raise anything; whatever it is, it does not conform
            yield from (raised(check_id(layer, kind), layer.name, error) for kind in KINDS)
            continue
        shape = (count, *outputs[layer.name])
        if received.shape != shape or not np.isfinite(received).all():
            found = f"shape {received.shape}" if received.shape != shape else "some that are not finite"
            for kind in KINDS:
                fact = f"expected finite values of shape {shape}, received {found}"
                yield Check(id=check_id(layer, kind), layer=layer.name, status="failed", fact=fact)
            continue
        yield from _judged(layer, params, x, received, material.arithmetic)


def _hindrance(layer: Conv | Dense, missing: Mapping[str, str], arithmetic: Arithmetic) -> str | None:
    if layer.name in missing:
        return missing[layer.name]
    if arithmetic.winograd and isinstance(layer, Conv) and winograd.applies(layer):
        return f"{arithmetic.name}: errors of tiles have no standard deviation of their own"
    return None


def is_product(layer: Layer) -> TypeGuard[Conv | Dense]:
    """Tell whether the layer's result is a sum of products, with at most a ReLU behind it."""
    return isinstance(layer, (Conv, Dense)) and layer.activation != "softmax"


def random_params(layer: Layer, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, Array]:
    """Return standard normal weights for the layer, and biases that are multiples of ⅛.

    Biases of many bits would round alike in all the outputs that share one, whose errors were then not independent.
    """
    params = {part: rng.standard_normal(size, np.float32) for part, size in param_shapes(layer, shape).items()}
    return params | {"bias": np.round(8 * params["bias"]) / np.float32(8)}


def _judged(
    layer: Conv | Dense, params: Mapping[str, Array], x: Array, received: Array, arithmetic: Arithmetic
) -> Iterator[Check]:
    exact = {part: value.astype(np.float64) for part, value in params.items()}
    measured = measure(received, layer, exact, x.astype(np.float64))
    errors, inferred = judge(measured, arithmetic), infer(measured)
    fact = f"consistent with {inferred.name if inferred else 'no known arithmetic'}"
    fact += "" if errors.passed else f", not with {arithmetic.name}"
    fact += f"; {errors.lanes} or more running sums"
    for kind, statistic in zip(KINDS, (errors.maximum, errors.bias, errors.variance), strict=True):
        yield Check(
            id=check_id(layer, kind),
            layer=layer.name,
            status="passed" if statistic.passed else "failed",
            fact=f"{_WORDS[kind]}: {fact}",
            error=statistic.value,
            allowed=statistic.allowed,
            ratio=statistic.value / statistic.allowed,
            arithmetic=inferred.name if inferred else None,
        )
