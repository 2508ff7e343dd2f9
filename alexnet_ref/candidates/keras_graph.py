"""The graph of a Keras model: every call of a layer or operation, models within models opened, tensors by name.

Keras has no public way to read a functional model's nodes; `_nodes_by_depth`, `_functional` and a node's `arguments` are what its
own `Function` runs by, unchanged since Keras 3.0. Imports TensorFlow: import this module only inside a function that needs it.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from alexnet_ref.printable import printable
from reference import Architecture, InvalidInput

NESTED_MOST = 20  # models within models


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """One call of a layer or operation: its arguments, in which symbolic tensors stand by their names."""

    operation: Any
    arguments: Any  # keras's own: args and kwargs with symbolic tensors in them
    scope: Mapping[int, str]  # {id of a symbolic tensor: its name}
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shape: tuple[int | None, ...] | None  # of its first input, with the batch axis

    def constants(self) -> list[Any]:
        """Return the arguments that are arrays, not data: what an operation, which has no weights of its own, works with."""
        flat = keras.tree.flatten((self.arguments.args, self.arguments.kwargs))
        return [value for value in flat if not isinstance(value, keras.KerasTensor) and hasattr(value, "shape")]

    def constant_bias_size(self) -> int:
        """Return how many numbers an added constant vector has; 0 for every other call."""
        [*vectors] = [c for c in self.constants() if len(c.shape) == 1] if type(self.operation).__name__ == "Add" else []
        return int(vectors[0].shape[0]) if len(vectors) == 1 and not isinstance(self.operation, keras.layers.Layer) else 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A model's calls, in an order in which they can be made."""

    calls: list[Call]
    source: str
    result: str
    shapes: Mapping[str, tuple[int | None, ...]]  # without the batch axis

    def known_shape(self, name: str) -> tuple[int, ...] | None:
        """Return the tensor's shape; None where a size of it is not known before it runs."""
        shape = self.shapes[name]
        known = tuple(n for n in shape if n is not None)
        return known if len(known) == len(shape) else None


def graph_of(model: Any, architecture: Architecture | None, where: str) -> tuple[Any, bool]:
    """Return the functional model behind a model, and whether it had to be traced."""
    inner = _function(model)
    if inner is not None:
        return inner, False
    if isinstance(model, keras.Sequential):
        raise InvalidInput("the model is not built", where=where, hint="Give it a keras.Input, or call model.build")
    shape = _input_shape(model, architecture, where)
    x = keras.Input(shape)
    takes = inspect.signature(model.call).parameters
    with contextlib.suppress(Exception):  # its own code, fed symbolic tensors, may raise anything; then it is one step
        return _function(keras.Model(x, model.call(x, **({"training": None} if "training" in takes else {})))), True
    try:
        return _function(keras.Model(x, model(x))), True
    except Exception as error:
        raise InvalidInput(
            "the model cannot be followed from input to output",
            where=where,
            expected="a Sequential or functional model, or one whose call takes symbolic tensors",
            received=printable(" ".join(f"{type(error).__name__}: {error}".split()), 300),
            hint="Hand in a function of images instead: lambda x: model(x)",
        ) from error


def _function(model: Any) -> Any:
    """Return what holds the nodes: the model itself if it is functional, what a built Sequential runs by, else None."""
    if isinstance(model, keras.Sequential):
        return getattr(model, "_functional", None)
    return model if hasattr(model, "_nodes_by_depth") else None


def _input_shape(model: Any, architecture: Architecture | None, where: str) -> tuple[int, ...]:
    if architecture is None:
        raise InvalidInput("the model does not say what it takes", where=where, expected="a Sequential or functional model")
    shapes = list((getattr(model, "_build_shapes_dict", None) or {}).values())
    built = shapes[0] if len(shapes) == 1 else None
    fits = isinstance(built, tuple) and all(isinstance(n, int) for n in built[1:])
    return tuple(built[1:]) if fits and built is not None else architecture.input_shape


