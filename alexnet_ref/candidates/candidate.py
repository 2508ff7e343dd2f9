"""What a check may ask of a port, whatever its framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reference import Architecture, Layer, Params

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What a port says of one of its layers, without computing anything."""

    name: str
    output_shape: tuple[int, ...] | None  # without the batch axis; None: it does not say
    params: int | None  # weights and biases; None: it does not say
    layer: Layer | None  # in the vocabulary; None: no word of the vocabulary describes it
    zero_padded: bool = False  # it pads with zeros in a step of its own, be the layer a maximum or not
    steps: tuple[str, ...] = ()  # of the port, by its own words, that were taken for this layer


@runtime_checkable
class Candidate(Protocol):
    """A port. Arrays are NHWC, kernels HWIO or (in, out), whatever the framework's own order is."""

    name: str
    architecture: Architecture  # the document's network as this port cuts it: an activation may be part of its layer
    hidden: Mapping[str, str]  # {layer that the port rightly does not show: why}

    def environment(self) -> dict[str, Any]:
        """Return its framework's versions, device and settings, for the report."""

    def facts(self) -> list[Fact]:
        """Return what it says of its layers, in its order."""

    def params(self, architecture: Architecture) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return its weights as the oracle's params; NotCheckable where it shows none.

        InvalidInput where names or shapes differ.
        """

    def outputs(self, x: Array) -> dict[str, Array]:
        """Return the inference output of every layer that it shows, for x (N, H, W, C) float32, in its order.

        What it computes besides stands between them, under names that no layer has.
        """

    def layer(self, name: str, x: Array, params: Mapping[str, Array] | None = None, *, training: bool = False) -> Array:
        """Return one layer's output for x, with the port's own weights, or with `params` set for this call.

        NotCheckable where it cannot: no weights that may be set, no training.
        """


__all__ = ["Candidate", "Fact", "Params"]
