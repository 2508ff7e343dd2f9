"""The Keras models: rows, names, initial weights, results, files, losses and gradients are the documents'."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref.bounds import FALSE_ALARM, FLOAT32
from alexnet_ref.compare import assert_equal, assert_within
from alexnet_ref.models import build_model, compile_model
from alexnet_ref.weights import get_params
from reference import Architecture, Conv
from reference.ops import softmax
from tests import networks as n
from tests.miniatures import SMALLER
from tests.strategies import signed

pytestmark = pytest.mark.tf

# The document's summary, typed from its page: name, output shape, parameters.
SUMMARY = """
resizing         (None, 224, 224, 3)  0
conv2d           (None, 56, 56, 96)   34944
lambda           (None, 56, 56, 96)   0
activation       (None, 56, 56, 96)   0
max_pooling2d    (None, 27, 27, 96)   0
conv2d_1         (None, 7, 7, 256)    614656
lambda_1         (None, 7, 7, 256)    0
activation_1     (None, 7, 7, 256)    0
max_pooling2d_1  (None, 3, 3, 256)    0
conv2d_2         (None, 1, 1, 384)    885120
activation_2     (None, 1, 1, 384)    0
conv2d_3         (None, 1, 1, 384)    1327488
activation_3     (None, 1, 1, 384)    0
conv2d_4         (None, 1, 1, 256)    884992
activation_4     (None, 1, 1, 256)    0
flatten          (None, 256)          0
dense            (None, 4096)         1052672
dropout          (None, 4096)         0
dense_1          (None, 4096)         16781312
dropout_1        (None, 4096)         0
dense_2          (None, 10)           40970
"""
NAMES = {
    "keras_sequential": [line.split()[0] for line in SUMMARY.strip().splitlines()],
    "tf1_graph": "conv1 pool1 norm1 drop1 conv2 pool2 norm2 drop2 conv3 pool3 norm3 drop3 flatten fc1 fc2 out".split(),  # noqa: SIM905 - a row of names reads as one
}


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """Return both models with their own initial weights of seed 0; no test changes them."""
    return {name: build_model(architecture) for name, architecture in reference.ARCHITECTURES.items()}


@pytest.fixture
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give Keras's table the room that it cuts itself to."""
    monkeypatch.setenv("COLUMNS", "120")


def _rows(model: Any) -> list[tuple[str, str, int]]:
    """Read (name, shape, parameters) from what model.summary() prints."""
    lines: list[str] = []
    model.summary(line_length=120, print_fn=lambda line, **_: lines.append(line))
    pattern = re.compile(r"(\w+) \(\w+\)\W+(\(None[\d, ]*\))\W+([\d,]+)\W*$", re.MULTILINE)
    return [(name, shape, int(count.replace(",", ""))) for name, shape, count in pattern.findall("\n".join(lines))]


# ---- Rows and names ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_wide_terminal")
def test_summary_shows_the_documents_rows(models: dict[str, Any]) -> None:
    """model.summary() prints the document's 21 rows: names, shapes and counts, in its order."""
    typed = [re.split(r" {2,}", line) for line in SUMMARY.strip().splitlines()]
    expected = [(name, shape, int(count)) for name, shape, count in typed]
    assert len(expected) == 21
    assert _rows(models["keras_sequential"]) == expected


@pytest.mark.usefixtures("_wide_terminal")
def test_summary_of_another_network_differs() -> None:
    """The rows are read, not assumed: one padding changed shows in the printed shapes."""
    architecture = reference.ARCHITECTURES["keras_sequential"]
    resize, conv, *_ = architecture.layers
    assert isinstance(conv, Conv)
    rows = _rows(build_model(replace(architecture, layers=(resize, replace(conv, padding="VALID")))))
    assert rows == [("resizing", "(None, 224, 224, 3)", 0), ("conv2d", "(None, 54, 54, 96)", 34944)]


@pytest.mark.parametrize(("name", "total"), [("keras_sequential", 21_622_154), ("tf1_graph", 5_624_842)])
def test_names_and_totals(models: dict[str, Any], name: str, total: int) -> None:
    """Layers bear the document's names in its order; all parameters are trainable, and as many as the document's."""
    model = models[name]
    assert [layer.name for layer in model.layers] == NAMES[name]
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == total == model.count_params()


