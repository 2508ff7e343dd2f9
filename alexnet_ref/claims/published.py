"""keras_sequential's published figures against each other: what was printed must have come from whole digits and whole steps."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

from alexnet_ref.claims.claim import (
    Evidence,
    Finding,
    Quotes,
    contradicted_claim,
    corrected,
    holds_if,
    keras_claim,
    read,
    read_ints,
)
from alexnet_ref.mnist.parts import X_TEST

VALIDATION = 2000  # "x_val = x_train[-2000:,:,:,:]"
EPOCHS = {
    1: "907/907 [==============================] - 111s 114ms/step - loss: 1.0786 - accuracy: 0.5796 - val_loss: 0.1184 - "
    "val_accuracy: 0.9665",
    2: "907/907 [==============================] - 103s 114ms/step - loss: 0.1036 - accuracy: 0.9729 - val_loss: 0.0595 - "
    "val_accuracy: 0.9845",
    40: "907/907 [==============================] - 103s 114ms/step - loss: 0.0051 - accuracy: 0.9990 - val_loss: 0.1677 - "
    "val_accuracy: 0.9930",
}
EVALUATED = "313/313 [==============================] - 2s 7ms/step - loss: 0.0809 - accuracy: 0.9879"
RETURNED = "[0.08089840412139893, 0.9879000186920166]"
FLUCTUATES = "The accuracy rises up very quickly in the validation set and fluctuates above 98% throughout the training"
ONE_EPOCH = "which means that only one epoch was already enough for the relatively small validation test"


def figure(word: str, quote: str) -> float:
    """Return the figure that follows the word, such as "val_accuracy: 0.9665"."""
    return float(read(rf"(?<![\w]){word}: ([\d.]+)", quote)[0])


def decide_count(quotes: Quotes, _: Evidence, word: str, images: int) -> Finding:
    """Decide whether the printed accuracy, of four decimals, is that of a whole number of images."""
    printed = figure(word, quotes[0])
    right = round(printed * images)
    return holds_if(f"{right / images:.4f}" == f"{printed:.4f}", f"{right:,} of {images:,} is {right / images:.5f}")


def decide_float_count(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether the returned accuracy is, to float32's last bit, that of a whole number of the test images."""
    (returned,) = map(float, read(r", ([\d.]+)\]", quotes[0]))
    right = round(returned * X_TEST.most)
    nearest = float(np.float32(right) / np.float32(X_TEST.most))
    return holds_if(nearest == returned, f"{right:,} of {X_TEST.most:,} is {nearest} in float32")


