"""Each layer alone on inputs designed to let no mistake hide, with weights set for the purpose.

Real images hide errors: MNIST's grey is the same in all channels, initial biases are zero, later activations nearly vanish. A
probe is signed, different in every channel and non-symmetric in every direction. Where an exact result can be proved, it is
demanded: with integers so small that every partial sum is representable, no order of summation may change a single bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from alexnet_ref import bounds, winograd
from alexnet_ref.arithmetic import Arithmetic
from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.checks.check import Check, Material, absent, check_id, compared, not_checkable, raised
from alexnet_ref.compare import compare
from reference import (
    LRN,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
    ReLU,
    Resize,
    Softmax,
    param_shapes,
)
from reference.forward import apply
from reference.shapes import layer_inputs, never_negative

PROBE_IMAGES = 2  # two different ones show a mix-up of the batch axis
# Integers up to 2 are exact in every arithmetic, their products at most 4: K products and a bias stay below 4·K + 2, which for
# the greatest K of both documents, 4096, needs 15 of the 24 bits that float32 sums have.
INTEGER_LIMIT = 2


def check_probes(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield one check for each layer: `exact`, to the bit, where that is provable, `probe`, within its bound, elsewhere."""
    inputs = layer_inputs(architecture)
    missing = absent(candidate, architecture)
    zero_padded = {fact.name for fact in candidate.facts() if fact.zero_padded}
    for index, layer in enumerate(architecture.layers):
        kind = "exact" if is_exact(layer) else "probe"
        check = check_id(layer, kind)
        if layer.name in missing:
            yield not_checkable(check, layer.name, missing[layer.name])
            continue
        if kind == "exact" and (why := _inexact(layer, material.arithmetic)):
            yield not_checkable(check, layer.name, why)
            continue
        rng = np.random.default_rng([material.seed, index])
        x = probe_input(layer, inputs[layer.name], rng)
        if isinstance(layer, MaxPool) and layer.name in zero_padded and never_negative(architecture, layer):
            x -= x.min()  # the port's own zeros, put before a maximum of what follows a ReLU, are right there
        params = probe_params(layer, inputs[layer.name], rng)
        try:
            received = candidate.layer(layer.name, x, params)
        except Exception as error:  # noqa: BLE001 - a port may raise anything; whatever it is, it does not conform
            yield raised(check, layer.name, error)
            continue
        exact = {part: value.astype(np.float64) for part, value in params.items()}
        expected = apply(layer, exact, x.astype(np.float64))
        allowed = 0.0 if is_exact(layer) else bounds.allowed(layer, exact, x.astype(np.float64), material.arithmetic)
        yield compared(check, layer.name, compare(received, expected, allowed))


def is_exact(layer: Layer) -> bool:
    """Tell whether the probe's result is provably the same in every arithmetic: integers in, integers out."""
    match layer:
        case Conv() | MaxPool() | ReLU() | Flatten() | Dropout():
            return True
        case Dense(activation=activation):
            return activation != "softmax"
        case Resize() | LRN() | Softmax():
            return False


def _inexact(layer: Layer, arithmetic: Arithmetic) -> str | None:
    """Return why this arithmetic cannot be expected to keep the integers exact; None where it can."""
    if arithmetic.result:
        return f"{arithmetic.name} results have too few bits for exact sums"
    if arithmetic.winograd and isinstance(layer, Conv) and winograd.applies(layer):
        return f"{arithmetic.name} divides by 6 and 24 on the way"
    return None


def probe_input(layer: Layer, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return the designed input (PROBE_IMAGES, *shape) float32 for this layer."""
    full = (PROBE_IMAGES, *shape)
    match layer:
        case Conv() | Dense():
            return rng.integers(-INTEGER_LIMIT, INTEGER_LIMIT + 1, full).astype(np.float32)
        case LRN(depth_radius=radius, bias=bias, alpha=alpha):
            # alpha·Σa² ≈ bias, where the sum neither vanishes beside the bias nor drowns it: every hyperparameter shows.
            # Scales of 2^−3 … 2^3 around it, one for each image and pixel, show alpha, beta and bias apart.
            window = min(2 * radius + 1, shape[-1])
            scale = math.sqrt(bias / (alpha * window)) if alpha else 1.0
            spread = np.exp2(rng.uniform(-3, 3, (*full[:-1], 1)))
            return (rng.standard_normal(full) * scale * spread).astype(np.float32)
        case ReLU() | MaxPool() | Flatten() | Dropout():
            # Distinct values of both signs, in random places: every one tells where it went.
            return (rng.permutation(math.prod(full)).reshape(full) - math.prod(full) // 2).astype(np.float32)
        case Resize() | Softmax():
            return rng.standard_normal(full).astype(np.float32)


def probe_params(layer: Layer, shape: tuple[int, ...], rng: np.random.Generator) -> Mapping[str, Array]:
    """Return small integer weights for the layer, biases of both signs among them; none for a layer without weights.

    Before a softmax they are scaled so that the scores are near ±1, where every one of them shows in every probability.
    """
    shapes = param_shapes(layer, shape)
    params = {part: rng.integers(-INTEGER_LIMIT, INTEGER_LIMIT + 1, size).astype(np.float32) for part, size in shapes.items()}
    if params and not is_exact(layer):
        typical = 2 * math.sqrt(math.prod(shapes["kernel"][:-1]))  # of −2 … 2, the mean square is 2
        params["kernel"] /= np.float32(typical)
    return params