# ---- Initial weights -----------------------------------------------------------------------------------------------------


def _distance(values: n.Array, quantiles: dict[float, float]) -> float:
    """Return the greatest difference between the share of values up to x and p, over {p: the x of that probability}."""
    return max(abs(float((values <= x).mean()) - p) for p, x in quantiles.items())


def _farthest(count: int) -> float:
    """Return what the distance exceeds with probability FALSE_ALARM at most: √(ln(2/δ)/2N) (Massart 1990)."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * count))


UNIFORM = {p: 2 * p - 1 for p in (0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95)}  # on −1 … 1
NORMAL = {0.5 * (1 + math.erf(x / math.sqrt(2))): x for x in (-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0)}


def test_glorot_uniform_kernels_and_zero_biases(models: dict[str, Any]) -> None:
    """keras_sequential: kernels are uniform on ±√(6/(fan_in + fan_out)), biases zero. False alarm: 1e-9 for each kernel."""
    for parts in get_params(models["keras_sequential"], "keras_sequential").values():
        kernel = parts["kernel"]
        *positions, c, o = kernel.shape
        limit = math.sqrt(6 / (math.prod(positions) * (c + o)))
        assert np.abs(kernel).max() <= limit * (1 + 4 * FLOAT32.u)  # the rounded limit, width, product and sum
        assert _distance(kernel / limit, UNIFORM) <= _farthest(kernel.size)
        assert not parts["bias"].any()


def test_standard_normal_weights(models: dict[str, Any]) -> None:
    """tf1_graph: kernels and biases are standard normal, all of them. False alarm: 1e-9 for each array."""
    for parts in get_params(models["tf1_graph"], "tf1_graph").values():
        for values in parts.values():
            assert _distance(values, NORMAL) <= _farthest(values.size)


def test_other_distributions_are_rejected(models: dict[str, Any]) -> None:
    """The distance sees a standard deviation of 0.95, a normal cut off at two deviations, and a limit 5 % off."""
    values = get_params(models["tf1_graph"], "tf1_graph")["conv2"]["kernel"]
    assert _distance(0.95 * values, NORMAL) > _farthest(values.size)
    assert _distance(values[np.abs(values) < 2], NORMAL) > _farthest(values.size)
    kernel = get_params(models["keras_sequential"], "keras_sequential")["conv2d"]["kernel"]
    assert _distance(kernel / np.abs(kernel).max() * 1.05, UNIFORM) > _farthest(kernel.size)


def _likeness(a: n.Array, b: n.Array) -> tuple[float, float]:
    """Return the mean of sign(a)·sign(b), and what it exceeds with probability FALSE_ALARM at most if a and b are independent.

    Signs are ±1 with even chances: Hoeffding gives √(2·ln(2/δ)/N).
    """
    count = min(a.size, b.size)
    mean = abs(float((np.sign(a.ravel()[:count]) * np.sign(b.ravel()[:count])).mean()))
    return mean, math.sqrt(2 * math.log(2 / FALSE_ALARM) / count)


def test_layers_draw_independently(models: dict[str, Any]) -> None:
    """No two arrays of weights of one model are drawn from the same stream. False alarm: 1e-9 for each pair."""
    for name, model in models.items():
        arrays = [value for parts in get_params(model, name).values() for value in parts.values() if value.any()]
        for a, b in itertools.combinations(arrays, 2):
            mean, most = _likeness(a, b)
            assert mean <= most


def test_a_shared_stream_is_seen(models: dict[str, Any]) -> None:
    """The likeness of a kernel with its own beginning, which one stream for two layers would give, is rejected."""
    kernel = get_params(models["tf1_graph"], "tf1_graph")["conv2"]["kernel"]
    mean, most = _likeness(kernel, kernel.ravel()[:100])
    assert mean > most


def test_a_seed_gives_the_same_weights(models: dict[str, Any]) -> None:
    """The same seed draws the same bits again; another seed draws others, independently."""
    first = get_params(models["tf1_graph"], "tf1_graph")
    again = get_params(build_model("tf1_graph", seed=0), "tf1_graph")
    other = get_params(build_model("tf1_graph", seed=1), "tf1_graph")
    for layer, parts in first.items():
        for part, value in parts.items():
            assert_equal(again[layer][part], value)
            mean, most = _likeness(other[layer][part], value)
            assert mean <= most


# ---- Results and files ---------------------------------------------------------------------------------------------------


def _images(architecture: Architecture, count: int = 3) -> n.Array:
    images: n.Array = np.abs(signed((count, *architecture.input_shape), 5, 0.5, np.float32))
    return images


def test_keras_sequential_ends_in_probabilities(models: dict[str, Any]) -> None:
    """Each row of the result is of positive numbers that sum to 1, but for K + 1 roundings."""
    y = np.asarray(models["keras_sequential"](_images(reference.ARCHITECTURES["keras_sequential"])))
    assert (y > 0).all()
    assert_within(y.astype(np.float64).sum(axis=1), np.ones(3), (10 + 1) * FLOAT32.u)


def test_tf1_graph_ends_in_logits(models: dict[str, Any]) -> None:
    """The result is of both signs and not confined to 1: no softmax was taken."""
    y = np.asarray(models["tf1_graph"](_images(reference.ARCHITECTURES["tf1_graph"])))
    assert y.min() < -1
    assert y.max() > 1


# Keras 3.15 saves by np.array(variable), whose __array__ lacks NumPy 2's `copy`.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize("architecture", SMALLER, indirect=True)
def test_a_saved_model_is_the_same(architecture: Architecture, models: dict[str, Any], tmp_path: Path) -> None:
    """Saved as .keras and loaded in safe mode, the model has the same configuration and gives the same bits."""
    import keras

    model, path = models[architecture.name], tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    x = _images(architecture)
    assert loaded.to_json() == model.to_json()
    assert_equal(np.asarray(loaded(x)), np.asarray(model(x)))


# ---- Loss and gradient ---------------------------------------------------------------------------------------------------

LABELS = np.array([3, 0, 9])


def _labels(architecture: Architecture) -> n.Array:
    one_hot = architecture.recipe.loss == "softmax_cross_entropy_with_logits"
    return np.eye(10, dtype=np.float32)[LABELS] if one_hot else LABELS


@pytest.fixture
def compiled(architecture: Architecture) -> Any:
    """Return the model, compiled as documented, with weights that open every ReLU: see `_open`."""
    return compile_model(build_model(architecture, _open(architecture)), architecture)


def _open(architecture: Architecture) -> reference.Params:
    """Return positive weights that pass on averages, so that no unit is dead and no softmax saturated."""
    params = reference.init_params(architecture, 2)
    return {
        layer: {
            "kernel": np.abs(parts["kernel"]) / np.abs(parts["kernel"]).sum(axis=tuple(range(parts["kernel"].ndim - 1))),
            "bias": np.full_like(parts["bias"], 0.01),
        }
        for layer, parts in params.items()
    }


def test_loss_of_probabilities(compiled_keras_sequential: Any) -> None:
    """keras_sequential's loss is the mean of −ln p[label], integer labels. A logarithm and a loss of ln p: both bounded."""
    p = softmax(signed((3, 10), 6, 2.0)).astype(np.float32)
    log_p = np.log(p.astype(np.float64))
    losses, allowed = n.cross_entropy(log_p, np.eye(10)[LABELS])  # as ln Σ p is 0 but for the rounding of p
    allowed = allowed + 8 * FLOAT32.u * np.abs(log_p).max(axis=-1) + 2 * 10 * FLOAT32.u  # of each ln p, and of Σ p
    received = np.asarray(compiled_keras_sequential.compute_loss(y=LABELS, y_pred=p))
    assert_within(received, np.array(losses.mean()), n.mean_allowed(losses, allowed))