def read_graph(function: Any, where: str) -> Graph:
    """Return the calls of a functional model; InvalidInput unless it has one input and one output."""
    for tensors, word in ((function.inputs, "input"), (function.outputs, "output")):
        if len(tensors) != 1:
            names = f"{len(tensors)} {word}s"
            hint = f"Choose one: keras.Model(model.inputs[0], model.outputs[{len(tensors) - 1}])"
            raise InvalidInput(f"the model has not one {word}", where=where, expected=f"one {word}", received=names, hint=hint)
    shapes: dict[str, tuple[int | None, ...]] = {"input": tuple(function.inputs[0].shape[1:])}
    calls: list[Call] = []
    [result] = _read(function, ["input"], calls, shapes, 0)
    return Graph(calls=calls, source="input", result=result, shapes=shapes)


def _read(function: Any, entries: Sequence[str], calls: list[Call], shapes: dict[str, Any], depth: int) -> list[str]:
    """Append the function's calls, its inputs being the tensors `entries`; return the names of its outputs."""
    if depth > NESTED_MOST:
        raise InvalidInput("models are nested too deeply", expected=f"at most {NESTED_MOST} within one another")
    scope = {id(tensor): name for tensor, name in zip(function.inputs, entries, strict=True)}
    nodes = function._nodes_by_depth  # noqa: SLF001 - see the module's docstring
    for node in (node for level in sorted(nodes, reverse=True) for node in nodes[level]):
        if node.is_input or any(id(tensor) not in scope for tensor in node.input_tensors):
            continue
        inputs = tuple(scope[id(tensor)] for tensor in node.input_tensors)
        inner = _opened(node.operation)
        if inner is not None and len(inner.inputs) == len(inputs):
            outputs = tuple(_read(inner, inputs, calls, shapes, depth + 1))
        else:
            outputs = tuple(f"{node.operation.name}:{len(calls)}:{i}" for i in range(len(node.outputs)))
            shapes |= {name: tuple(tensor.shape[1:]) for name, tensor in zip(outputs, node.outputs, strict=True)}
            shape = tuple(node.input_tensors[0].shape) if node.input_tensors else None
            calls.append(
                Call(operation=node.operation, arguments=node.arguments, scope=scope, inputs=inputs, outputs=outputs, shape=shape)
            )
        scope.update({id(tensor): name for tensor, name in zip(node.outputs, outputs, strict=True)})
    return [scope[id(tensor)] for tensor in function.outputs]


def _opened(operation: Any) -> Any:
    """Return what an operation consists of, where it is a model, or a Flatten that turns (C, H, W) first, as two layers."""
    if isinstance(operation, keras.layers.Flatten) and operation.data_format == "channels_first":
        shape = operation.input.shape
        if len(shape) == 4:
            x = keras.Input(shape[1:])
            turned = keras.layers.Permute((2, 3, 1), name=f"{operation.name}_transposed")(x)
            return keras.Model(x, keras.layers.Flatten(data_format="channels_last", name=operation.name)(turned))
    return _function(operation)


def run_calls(calls: Sequence[Call], tensors: dict[str, Any], *, training: bool) -> dict[str, Any]:
    """Make the calls, the named tensors being given; return these and all that were computed."""
    for call in calls:

        def fill(value: Any, scope: Mapping[int, str] = call.scope) -> Any:
            return tensors[scope[id(value)]] if isinstance(value, keras.KerasTensor) else value

        args, kwargs = call.arguments.convert(fill)
        if isinstance(call.operation, keras.layers.Layer):
            # Not every layer's call takes `training`; Keras's own __call__ hands it to those that do.
            kwargs = {**kwargs, "training": training}
        computed = keras.tree.flatten(call.operation(*args, **kwargs))
        tensors.update(zip(call.outputs, computed, strict=True))
    return tensors
