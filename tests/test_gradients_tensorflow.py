"""TensorFlow's gradients against the backward equations: each layer alone, and both documents' networks layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

import reference
from alexnet_ref import gradient_bounds, step_bounds
from alexnet_ref.bounds import FLOAT32
from alexnet_ref.compare import assert_equal, assert_within
from alexnet_ref.mnist import keras_sequential_images, load, one_hot, tf1_graph_images
from alexnet_ref.models import build_model, keras_layer
from reference import Architecture, Conv, Layer
from reference.gradients import as_one_hot, backward, logits_layers
from reference.losses import softmax_cross_entropy_with_logits, sparse_categorical_crossentropy
from tests.strategies import integers, signed
from tests.test_gradients import Case, arrays, assert_all_within, cases, double, kinds

pytestmark = pytest.mark.tf

Array = NDArray[Any]


# ---- One layer -----------------------------------------------------------------------------------------------------------


def taped(case: Case, *, compiled: bool = False) -> tuple[Array, dict[str, Array]]:
    """Return a Keras layer's output and its vector-Jacobian products {"x", "kernel", "bias"}, eager or in a tf.function."""
    import tensorflow as tf

    layer, params, x, dy, mask = case
    built = keras_layer(layer, reference.ARCHITECTURES["tf1_graph"])
    built.build(x.shape)
    for part, value in params.items():
        getattr(built, part).assign(value)

    def vjp(x: Any, dy: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = built(x) if mask is None else dropped(x, mask, layer)
        sources = {"x": x, **{part: getattr(built, part).value for part in params}}
        return y, tape.gradient(y, sources, output_gradients=dy, unconnected_gradients="zero")

    y, result = (tf.function(vjp) if compiled else vjp)(tf.constant(x), tf.constant(dy))
    return y.numpy(), {name: gradient.numpy() for name, gradient in result.items()}


def corrupts_memory(layer: Layer) -> bool:
    """Return whether TensorFlow's kernel gradient may write outside its memory and abort the process, soon or much later.

    Seen in TensorFlow 2.21 on a CPU with oneDNN, not without it (TF_ENABLE_ONEDNN_OPTS=0): Conv2DBackpropFilter of 1×1 windows
    at strides above 1, small images and 224×224 alike. Neither document has such a layer.
    """
    return isinstance(layer, Conv) and layer.kernel_size == (1, 1) and layer.strides != (1, 1)


def dropped(x: Any, mask: Array, layer: Any) -> Any:
    """Return x times dropout's scale and mask, in float32: dropout with the random choice given."""
    return x * np.float32(1 / (1 - layer.rate)) * mask.astype(np.float32)


@kinds
@given(data=st.data())
def test_each_layer_agrees(kind: str, data: st.DataObject) -> None:
    """TensorFlow's vector-Jacobian product of a Keras layer is the backward equation's, fed the same x, dL/dy and output."""
    case = data.draw(cases(kind, dtype=np.float32))
    assume(not corrupts_memory(case[0]))
    y, received = taped(case)
    layer, params, x, dy, mask = double(case)
    expected = arrays(backward(layer, params, x, y.astype(float), dy, mask=mask))
    allowed = arrays(gradient_bounds.allowed(layer, params, x, y.astype(float), dy, arithmetic=FLOAT32, mask=mask))
    assert_all_within(received, expected, allowed)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "function"])
@given(data=st.data())
def test_pool_ties_go_to_the_first_maximum(compiled: bool, data: st.DataObject) -> None:
    """Of equal maxima TensorFlow's CPU kernel, too, takes the first, row by row: on integers every gradient is equal."""
    import tensorflow as tf

    layer, _, x, dy, _ = data.draw(cases("pool"))
    x, dy = integers(x.shape, 0, limit=1, dtype=np.float32), integers(dy.shape, 1, limit=9, dtype=np.float32)
    with tf.device("CPU"):
        _, received = taped((layer, {}, x, dy, None), compiled=compiled)
    assert_equal(received["x"], backward(layer, {}, x, dy, dy)[0])


def test_relu_is_closed_at_zero_in_tensorflow() -> None:
    """TensorFlow, too, passes nothing at 0 and −0."""
    x = np.array([[-1.0, -0.0, 0.0, 1.0]], np.float32)
    _, received = taped((reference.ReLU(name="relu"), {}, x, np.full_like(x, 3), None))
    assert_equal(received["x"], np.array([[0, 0, 0, 3]], np.float32))