def test_loss_of_logits(compiled_tf1_graph: Any) -> None:
    """tf1_graph's loss is the mean of ln Σ exp(z) − z[label], one-hot labels."""
    z, one_hot = signed((3, 10), 6, 5.0, np.float32), np.eye(10, dtype=np.float32)[LABELS]
    losses, allowed = n.cross_entropy(z, one_hot)
    received = np.asarray(compiled_tf1_graph.compute_loss(y=one_hot, y_pred=z))
    assert_within(received, np.array(losses.mean()), n.mean_allowed(losses, allowed))
    probabilities = np.asarray(compiled_tf1_graph.compute_loss(y=one_hot, y_pred=softmax(z)))
    with pytest.raises(AssertionError, match="differ by more than allowed"):
        assert_within(probabilities, np.array(losses.mean()), n.mean_allowed(losses, allowed))


@pytest.fixture(scope="module")
def compiled_keras_sequential(models: dict[str, Any]) -> Any:
    """Return keras_sequential compiled as documented."""
    return compile_model(models["keras_sequential"], "keras_sequential")


@pytest.fixture(scope="module")
def compiled_tf1_graph(models: dict[str, Any]) -> Any:
    """Return tf1_graph compiled as documented."""
    return compile_model(models["tf1_graph"], "tf1_graph")


