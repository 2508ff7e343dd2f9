"""Every contradiction of the documents, decided by computation; the test's id is the contradiction's."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref.mnist import keras_sequential_images, tf1_graph_images
from reference import ops
from reference.contradictions import CONTRADICTIONS
from reference.shapes import layer_inputs
from tests.strategies import signed

KERAS, TF1 = reference.ARCHITECTURES["keras_sequential"], reference.ARCHITECTURES["tf1_graph"]
TEXTS = {"keras_sequential": "alexnet-with-tensorflow.txt", "tf1_graph": "alexnet-in-tensorflow.txt"}


def test_input_28_or_32() -> None:
    """MNIST's 28×28 images arrive as 32×32×3, which is what the network takes."""
    images = np.zeros((1, 28, 28), np.uint8)
    assert keras_sequential_images(images).shape[1:] == (32, 32, 3) == KERAS.input_shape


def test_listing_without_lrn() -> None:
    """The two LRN and two ReLU rows that the listing lacks come from the summary alone, with TensorFlow's default numbers."""
    lost = [layer for layer in KERAS.layers if len(layer.quotes) == 1 and layer.name != "flatten"]
    assert [layer.name for layer in lost] == ["lambda", "activation", "lambda_1", "activation_1"]
    for name in ("lambda", "lambda_1"):
        layer = KERAS[name]
        assert isinstance(layer, reference.LRN)
        assert (layer.depth_radius, layer.bias, layer.alpha, layer.beta) == (5, 1.0, 1.0, 0.5)


@pytest.mark.tf
def test_listing_without_lrn_defaults() -> None:
    """The numbers taken for the lost lines are the defaults in TensorFlow's own signature."""
    import tensorflow as tf

    parameters = inspect.signature(tf.raw_ops.LRN).parameters
    assert [parameters[name].default for name in ("depth_radius", "bias", "alpha", "beta")] == [5, 1, 1, 0.5]


def test_divided_by_sum_of_squares() -> None:
    """Dividing by the sum of squares halves the result of doubled activations; the operation lets it grow towards a limit."""
    x = signed((2, 3, 5, 7), 0)
    lrn: dict[str, Any] = {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}
    once, twice = (np.abs(ops.local_response_normalization(c * x, **lrn)) for c in (1, 2))
    assert (twice > once).all()
    band = np.abs(np.arange(7)[:, None] - np.arange(7)) <= 5
    literally, doubled = (np.abs(c * x / ((c * x) ** 2 @ band)) for c in (1, 2))
    assert (doubled < literally).all()


def test_lrn_before_relu() -> None:
    """LRN before ReLU differs from ReLU before LRN: negative neighbours count in the one and not in the other."""
    x = signed((2, 3, 5, 7), 1)
    lrn: dict[str, Any] = {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}
    before = ops.relu(ops.local_response_normalization(x, **lrn))
    after = ops.local_response_normalization(ops.relu(x), **lrn)
    assert (before[x > 0] < after[x > 0]).any()
    names = [layer.name for layer in KERAS.layers]
    assert names[1:4] == ["conv2d", "lambda", "activation"]


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8])
def test_divided_by_dropout_probability(rate: float) -> None:
    """Dividing kept values by the rate keeps the mean at 0.5 alone; dividing by 1 − rate keeps it at every rate.

    Over all masks of n elements of value 1, weighted by their probability, the mean is (1 − rate)·scale.
    """
    kept = ops.dropout(np.ones((1, 1)), np.ones((1, 1), bool), rate=rate)[0, 0]
    assert kept == 1 / (1 - rate)
    assert ((1 - rate) * (1 / rate) == 1) == (rate == 0.5)


def test_layers_for_filters() -> None:
    """256 is a number of filters: 5·5·96·256 + 256 parameters are the 614,656 of the summary."""
    layer = KERAS["conv2d_1"]
    assert isinstance(layer, reference.Conv)
    assert layer.filters == 256
    assert 5 * 5 * 96 * 256 + 256 == 614_656 == reference.param_counts(KERAS)["conv2d_1"]


def test_validation_above_98() -> None:
    """The first published validation accuracy is below 98 %."""
    quote = next(c for c in CONTRADICTIONS if c.id == "validation_above_98").quotes[1]
    assert float(quote.split(": ")[1]) < 0.98


def test_dropout_is_keep_probability() -> None:
    """A fifth is dropped, not four fifths."""
    rates = [layer.rate for layer in TF1.layers if isinstance(layer, reference.Dropout)]
    assert rates == [0.2, 0.2, 0.2]


def test_lsize_is_radius() -> None:
    """A unit impulse in channel 10 reaches the denominators of channels 6 … 14, nine of them, and no others."""
    layer = TF1["norm1"]
    assert isinstance(layer, reference.LRN)
    ones, louder = np.ones((1, 1, 1, 21)), np.ones((1, 1, 1, 21))
    louder[..., 10] = 1000.0
    lrn: dict[str, Any] = {"depth_radius": layer.depth_radius, "bias": layer.bias, "alpha": layer.alpha, "beta": layer.beta}
    quiet, heard = (ops.local_response_normalization(x, **lrn) for x in (ones, louder))
    assert np.flatnonzero(quiet != heard).tolist() == [6, 7, 8, 9, 10, 11, 12, 13, 14]
    assert layer.window == 9
    assert layer.alpha * layer.window == 0.001


def test_iterations_are_samples() -> None:
    """The listing's loop, run as it stands, ends after 4,687 steps and 299,968 samples."""
    training_iters, batch_size, step, made = 300_000, 64, 1, 0
    while step * batch_size < training_iters:
        made += 1
        step += 1
    assert (made, made * batch_size) == (4_687, 299_968)


def test_reshape_conv3() -> None:
    """The vector that enters fc1 has the 4,096 elements of drop3, not the 12,544 of conv3."""
    shapes = reference.layer_shapes(TF1)
    assert layer_inputs(TF1)["flatten"] == shapes["drop3"] == (4, 4, 256)
    assert shapes["flatten"] == (4096,)
    assert shapes["conv3"] == (7, 7, 256)


def test_two_scalings_of_255() -> None:
    """126 of the 256 grey levels differ between the two documents, none by more than one unit in the last place."""
    levels = np.zeros((1, 28, 28), np.uint8)
    levels.flat[:256] = np.arange(256)
    divided = keras_sequential_images(levels)[0, 2:-2, 2:-2, 0].ravel()[:256]
    multiplied = tf1_graph_images(levels).ravel()[:256]
    assert (divided != multiplied).sum() == 126
    assert (np.abs(divided - multiplied) <= np.spacing(divided)).all()


def test_each_contradiction_is_decided() -> None:
    """Every entry has a test of its name in this file, and ids are unique."""
    ids = [contradiction.id for contradiction in CONTRADICTIONS]
    assert len(set(ids)) == len(ids)
    assert {f"test_{id}" for id in ids} <= set(globals())  # noqa: A001 - the field's own name


@pytest.mark.parametrize("contradiction", CONTRADICTIONS, ids=lambda contradiction: contradiction.id)
def test_quotes_stand_in_the_document(contradiction: reference.contradictions.Contradiction, documents: Path) -> None:
    """Every quoted statement stands in its document, character for character."""
    text = (documents / TEXTS[contradiction.architecture]).read_text(encoding="utf-8")
    for quote in contradiction.quotes:
        assert quote in text
