"""Single impulses in, every weight out: a sum of one product is exact in every arithmetic and order.

The integer probes of `probes` see a weight among thousands, and not at all where it is 0. An input that is 1 at one place and 0
elsewhere leaves each output one weight and the bias: integers, none of them 0, equal to the bit however they are added up.
Before a softmax, weight and bias are no integers, and their sum, rounded twice, shows in the probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from alexnet_ref import bounds, winograd
from alexnet_ref.arithmetic import Arithmetic
from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.checks.check import Check, Material, absent, check_id, compared, not_checkable, raised
from alexnet_ref.checks.products import is_product
from alexnet_ref.compare import Comparison, compare
from reference import Architecture, Conv, Dense, Layer, Softmax, param_shapes
from reference.forward import apply
from reference.shapes import layer_inputs

KIND = "impulses"
# Weights of up to 6 bits, biases and sums of up to 8: exact in every arithmetic, bfloat16's results of 8 bits included.
LARGEST = 63
ELEMENTS = 2**21  # numbers that one call takes or returns at most: 8 MB, which are reused where more would be mapped anew


def check_impulses(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield one check for each layer that sums products: every weight that an input can reach is read back."""
    inputs = layer_inputs(architecture)
    missing = absent(candidate, architecture)
    for index, layer in enumerate(architecture.layers):
        if not isinstance(layer, (Conv, Dense)):
            continue
        check = check_id(layer, KIND)
        if layer.name in missing:
            yield not_checkable(check, layer.name, missing[layer.name])
            continue
        if material.arithmetic.winograd and isinstance(layer, Conv) and winograd.applies(layer):
            yield not_checkable(check, layer.name, f"{material.arithmetic.name} divides by 6 and 24 on the way")
            continue
        params = impulse_params(layer, inputs[layer.name], np.random.default_rng([material.seed, index, 2]))
        worst: Comparison | None = None
        try:
            for x in impulses(layer, inputs[layer.name]):
                expected, allowed = _expected(layer, params, x, material.arithmetic)
                result = compare(candidate.layer(layer.name, x, params), expected, allowed)
                worst = max(worst or result, result, key=_severity)
        except Exception as error:  # noqa: BLE001 - a port may raise anything; whatever it is, it does not conform
            yield raised(check, layer.name, error)
            continue
        assert worst is not None  # noqa: S101 - a layer has at least one input, so there was at least one batch
        yield compared(check, layer.name, worst)


def _expected(layer: Conv | Dense, params: Mapping[str, Array], x: Array, arithmetic: Arithmetic) -> tuple[Array, ArrayLike]:
    """Return what the layer must give for the impulses, and the allowed difference: none, or a softmax's."""
    if isinstance(layer, Conv):
        return apply(layer, {part: value.astype(np.float64) for part, value in params.items()}, x.astype(np.float64)), 0.0
    weights = params["kernel"][x.argmax(axis=-1)].astype(np.float64)  # the sum's only term
    bias = params["bias"].astype(np.float64)
    z = weights + bias  # (N, O)
    if layer.activation != "softmax":
        return z, 0.0  # positive, so that a ReLU changes nothing
    # The weight is rounded where factors are, then the product, and the sum with the bias; what adds zeros is exact.
    twice = arithmetic.operand * np.abs(weights) + 2 * arithmetic.accumulator * (np.abs(weights) + np.abs(bias))
    softmax = Softmax(name="softmax")
    return apply(softmax, {}, z), bounds.carried(softmax, {}, z, twice, arithmetic)


def _severity(comparison: Comparison) -> tuple[bool, bool, float]:
    return not comparison.passed, comparison.ratio is None, comparison.ratio or 0.0


def impulse_params(layer: Layer, shape: tuple[int, ...], rng: np.random.Generator) -> Mapping[str, Array]:
    """Return integer weights 1 … LARGEST of both signs, and biases above LARGEST: no sum is negative, and a ReLU hides nothing.

    Before a softmax: numbers of both signs between 1 and 2, of which a relative error shows in every probability.
    """
    if not is_product(layer):
        shapes = param_shapes(layer, shape)
        return {part: (rng.uniform(1, 2, n) * rng.choice([-1, 1], n)).astype(np.float32) for part, n in shapes.items()}
    drawn = {part: rng.integers(1, LARGEST + 1, size, np.uint8) for part, size in param_shapes(layer, shape).items()}
    params = {part: value.astype(np.float32) for part, value in drawn.items()}
    params["kernel"][rng.integers(5, size=params["kernel"].shape, dtype=np.uint8) == 0] *= -1
    params["bias"] += np.float32(LARGEST)
    return params


def impulses(layer: Conv | Dense, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield batches (N, *shape) float32 whose images are 1 at a few places that no window sees two of, 0 elsewhere."""
    if isinstance(layer, Conv):
        rows, columns = (_places(n, k, s) for n, k, s in zip(shape[:2], layer.kernel_size, layer.strides, strict=True))
        yield from _images(shape, rows, columns)
        return
    count = max(1, ELEMENTS // max(shape[0], layer.units))
    for start in range(0, shape[0], count):
        stop = min(start + count, shape[0])
        x = np.zeros((stop - start, shape[0]), np.float32)
        x[np.arange(stop - start), np.arange(start, stop)] = 1
        yield x


def _places(n: int, k: int, s: int) -> list[list[int]]:
    """Return groups of positions on one axis: those of a group may be 1 together, and all groups together show every tap.

    Tap p meets position h where h + before − p is a multiple of the stride: s positions, a step apart that is 1 more than a
    multiple of s and at least k, show all of them, if they keep k away from the borders. In small images, every position alone.
    """
    step = next(m for m in range(k, k + s + 1) if m % s == 1 % s)
    span = step * (s - 1) + 1
    if n >= span + 2 * k:
        first = (n - span) // 2
        return [[first + step * i for i in range(s)]]
    return [[h] for h in range(n)]


def _images(shape: tuple[int, ...], rows: list[list[int]], columns: list[list[int]]) -> Iterator[Array]:
    groups = [(i, j, c) for i in rows for j in columns for c in range(shape[2])]
    count = max(1, ELEMENTS // (4 * math.prod(shape)))
    for start in range(0, len(groups), count):
        batch = groups[start : start + count]
        x = np.zeros((len(batch), *shape), np.float32)
        for image, (i, j, c) in zip(x, batch, strict=True):
            image[np.ix_(i, j, [c])] = 1
        yield x