@pytest.mark.parametrize("architecture", SMALLER, indirect=True)
def test_optimizer_is_adam(architecture: Architecture, compiled: Any) -> None:
    """The optimizer is Adam at 0.001 with its framework's epsilon: Keras's 1e-7, tf.train.AdamOptimizer's 1e-8."""
    import keras

    assert type(compiled.optimizer) is keras.optimizers.Adam
    assert float(compiled.optimizer.learning_rate) == float(np.float32(0.001))
    assert (compiled.optimizer.beta_1, compiled.optimizer.beta_2) == (0.9, 0.999)
    assert compiled.optimizer.epsilon == {"keras_sequential": 1e-7, "tf1_graph": 1e-8}[architecture.name]


UNSEEN = {"conv2d_3": 8 * 384 * 384, "conv2d_4": 8 * 384 * 256}  # all taps but the centre meet padding alone, on a 1×1 input


def _taps(kernel: n.Array) -> n.Array:
    """Return whether anything is not 0, for each tap and filter of a convolution: (P, Q, O)."""
    reached: n.Array = (kernel != 0).any(axis=2)
    return reached


@pytest.mark.parametrize("architecture", SMALLER, indirect=True)
def test_gradient_reaches_what_sees_data(architecture: Architecture, compiled: Any) -> None:
    """Every tap of every filter and every unit has a gradient, but 8 of 9 taps of conv2d_3 and conv2d_4: exactly 0."""
    import tensorflow as tf

    x, y = _images(architecture), _labels(architecture)
    with tf.GradientTape() as tape:
        loss = compiled.compute_loss(x=x, y=y, y_pred=compiled(x, training=False))
    gradients = zip(compiled.trainable_weights, tape.gradient(loss, compiled.trainable_weights), strict=True)
    for weight, gradient in ((weight.path.split("/"), np.asarray(g)) for weight, g in gradients):
        *_, layer, part = weight
        if layer in UNSEEN and part == "kernel":
            assert _taps(gradient)[1, 1].all()
            others = np.delete(gradient.reshape(9, *gradient.shape[2:]), 4, axis=0)
            assert others.size == UNSEEN[layer]
            assert not others.any()
        elif part == "kernel" and isinstance(architecture[layer], Conv):
            assert _taps(gradient).all(), layer
        else:
            assert (gradient != 0).any(axis=tuple(range(gradient.ndim - 1))).all(), f"{layer}/{part}"


@pytest.mark.parametrize("architecture", SMALLER, indirect=True)
def test_one_step_changes_what_sees_data(architecture: Architecture, compiled: Any) -> None:
    """One training step, dropout and all, changes every layer's kernel and bias, but not the taps that meet padding alone."""
    before = get_params(compiled, architecture)
    compiled.train_on_batch(_images(architecture), _labels(architecture))
    for layer, parts in get_params(compiled, architecture).items():
        changed = {part: value != before[layer][part] for part, value in parts.items()}
        assert changed["bias"].any(), layer
        if isinstance(architecture[layer], Conv):
            expected = np.ones(changed["kernel"].shape[:2], bool)
            if layer in UNSEEN:
                expected = np.pad([[True]], 1)
            assert (changed["kernel"].any(axis=(2, 3)) == expected).all(), layer
        else:
            assert changed["kernel"].any(), layer
