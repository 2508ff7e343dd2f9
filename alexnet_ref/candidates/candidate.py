"""What a check may ask of a port, whatever its framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reference import Architecture, InvalidInput, Layer, Params

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What a port says of one of its layers, without computing anything."""

    name: str
    output_shape: tuple[int, ...] | None  # without the batch axis; None: it does not say
    params: int  # weights and biases
    layer: Layer | None  # in the vocabulary; None: no word of the vocabulary describes it


@runtime_checkable
class Candidate(Protocol):
    """A port. Arrays are NHWC, kernels HWIO or (in, out), whatever the framework's own order is."""

    name: str

    def environment(self) -> dict[str, Any]:
        """Return its framework's versions, device and settings, for the report."""

    def facts(self) -> list[Fact]:
        """Return what it says of its layers, in its order."""

    def params(self, architecture: Architecture) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return its weights as the oracle's params; InvalidInput where it has none of that name and shape."""

    def outputs(self, x: Array) -> dict[str, Array]:
        """Return every layer's inference output for x (N, H, W, C) float32, in its order."""

    def layer(self, name: str, x: Array, params: Mapping[str, Array] | None = None, *, training: bool = False) -> Array:
        """Return one layer's output for x, with the port's own weights, or with `params` set for this call."""


def as_candidate(candidate: Any) -> Candidate:
    """Return the candidate itself, or the adapter for what it is; InvalidInput where nothing fits."""
    if isinstance(candidate, Candidate):
        return candidate
    if any(kind.__module__.split(".")[0] == "keras" for kind in type(candidate).__mro__):
        from alexnet_ref.candidates.keras import KerasCandidate  # imports TensorFlow, which a Keras model already has

        return KerasCandidate(candidate)
    raise InvalidInput(
        "this cannot be judged",
        expected="a keras.Model, or an object with facts, params, outputs and layer",
        received=type(candidate).__name__,
    )


__all__ = ["Candidate", "Fact", "Params", "as_candidate"]
