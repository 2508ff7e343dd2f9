"""Weights go both ways between the Keras model and the oracle's params, by layer name; what does not fit changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref.compare import assert_equal
from alexnet_ref.models import build_model
from alexnet_ref.weights import get_params, set_params
from reference import Architecture, Conv, Dense, Flatten, InvalidInput
from tests.miniatures import SMALLER

pytestmark = pytest.mark.tf

SMALL = Architecture(
    name="small",
    input_shape=(5, 4, 3),
    layers=(
        Conv(name="conv", filters=2, kernel_size=(3, 2), padding="SAME"),
        Flatten(name="flatten"),
        Dense(name="first", units=40),
        Dense(name="second", units=40),
    ),
)
PARAMS = reference.init_params(SMALL, 1)


def assert_same(received: reference.Params, expected: reference.Params) -> None:
    """Hold two sets of params against one another: the same names in the same order, bit-equal float32."""
    assert {layer: list(parts) for layer, parts in received.items()} == {layer: list(p) for layer, p in expected.items()}
    for layer, parts in expected.items():
        for part, value in parts.items():
            assert_equal(received[layer][part], value)


@pytest.mark.parametrize("architecture", SMALLER, indirect=True)
def test_params_come_back_from_the_model(architecture: Architecture) -> None:
    """What is set is got again, bit-equal: every layer of both documents."""
    params = reference.init_params(architecture, 3)
    model = build_model(architecture)
    set_params(model, architecture, params)
    assert_same(get_params(model, architecture), params)


@pytest.mark.parametrize("architecture", SMALLER, indirect=True)
def test_weights_come_back_from_params(architecture: Architecture) -> None:
    """A model's own weights, taken as params, make another model of equal weights."""
    model = build_model(architecture, seed=1)
    other = build_model(architecture, get_params(model, architecture), seed=2)
    assert len(model.weights) == len(other.weights)
    for weight, same in zip(model.trainable_weights, other.trainable_weights, strict=True):
        assert_equal(same.numpy(), weight.numpy())


def test_layers_are_found_by_name() -> None:
    """In a model that has two layers of equal shape in the other order, each receives what bears its name."""
    conv, flatten, first, second = SMALL.layers
    swapped = replace(SMALL, layers=(conv, flatten, second, first))
    params = {name: {part: value.copy() for part, value in PARAMS[name].items()} for name in ("second", "first", "conv")}
    model = build_model(swapped, params)
    assert_equal(model.layers[2].kernel.numpy(), PARAMS["second"]["kernel"])
    assert_equal(model.layers[3].kernel.numpy(), PARAMS["first"]["kernel"])


def test_got_params_are_copies() -> None:
    """Writing into params that were got does not write into the model."""
    model = build_model(SMALL, PARAMS)
    get_params(model, SMALL)["conv"]["kernel"][...] = 7
    assert_same(get_params(model, SMALL), PARAMS)


def test_double_precision_is_rounded_once() -> None:
    """float64 params become the nearest float32."""
    doubles = {layer: {part: value.astype(np.float64) / 3 for part, value in own.items()} for layer, own in PARAMS.items()}
    rounded = {layer: {part: value.astype(np.float32) for part, value in own.items()} for layer, own in doubles.items()}
    assert_same(get_params(build_model(SMALL, doubles), SMALL), rounded)


def _with(layer: str, part: str, value: Any) -> dict[str, dict[str, Any]]:
    return {**PARAMS, layer: {**PARAMS[layer], part: value}}


SECOND = PARAMS["second"]["kernel"]
NOT_A_NUMBER = SECOND.copy()
NOT_A_NUMBER[7, 3] = np.nan
REFUSED = {
    "missing layer": ({name: parts for name, parts in PARAMS.items() if name != "second"}, "missing: second"),
    "missing part": ({**PARAMS, "second": {"kernel": SECOND}}, "'second'.* missing: bias"),
    "unknown layer": ({**PARAMS, "third": PARAMS["second"]}, "unknown: third"),
    "wrong shape": (_with("second", "kernel", SECOND[:, :39]), r"second/kernel.*\(40, 40\).*\(40, 39\)"),
    "one axis more": (_with("second", "bias", PARAMS["second"]["bias"][None]), r"second/bias.*\(40,\).*\(1, 40\)"),
    "integers": (_with("second", "kernel", SECOND.astype(np.int32)), "second/kernel.*floating point.*int32"),
    "NaN": (_with("second", "kernel", NOT_A_NUMBER), "second/kernel: values are not finite"),
    "infinity": (_with("second", "kernel", np.full((40, 40), np.inf)), "second/kernel: values are not finite"),
    "beyond float32": (_with("second", "kernel", np.full((40, 40), 1e300)), "second/kernel.*too large for float32"),
    "no mapping": ([PARAMS], "params are no mapping"),
}


@pytest.mark.parametrize(("params", "message"), REFUSED.values(), ids=REFUSED)
def test_unfit_params_change_nothing(params: Any, message: str) -> None:
    """Params that do not fit are refused by name, and the model keeps every weight, those of the earlier layers too."""
    model = build_model(SMALL, seed=4)
    before = get_params(model, SMALL)
    with pytest.raises(InvalidInput, match=message):
        set_params(model, SMALL, params)
    assert_same(get_params(model, SMALL), before)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (Dense(name="other", units=40), "second/kernel: the model has no such weights"),
        (Dense(name="second", units=41), r"second/kernel: wrong shape; expected \(40, 40\); received \(40, 41\)"),
        (Flatten(name="second"), "second/kernel: the model has no such weights"),
    ],
    ids=["no layer of the name", "another shape", "a layer without weights"],
)
def test_an_unfit_model_is_left_alone(last: Any, message: str) -> None:
    """A model that is not the architecture's is refused by name, both ways, and keeps every weight."""
    other = replace(SMALL, layers=(*SMALL.layers[:-1], last))
    model = build_model(other, seed=4)
    before = get_params(model, other)
    with pytest.raises(InvalidInput, match=message):
        set_params(model, SMALL, PARAMS)
    with pytest.raises(InvalidInput, match=message):
        get_params(model, SMALL)
    assert_same(get_params(model, other), before)
