"""The measurements of sharpness: they find what is there, and nothing where nothing is wrong."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from alexnet_ref.tolerances.faults import Fault, faults
from alexnet_ref.tolerances.implementation import oracle_in_float32
from alexnet_ref.tolerances.sharpness import found_by, least, medians, slack
from reference import ARCHITECTURES, LRN, Conv, Dense, Dropout, Layer, Resize
from reference.shapes import Shape, layer_inputs

NORM, SHAPE = ARCHITECTURES["tf1_graph"]["norm2"], (7, 7, 128)


def test_no_fault_is_found_in_a_right_port() -> None:
    """A port without a fault passes at every size: the least fault is infinite."""
    right = Fault(parameter="nothing", port=lambda _: oracle_in_float32)
    found = least(NORM, SHAPE, right)
    assert math.isinf(found.size)
    assert found.check == "none"


LAYERS: dict[str, tuple[Layer, Shape]] = {
    "lrn": (NORM, SHAPE),
    "conv": (Conv(name="conv", filters=8, kernel_size=(3, 3), strides=(2, 2), padding="SAME", activation="relu"), (9, 9, 40)),
    "dense": (Dense(name="dense", units=30, activation="relu"), (300,)),
    "softmax": (Dense(name="dense", units=10, activation="softmax"), (300,)),
}


@pytest.mark.parametrize(
    ("layer", "shape"),
    [pytest.param(*each, id=name, marks=pytest.mark.slow if name == "conv" else ()) for name, each in LAYERS.items()],
)
def test_every_continuous_parameter_shows_at_a_hundred_thousandth(layer: Layer, shape: Shape) -> None:
    """The published goal: each parameter off by 1e-5 of itself or less turns the verdict."""
    for fault in faults(layer, shape):
        assert least(layer, shape, fault).size <= 1e-5, fault.parameter


def test_what_is_found_is_found_at_greater_sizes() -> None:
    """What bisection takes for granted, on LRN's alpha: from the least size on, every power of two is found."""
    fault = next(faults(NORM, SHAPE))
    sizes = [2.0**power for power in range(-24, 0, 3)]
    found = [found_by(NORM, SHAPE, fault, size) is not None for size in sizes]
    assert all(b or not a for a, b in pairwise(found))
    assert found[-1]
    assert not found[0]


def test_each_kind_of_layer_has_its_faults() -> None:
    """The parameters that are searched, by kind of layer; what computes nothing has none."""
    names = {
        type(layer): [fault.parameter for fault in faults(layer, layer_inputs(architecture)[layer.name])]
        for architecture in ARCHITECTURES.values()
        for layer in architecture.layers
    }
    assert names[LRN] == ["alpha", "beta", "bias"]
    assert names[Resize] == ["phase, in pixels", "scale"]
    assert names[Dropout] == ["scale", "kept fraction, absolute"]
    assert names[Conv] == ["one weight (1)", "one weight (2)", "one bias", "all weights"]


@pytest.mark.slow  # every parameter of every layer, halved again and again
def test_the_goals_for_slack_are_met() -> None:
    """tf1_graph: medians over layers of at most 50 for the maximum test on probes, at most 5 for the variance."""
    found = medians(slack(ARCHITECTURES["tf1_graph"], images=2))
    assert found["probe"] <= 50
    assert found["variance"] <= 5
