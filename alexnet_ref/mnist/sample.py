"""How the shipped sample is drawn from the full MNIST."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reference.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alexnet_ref.mnist.parts import Bytes
    from alexnet_ref.mnist.sources import Mnist


def draw_sample(mnist: Mnist, *, per_class: int = 30) -> dict[str, NDArray[np.uint8] | NDArray[np.uint16]]:
    """Draw the first `per_class` digits of each class from both sets, in their original order.

    Returns Keras's arrays x_train (10·per_class, 28, 28), y_train (10·per_class,), x_test, y_test, uint8, and the
    positions in the full sets, train_index and test_index (10·per_class,), uint16. Saved by numpy.savez_compressed, this
    is data/mnist_sample.npz. InvalidInput when a class has fewer digits.
    """
    train = _first_of_each_class(mnist.train_labels, per_class)
    test = _first_of_each_class(mnist.test_labels, per_class)
    return {
        "x_train": mnist.train_images[train],
        "y_train": mnist.train_labels[train],
        "x_test": mnist.test_images[test],
        "y_test": mnist.test_labels[test],
        "train_index": train.astype(np.uint16),  # below 60,000
        "test_index": test.astype(np.uint16),
    }


def _first_of_each_class(labels: Bytes, per_class: int) -> NDArray[np.intp]:
    chosen = [np.flatnonzero(labels == digit)[:per_class] for digit in range(10)]
    if (fewest := min(map(len, chosen))) < per_class:
        raise InvalidInput("a class has too few digits", expected=f"at least {per_class}", received=str(fewest))
    return np.sort(np.concatenate(chosen))
