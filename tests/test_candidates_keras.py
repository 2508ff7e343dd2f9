"""Ports to Keras by other means than ours are understood: right ones conform, wrong ones are rejected where they are wrong."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import alexnet_ref
from alexnet_ref.checks.facts import check_facts
from alexnet_ref.models import keras_layer
from alexnet_ref.report import Report
from reference import Conv, Dropout, InvalidInput, MaxPool
from tests import keras_ports
from tests.miniatures import MINIATURES, material

pytestmark = pytest.mark.tf

TF1, KERAS = MINIATURES["tf1_graph"], MINIATURES["keras_sequential"]
PARAMS, X = material(TF1, 2)


def judged(model: Any, architecture: Any = TF1, **options: Any) -> Report:
    """Return the report on a model of the miniature tf1_graph."""
    from alexnet_ref.candidates.keras import KerasPort

    port = KerasPort(model, architecture=architecture, **options)
    images = np.random.default_rng(0).random((2, *architecture.input_shape), np.float32)
    return alexnet_ref.verify(port, architecture, images=images, diagnosis=False)


def wrong(report: Report) -> list[str]:
    """Return what failed, with its facts."""
    return [f"{check.id}: {check.fact}" for check in report.of("failed")]


WAYS = [keras_ports.renamed, keras_ports.handwritten_lrn, keras_ports.in_pieces]


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way is WAYS[1] else pytest.mark.slow, id=way.__name__) for way in WAYS]
)
def test_the_same_network_by_other_means_conforms(way: keras_ports.Way) -> None:
    """Other names, LRN out of operations, padding, bias and activation as layers of their own: all conform, weights included."""
    report = judged(keras_ports.built(TF1, PARAMS, way))
    assert report.conforms, wrong(report)
    kinds = {check.id for check in report.of("passed")}
    assert {"conv.exact[conv2]", "conv.impulses[conv3]", "lrn.probe[norm1]", "dense.isolated[fc2]", "network.weights"} <= kinds


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_the_larger_network_by_other_means_conforms(way: keras_ports.Way) -> None:
    """The same for keras_sequential, whose first convolution pads an odd number of rows."""
    params, _ = material(KERAS)
    report = judged(keras_ports.built(KERAS, params, way), KERAS)
    assert report.conforms, wrong(report)


def test_a_wrong_handwritten_lrn_is_rejected_there() -> None:
    """Alpha divided by the window once more, inside twenty operations, is found at the first LRN."""
    report = judged(keras_ports.built(TF1, PARAMS, keras_ports.lrn_once_more))
    assert report.first_wrong_layer == "norm1"
    assert "lrn.probe[norm1]" in {check.id for check in report.of("failed")}


@pytest.mark.slow
def test_models_in_models_are_opened() -> None:
    """A Sequential in a functional model, and one in a Sequential, are judged layer by layer."""
    report = judged(keras_ports.nested(TF1, PARAMS))
    assert report.conforms, wrong(report)
    assert "lrn.isolated[norm3]" in {check.id for check in report.of("passed")}


@pytest.mark.slow
@pytest.mark.parametrize("flatten", ["channels_first", "channels_last"])
def test_channels_first_conforms_however_it_is_flattened(flatten: str) -> None:
    """Images in (C, H, W) are turned; a flatten that turns them back, and one that does not, are told apart."""
    import tensorflow as tf

    try:
        tf.nn.conv2d(tf.zeros((1, 1, 3, 3)), tf.zeros((1, 1, 1, 1)), 1, "SAME", data_format="NCHW")
    except tf.errors.UnimplementedError:
        pytest.skip("needs a processor for which TensorFlow's convolution takes channels first: with oneDNN on, or a GPU")
    report = judged(keras_ports.channels_first(TF1, PARAMS, flatten=flatten))
    assert report.conforms, wrong(report)


@pytest.mark.slow
def test_a_subclassed_model_is_traced() -> None:
    """A model with a call of its own is judged layer by layer, and its result is the model's own."""
    report = judged(keras_ports.subclassed(TF1, PARAMS))
    assert report.conforms, wrong(report)
    assert "lrn.isolated[norm3]" in {check.id for check in report.of("passed")}


