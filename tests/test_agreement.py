"""TensorFlow and NumPy compute the same networks: every layer within its derived bound, and equal where exactness is provable."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref.compare import assert_equal
from alexnet_ref.mnist import keras_sequential_images, load
from alexnet_ref.mnist import tf1_graph_images as flat_images
from alexnet_ref.models import build_model
from reference import LRN, Architecture, Conv, Dense, Layer, Resize, Softmax
from reference.forward import apply
from reference.params import all_param_shapes
from reference.shapes import layer_inputs, unseen_weights
from tests import networks as n
from tests.miniatures import MINIATURES, material
from tests.strategies import integers, signed

pytestmark = pytest.mark.tf

KERAS_SEQUENTIAL, TF1_GRAPH = reference.ARCHITECTURES["keras_sequential"], reference.ARCHITECTURES["tf1_graph"]
BATCHES = [1, 2, 5]

# ---- Within bounds -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Network:
    """One documented network with weights, in both interpretations: the oracle's params, and TensorFlow as it may be run."""

    architecture: Architecture
    params: reference.Params
    run: dict[str, Callable[[n.Array], dict[str, n.Array]]]  # "eager", "tf.function"


def trained_like(architecture: Architecture, seed: int) -> reference.Params:
    """Return weights that are not trained, but have what training gives and initial weights lack.

    Each kernel has as much again of a matrix of rank 3, so that filters resemble one another and sums grow coherently; units
    differ in norm, by factors of 1/2 to 2; biases are of both signs and not zero.
    """
    rng = np.random.default_rng(seed)

    def trained(kernel: n.Array) -> n.Array:
        rows = kernel.reshape(-1, kernel.shape[-1])
        coherent = rng.standard_normal((len(rows), 3)) @ rng.standard_normal((3, rows.shape[1])) * rows.std() / math.sqrt(3)
        structured: n.Array = (rows + coherent) * np.exp2(rng.uniform(-1, 1, rows.shape[1]))
        return structured.reshape(kernel.shape).astype(np.float32)

    return {
        layer: {"kernel": trained(parts["kernel"]), "bias": signed(parts["bias"].shape, seed, 0.1, np.float32)}
        for layer, parts in reference.init_params(architecture, seed).items()
    }


@pytest.fixture(scope="module", params=[pytest.param("initial", marks=pytest.mark.slow), "trained-like"])
def weights(request: pytest.FixtureRequest) -> Callable[[Architecture, int], reference.Params]:
    """Return how weights are made."""
    return reference.init_params if request.param == "initial" else trained_like


@pytest.fixture(scope="module", params=list(reference.ARCHITECTURES))
def network(request: pytest.FixtureRequest, weights: Callable[[Architecture, int], reference.Params]) -> Network:
    """Return each documented network."""
    architecture = reference.ARCHITECTURES[request.param]
    params = weights(architecture, 7)
    model = build_model(architecture, params)
    return Network(
        architecture=architecture,
        params=params,
        run={"eager": n.tapped(model), "tf.function": n.tapped(model, compiled=True)},
    )


@pytest.fixture(scope="module", params=["random", pytest.param("real", marks=pytest.mark.slow)])
def images(request: pytest.FixtureRequest, network: Network) -> n.Array:
    """Return five images (5, H, W, C): signed noise, or real digits through the document's pipeline."""
    shape = (max(BATCHES), *network.architecture.input_shape)
    if request.param == "random":
        return signed(shape, 3, dtype=np.float32)
    pipeline = {"keras_sequential": keras_sequential_images, "tf1_graph": flat_images}[network.architecture.name]
    return pipeline(load(None).test_images[: max(BATCHES)]).reshape(shape)


@pytest.fixture(scope="module")
def expected(network: Network, images: n.Array) -> n.Expected:
    """Return the oracle's run of the five images, which serves every smaller batch: no image depends on another."""
    return n.end_to_end(network.architecture, network.params, images)


@pytest.mark.parametrize(
    ("mode", "batch"), [("tf.function", 2), *(pytest.param("eager", batch, marks=pytest.mark.slow) for batch in (1, 5))]
)
def test_each_layer_alone(network: Network, images: n.Array, mode: str, batch: int) -> None:
    """Each layer is the oracle's, fed what TensorFlow's layer was fed."""
    x = images[-batch:]
    n.assert_isolated(network.architecture, network.params, x, network.run[mode](x))


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("mode", [pytest.param("eager", marks=pytest.mark.slow), "tf.function"])
def test_end_to_end(network: Network, images: n.Array, expected: n.Expected, mode: str, batch: int) -> None:
    """Every layer agrees when each interpreter runs the whole network from the images, rounding carried along."""
    first = {name: (exact[:batch], allowed[:batch]) for name, (exact, allowed) in expected.items()}
    n.assert_end_to_end(first, network.run[mode](images[:batch]))


