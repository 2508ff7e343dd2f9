"""LRN's mean error: small for every correct way of computing it, and not for a hyperparameter slightly off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alexnet_ref.checks.check import Check, Material
from alexnet_ref.checks.lrn import check_lrn
from alexnet_ref.tolerances.implementation import Array, Implementation, LayerFunction, LayerParams, oracle_in_float32
from alexnet_ref.tolerances.orders import ORDERS, in_order
from alexnet_ref.tolerances.sharpness import alone_in_a_network
from reference import ARCHITECTURES, LRN, Layer
from reference.shapes import layer_inputs

T = ARCHITECTURES["tf1_graph"]


def checks(layer: LRN, run: LayerFunction) -> list[Check]:
    """Run the check against a network of this one layer."""
    alone = alone_in_a_network(layer, layer_inputs(T)[layer.name])
    port = Implementation(name="port", architecture=alone, weights={}, run=run)
    return list(check_lrn(port, alone, Material(images=np.zeros((1, *alone.input_shape), np.float32))))


def norm(name: str = "norm1") -> LRN:
    """Return one of tf1_graph's LRNs."""
    layer = T[name]
    assert isinstance(layer, LRN)
    return layer


def running(layer: Layer, params: LayerParams, x: Array) -> Array:
    """Slide the window along the channels in float32, adding what enters and subtracting what leaves, as Caffe does."""
    assert isinstance(layer, LRN)
    del params
    radius, channels = layer.depth_radius, x.shape[-1]
    squares = np.pad(x * x * np.float32(layer.alpha), ((0, 0),) * 3 + ((radius, radius + 1),))
    d = np.full(x.shape, layer.bias, np.float32)
    for k in range(layer.window):
        d[..., 0] += squares[..., k]
    for c in range(1, channels):
        d[..., c] = d[..., c - 1] + squares[..., c + 2 * radius] - squares[..., c - 1]
    y: Array = x * d ** np.float32(-layer.beta)
    return y


@pytest.mark.parametrize("run", [oracle_in_float32, running, *map(in_order, ORDERS)])
def test_a_right_layer_passes(run: LayerFunction) -> None:
    """The mean error of every formula for the power, and of a running window sum, stays within its allowance."""
    assert [check.status for check in checks(norm(), run)] == ["passed"]


@pytest.mark.parametrize("name", ["norm1", *(pytest.param(name, marks=pytest.mark.slow) for name in ("norm2", "norm3"))])
@pytest.mark.parametrize("field", ["alpha", "beta", "bias"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_hundred_thousandth_shows(name: str, field: str, sign: int) -> None:
    """alpha, beta and bias off by 1e-5 of themselves fail."""
    layer = norm(name)
    values = {field: getattr(layer, field) * (1 + sign * 1e-5)}
    wrong = replace(layer, **values)
    assert [check.status for check in checks(layer, lambda _, params, x: oracle_in_float32(wrong, params, x))] == ["failed"]


def test_what_is_not_finite_or_raises_fails() -> None:
    """NaN, another shape and an exception fail."""

    def broken(*_: Any) -> Array:
        raise RuntimeError("out of order")

    assert [check.status for check in checks(norm(), lambda *given: given[2] * np.float32(np.nan))] == ["failed"]
    assert [check.status for check in checks(norm(), lambda *given: given[2][..., :-1])] == ["failed"]
    assert checks(norm(), broken)[0].fact == "raised RuntimeError: out of order"
