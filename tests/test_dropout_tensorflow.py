"""The Keras models' dropout layers, and TensorFlow 1's operation, against the same laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alexnet_ref.compare import assert_equal
from alexnet_ref.models import build_model, keras_layer
from reference import Architecture, Dropout
from reference.ops import dropout
from reference.shapes import layer_inputs
from tests.binomial import assert_plausible, count_kept
from tests.strategies import signed
from tests.test_dropout import DOCUMENTED, NAMES
from tests.test_dropout_statistics import counts_of, kept_by_layer

Array = NDArray[Any]
EXAMPLES = 19  # distinct from every other dimension

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """Build each document's model once, seed 5."""
    from reference import ARCHITECTURES

    return {name: build_model(architecture, seed=5) for name, architecture in ARCHITECTURES.items()}


def inputs(architecture: Architecture) -> dict[str, Array]:
    """Return, for each dropout layer, float32 values of both signs, nowhere 0: what is 0 behind the layer was dropped."""
    shapes = layer_inputs(architecture)
    xs = {name: signed((EXAMPLES, *shapes[name]), 0, dtype=np.float32) for name in kept_by_layer(architecture)}
    assert all((x != 0).all() for x in xs.values())
    return xs


def test_keras_dropout_keeps_exactly(models: dict[str, Any], architecture: Architecture) -> None:
    """In training each document's layer returns the oracle's x/0.5 or x/0.8 for its mask, bit for bit, eager and traced."""
    import tensorflow as tf

    for name, x in inputs(architecture).items():
        layer = models[architecture.name].get_layer(name)
        rate = {"keras_sequential": 0.5, "tf1_graph": 0.2}[architecture.name]
        for call in (layer, tf.function(layer)):
            y = call(x, training=True).numpy()
            assert 0 < (y == 0).mean() < 1
            assert_equal(y, dropout(x, y != 0, rate=rate))


def test_keras_dropout_keeps_as_many_as_it_should_and_independently(models: dict[str, Any], architecture: Architecture) -> None:
    """Fractions kept, and pairs of elements, examples, channels, calls and layers, agree by chance; calls eager and traced."""
    import tensorflow as tf

    masks = {}
    for name, x in inputs(architecture).items():
        layer = models[architecture.name].get_layer(name)
        traced = tf.function(layer)
        masks[name] = np.stack([call(x, training=True).numpy() != 0 for call in (layer, layer, traced, traced)])
    assert_plausible(counts_of(masks, kept_by_layer(architecture)))


def test_keras_dropout_is_the_identity_at_inference(models: dict[str, Any], architecture: Architecture) -> None:
    """Outside training, which is the default, each document's layer returns its input bit for bit."""
    for name, x in inputs(architecture).items():
        layer = models[architecture.name].get_layer(name)
        assert_equal(layer(x, training=False).numpy(), x)
        assert_equal(layer(x).numpy(), x)


def test_keras_dropout_drops_in_training_only_within_the_model(models: dict[str, Any]) -> None:
    """tf1_graph's whole model repeats itself at inference, and does not in training."""
    model = models["tf1_graph"]
    x = signed((3, 28, 28, 1), 0, dtype=np.float32)
    at_inference = model(x, training=False).numpy()
    assert_equal(model(x).numpy(), at_inference)
    in_training = model(x, training=True).numpy()
    for other in (at_inference, model(x, training=True).numpy()):
        assert (in_training != other).any(axis=1).all()


def test_keras_dropout_at_rate_0_is_the_identity(architecture: Architecture) -> None:
    """A layer of rate 0 changes nothing in training."""
    x = signed((2, 3, 5, 4), 0, dtype=np.float32)
    layer = keras_layer(Dropout(name="drop", rate=0.0), architecture)
    assert_equal(layer(x, training=True).numpy(), x)


def test_keras_dropout_is_reproduced_by_its_seed(architecture: Architecture) -> None:
    """Built again from the same seed, a layer draws the same masks in the same order; from another seed, others."""
    for layer in architecture.layers:
        if isinstance(layer, Dropout):
            x = signed((3, 5, 7, 11), 0, dtype=np.float32)
            first, again, other = (keras_layer(layer, architecture, seed) for seed in ((5, 1), (5, 1), (6, 1)))
            drawn = [[built(x, training=True).numpy() != 0 for _ in range(2)] for built in (first, again, other)]
            assert np.array_equal(drawn[0], drawn[1])
            assert not np.array_equal(drawn[0][0], drawn[0][1])
            assert not np.array_equal(drawn[0][0], drawn[2][0])


def test_keras_dropout_of_two_seeds_is_independent(models: dict[str, Any], architecture: Architecture) -> None:
    """Models built from neighbouring seeds share no masks: their pairs agree by chance."""
    other = build_model(architecture, seed=6)
    masks = {}
    for name, x in inputs(architecture).items():
        layers = [model.get_layer(name) for model in (models[architecture.name], other)]
        masks[name] = np.stack([layer(x, training=True).numpy() != 0 for layer in layers])
    assert_plausible(counts_of(masks, kept_by_layer(architecture)))


@pytest.mark.parametrize(("layer", "shape", "_keep_prob"), DOCUMENTED, ids=NAMES)
def test_keras_dropout_gradient_uses_the_same_mask(layer: Dropout, shape: tuple[int, ...], _keep_prob: Any) -> None:
    """The gradient is the oracle's dropout of the gradient that comes in, with the mask of the output: every bit."""
    import tensorflow as tf

    from reference import ARCHITECTURES

    built = keras_layer(layer, ARCHITECTURES["tf1_graph"])
    x, coming = tf.constant(signed((2, *shape), 0, dtype=np.float32)), signed((2, *shape), 1, dtype=np.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = built(x, training=True)
    gradient = tape.gradient(y, x, output_gradients=coming).numpy()
    mask = y.numpy() != 0
    assert 0 < mask.mean() < 1
    assert_equal(gradient, dropout(coming, mask, rate=layer.rate))


def test_tf1_dropout_by_keep_prob_is_dropout_by_rate() -> None:
    """The document's own call, tf.nn.dropout(x, 0.8) of TensorFlow 1: it keeps 0.8 of the elements, and scales them by 1.25."""
    import tensorflow as tf

    x = signed((EXAMPLES, 14, 13, 64), 0, dtype=np.float32)
    y = tf.compat.v1.nn.dropout(x, 0.8, seed=3).numpy()
    assert_equal(y, dropout(x, y != 0, rate=0.2))
    assert_plausible([count_kept(y != 0, 0.8)])
