"""What each document does to MNIST before the network sees it: pure NumPy functions, bit-equal to the documents' code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reference.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from alexnet_ref.mnist.parts import Bytes
    from alexnet_ref.mnist.sources import Mnist
    from reference.layers import Architecture

    Floats = NDArray[np.float32]

SAMPLE_HOLD_OUT = 60  # for the shipped sample of 300, which is smaller than either document's validation set


def keras_sequential_images(images: Bytes) -> Floats:
    """Images (N, 28, 28) uint8 → (N, 32, 32, 3) float32 in 0…1: two black pixels on each side, over 255, grey thrice.

    Source: *AlexNet with TensorFlow*, The Data:
    "x_train = tf.pad(x_train, [[0, 0], [2,2], [2,2]])/255",
    "x_train = tf.expand_dims(x_train, axis=3, name=None)",
    "x_train = tf.repeat(x_train, 3, axis=3)".

    TensorFlow's true division of uint8 gives float32, rounded once, when executed eagerly as in the document. (Inside a
    tf.function, the graph optimiser of TensorFlow 2.21 multiplies by the rounded 1/255 instead: 126 of the 256 levels then
    differ in their last bit.)
    """
    _check_images(images)
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2)])  # (N, 32, 32) uint8
    scaled = padded.astype(np.float32) / np.float32(255)  # (N, 32, 32)
    return np.repeat(scaled[..., np.newaxis], 3, axis=3)  # (N, 32, 32, 3)


def tf1_graph_images(images: Bytes) -> Floats:
    """Images (N, 28, 28) uint8 → (N, 784) float32 in 0…1, row after row.

    Source: *AlexNet in TensorFlow*: 'mnist = input_data.read_data_sets("/tmp/data/", one_hot=True)', and in it, in
    TensorFlow 1 (contrib/learn/python/learn/datasets/mnist.py): "images = numpy.multiply(images, 1.0 / 255.0)", of float32.

    A product with the rounded 1/255, not a quotient: 126 of the 256 levels differ from the other document's in their last bit.
    """
    _check_images(images)
    flat = images.reshape(len(images), 784)  # (N, 784) uint8; n_input = 784
    return flat.astype(np.float32) * np.float32(1.0 / 255.0)  # (N, 784)


def one_hot(labels: Bytes) -> Floats:
    """Labels (N,) of 0 to 9 → (N, 10) float32 with a single 1 in each row, at the label.

    Source: *AlexNet in TensorFlow*: "one_hot=True", and "n_classes = 10 # MNIST total classes (0-9 digits)"; read_data_sets
    gives float64, which the placeholder "y = tf.placeholder(tf.float32, [None, n_classes])" turns into float32.
    """
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InvalidInput("labels are wrong", expected="integers (N,)", received=f"{labels.dtype} {labels.shape}")
    if labels.size and not 0 <= labels.min() <= labels.max() <= 9:
        received = f"{labels.min()} to {labels.max()}"
        raise InvalidInput("a label is no digit", expected="labels 0 to 9", received=received)
    return np.eye(10, dtype=np.float32)[labels]  # (N, 10)


def hold_out_last(images: Bytes, labels: Bytes, count: int = 2000) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Split off the last `count` digits: (train images, train labels, validation images, validation labels), views.

    Source: *AlexNet with TensorFlow*, The Data: "x_val = x_train[-2000:,:,:,:]", "y_val = y_train[-2000:]",
    "x_train = x_train[:-2000,:,:,:]", "y_train = y_train[:-2000]". The shipped sample of 300 has fewer digits: give
    SAMPLE_HOLD_OUT there. InvalidInput when nothing would be left to train on.
    """
    _check_count(count, len(images), len(labels))
    return images[:-count], labels[:-count], images[-count:], labels[-count:]


