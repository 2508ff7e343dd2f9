"""A port as a chain of steps: what an adapter tells of it, in the port's own names and axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reference import Layer

Array = NDArray[Any]
Weights = Mapping[str, Mapping[str, Array]]  # {step name: {"kernel": HWIO or (in, out), "bias": (out,)}}

# What prepares data for a neighbour and is no layer of its own. "bias": adds the bias of the product before it.
Helper = Literal["pad", "transpose", "reshape", "bias", "identity", "cast"]


class NotCheckable(Exception):  # noqa: N818 - no error of the port: what its format cannot show
    """Raised by a candidate that cannot show what a check asks for; the words say why."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a port computes between two tensors that all its data pass through, one after the other.

    A handwritten LRN, whose input is used twice, is one step, however many operations it has.
    """

    name: str  # the port's own, unique in the port
    kind: str  # the port's own word for it: "Conv", "aten.relu"; "Square + AveragePool + Pow + Div" for several
    means: Layer | Helper | None  # as far as its own attributes tell; None: no word describes it
    output_shape: tuple[int, ...] | None = None  # the port's own axes, without the batch axis; None: it does not say
    params: int | None = 0  # weights and biases; None: it does not say
    pads: tuple[tuple[int, int], tuple[int, int]] | None = None  # of a "pad" with zeros: rows, then columns
    pool_pads: bool = False  # the pad's value is the lowest number, as a maximum needs


Framework = Literal["keras", "torch", "onnx", ""]  # "": unknown, or none


@runtime_checkable
class Port(Protocol):
    """One framework's view of a port. Arrays have the port's own axes, batch first; weights are in the oracle's layout."""

    name: str
    channels_first: bool  # which way its images have their axes, where shapes alone leave it open
    framework: Framework  # in whose words a mistake is put right
    trains: bool  # whether it is a network to train: then its dropout layers belong to it

    @property
    def input_shape(self) -> tuple[int | None, ...] | None:
        """The shape of an image, without the batch axis; None: it does not say."""

    def environment(self) -> dict[str, Any]:
        """Return its framework's versions, device and settings, for the report."""

    def steps(self) -> Sequence[Step]:
        """Return its steps, in the order in which it computes them."""

    def outputs(self, x: Array) -> Sequence[Array]:
        """Return every step's inference output for x."""

    def run(self, first: int, last: int, x: Array, weights: Weights, *, training: bool = False) -> Array:
        """Return the output of step `last` when step `first` is fed x; `weights` replace its own for this call alone.

        NotCheckable where the port cannot do so: no weights that may be set, no way in, no training.
        """

    def weights(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return the weights of the steps that have some; NotCheckable where they cannot be read."""
