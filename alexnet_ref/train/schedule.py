"""Which digits each step sees, and how many steps there are: pure functions of the document, the seed and the step.

Nothing is drawn from a running generator, so that a step number is the whole state of shuffling and of dropout.
"""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reference.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference.layers import Architecture

EPOCHS = 40  # keras_sequential: "batch_size=64, epochs=40"
TRAINING_ITERS = 300_000  # tf1_graph: "training_iters = 300000", digits, not steps
DISPLAY_STEP = 100  # tf1_graph: "display_step = 100"
TEST_BATCH = 32  # keras_sequential: model.evaluate's default; its output says 313/313, and 313 = ⌈10,000 / 32⌉
TEST_DIGITS = 256  # tf1_graph: "mnist.test.images[:256]"

# Streams of random numbers that must not meet: (seed, stream, position).
_SHUFFLE, _DROPOUT = 1, 2


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The order of the digits. Steps and epochs are counted from 0 here; people see them from 1.

    keras_sequential: Keras's fit(shuffle=True), its default, puts all digits in a new order for each epoch and ends the epoch
    with what is left: 58,000 digits in batches of 64 are 906 whole ones and one of 16. (Keras 3 after set_random_seed repeats
    one order in every epoch; the document's Keras did not, and neither do we.)

    tf1_graph (`continuous`): next_batch of TensorFlow 1 (contrib/learn/python/learn/datasets/mnist.py) puts the digits in an
    order before the first batch and in a new one whenever they run out, and fills the batch up from the new order: every batch is
    whole, and the orders follow each other like one endless row. (The older input_data.py of TensorFlow's first tutorials kept
    the file's order in the first epoch and dropped what was left of each; the document does not say which one it imports.)
    """

    digits: int
    batch_size: int
    seed: int
    steps: int
    continuous: bool

    @property
    def steps_per_epoch(self) -> int:
        """The steps in which every digit is seen; of a continuous schedule, those that begin in the first order."""
        return math.ceil(self.digits / self.batch_size)

    def epoch(self, step: int) -> int:
        """Return the epoch, counted from 0, in which the step begins."""
        return step * self.batch_size // self.digits if self.continuous else step // self.steps_per_epoch

    def batch(self, step: int) -> NDArray[np.int64]:
        """Return the positions of the step's digits in the training set."""
        epoch = self.epoch(step)
        if not self.continuous:
            start = step % self.steps_per_epoch * self.batch_size
            return order(self.seed, epoch, self.digits)[start : start + self.batch_size]
        start = step * self.batch_size - epoch * self.digits
        orders = 1 + (start + self.batch_size - 1) // self.digits  # more than two where the set is smaller than a batch
        row = np.concatenate([order(self.seed, epoch + i, self.digits) for i in range(orders)])
        return row[start : start + self.batch_size]

    def ends_row(self, step: int) -> bool:
        """Tell whether the history gets a row after this step: at the end of an epoch, or at every hundredth step.

        And after the last, where the second document displays nothing: short runs have a history too, and curves reach the end.
        """
        return step + 1 == self.steps or (step + 1) % (DISPLAY_STEP if self.continuous else self.steps_per_epoch) == 0

    def order_digest(self, step: int) -> str:
        """Return the SHA-256 of the order in force at the step: a checkpoint's proof that resuming shuffles the same way."""
        return hashlib.sha256(order(self.seed, self.epoch(step), self.digits).astype("<i8").tobytes()).hexdigest()


def documented_schedule(
    architecture: Architecture, *, digits: int, batch_size: int | None = None, epochs: int | None = None, seed: int = 0
) -> Schedule:
    """Return the document's schedule for this many training digits; InvalidInput where it would not train at all.

    epochs: keras_sequential trains 40 by default. tf1_graph counts digits, 300,000 by default; `epochs` times the training set
    replaces that number.
    """
    batch_size = architecture.recipe.batch_size if batch_size is None else batch_size
    for name, value, least in (("batch size", batch_size, 1), ("epochs", epochs, 1), ("seed", seed, 0)):
        if value is not None and value < least:
            raise InvalidInput(f"{name} is out of range", expected=f"at least {least}", received=str(value))
    match architecture.name:
        case "keras_sequential":
            continuous = False
            steps = (EPOCHS if epochs is None else epochs) * math.ceil(digits / batch_size)
        case "tf1_graph":  # "step = 1", "while step * batch_size < training_iters:"
            continuous = True
            steps = ((TRAINING_ITERS if epochs is None else epochs * digits) - 1) // batch_size
        case other:
            raise InvalidInput(
                "no document says how it is trained", where=f"architecture {other!r}", expected="keras_sequential or tf1_graph"
            )
    if steps < 1:
        raise InvalidInput(
            "this would train nothing: the document's loop ends before its first step",
            where="tf1_graph: while step * batch_size < training_iters",
            expected=f"more than {batch_size} digits in all",
            received=f"{(epochs or 1) * digits}",
            hint="More --epochs, a higher --limit or a smaller --batch-size",
        )
    return Schedule(digits=digits, batch_size=batch_size, seed=seed, steps=steps, continuous=continuous)


@functools.lru_cache(maxsize=4)  # the order of an epoch is asked for at each of its steps
def order(seed: int, epoch: int, digits: int) -> NDArray[np.int64]:
    """Return a permutation of the digits' positions, from (seed, epoch) alone; read-only."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, _SHUFFLE, epoch)))
    permutation = rng.permutation(digits).astype(np.int64)
    permutation.flags.writeable = False
    return permutation


def dropout_seeds(seed: int, step: int, layers: int) -> NDArray[np.int64]:
    """Return the stateless seeds (layers, 2) of the step's dropout masks, from (seed, step) alone."""
    state = np.random.SeedSequence((seed, _DROPOUT, step)).generate_state(2 * layers)
    return state.astype(np.int64).reshape(layers, 2)
