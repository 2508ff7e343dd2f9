"""What the documents print about their own training runs, typed from them."""

from __future__ import annotations

from typing import TypedDict


class Epoch(TypedDict):
    """A line of Keras's output."""

    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


# *AlexNet with TensorFlow*, such as "loss: 1.0786 - accuracy: 0.5796 - val_loss: 0.1184 - val_accuracy: 0.9665" for epoch 1.
KERAS_SEQUENTIAL_EPOCHS: dict[int, Epoch] = {
    1: {"loss": 1.0786, "accuracy": 0.5796, "val_loss": 0.1184, "val_accuracy": 0.9665},
    2: {"loss": 0.1036, "accuracy": 0.9729, "val_loss": 0.0595, "val_accuracy": 0.9845},
    40: {"loss": 0.0051, "accuracy": 0.9990, "val_loss": 0.1677, "val_accuracy": 0.9930},
}
# "[0.08089840412139893, 0.9879000186920166]": float32 as Python prints it; the line above it rounds to four places.
KERAS_SEQUENTIAL_TEST = {"loss": 0.0809, "accuracy": 0.9879}


def published_epochs(architecture: str) -> dict[int, Epoch]:
    """Return what the document prints for some epochs; tf1_graph's document prints no results."""
    return KERAS_SEQUENTIAL_EPOCHS if architecture == "keras_sequential" else {}


def published_test(architecture: str) -> dict[str, float]:
    """Return what the document prints for the test set; tf1_graph's document prints no results."""
    return dict(KERAS_SEQUENTIAL_TEST) if architecture == "keras_sequential" else {}