def decide_time(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether steps times the printed time of one make the printed seconds, but for rounding and the first step."""
    steps, seconds, milliseconds = read_ints(r"(\d+)/\d+ \[=+\] - (\d+)s (\d+)ms/step", quotes[0])
    low, high = (steps * (milliseconds + half) / 1000 for half in (-0.5, 0.5))
    measured = f"{steps}·{milliseconds} ms = {steps * milliseconds / 1000:.1f} s"
    if low < seconds + 0.5 and seconds - 0.5 <= high:
        return holds_if(True, measured)
    rest = seconds - (steps - 1) * milliseconds / 1000
    if 0 < rest < seconds / 2:
        return corrected(f"{measured}; the first step, which Keras's mean leaves out, took the other {rest:.1f} s")
    return holds_if(False, measured)


def decide_percent(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether the sentence's percentage is the printed accuracy."""
    (percent,), printed = map(float, read(r"([\d.]+)%", quotes[0])), figure("accuracy", quotes[1])
    return holds_if(f"{percent / 100:.4f}" == f"{printed:.4f}", f"printed: {printed}")


def decide_returned(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether the returned numbers are float32's, and rounded they are the printed ones."""
    numbers = [float(n) for n in read(r"\[([\d.]+), ([\d.]+)\]", quotes[0])]
    printed = [figure("loss", quotes[1]), figure("accuracy", quotes[1])]
    float32 = all(float(np.float32(n)) == n for n in numbers)
    right = [round(n, 4) for n in numbers] == printed
    return holds_if(
        float32 and right, f"{'' if float32 else 'not '}float32's; rounded {round(numbers[0], 4)}, {round(numbers[1], 4)}"
    )


def decide_loss_decreases(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether the training losses that are printed decrease."""
    losses = [figure("loss", quote) for quote in quotes[1:]]
    right = all(later < earlier for earlier, later in itertools.pairwise(losses))
    return holds_if(right, " → ".join(map(str, losses)))


def decide_above(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether every printed validation accuracy is above the percentage."""
    (percent,) = map(float, read(r"above ([\d.]+)%", quotes[0]))
    accuracies = [figure("val_accuracy", quote) for quote in quotes[1:]]
    return holds_if(min(accuracies) > percent / 100, f"the lowest printed is {min(accuracies):.2%}")


def decide_one_epoch(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether the first epoch's printed accuracy reaches the percentage that the sentence before speaks of."""
    (percent,) = map(float, read(r"above ([\d.]+)%", quotes[1]))
    accuracies = [figure("val_accuracy", quote) for quote in quotes[2:]]
    enough = next((i for i, accuracy in enumerate(accuracies, 1) if accuracy > percent / 100), 0)
    words = ", ".join(f"{accuracy:.2%}" for accuracy in accuracies)
    return holds_if(enough == 1, f"{words} after epochs 1 … {len(accuracies)}: {percent:g} % is passed after {enough}")


def decide_epochs(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether as many epochs were asked for as were run."""
    (asked,), (last, of) = read_ints(r"epochs=(\d+)", quotes[0]), read_ints(r"Epoch (\d+)/(\d+)", quotes[1])
    return holds_if(asked == last == of, f"{asked} asked for, the last is {last} of {of}")


def decide_overfitting(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether at the end the validation loss is no more than twice the training loss."""
    loss, held_out = figure("loss", quotes[1]), figure("val_loss", quotes[1])
    measured = f"after epoch 40 the validation loss is {held_out / loss:.0f} times the training loss"
    return holds_if(True, measured) if held_out <= 2 * loss else corrected(f"it overfits all the same: {measured}")


_FIT = "model.compile, output"
CLAIMS = (
    keras_claim(id="epochs_40", place=_FIT, quotes=("epochs=40", "Epoch 40/40"), decide=decide_epochs),
    *(
        keras_claim(
            id=f"val_accuracy_{epoch}_whole",
            place=_FIT,
            quotes=(quote,),
            decide=partial(decide_count, word="val_accuracy", images=VALIDATION),
        )
        for epoch, quote in EPOCHS.items()
    ),
    *(
        keras_claim(id=f"time_of_epoch_{epoch}", place=_FIT, quotes=(quote,), decide=decide_time)
        for epoch, quote in EPOCHS.items()
    ),
    keras_claim(
        id="loss_decreases_printed",
        place="results",
        quotes=("Training loss decreases consistently as expected.", *EPOCHS.values()),
        decide=decide_loss_decreases,
    ),
    contradicted_claim("validation_above_98", place="results", decide=decide_above),
    keras_claim(
        id="one_epoch_enough_printed",
        place="results",
        quotes=(ONE_EPOCH, FLUCTUATES, EPOCHS[1], EPOCHS[2]),
        decide=decide_one_epoch,
    ),
    keras_claim(
        id="dropout_prevents_overfitting_printed",
        place="The Model",
        quotes=("Here, dropout is a measure to prevent overfitting.", EPOCHS[40]),
        decide=decide_overfitting,
    ),
    keras_claim(
        id="test_accuracy_whole",
        place="model.evaluate",
        quotes=(RETURNED,),
        decide=decide_float_count,
    ),
    keras_claim(id="time_of_test", place="model.evaluate", quotes=(EVALUATED,), decide=decide_time),
    keras_claim(
        id="test_accuracy_sentence",
        place="results",
        quotes=("Test accuracy came out at 98.79%.", EVALUATED),
        decide=decide_percent,
    ),
    keras_claim(id="returned_floats", place="model.evaluate", quotes=(RETURNED, EVALUATED), decide=decide_returned),
)