# ---- Both networks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a Keras model under a tape."""

    architecture: Architecture
    params: reference.Params
    x: Array
    labels: Array
    masks: Mapping[str, Array]
    loss: float
    outputs: dict[str, Array]  # of the layers as far as the logits
    douts: dict[str, Array]  # dL/doutput of the same
    gradients: dict[str, dict[str, Array]]


def digits(architecture: Architecture, n: int = 3) -> tuple[Array, Array]:
    """Return real images (N, H, W, C) and labels, as the document's pipeline delivers them."""
    sample = load(None)
    images, labels = sample.test_images[:n], sample.test_labels[:n]
    if architecture.name == "tf1_graph":
        return tf1_graph_images(images).reshape(n, *architecture.input_shape), one_hot(labels)
    return keras_sequential_images(images), labels


def run(name: str, *, start: str, training: bool = False) -> Run:
    """Run a documented network on three digits: initial or random biases; dropout off, or with drawn masks multiplied."""
    architecture = reference.ARCHITECTURES[name]
    x, labels = digits(architecture)
    params = documented_params(architecture, start)
    masks = reference.draw_masks(architecture, 3, seed=9) if training else {}
    taped = taped_model(architecture, params, x, labels, masks)
    return Run(architecture=architecture, params=params, x=x, labels=labels, masks=masks, **taped)


def documented_params(architecture: Architecture, start: str) -> reference.Params:
    """Return the document's initial params; or, "random", with biases too and no softmax saturated."""
    params = reference.init_params(architecture, seed=7)
    if start == "initial":
        return params
    scale = np.float32(0.05 if architecture.name == "tf1_graph" else 1)  # from standard normal to what Glorot would draw
    return {
        layer: {"kernel": scale * parts["kernel"], "bias": signed(parts["bias"].shape, 8, 0.1, np.float32)}
        for layer, parts in params.items()
    }


def taped_model(architecture: Architecture, params: Any, x: Array, labels: Array, masks: Mapping[str, Array]) -> dict[str, Any]:
    """Return Run's last four fields: Keras's layers one after another, and Keras's loss, under one tape."""
    import keras
    import tensorflow as tf

    model = build_model(architecture, params)
    probabilities = architecture.recipe.loss == "sparse_categorical_crossentropy"
    losses = keras.losses
    loss_of = losses.SparseCategoricalCrossentropy() if probabilities else losses.CategoricalCrossentropy(from_logits=True)
    y = tf.constant(x)
    outputs = {}
    with tf.GradientTape() as tape:
        tape.watch(y)
        for layer, own in zip(architecture.layers, model.layers, strict=True):
            y = dropped(y, masks[layer.name], layer) if layer.name in masks else own(y, training=False)
            outputs[layer.name] = y
        loss = loss_of(labels, y)
    last = architecture.layers[-1].name
    outputs[last] = getattr(y, "_keras_logits", y)  # where Keras takes the loss from: see reference.losses
    variables = {v.path: v.value for v in model.trainable_variables}
    douts, gradients = tape.gradient(loss, (outputs, variables))
    return {
        "loss": float(loss),
        "outputs": {name: value.numpy() for name, value in outputs.items()},
        "douts": {name: value.numpy() for name, value in douts.items()},
        "gradients": {
            name: {part: next(g.numpy() for path, g in gradients.items() if path.endswith(f"{name}/{part}")) for part in parts}
            for name, parts in params.items()
        },
    }


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((name, training), marks=() if name == "tf1_graph" else pytest.mark.slow)
        for name in reference.ARCHITECTURES
        for training in (False, True)
    ],
    ids=lambda p: f"{p[0]}-{'masks' if p[1] else 'inference'}",
)
def r(request: pytest.FixtureRequest) -> Run:
    """Return each network's run: initial weights with dropout off, and random weights and biases with masks."""
    name, training = request.param
    return run(name, start="random" if training else "initial", training=training)


