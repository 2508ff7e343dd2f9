"""What a port shows of its training: one batch, dropout off, and what its optimiser makes of the gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from alexnet_ref.candidates.step import Array, Weights

# What the optimiser is fed: the batch's gradients first, then these again, small and of the other sign. The first step of Adam
# does not depend on its betas, and AMSGrad differs only where the squares' running mean falls; powers of two multiply exactly.
FACTORS = (1.0, -(2.0**-6))


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """One batch through a port's steps, in its own axes; weights and their gradients in the oracle's layout."""

    outputs: Sequence[Array]  # every step's inference output
    output_gradients: Sequence[Array | None]  # dL/doutput of every step; None: before everything that is trained
    gradients: Weights  # {step: {"kernel": dL/dkernel, "bias": dL/dbias}}; a part that is missing is not trained
    logits: bool  # whether the last output is its softmax's argument, from which the loss is taken
    loss: float | None = None  # None: the port has none of its own, and the gradients are those of the document's
    weights: tuple[Weights, ...] = ()  # after each step of its optimiser, begun anew and fed FACTORS · gradients; (): it has none
    why: str = ""  # why there is no loss, or no optimiser


@runtime_checkable
class Trains(Protocol):
    """What a port may show besides: its training."""

    def untrainable(self) -> str:
        """Return why it cannot be trained; "" where it can."""

    def training_step(self, x: Array, labels: Array, weights: Weights) -> Trained:
        """Train on x (N, …), its own axes, and labels, (N,) integers or (N, K) one-hot, from these weights, dropout off.

        Its own weights, and its optimiser's memory, are afterwards what they were. NotCheckable where weights cannot be set.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedNetwork:
    """The same by the document's layers and in its axes; of steps that are no layer's, under names that no layer has."""

    outputs: Mapping[str, Array]  # of what can be seen, in the port's order
    output_gradients: Mapping[str, Array]
    gradients: Weights
    logits: bool
    loss: float | None
    weights: tuple[Weights, ...]
    why: str
