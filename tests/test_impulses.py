"""Impulses read every weight back: faults in one weight that no other check sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alexnet_ref.arithmetic import ARITHMETICS, FLOAT32, WINOGRAD, Arithmetic
from alexnet_ref.checks.check import Check, Material
from alexnet_ref.checks.impulses import check_impulses, impulse_params, impulses
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.checks.products import check_products
from alexnet_ref.tolerances.implementation import Array, Implementation, LayerFunction, LayerParams, oracle_in_float32
from alexnet_ref.tolerances.sharpness import alone_in_a_network
from reference import Conv, Dense, Layer
from reference.forward import apply
from reference.shapes import Shape, seen_taps

CONV = Conv(name="conv", filters=5, kernel_size=(3, 2), strides=(2, 1), padding="SAME", activation="relu")
STRIDED = Conv(name="conv", filters=3, kernel_size=(5, 4), strides=(4, 3), padding="SAME")
SMALL = Conv(name="conv", filters=4, kernel_size=(3, 3), strides=(4, 4), padding="SAME")
DENSE = Dense(name="dense", units=6, activation="relu")
SCORES = Dense(name="dense", units=6, activation="softmax")
CASES: list[tuple[Conv | Dense, Shape]] = [
    (CONV, (9, 8, 3)),
    (STRIDED, (40, 37, 2)),
    (SMALL, (1, 1, 7)),
    (DENSE, (700,)),
    (SCORES, (40,)),
]


def checks(layer: Layer, shape: Shape, run: LayerFunction, arithmetic: Arithmetic = FLOAT32) -> list[Check]:
    """Run the impulses against a network of this one layer."""
    alone = alone_in_a_network(layer, shape)
    port = Implementation(name="port", architecture=alone, weights={}, run=run)
    return list(
        check_impulses(port, alone, Material(images=np.zeros((1, *alone.input_shape), np.float32), arithmetic=arithmetic))
    )


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=lambda value: str(getattr(value, "activation", value)))
def test_a_right_layer_passes(layer: Conv | Dense, shape: Shape) -> None:
    """float32 passes, and so does every arithmetic that is no worse than declared."""
    for arithmetic in ARITHMETICS[1:]:
        assert [check.status for check in checks(layer, shape, oracle_in_float32, arithmetic)] == ["passed"]


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=lambda value: str(getattr(value, "activation", value)))
def test_every_weight_that_meets_data_is_read(layer: Conv | Dense, shape: Shape) -> None:
    """Changing any weight changes an output of some impulse, unless the weight meets padding alone."""
    params = impulse_params(layer, shape, np.random.default_rng(0))
    kernel = params["kernel"]
    batches = list(impulses(layer, shape))
    right = [apply(layer, params, x) for x in batches]
    for place in np.random.default_rng(1).permutation(np.argwhere(kernel))[:40]:
        wrong = kernel.copy()
        wrong[tuple(place)] += 1
        seen = any((apply(layer, {**params, "kernel": wrong}, x) != y).any() for x, y in zip(batches, right, strict=True))
        assert seen == _meets_data(layer, shape, place)


def _meets_data(layer: Conv | Dense, shape: Shape, place: Array) -> bool:
    if isinstance(layer, Dense):
        return True
    axes = zip(shape[:2], layer.kernel_size, layer.strides, place[:2], strict=True)
    return all(tap in seen_taps(n, k, s, layer) for n, k, s, tap in axes)


def test_no_window_sees_two_impulses() -> None:
    """Every output of an impulse image is one weight and the bias, or the bias alone."""
    ones = {"kernel": np.ones((5, 4, 2, 3)), "bias": np.zeros(3)}
    for x in impulses(STRIDED, (40, 37, 2)):
        assert apply(STRIDED, ones, x.astype(np.float64)).max() == 1


@pytest.mark.parametrize(("layer", "shape"), [(DENSE, (700,)), (SCORES, (40,))], ids=["relu", "softmax"])
def test_only_impulses_see_a_millionth_of_one_weight(layer: Dense, shape: Shape) -> None:
    """One weight, off by 2⁻¹⁹ of itself where the integer probes have a 0, or before a softmax, is found by impulses alone."""

    def off(right: Layer, params: LayerParams, x: Array) -> Array:
        if right.name != layer.name:
            return oracle_in_float32(right, params, x)
        kernel = params["kernel"].copy()
        values = np.abs(kernel[:, 0])
        row = int((values != 0).argmin()) if (values == 0).any() else int(values.argmax())
        kernel[row, 0] *= np.float32(1 + 2.0**-19)
        return oracle_in_float32(right, {**params, "kernel": kernel}, x)

    alone = alone_in_a_network(layer, shape)
    port = Implementation(name="port", architecture=alone, weights={}, run=off)
    material = Material(images=np.zeros((1, *alone.input_shape), np.float32))
    assert not [c for function in (check_probes, check_products) for c in function(port, alone, material) if c.status == "failed"]
    assert [check.status for check in checks(layer, shape, off)] == ["failed"]


def test_a_layer_that_raises_or_is_missing_does_not_pass() -> None:
    """A port's exception is a failure; a layer that it has not, and Winograd's transforms, are not checkable."""

    def broken(*_: Any) -> Array:
        raise RuntimeError("out of order")

    assert [(check.status, check.fact) for check in checks(CONV, (9, 8, 3), broken)] == [
        ("failed", "raised RuntimeError: out of order")
    ]
    three = Conv(name="conv", filters=2, kernel_size=(3, 3), padding="SAME")
    assert [check.status for check in checks(three, (9, 8, 3), oracle_in_float32, WINOGRAD)] == ["not checkable"]
    alone = alone_in_a_network(CONV, (9, 8, 3))
    other = alone_in_a_network(SMALL, (9, 8, 3))
    port = Implementation(name="port", architecture=alone_in_a_network(DENSE, (4,)), weights={}, run=oracle_in_float32)
    for architecture in (alone, other):
        found = check_impulses(port, architecture, Material(images=np.zeros((1, 9, 8, 3), np.float32)))
        assert [check.status for check in found] == ["not checkable"]
