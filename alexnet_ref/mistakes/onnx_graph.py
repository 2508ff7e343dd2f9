"""A graph in the making, layer by layer. Imports onnx: import it late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from alexnet_ref.mistakes import onnx_parts
from alexnet_ref.mistakes.parts import Parts
from alexnet_ref.mistakes.shapes import shape_after
from reference import Layer
from reference.shapes import Shape


class Graph:
    """Nodes and initializers; `value` is the name of the last output."""

    def __init__(self, value: str) -> None:
        """Begin with the input's name."""
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.value = value

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node on these values, on the last one by default, and return its output's name."""
        output = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs or (self.value,), (output,), name=output, **attributes))
        self.value = output
        return output

    def constant(self, value: Any, dtype: Any = np.float32, name: str = "") -> str:
        """Add an initializer and return its name."""
        name = name or f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(np.asarray(value, dtype)), name))
        return name

    def integers(self, *values: int) -> str:
        """Add an initializer of a list of integers and return its name."""
        return self.constant(values, np.int64)

    def layer(self, name: str, parts: Parts, fed: Shape, own: Layer | None, params: Mapping[str, NDArray[Any]]) -> None:
        """Add a layer whose output bears its name."""
        weights = {which: f"{name}.{which}" for which in params}
        for which, value in params.items():
            self.constant(value.transpose(3, 2, 0, 1) if value.ndim == 4 else value, name=weights[which])
        shape = fed
        for part in parts:
            onnx_parts.add(self, part, shape, weights)
            shape = shape_after((part,), shape, own)
        self.nodes.append(helper.make_node("Identity", (self.value,), (name,), name=name))
        self.value = name
