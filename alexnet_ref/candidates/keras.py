"""A Keras model as a port. Imports TensorFlow: import this module only inside a function that needs it."""

from __future__ import annotations

import collections
import math
from dataclasses import replace
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from alexnet_ref import devices
from alexnet_ref.candidates.chain import Node, segments
from alexnet_ref.candidates.keras_graph import Call, Graph, graph_of, read_graph, run_calls
from alexnet_ref.candidates.keras_training import train, untrainable
from alexnet_ref.candidates.keras_words import describe, is_channels_first, is_helper, pads_of
from alexnet_ref.candidates.step import Array, Framework, NotCheckable, Step, Weights
from alexnet_ref.candidates.trained import Trained
from reference import Architecture, InvalidInput

Execution = Literal["eager", "function", "XLA"]
Parts = dict[str, Any]  # {"kernel": keras.Variable, "bias": keras.Variable}


class KerasPort:
    """A keras.Model run eagerly, as a tf.function, or compiled by XLA.

    Sequential and functional models are cut where one tensor carries all the data on; models in models are opened. A subclassed
    model is traced through its `call` if that takes symbolic tensors (for which its input's shape is needed, from `architecture`
    where the model has none), and is one step otherwise.
    """

    framework: Framework = "keras"
    trains = True

    def __init__(
        self, model: Any, *, architecture: Architecture | None = None, name: str | None = None, execution: Execution = "eager"
    ) -> None:
        """Read the model's graph; InvalidInput where it has none, or more than one input or output."""
        self.name = name or f"Keras model {model.name!r}"
        self.model, self.execution = model, execution
        graph, self._traced = graph_of(model, architecture, self.name)
        self._graph = read_graph(graph, self.name)
        calls = self._graph.calls
        cuts = segments(
            [Node(inputs=call.inputs, outputs=call.outputs) for call in calls], self._graph.source, self._graph.result
        )
        self._runs = [([calls[i] for i in cut.nodes], cut.source, cut.result) for cut in cuts]
        self.input_shape = self._graph.shapes[self._graph.source]
        self.channels_first = any(is_channels_first(call.operation) for call in calls)
        self._steps = self._named([_step(run, self._graph, result) for run, _, result in self._runs])
        self._parts = {step.name: _parts(run) for step, (run, _, _) in zip(self._steps, self._runs, strict=True)}
        self._compiled: dict[tuple[int, int, bool], Any] = {}
        self._call = self._executed(self._all)

    @staticmethod
    def _named(steps: list[Step]) -> list[Step]:
        """Return the steps under unique names: the second use of a layer is called "name#2"."""
        seen: collections.Counter[str] = collections.Counter()
        named = []
        for step in steps:
            seen[step.name] += 1
            named.append(replace(step, name=f"{step.name}#{seen[step.name]}") if seen[step.name] > 1 else step)
        return named

    def _executed(self, function: Any) -> Any:
        if self.execution == "eager":
            return function
        import tensorflow as tf

        return tf.function(function, jit_compile=self.execution == "XLA")

    def environment(self) -> dict[str, Any]:
        """Return TensorFlow's versions, devices and settings."""
        return {**devices.describe(), "execution": self.execution}

    def steps(self) -> list[Step]:
        """Return what Keras says of each layer, or of the operations between two cuts."""
        return self._steps

    def weights(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return the weights that are a kernel or a bias, by name or by shape; the layouts agree."""
        return {
            name: {part: _numbers(variable) for part, variable in parts.items()} for name, parts in self._parts.items() if parts
        }

    def outputs(self, x: Array) -> list[Array]:
        """Return every step's inference output."""
        return [_numbers(output) for output in self._call(keras.ops.array(x))]

    def _chain(self, x: Any) -> list[Any]:
        found, y = [], x
        for run, source, result in self._runs:
            y = run_calls(run, {source: y}, training=False)[result]
            found.append(y)
        return found

    def _all(self, x: Any) -> list[Any]:
        found = self._chain(x)
        if self._traced:  # the model's own word on its result
            found[-1] = keras.tree.flatten(self.model(x, training=False))[0]
        return found

    def run(self, first: int, last: int, x: Array, weights: Weights, *, training: bool = False) -> Array:
        """Run steps one after the other; `weights` are set for this call and the model's own restored after it."""
        changes = [change for i in range(first, last + 1) for change in self._changes(i, (first, last), weights)]
        own = [variable.value.read_value() for variable, _ in changes]  # shared, until it is assigned to
        try:
            for variable, value in changes:
                variable.assign(value)
            output: Array = _numbers(self._compiled_run(first, last, training)(keras.ops.array(x)))
            return output
        finally:
            for (variable, _), value in zip(changes, own, strict=True):
                variable.assign(value)

    def untrainable(self) -> str:
        """Return why it cannot be trained: it is not compiled, for one."""
        return untrainable(self.model)

    def training_step(self, x: Array, labels: Array, weights: Weights) -> Trained:
        """Train on one batch as the model is compiled, its layers called one by one with training=False."""
        block = (0, len(self._steps) - 1)
        changes = [change for i in range(len(self._steps)) for change in self._changes(i, block, weights)]
        return train(self.model, x, labels, forward=self._chain, parts=self._parts, changes=changes, executed=self._executed)

    def _compiled_run(self, first: int, last: int, training: bool) -> Any:
        def call(y: Any) -> Any:
            for run, source, result in self._runs[first : last + 1]:
                y = run_calls(run, {source: y}, training=training)[result]
            return y

        key = (first, last, training)
        if key not in self._compiled:
            self._compiled[key] = self._executed(call)
        return self._compiled[key]

    def _changes(self, i: int, block: tuple[int, int], weights: Weights) -> list[tuple[Any, Array]]:
        """Return the variables of step i and what they are to be; NotCheckable where they cannot be found."""
        step, changes = self._steps[i], []
        for part, value in weights.get(step.name, {}).items():
            variable = self._parts[step.name].get(part)
            if variable is None:
                others = [s.name for s in self._steps[block[0] : block[1] + 1] if s.params and s is not step]
                if step.means is not None and part == "bias" and not others:
                    continue  # a layer without a bias stays one: that is what the checks must see
                raise NotCheckable(f"{step.kind} {step.name} keeps its {part} where it cannot be set")
            if tuple(variable.shape) != value.shape:
                fact = f"{step.kind} {step.name} has a {part} of shape {tuple(variable.shape)}, not {value.shape}"
                raise NotCheckable(fact) if step.means is None else ValueError(fact)  # a layout of its own may be right
            changes.append((variable, value))
        return changes


def _numbers(tensor: Any) -> Any:
    """Return a tensor or variable as an array; bfloat16, which NumPy lacks, as float32, which holds it exactly."""
    # NumPy warns of the way in which Keras would turn a variable into an array.
    array = tensor.numpy() if isinstance(tensor, keras.Variable) else keras.ops.convert_to_numpy(tensor)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _step(run: list[Call], graph: Graph, result: str) -> Step:
    """Return what Keras says of the calls between two cuts."""
    *_, last = run
    only = run[0].operation if len(run) == 1 else None
    kinds = list(dict.fromkeys(type(call.operation).__name__ for call in run))
    weights = {id(weight): weight for call in run for weight in _weights(call.operation)}
    means = None if only is None else (is_helper(run[0]) or describe(only))
    pads, pool_pads = pads_of(run[0]) if means == "pad" else (None, False)
    return Step(
        name=last.operation.name,
        kind=" + ".join(kinds[:8]) + (" + …" if len(kinds) > 8 else ""),
        means=means,
        output_shape=graph.known_shape(result),
        params=sum(math.prod(weight.shape) for weight in weights.values()) + (run[0].constant_bias_size() if only else 0),
        pads=pads,
        pool_pads=pool_pads,
    )


def _weights(operation: Any) -> list[Any]:
    """Return the layer's variables, but for the state of a random generator."""
    return [weight for weight in getattr(operation, "weights", ()) if not weight.path.endswith("seed_generator_state")]


def _parts(run: list[Call]) -> Parts:
    """Return the kernel and the bias of the one layer that has some: by attribute, else by rank where there is no doubt."""
    owners = [operation for operation in {id(c.operation): c.operation for c in run}.values() if _weights(operation)]
    if len(owners) != 1:
        return {}
    [owner] = owners
    named = {part: value for part in ("kernel", "bias") if isinstance(value := getattr(owner, part, None), keras.Variable)}
    if named:
        return named
    weights = _weights(owner)
    kernels, biases = [w for w in weights if len(w.shape) in (2, 4)], [w for w in weights if len(w.shape) == 1]
    if len(kernels) > 1 or len(biases) > 1 or len(kernels) + len(biases) < len(weights):
        return {}
    return dict([("kernel", w) for w in kernels] + [("bias", w) for w in biases])


__all__ = ["Execution", "InvalidInput", "KerasPort", "describe"]
