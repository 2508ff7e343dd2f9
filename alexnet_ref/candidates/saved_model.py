"""A SavedModel folder as a port: its serving signature, frozen to one graph and cut like any other.

Imports TensorFlow inside its functions; call it in the sandbox, as the folder may be anybody's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.candidates.chain import Node, segments
from alexnet_ref.candidates.saved_model_file import check_saved_model
from alexnet_ref.candidates.saved_model_words import Described, describe
from alexnet_ref.candidates.step import Array, Framework, NotCheckable, Step, Weights
from alexnet_ref.printable import printable
from reference import InvalidInput

SIGNATURE = "serving_default"


def load_saved_model(path: Path, *, execution: str = "eager") -> SavedModelPort:
    """Return the port in a SavedModel folder, checked before it is loaded; InvalidInput for whatever is none."""
    check_saved_model(path)
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(path)
        function = _signature(loaded, path)
        return SavedModelPort(function, name=f"{printable(path.name)} (SavedModel)", execution=execution, keep=loaded)
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:  # TensorFlow closes no list of what a wrong graph or wrong variables raise
        received = printable(" ".join(f"{type(error).__name__}: {error}".split()), 300)
        raise InvalidInput("cannot be loaded by TensorFlow", where=str(path), received=received) from error


def _signature(loaded: Any, path: Path) -> Any:
    signatures = dict(loaded.signatures)
    if SIGNATURE not in signatures:
        names = ", ".join(printable(name, 40) for name in list(signatures)[:8]) or "none"
        raise InvalidInput("has no such signature", where=str(path), expected=SIGNATURE, received=names)
    return signatures[SIGNATURE]


class SavedModelPort:
    """A concrete function of one image tensor, its variables frozen to constants, which may be replaced for a call."""

    framework: Framework = ""
    trains = False

    def __init__(self, function: Any, *, name: str, execution: str = "eager", keep: Any = None) -> None:
        """Freeze the function. keep: the owner of its variables, which must live until they are read."""
        import tensorflow as tf
        from tensorflow.python.framework import convert_to_constants  # public in name only: what TensorFlow Lite and TensorRT use

        self.name, self.execution = name, execution
        frozen = convert_to_constants.convert_variables_to_constants_v2(function)
        del keep
        definition = frozen.graph.as_graph_def()
        self._function = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(definition, name=""), [])
        graph = self._function.graph
        [source], [result] = (
            _one(tensors, word, name) for tensors, word in ((frozen.inputs, "input"), (frozen.outputs, "output"))
        )
        operations = [op for op in _ordered(graph.get_operations()) if op.type != "Placeholder"]
        nodes = [Node(inputs=_names(op.inputs), outputs=_names(op.outputs)) for op in operations]
        self._cuts = segments(nodes, source.name, result.name)
        self.input_shape = tuple(source.shape[1:]) if source.shape.rank else None
        described = [describe([operations[i] for i in cut.nodes], cut.source) for cut in self._cuts]
        self.channels_first = any(step.channels_first for step in described)
        self._described = {f"{step.name}": step for step in described}
        self._steps = [_step(step, graph.get_tensor_by_name(cut.result)) for step, cut in zip(described, self._cuts, strict=True)]
        self._pruned: dict[Any, Any] = {}

    def environment(self) -> dict[str, Any]:
        """Return TensorFlow's versions, devices and settings."""
        from alexnet_ref import devices

        return {**devices.describe(), "execution": "XLA" if self.execution == "XLA" else "function"}

    def steps(self) -> list[Step]:
        """Return the operations between two cuts."""
        return self._steps

    def weights(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return the constants that were the variables of convolutions, products and biases."""
        found = {name: {part: value for part, (_, value) in step.weights.items()} for name, step in self._described.items()}
        return {name: parts for name, parts in found.items() if parts}

    def outputs(self, x: Array) -> list[Array]:
        """Return every step's output."""
        results = [cut.result for cut in self._cuts]
        return [np.asarray(y) for y in self._prune((self._cuts[0].source,), tuple(results))(self._tensor(x))]

    def run(self, first: int, last: int, x: Array, weights: Weights, *, training: bool = False) -> Array:
        """Run steps one after the other, the constants given in `weights` replaced."""
        if training:
            raise NotCheckable("a SavedModel's signature computes inference alone")
        feeds, values = [self._cuts[first].source], [self._tensor(x)]
        for step in self._steps[first : last + 1]:
            for part, value in weights.get(step.name, {}).items():
                place = self._described[step.name].weights.get(part)
                if place is None and step.means is not None and part == "bias":
                    continue  # a sum without a bias stays one: that is what the checks must see
                if place is None or place[1].shape != value.shape:
                    raise NotCheckable(f"{step.kind} {step.name} keeps its {part} where it cannot be set")
                feeds.append(place[0])
                values.append(self._tensor(value.reshape(self._function.graph.get_tensor_by_name(place[0]).shape)))
        [y] = self._prune(tuple(feeds), (self._cuts[last].result,))(*values)
        return np.asarray(y)

    def _tensor(self, x: Array) -> Any:
        import tensorflow as tf

        return tf.constant(x)

    def _prune(self, feeds: tuple[str, ...], results: tuple[str, ...]) -> Any:
        import tensorflow as tf

        if (feeds, results) not in self._pruned:
            tensors = [[self._function.graph.get_tensor_by_name(name) for name in names] for names in (feeds, results)]
            pruned = self._function.prune(*tensors)
            compiled = self.execution == "XLA"
            self._pruned[feeds, results] = tf.function(pruned, jit_compile=True) if compiled else pruned
        return self._pruned[feeds, results]


def _one(tensors: Sequence[Any], word: str, where: str) -> list[Any]:
    found = [tensor for tensor in tensors if tensor.dtype.is_floating]
    if len(found) != 1:
        names = printable(", ".join(tensor.name for tensor in tensors)) or "none"
        raise InvalidInput(f"the signature has not one {word}", where=where, expected=f"one {word} of floats", received=names)
    return found


def _names(tensors: Sequence[Any]) -> tuple[str, ...]:
    return tuple(tensor.name for tensor in tensors)


def _ordered(operations: Sequence[Any]) -> list[Any]:
    """Return the operations in an order in which they can be computed."""
    done: dict[str, Any] = {}
    for last in operations:
        stack = [last]
        while stack:
            operation = stack[-1]
            waiting = [tensor.op for tensor in operation.inputs if tensor.op.name not in done]
            if waiting:
                stack.extend(waiting)
                if len(stack) > 2 * len(operations) ** 2:
                    raise InvalidInput("the graph runs in a circle")
            else:
                done[stack.pop().name] = operation
    return list(done.values())


def _step(step: Described, result: Any) -> Step:
    shape = tuple(result.shape[1:]) if result.shape.rank is not None else None
    return Step(
        name=step.name,
        kind=step.kind,
        means=step.means,
        output_shape=None if shape is None or any(n is None for n in shape) else tuple(int(n) for n in shape),
        params=sum(math.prod(value.shape) for _, value in step.weights.values()),
        pads=step.pads,
        pool_pads=step.pool_pads,
    )