@pytest.mark.slow
def test_a_model_that_differs_from_its_trace_is_rejected() -> None:
    """A call that does one thing with symbolic tensors and another with numbers is judged by what it does with numbers."""
    import keras

    right = keras_ports.subclassed(TF1, PARAMS)

    class Sly(type(right)):  # type: ignore[misc]  # a class made in a function
        def call(self, x: Any, training: bool = False) -> Any:
            y = super().call(x, training=training)
            return y if isinstance(x, keras.KerasTensor) else y * 1.01

    model = Sly()
    model(X)
    keras_ports.set_in_order(model, PARAMS)
    assert "dense.isolated[out]" in {check.id for check in judged(model).of("failed")}


@pytest.mark.slow
def test_a_model_that_cannot_be_traced_is_not_rejected_for_its_weights() -> None:
    """Of a call that no trace follows it does not show whose weights are whose: not checkable, until they are given."""
    import tensorflow as tf

    class Opaque(type(keras_ports.subclassed(TF1, PARAMS))):  # type: ignore[misc]  # a class made in a function
        def call(self, x: Any, training: bool = False) -> Any:
            return super().call(tf.identity(x), training=training)

    model = Opaque()
    model(X)
    keras_ports.set_in_order(model, PARAMS)
    report = judged(model)
    assert report.verdict == "could not be checked", wrong(report)
    given = alexnet_ref.verify(model, TF1, images=np.asarray(X, np.float32), params=PARAMS, diagnosis=False)
    assert given.conforms, wrong(given)


def test_a_layer_that_scales_its_weights_is_no_bias() -> None:
    """A layer of one's own counts as a bias only if it adds its weights as they are, to the bit."""
    import keras

    from alexnet_ref.candidates.keras import KerasPort

    x = keras.Input((5, 6, 3))
    means = [
        KerasPort(keras.Model(x, keras_ports.bias_layer(scale)(keras.layers.ReLU()(x)))).steps()[1].means for scale in (1.0, 1.5)
    ]
    assert means == ["bias", None]


@pytest.mark.slow
def test_a_sum_without_bias_is_rejected() -> None:
    """A convolution whose bias is left out is told by its number of weights and by its values, not called uncheckable."""

    def way(y: Any, layer: Any, architecture: Any) -> Any:
        made = keras_layer(layer, architecture)
        config = made.get_config() | ({"use_bias": False} if layer.name == "conv2" else {})
        return type(made).from_config(config)(y)

    import keras

    x = y = keras.Input(TF1.input_shape)
    for layer in TF1.layers:
        y = way(y, layer, TF1)
    report = judged(keras.Model(x, y))
    failed = {check.id for check in report.of("failed")}
    assert {"conv.params[conv2]", "conv.exact[conv2]", "conv.isolated[conv2]"} & failed >= {
        "conv.params[conv2]",
        "conv.exact[conv2]",
    }
    assert report.first_wrong_layer == "conv2"


def test_uses_of_one_layer_have_names_of_their_own() -> None:
    """A dropout layer that is used three times is three steps."""
    import keras

    from alexnet_ref.candidates.keras import KerasPort

    shared = keras.layers.Dropout(0.2, name="drop")
    x = keras.Input((4, 5, 3))
    port = KerasPort(keras.Model(x, shared(keras.layers.ReLU(name="relu")(shared(shared(x))))))
    assert [step.name for step in port.steps()] == ["drop", "drop#2", "relu", "drop#3"]
    assert all(step.means == Dropout(name="drop", rate=0.2) for step in port.steps() if step.name != "relu")


