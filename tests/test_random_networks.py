"""Random small networks from the whole vocabulary: Keras and NumPy agree on every layer of them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import hypothesis
import numpy as np
import pytest
from hypothesis import given, settings

import reference
from alexnet_ref.models import build_model
from reference import LRN, Architecture, Conv, Dense, Flatten, Layer, MaxPool, ReLU
from tests import networks as n
from tests.strategies import signed

Drawn = tuple[Architecture, reference.Params, n.Array]


@pytest.mark.tf
@given(drawn=n.networks())
def test_every_layer_agrees(drawn: Drawn) -> None:
    """Keras and NumPy agree on every layer, fed the same input and end to end, and on shapes and parameter counts."""
    architecture, params, x = drawn
    model = build_model(architecture, params)
    outputs = n.tapped(model)(x)
    assert {name: y.shape for name, y in outputs.items()} == {
        name: (len(x), *shape) for name, shape in reference.layer_shapes(architecture).items()
    }
    assert {layer.name: layer.count_params() for layer in model.layers} == reference.param_counts(architecture)
    n.assert_isolated(architecture, params, x, outputs)
    n.assert_end_to_end(n.end_to_end(architecture, params, x), outputs)


def test_every_word_is_drawn() -> None:
    """Among 60 drawn networks there is every layer, padding, activation, and a window that is wider than high."""
    seen: set[object] = set()

    @given(drawn=n.networks())
    @settings(max_examples=60, derandomize=True, database=None, phases=[hypothesis.Phase.generate])
    def draw(drawn: Drawn) -> None:
        architecture, params, x = drawn
        reference.layer_shapes(architecture)  # raises for a network that is not valid
        reference.check_params(architecture, params)
        assert len({len(x), *architecture.input_shape}) == 4
        for layer in architecture.layers:
            seen.add(type(layer))
            seen.update((type(layer), word) for word in (getattr(layer, "padding", None), getattr(layer, "activation", None)))
            window = getattr(layer, "kernel_size", getattr(layer, "pool_size", (1, 1)))
            seen.add((type(layer), "wide" if window[1] > window[0] else "high" if window[0] > window[1] else "square"))

    draw()
    assert seen >= set(get_args(Layer))
    assert seen >= {(kind, word) for kind in (Conv, MaxPool) for word in ("SAME", "VALID", "wide", "high", "square")}
    assert seen >= {(Conv, "relu"), (Conv, None), (Dense, "relu"), (Dense, "softmax"), (Dense, None)}


CONV = Conv(name="conv", filters=8, kernel_size=(3, 2), strides=(2, 1), padding="SAME")
NORM = LRN(name="lrn", depth_radius=2, bias=1.0, alpha=0.3, beta=0.75)
RELU = ReLU(name="relu")
POOL = MaxPool(name="pool", pool_size=(2, 3), strides=(2, 1), padding="SAME")
FLATTEN = Flatten(name="flatten")
DENSE = Dense(name="dense", units=4, activation="softmax")
SMALL = Architecture(name="small", input_shape=(7, 6, 5), layers=(CONV, NORM, RELU, POOL, FLATTEN, DENSE))
WRONG: dict[str, tuple[Layer, ...]] = {
    "lrn and relu swapped": (CONV, RELU, NORM, POOL, FLATTEN, DENSE),
    "alpha over the window": (CONV, replace(NORM, alpha=0.3 / 5), RELU, POOL, FLATTEN, DENSE),
    "radius one more": (CONV, replace(NORM, depth_radius=3), RELU, POOL, FLATTEN, DENSE),
    "beta a thousandth more": (CONV, replace(NORM, beta=0.75075), RELU, POOL, FLATTEN, DENSE),
    "window transposed": (CONV, NORM, RELU, replace(POOL, pool_size=(3, 2)), FLATTEN, DENSE),
    "relu for softmax": (CONV, NORM, RELU, POOL, FLATTEN, replace(DENSE, activation="relu")),
}


@pytest.mark.tf
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_network_is_rejected(wrong: str) -> None:
    """Both comparisons reject a network that differs in one hyperparameter or in the order of two layers."""
    params = reference.init_params(SMALL, 1)
    x = signed((3, 7, 6, 5), 2, dtype=np.float32)
    outputs = n.tapped(build_model(replace(SMALL, layers=WRONG[wrong]), params))(x)
    outputs = {layer.name: outputs[layer.name] for layer in SMALL.layers}
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        n.assert_isolated(SMALL, params, x, outputs)
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        n.assert_end_to_end(n.end_to_end(SMALL, params, x), outputs)
