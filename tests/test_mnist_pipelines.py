"""The documents' pipelines: their definitions, the documents' own code, splits and refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from alexnet_ref.mnist import (
    SAMPLE_HOLD_OUT,
    hold_out_first,
    hold_out_last,
    keras_sequential_images,
    load,
    one_hot,
    prepare,
    tf1_graph_images,
)
from reference.architectures import ARCHITECTURES
from reference.errors import InvalidInput
from reference.layers import Architecture, ReLU
from tests.mnist_files import few_digits

if TYPE_CHECKING:
    from collections.abc import Callable


def all_levels() -> np.ndarray[Any, Any]:
    """Two images in which all 256 grey levels occur, unequal to their transposes."""
    return np.arange(2 * 28 * 28, dtype=np.int64).reshape(2, 28, 28).astype(np.uint8)


def test_keras_sequential_images_follow_the_definition() -> None:
    """Each element is the grey level two pixels up and left, over 255 rounded once; the border is black."""
    images = all_levels()
    received = keras_sequential_images(images)
    assert (received.dtype, received.shape) == (np.dtype(np.float32), (2, 32, 32, 3))
    for n, i, j, c in np.ndindex(2, 32, 32, 3):
        inside = 2 <= i < 30 and 2 <= j < 30
        # A quotient of two integers below 2**24, rounded to float64 and then to float32, is the correctly rounded one.
        expected = np.float32(int(images[n, i - 2, j - 2]) / 255) if inside else np.float32(0)
        assert received[n, i, j, c] == expected


@pytest.mark.tf
def test_keras_sequential_images_equal_the_documents_code() -> None:
    """The document's own lines, run by TensorFlow, give the same bits for every grey level and for the sample."""
    import tensorflow as tf

    for images in (all_levels(), load().train_images):
        x_train = tf.pad(images, [[0, 0], [2, 2], [2, 2]]) / 255
        x_train = tf.expand_dims(x_train, axis=3, name=None)
        x_train = tf.repeat(x_train, 3, axis=3)
        received = keras_sequential_images(images)
        assert (received.dtype, received.shape) == (x_train.numpy().dtype, x_train.shape)
        assert (received.view(np.uint32) == x_train.numpy().view(np.uint32)).all()


def test_tf1_graph_images_follow_the_definition() -> None:
    """Element 28·i + j is the grey level at (i, j) times float32(1/255), the product rounded to float32."""
    images = all_levels()
    received = tf1_graph_images(images)
    assert (received.dtype, received.shape) == (np.dtype(np.float32), (2, 784))
    factor = float(np.float32(1 / 255))
    for n, i, j in np.ndindex(2, 28, 28):
        # An 8-bit times a 24-bit integer is exact in float64: the only rounding is the last.
        assert received[n, 28 * i + j] == np.float32(int(images[n, i, j]) * factor)
    assert (received.min(), received.max()) == (0, 1)


def test_pipelines_scale_differently_in_the_last_bit() -> None:
    """The quotient of one document and the product of the other differ for 126 of the 256 levels, by one unit."""
    levels = np.zeros((1, 28, 28), np.uint8)
    levels.reshape(-1)[:256] = np.arange(256)
    quotient = keras_sequential_images(levels)[:, 2:30, 2:30, 0].reshape(-1)[:256]
    product = tf1_graph_images(levels)[0, :256]
    distance = np.abs(quotient.view(np.int32) - product.view(np.int32))
    assert np.count_nonzero(distance) == 126
    assert distance.max() == 1


def test_one_hot_follows_the_definition() -> None:
    """Row n has a 1 at label n and 0 elsewhere, in float32."""
    labels = np.array([3, 0, 9, 9, 1], np.uint8)
    received = one_hot(labels)
    assert (received.dtype, received.shape) == (np.dtype(np.float32), (5, 10))
    for n, k in np.ndindex(5, 10):
        assert received[n, k] == (1 if labels[n] == k else 0)


@pytest.mark.parametrize("labels", [np.array([10]), np.array([-1]), np.array([1.0]), np.zeros((2, 10), np.uint8)])
def test_one_hot_refuses_what_are_no_labels(labels: np.ndarray[Any, Any]) -> None:
    """Numbers that are no digits, and labels that are one-hot already, are refused."""
    with pytest.raises(InvalidInput):
        one_hot(labels)


@pytest.mark.parametrize("pipeline", [keras_sequential_images, tf1_graph_images])
@pytest.mark.parametrize(
    "images", [np.zeros((2, 28, 28), np.float32), np.zeros((2, 784), np.uint8), np.zeros((28, 28), np.uint8)]
)
def test_pipelines_refuse_what_is_not_mnist(
    pipeline: Callable[[np.ndarray[Any, Any]], object], images: np.ndarray[Any, Any]
) -> None:
    """Images that are scaled already, flattened, or single are refused."""
    with pytest.raises(InvalidInput, match=r"expected uint8 \(N, 28, 28\)"):
        pipeline(images)


def test_hold_outs_take_the_documented_ends() -> None:
    """keras_sequential holds out the last digits and tf1_graph the first; nothing is lost and nothing moves."""
    images, labels = few_digits()["x_train"], few_digits()["y_train"]
    x, y, x_val, y_val = hold_out_last(images, labels, 2)
    assert (y.tolist(), y_val.tolist()) == ([3, 1, 4], [1, 5])
    assert (np.concatenate([x, x_val]) == images).all()
    x, y, x_val, y_val = hold_out_first(images, labels, 2)
    assert (y_val.tolist(), y.tolist()) == ([3, 1], [4, 1, 5])
    assert (np.concatenate([x_val, x]) == images).all()