def test_what_no_word_describes_is_not_described() -> None:
    """Layers that resemble a word of the vocabulary, and differ, are unknown; what resembles a helper, and does more, too."""
    import keras
    from keras import layers

    from alexnet_ref.candidates.keras import KerasPort

    strangers = [
        layers.SpatialDropout2D(0.2), layers.Dropout(0.2, noise_shape=(None, 1, 1, 3)), layers.Softmax(axis=1),
        layers.ReLU(threshold=0.5), layers.ReLU(max_value=6), layers.Conv2D(3, 3, dilation_rate=2), layers.Conv2D(3, 3, groups=3),
        layers.Resizing(7, 8, interpolation="nearest"), layers.Resizing(7, 8, antialias=True), layers.BatchNormalization(),
        layers.Rescaling(0.5), layers.Activation("gelu"), layers.AveragePooling2D(2),
    ]  # fmt: skip
    x = keras.Input((9, 10, 3))
    for layer in strangers:
        [step] = KerasPort(keras.Model(x, layer(x))).steps()
        assert step.means is None, layer


def test_helpers_are_told() -> None:
    """Padding with its widths, transposition, reshaping and what does nothing are helpers."""
    import keras
    from keras import layers, ops

    from alexnet_ref.candidates.keras import KerasPort

    x = keras.Input((9, 10, 3))
    y = layers.ZeroPadding2D(((1, 2), (3, 4)))(x)
    y = ops.pad(y, [[0, 0], [0, 1], [2, 0], [0, 0]])
    y = layers.Rescaling(1.0)(layers.Identity()(y))
    y = layers.Reshape((-1,))(layers.Permute((3, 1, 2))(y))
    steps = KerasPort(keras.Model(x, y)).steps()
    assert [step.means for step in steps] == ["pad", "pad", "identity", "identity", "transpose", "reshape"]
    assert [step.pads for step in steps[:2]] == [((1, 2), (3, 4)), ((0, 1), (2, 0))]


def test_what_has_no_single_way_through_is_refused() -> None:
    """Two outputs, and a model that is not built, are refused in a line with a hint."""
    import keras

    from alexnet_ref.candidates.keras import KerasPort

    x = keras.Input((4,))
    two = keras.Model(x, [keras.layers.Dense(2)(x), keras.layers.Dense(3)(x)])
    with pytest.raises(InvalidInput, match=r"one output; received 2 outputs\. Choose one"):
        KerasPort(two)
    with pytest.raises(InvalidInput, match="not built"):
        KerasPort(keras.Sequential([keras.layers.Dense(2)]))


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["function", "XLA"])
def test_execution_changes_no_verdict(execution: str) -> None:
    """As a tf.function and compiled by XLA a right port conforms, a wrong one is rejected at the same layer."""
    small = dataclasses.replace(TF1, layers=TF1.layers[:4])
    params = {"conv1": PARAMS["conv1"]}
    assert judged(keras_ports.built(small, params, keras_ports.handwritten_lrn), small, execution=execution).conforms
    report = judged(keras_ports.built(small, params, keras_ports.lrn_once_more), small, execution=execution)
    assert report.first_wrong_layer == "norm1"


@pytest.mark.parametrize(("layer", "fails"), [("pool1", False), ("pool2", False), ("pool3", True), ("conv1", True)])
def test_padding_is_what_it_does(layer: str, fails: bool) -> None:
    """VALID is SAME where neither pads: over 28 or 14 rows, and not over the third pool's 7 nor for a window of 3."""
    changed = TF1[layer]
    assert isinstance(changed, (Conv, MaxPool))
    valid = dataclasses.replace(changed, padding="VALID")
    layers = tuple(valid if own is changed else own for own in TF1.layers)
    model = alexnet_ref.build_model(dataclasses.replace(TF1, layers=layers))
    found = {check.id for check in alexnet_ref.verify(model, TF1, checks=[check_facts], diagnosis=False).of("failed")}
    assert any(check.endswith(f".hyperparameters[{layer}]") for check in found) == fails
    assert bool(found) == fails