@pytest.mark.slow
def test_each_layer_of_the_networks_agrees(r: Run) -> None:
    """Fed TensorFlow's own activations and dL/dy, every layer's backward equation gives TensorFlow's dL/dx, dL/dkernel, dL/dbias.

    Nothing is excluded: ReLUs are decided by TensorFlow's own outputs, and of equal maxima, which the digits' even background
    makes by the hundred, both take the first.
    """
    layers = logits_layers(r.architecture)
    assert layers is not None
    fed, before = r.x, None
    for layer in layers:
        params = {part: a.astype(float) for part, a in r.params.get(layer.name, {}).items()}
        x, y, dy = (a.astype(float) for a in (fed, r.outputs[layer.name], r.douts[layer.name]))
        mask = r.masks.get(layer.name)
        expected = arrays(backward(layer, params, x, y, dy, mask=mask))
        allowed = arrays(gradient_bounds.allowed(layer, params, x, y, dy, arithmetic=FLOAT32, mask=mask))
        received = dict(r.gradients.get(layer.name, {}))
        if before is not None:
            received = {"x": r.douts[before], **received}
        assert_all_within(received, {name: expected[name] for name in received}, allowed)
        fed, before = r.outputs[layer.name], layer.name


def test_the_loss_of_the_networks_agrees(r: Run) -> None:
    """Keras's loss and its derivative with respect to the logits are the oracle's, fed Keras's own logits."""
    last = r.architecture.layers[-1].name
    z = r.outputs[last].astype(float)
    labels = as_one_hot(r.architecture, r.labels, z)
    loss, dz = softmax_cross_entropy_with_logits(z, labels)
    allowed, dallowed = step_bounds.cross_entropy(z, labels, np.zeros_like(z), FLOAT32)
    assert_within(np.array(r.loss), np.array(loss), allowed)
    assert_within(r.douts[last], dz, dallowed)


# ---- What Keras's loss of probabilities is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "function"])
def test_keras_takes_a_softmaxs_loss_from_its_logits(compiled: bool) -> None:
    """Behind a softmax, in a model, the loss of a probability that float32 cannot hold is that of its logits: 120, unclipped."""
    import keras
    import tensorflow as tf

    dense = keras.layers.Dense(3, activation="softmax")
    model = keras.Sequential([keras.Input((1,)), dense])
    dense.bias.assign([60.0, -60.0, 0.0])
    loss_of = keras.losses.SparseCategoricalCrossentropy()

    def loss(x: Any) -> Any:
        return loss_of(tf.constant([1]), model(x))

    x = tf.zeros((1, 1))
    assert float((tf.function(loss) if compiled else loss)(x)) == 120
    assert model.predict(x, verbose=0)[0, 1] == 0


def test_keras_clips_bare_probabilities() -> None:
    """Without logits Keras clips to 1e-7 … 1 − 1e-7 and normalises: −ln 0 becomes −ln 1e-7, −ln 1 about (K − 1)·1e-7."""
    import keras
    import tensorflow as tf

    loss_of = keras.losses.SparseCategoricalCrossentropy()
    p = tf.constant([[1.0, 0.0, 0.0, 0.0]])
    u = FLOAT32.u
    assert abs(float(loss_of(tf.constant([1]), p)) - -math.log(1e-7)) <= 3e-7 + 8 * u * 17  # the sum's 3e-7, and roundings
    assert abs(float(loss_of(tf.constant([0]), p)) - 3e-7) <= 8 * u


def test_keras_normalises_bare_probabilities() -> None:
    """Its derivative is the oracle's and 1/N more, for every class: to a softmax before it, the same."""
    import keras
    import tensorflow as tf

    p, labels = reference.ops.softmax(signed((3, 4), 5)), np.array([2, 0, 3])
    x = tf.constant(p, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = keras.losses.SparseCategoricalCrossentropy()(labels, x)
    _, dp = sparse_categorical_crossentropy(x.numpy().astype(float), labels)
    # (softmax(ln p) − [label])/(N·p): a logarithm, the bound of softmax, two quotients, in parts of what is divided by p.
    _, allowed = step_bounds.cross_entropy(np.log(p), np.eye(4)[labels], 4 * FLOAT32.u * (1 + np.abs(np.log(p))), FLOAT32)
    assert_within(tape.gradient(loss, x).numpy(), dp + 1 / 3, allowed / p + 4 * FLOAT32.u * (np.abs(dp) + 1))