def _changed(architecture: Architecture, name: str, **fields: Any) -> Architecture:
    return replace(architecture, layers=tuple(replace(own, **fields) if own.name == name else own for own in architecture.layers))


def _swapped(architecture: Architecture, first: str, second: str) -> Architecture:
    other = {first: architecture[second], second: architecture[first]}
    return replace(architecture, layers=tuple(other.get(layer.name, layer) for layer in architecture.layers))


KERAS, TF1 = MINIATURES["keras_sequential"], MINIATURES["tf1_graph"]  # few channels
WRONG = {
    "lrn and relu swapped": _swapped(KERAS, "lambda", "activation"),
    "alpha over the window": _changed(KERAS, "lambda_1", alpha=1.0 / 11),
    "alpha over the window, tf1_graph": _changed(TF1, "norm1", alpha=0.001 / 81),
    "radius as window": _changed(TF1, "norm2", depth_radius=2),
    "beta 0.7501": _changed(TF1, "norm3", beta=0.7501),
    "no relu": _changed(TF1, "fc2", activation=None),
    "logits for softmax": _changed(KERAS, "dense_2", activation=None),
}


@functools.cache
def _right(architecture: Architecture) -> tuple[reference.Params, n.Array, n.Expected]:
    params, x = material(architecture, 1)
    return params, x, n.end_to_end(architecture, params, x)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_network_is_rejected(wrong: Architecture) -> None:
    """A Keras model with one layer wrong fails the comparison, alone and end to end."""
    architecture = MINIATURES[wrong.name]
    params, x, expected = _right(architecture)
    outputs = n.tapped(build_model(wrong, params))(x)
    outputs = {layer.name: outputs[layer.name] for layer in architecture.layers}
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        n.assert_isolated(architecture, params, x, outputs)
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        n.assert_end_to_end(expected, outputs)


# ---- Exactly -------------------------------------------------------------------------------------------------------------
# Sums of integers are exact in float32, in any order, while no partial sum reaches 2²⁴. Every partial sum of |terms| is at
# most their whole sum, which is what the oracle gives for absolute values.

EXACT_BELOW = 2**24


def _absolute(params: reference.Params) -> reference.Params:
    return {layer: {part: np.abs(value) for part, value in parts.items()} for layer, parts in params.items()}


def _integer_params(architecture: Architecture, seed: int) -> reference.Params:
    """Return weights −2 … 2 for every layer, so that 4096 products with inputs −4 … 4 stay far below 2²⁴."""
    shapes = all_param_shapes(architecture)
    return {
        layer: {part: integers(shape, seed + i, 2, np.float32) for part, shape in parts.items()}
        for i, (layer, parts) in enumerate(shapes.items())
    }


def _is_exact(layer: Layer) -> bool:
    return not isinstance(layer, Resize | LRN | Softmax) and getattr(layer, "activation", None) != "softmax"


def _assert_exact(model: Any, layer: Layer, own: dict[str, n.Array], x: n.Array) -> None:
    """Hold one Keras layer, fed integers, against the oracle's; the precondition first."""
    absolute = {part: np.abs(value) for part, value in own.items()}
    assert apply(layer, absolute, np.abs(x).astype(np.float64)).max() < EXACT_BELOW
    assert_equal(np.asarray(model.get_layer(layer.name)(x)), apply(layer, own, x.astype(np.float64)).astype(np.float32))


@pytest.fixture(scope="module", params=list(reference.ARCHITECTURES))
def probed(request: pytest.FixtureRequest) -> tuple[Architecture, reference.Params, Any]:
    """Return each documented network with integer weights."""
    architecture = reference.ARCHITECTURES[request.param]
    params = _integer_params(architecture, 11)
    return architecture, params, build_model(architecture, params)


def test_each_exact_layer_alone(probed: tuple[Architecture, reference.Params, Any]) -> None:
    """On integers, every convolution, dense layer, pooling, ReLU, dropout and flattening of the documents is equal."""
    architecture, params, model = probed
    inputs = layer_inputs(architecture)
    for i, layer in enumerate(architecture.layers):
        if _is_exact(layer):
            x = integers((3, *inputs[layer.name]), i, dtype=np.float32)
            _assert_exact(model, layer, _float64(params.get(layer.name, {})), x)


