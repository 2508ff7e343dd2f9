"""What a training run tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass

from reference import InvalidInput

Values = dict[str, int | float]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One training step is done: `step` of `steps`, with the loss and accuracy to show beside it.

    keras_sequential: the mean over the epoch so far, with dropout, as Keras prints it; tf1_graph: of this batch, with dropout.
    """

    step: int
    steps: int
    epoch: int  # counted from 1
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Row:
    """A row has been added to the history: an epoch of keras_sequential, a displayed step of tf1_graph."""

    values: Values


@dataclass(frozen=True)
class Notice:
    """Something that a person should know, in one line."""

    text: str


Event = Step | Row | Notice


class Interrupted(KeyboardInterrupt):
    """The run was stopped from outside, after its checkpoint was saved; the text says how to resume."""


class LostWorker(InvalidInput):  # named like InvalidInput, for the fact
    """Another worker was lost; the text says where the checkpoint is. TensorFlow's threads may still wait for it."""
