"""One ONNX node with its attributes by name, and where its weights are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from alexnet_ref.candidates.onnx_graph import Graph, Shape
from alexnet_ref.candidates.onnx_windows import Pads
from alexnet_ref.candidates.step import Array, Helper
from reference import Architecture, InvalidInput, Layer

# How a weight lies in the model, seen from the oracle's HWIO, (in, out) and (out,).
Layout = Literal["OIHW", "out in", "in out", "dense OIHW", "vector"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a node takes a weight: which of its inputs, and how the weight lies there."""

    input: int
    layout: Layout

    def read(self, value: Array) -> NDArray[np.float32]:
        """Return the tensor as the oracle has it."""
        array = np.asarray(value).astype(np.float32)
        match self.layout:
            case "OIHW":
                array = array.transpose(2, 3, 1, 0)
            case "out in":
                array = array.T
            case "dense OIHW":
                array = array.reshape(len(array), -1).T
            case "vector":
                array = array.reshape(-1)
            case "in out":
                pass
        return np.ascontiguousarray(array)

    def written(self, value: Array, shape: Shape, kind: Any) -> Array:
        """Return the oracle's array as a tensor of this shape and type; InvalidInput where it cannot be one."""
        array = np.asarray(value)
        match self.layout:
            case "OIHW" if array.ndim == 4:
                array = array.transpose(3, 2, 0, 1)
            case "out in":
                array = array.T
            case "dense OIHW" if array.size == math.prod(shape):
                array = array.T.reshape(shape)
            case "vector" if array.size == math.prod(shape):
                array = array.reshape(shape)
            case _:
                pass
        if array.shape != shape:
            raise InvalidInput("a weight has another shape", expected=str(shape), received=str(array.shape))
        return np.ascontiguousarray(array, kind)


@dataclass(frozen=True, kw_only=True)
class Word:
    """What a node means, where its weights are, and what its name does not say of it."""

    means: Layer | Helper | None = None
    places: Mapping[str, Place] = field(default_factory=dict)  # "kernel", "bias"
    pads: Pads | None = None
    pool_pads: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A node with its attributes, and the shapes of its data, without the batch, before and after it."""

    graph: Graph
    node: onnx.NodeProto
    attributes: Mapping[str, Any]
    before: Shape
    after: Shape
    architecture: Architecture | None

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or what it is where it is not given."""
        return self.attributes.get(name, default)

    def constant(self, place: int) -> Array | None:
        """Return the value of one of the node's inputs, None where it is absent or not constant."""
        name = self.node.input[place] if place < len(self.node.input) else ""
        return self.graph.constant(name) if name else None

    def shape(self, place: int) -> Shape | None:
        """Return the shape of a constant input; None where it is absent, not constant, or unknown."""
        name = self.node.input[place] if place < len(self.node.input) else ""
        return self.graph.shapes.get(name) if self.graph.is_constant(name) else None

    def layers(self, kind: type[Any]) -> list[Any]:
        """Return the document's layers of this kind."""
        return [] if self.architecture is None else [layer for layer in self.architecture.layers if isinstance(layer, kind)]