def _float64(own: Any) -> dict[str, n.Array]:
    return {part: value.astype(np.float64) for part, value in own.items()}


def test_one_wrong_weight_is_rejected(probed: tuple[Architecture, reference.Params, Any]) -> None:
    """Of any convolution or dense layer, one kernel element that is 1 more is seen, and so is one bias."""
    architecture, params, model = probed
    inputs = layer_inputs(architecture)
    for layer in architecture.layers:
        if not isinstance(layer, Conv | Dense) or not _is_exact(layer):
            continue
        own = _float64(params[layer.name])
        # A live unit, and an input of ones at which every tap that meets data counts.
        x = np.ones((1, *inputs[layer.name]), np.float32)
        unit = int(apply(layer, own, x.astype(np.float64)).reshape(-1, own["bias"].size).max(axis=0).argmax())
        for part in ("kernel", "bias"):
            wrong = {name: value.copy() for name, value in own.items()}
            centre = tuple(size // 2 for size in own[part].shape[:-1])
            wrong[part][(*centre, unit)] += 1
            with pytest.raises(AssertionError, match="differ by more than allowed"):
                _assert_exact(model, layer, wrong, x)


def _sparse_params(architecture: Architecture, seed: int) -> reference.Params:
    """Return weights −1, 0, 1, of which about three in each unit are not 0 and meet data, so that sums grow slowly."""
    inputs = layer_inputs(architecture)
    params = _integer_params(architecture, seed)
    rng = np.random.default_rng(seed)
    for layer in architecture.layers:
        if isinstance(layer, Conv | Dense):
            own = params[layer.name]
            meets_data = (own["kernel"].size - unseen_weights(layer, inputs[layer.name])) / own["bias"].size
            kept = rng.random(own["kernel"].shape) < 3 / meets_data
            own["kernel"][...] = kept * rng.choice([-1, 1], kept.shape)
    return params


def _without_roundings(architecture: Architecture, input_shape: tuple[int, int, int]) -> Architecture:
    """Return the documented network without what rounds: LRN, softmax. Its resizing becomes one by 4, for 56×56 images."""
    layers = tuple(
        replace(layer, activation=None) if isinstance(layer, Dense) and layer.activation == "softmax" else layer
        for layer in architecture.layers
        if not isinstance(layer, LRN)
    )
    return replace(architecture, input_shape=input_shape, fed_shape=(), layers=layers)


@pytest.mark.parametrize(
    ("architecture", "unit"),
    [
        (_without_roundings(KERAS_SEQUENTIAL, (56, 56, 3)), 1 / 64),  # interpolating by 4 on two axes: multiples of 1/8²
        (_without_roundings(TF1_GRAPH, (28, 28, 1)), 1),
    ],
    ids=["keras_sequential", "tf1_graph"],
)
def test_whole_network_exactly(architecture: Architecture, unit: float) -> None:
    """On integers, the whole networks but for LRN and softmax are equal in every layer, eager and as a tf.function."""
    params = _sparse_params(architecture, 13)
    x = integers((2, *architecture.input_shape), 17, dtype=np.float32)
    assert max(y.max() for y in reference.forward(architecture, _absolute(params), np.abs(x)).values()) < EXACT_BELOW * unit
    exact = reference.forward(architecture, params, x)
    assert len(np.unique(list(exact.values())[-1])) > 10, "the probe must not die on its way"
    model = build_model(architecture, params)
    for outputs in (n.tapped(model)(x), n.tapped(model, compiled=True)(x)):
        for name, expected_output in exact.items():
            assert_equal(outputs[name], expected_output.astype(np.float32))


@pytest.mark.parametrize(
    ("height", "width"), [(10, 12), (20, 24), (40, 6), (5, 6), (5, 3)], ids=["x2", "x4", "x8 and x1", "x1", "x1 and half"]
)
def test_resize_exactly(height: int, width: int) -> None:
    """Resizing 5×6 by powers of two, whose interpolation weights are multiples of 1/16, is equal on integers."""
    layer = Resize(name="resize", height=height, width=width)
    architecture = Architecture(name="resized", input_shape=(5, 6, 3), layers=(layer,))
    x = integers((2, 5, 6, 3), 19, 1000, np.float32)
    assert np.abs(x).max() < EXACT_BELOW / 16**2
    assert_equal(n.tapped(build_model(architecture))(x)["resize"], apply(layer, {}, x.astype(np.float64)).astype(np.float32))