def test_hold_outs_default_to_the_documented_numbers() -> None:
    """2,000 are held out for keras_sequential, and 5,000 for tf1_graph."""
    images, labels = np.zeros((5001, 28, 28), np.uint8), np.zeros(5001, np.uint8)
    assert [len(part) for part in hold_out_last(images, labels)] == [3001, 3001, 2000, 2000]
    assert [len(part) for part in hold_out_first(images, labels)] == [1, 1, 5000, 5000]


@pytest.mark.parametrize("hold_out", [hold_out_last, hold_out_first])
@pytest.mark.parametrize("count", [-1, 0, 5, 6])
def test_hold_outs_refuse_to_leave_nothing(hold_out: Callable[..., object], count: int) -> None:
    """A number that leaves no digit to train on, or holds out none, is refused."""
    with pytest.raises(InvalidInput, match="expected 1 to 4"):
        hold_out(few_digits()["x_train"], few_digits()["y_train"], count)


@pytest.mark.parametrize("hold_out", [hold_out_last, hold_out_first])
def test_hold_outs_refuse_unequal_numbers(hold_out: Callable[..., object]) -> None:
    """Images without labels, or labels without images, are refused."""
    with pytest.raises(InvalidInput, match="differ in number"):
        hold_out(few_digits()["x_train"], few_digits()["y_test"], 1)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_prepare_refuses_the_documented_number_for_the_sample(name: str) -> None:
    """The sample is smaller than both validation sets: the refusal says which number suits it."""
    with pytest.raises(InvalidInput, match=f"hold_out={SAMPLE_HOLD_OUT}"):
        prepare(ARCHITECTURES[name], load())


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_prepare_delivers_what_the_network_is_fed(name: str) -> None:
    """Slices and index arrays give images of the architecture's fed shape, in float32, with a label each."""
    architecture, mnist = ARCHITECTURES[name], load()
    p = prepare(architecture, mnist, hold_out=SAMPLE_HOLD_OUT)
    assert [len(p.x_train), len(p.x_val), len(p.x_test)] == [240, 60, 300]
    assert [len(p.y_train), len(p.y_val), len(p.y_test)] == [240, 60, 300]
    assert p.x_test[:7].shape == (7, *architecture.fed_shape)
    assert p.x_test[:7].dtype == np.float32
    assert (p.x_test[np.array([6, 2])] == p.x_test[:7][[6, 2]]).all()
    assert (p.x_val[:] == p.x_val.pipeline(p.x_val.raw)).all()


def test_prepare_follows_keras_sequential() -> None:
    """keras_sequential: the last digits validate, the labels stay digits, the images are those of its pipeline."""
    mnist = load()
    p = prepare(ARCHITECTURES["keras_sequential"], mnist, hold_out=60)
    assert (p.x_val[:] == keras_sequential_images(mnist.train_images[240:])).all()
    assert (p.x_test[:9] == keras_sequential_images(mnist.test_images[:9])).all()
    for received, expected in (
        (p.y_train, mnist.train_labels[:240]),
        (p.y_val, mnist.train_labels[240:]),
        (p.y_test, mnist.test_labels),
    ):
        assert received.dtype == np.uint8
        assert received.tolist() == expected.tolist()


def test_prepare_follows_tf1_graph() -> None:
    """tf1_graph: the first digits validate, the labels are one-hot, the images are those of its pipeline."""
    mnist = load()
    p = prepare(ARCHITECTURES["tf1_graph"], mnist, hold_out=60)
    assert (p.x_val[:] == tf1_graph_images(mnist.train_images[:60])).all()
    assert (p.x_train[:9] == tf1_graph_images(mnist.train_images[60:69])).all()
    for received, expected in (
        (p.y_train, mnist.train_labels[60:]),
        (p.y_val, mnist.train_labels[:60]),
        (p.y_test, mnist.test_labels),
    ):
        assert received.dtype == np.float32
        assert received.argmax(axis=1).tolist() == expected.tolist()


@pytest.mark.mnist
def test_prepare_splits_the_full_mnist_as_documented(full_mnist: Path) -> None:
    """58,000 and 2,000 for keras_sequential (907 batches of 64), 55,000 and 5,000 for tf1_graph, 10,000 test digits."""
    mnist = load(full_mnist)
    sizes = {name: prepare(a, mnist) for name, a in ARCHITECTURES.items()}
    assert {name: (len(p.x_train), len(p.x_val), len(p.x_test)) for name, p in sizes.items()} == {
        "keras_sequential": (58_000, 2_000, 10_000),
        "tf1_graph": (55_000, 5_000, 10_000),
    }
    assert -(-58_000 // 64) == 907  # the document's progress bar


def test_prepare_refuses_an_undocumented_architecture() -> None:
    """An architecture that neither document describes has no documented pipeline."""
    other = Architecture(name="other", input_shape=(28, 28, 1), layers=(ReLU(name="relu"),))
    with pytest.raises(InvalidInput, match="architecture 'other'"):
        prepare(other, load())


def test_tensorflow_is_not_imported() -> None:
    """Loading and preparing the sample imports neither TensorFlow nor Keras."""
    code = (
        "import sys; from alexnet_ref.mnist import load, prepare; from reference.architectures import ARCHITECTURES;"
        "[prepare(a, load(), hold_out=60).x_train[:2] for a in ARCHITECTURES.values()];"
        "sys.exit(str({'tensorflow', 'keras'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr.strip() == ""