def hold_out_first(images: Bytes, labels: Bytes, count: int = 5000) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Split off the first `count` digits: (train images, train labels, validation images, validation labels), views.

    *AlexNet in TensorFlow* never looks at a validation set, but its mnist.train lacks these digits. Source: TensorFlow 1,
    read_data_sets (contrib/learn/python/learn/datasets/mnist.py): "validation_size=5000",
    "validation_images = train_images[:validation_size]", "train_images = train_images[validation_size:]".
    """
    _check_count(count, len(images), len(labels))
    return images[count:], labels[count:], images[:count], labels[:count]


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Images that pass through a document's pipeline when they are taken out: x[:64] or x[indices] gives float32.

    The full training set would fill 713 MB in keras_sequential's form; here it stays 45 MB of uint8. x[:] takes out all.
    """

    raw: Bytes  # (N, 28, 28)
    pipeline: Callable[[Bytes], Floats]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.raw)

    def __getitem__(self, index: slice | NDArray[np.integer]) -> Floats:
        """Return the images of a slice or of an array of positions, prepared: (n, 32, 32, 3) or (n, 784)."""
        return self.pipeline(self.raw[index])


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """MNIST as a document's network takes it; labels as its loss takes them: digits (N,) uint8 or one-hot (N, 10) float32."""

    x_train: Images
    y_train: Bytes | Floats
    x_val: Images
    y_val: Bytes | Floats
    x_test: Images
    y_test: Bytes | Floats


def prepare(architecture: Architecture, mnist: Mnist, *, hold_out: int | None = None) -> Prepared:
    """Split and prepare MNIST as the document of this architecture does.

    keras_sequential holds out the last 2,000 training images and keeps the digits as labels; tf1_graph holds out the first
    5,000 and makes the labels one-hot. `hold_out` replaces these numbers: SAMPLE_HOLD_OUT suits the shipped sample.
    InvalidInput for an architecture that neither document describes, or when nothing would be left to train on.
    """
    train = mnist.train_images, mnist.train_labels
    match architecture.name:
        case "keras_sequential":
            x, y, x_val, y_val = hold_out_last(*train, 2000 if hold_out is None else hold_out)
            return _prepared(keras_sequential_images, (x, x_val, mnist.test_images), (y, y_val, mnist.test_labels))
        case "tf1_graph":
            x, y, x_val, y_val = hold_out_first(*train, 5000 if hold_out is None else hold_out)
            labels = one_hot(y), one_hot(y_val), one_hot(mnist.test_labels)
            return _prepared(tf1_graph_images, (x, x_val, mnist.test_images), labels)
        case other:
            raise InvalidInput(
                "no document says how its data are prepared",
                where=f"architecture {other!r}",
                expected="keras_sequential or tf1_graph",
            )


def _prepared(
    pipeline: Callable[[Bytes], Floats],
    images: tuple[Bytes, Bytes, Bytes],
    labels: tuple[Bytes | Floats, Bytes | Floats, Bytes | Floats],
) -> Prepared:
    x_train, x_val, x_test = (Images(raw=raw, pipeline=pipeline) for raw in images)
    y_train, y_val, y_test = labels
    return Prepared(x_train=x_train, y_train=y_train, x_val=x_val, y_val=y_val, x_test=x_test, y_test=y_test)


def _check_images(images: Bytes) -> None:
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise InvalidInput(
            "images are wrong",
            expected="uint8 (N, 28, 28)",
            received=f"{images.dtype} {images.shape}",
            hint="Give MNIST's own images, neither scaled nor reshaped",
        )


def _check_count(count: int, images: int, labels: int) -> None:
    if images != labels:
        raise InvalidInput("images and labels differ in number", expected=f"{images} labels", received=str(labels))
    if not 1 <= count < images:
        raise InvalidInput(
            "cannot hold out that many digits",
            expected=f"1 to {images - 1}, so that some of the {images} are left to train on",
            received=str(count),
            hint=f"The shipped sample takes hold_out={SAMPLE_HOLD_OUT}" if images < 2000 else None,
        )
