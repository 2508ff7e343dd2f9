"""An ONNX model as a port, run by ONNX Runtime or any other runtime. Imports onnx, and no other framework before it is used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from alexnet_ref.candidates.onnx_call import Word
from alexnet_ref.candidates.onnx_graph import FLOATS, SAMPLE, Graph, Inputs, Shape
from alexnet_ref.candidates.onnx_runtimes import Run, Runtime, as_runtime
from alexnet_ref.candidates.onnx_words import word
from alexnet_ref.candidates.step import Array, Framework, NotCheckable, Step, Weights
from alexnet_ref.printable import printable
from reference import Architecture, Conv, Dense, InvalidInput

# Operators that compute each image by itself, whatever the size of the batch for which the model was exported.
_FREE = {
    *("Conv", "Gemm", "MatMul", "Add", "LRN", "MaxPool", "Relu", "Clip", "Softmax", "Dropout", "Transpose", "Pad", "Flatten"),
    *("Identity", "Cast"),
}
_KEPT = 64  # prepared models without set weights: the documents have 21 layers


@dataclass(frozen=True, kw_only=True)
class _Described:
    step: Step
    nodes: tuple[int, ...]
    source: str
    result: str
    word: Word


class OnnxPort:
    """An onnx.ModelProto with one input of images and one result; what it is when exported: an inference graph.

    runtime: "onnxruntime", "reference", `onnx_runtimes.onnx_runtime(optimization=…)`, or a function that makes of an
    onnx.ModelProto a function of {input name: array}, which returns the list of outputs. `architecture` tells sizes that the
    model leaves open, and which of two words is meant where both describe a step.
    """

    framework: Framework = "onnx"
    trains = False

    channels_first = True  # where shapes leave it open: ONNX's own operators have no other axes

    def __init__(
        self,
        model: onnx.ModelProto,
        *,
        architecture: Architecture | None = None,
        name: str | None = None,
        runtime: str | Runtime | Callable[[onnx.ModelProto], Run] = "onnxruntime",
    ) -> None:
        """Read the graph and run it once; InvalidInput where it is no chain of steps, or does not run."""
        self.name = name or printable(f"ONNX model {model.graph.name!r}", 80)
        self._runtime, self._architecture = as_runtime(runtime), architecture
        self._producer = printable(" ".join(str(part) for part in (model.producer_name, model.producer_version) if part), 80)
        self._ir_version = model.ir_version
        self._graph = Graph(model, architecture)
        self.input_shape: tuple[int | None, ...] = self._graph.input_shape
        self._whole, shapes = self._tried()
        self._described = self._steps(shapes)
        self._prepared: dict[tuple[int, int], Run] = {}
        self._last: tuple[tuple[int, int], Inputs, Run] | None = None  # the last model with set weights

    def _tried(self) -> tuple[Run, list[Shape]]:
        """Return the model with every step's output shown, and the shapes that it gives for blank images."""
        graph = self._graph
        results = [result for *_, result in graph.steps]
        batch = graph.batch or SAMPLE
        try:
            run = self._runtime.prepare(graph.model(graph.source, results, [graph.batch or "N", *graph.input_shape]))
            outputs = [np.asarray(y) for y in run({graph.source: self._fed(np.zeros((batch, *graph.input_shape)), graph.source)})]
        except Exception as error:  # noqa: BLE001 - a runtime may raise anything; what it cannot run cannot be judged
            received = printable(next(iter(str(error).strip().splitlines()), type(error).__name__))
            raise InvalidInput("the runtime cannot run it", where=self.name, received=received) from None
        if len(outputs) != len(results) or any(y.ndim < 1 for y in outputs):
            raise InvalidInput("its steps give no batches of arrays", where=self.name, expected=f"{len(results)} of them")
        return run, [y.shape[1:] for y in outputs]

    def _fed(self, x: Array, source: str) -> Array:
        return np.ascontiguousarray(x, FLOATS.get(self._graph.types.get(source, self._graph.element), np.float32))

    def _steps(self, shapes: Sequence[Shape]) -> list[_Described]:
        described: list[_Described] = []
        before = self._graph.input_shape
        for (nodes, source, result), after in zip(self._graph.steps, shapes, strict=True):
            own = [self._graph.nodes[i] for i in nodes]
            alone = len(own) == 1 or all(node.op_type == "Cast" for node in own)  # to bfloat16 and back is one cast
            found = word(self._graph, own[0], before, after, self._architecture) if alone else Word()
            if found.means == "bias" and not _lacks_bias(described):
                found = Word()
            kinds = list(dict.fromkeys(node.op_type for node in own))
            step = Step(
                name=_unused(printable(own[-1].name or result), {other.step.name for other in described}),
                kind=printable(" + ".join(kinds[:8]))
                + (" + …" if len(kinds) > 8 else "")
                + (f" ({found.note})" if found.note else ""),
                means=found.means,
                output_shape=after,
                params=self._params(nodes, found),
                pads=found.pads,
                pool_pads=found.pool_pads,
            )
            described.append(_Described(step=step, nodes=nodes, source=source, result=result, word=found))
            before = after
        return described

    def _params(self, nodes: tuple[int, ...], found: Word) -> int | None:
        """Return how many weights the nodes take; None where their constants may be weights, or something else."""
        if found.places:
            sizes = [self._graph.shapes.get(self._graph.nodes[nodes[0]].input[p.input]) for p in found.places.values()]
            return None if None in sizes else sum(math.prod(size) for size in sizes if size is not None)
        if found.means is not None:
            return 0
        names = {x for i in nodes for x in self._graph.nodes[i].input if self._graph.is_constant(x)}
        numbers = [x for x in names if self._graph.types.get(x, onnx.TensorProto.FLOAT) in FLOATS]
        return 0 if all(math.prod(self._graph.shapes.get(x, (2,))) <= 1 for x in numbers) else None

    def environment(self) -> dict[str, Any]:
        """Return the versions of ONNX, the runtime and the model, and how many images the model takes at a time."""
        return {
            "onnx": onnx.__version__,
            "runtime": printable(self._runtime.description),
            "model": f"opset {self._graph.opset}, IR version {self._ir_version}, by {self._producer or 'an unnamed producer'}",
            "input": f"({', '.join(map(str, (self._graph.batch or 'N', *self._graph.input_shape)))})",
        }

    def steps(self) -> list[Step]:
        """Return what the nodes between two cuts say of themselves."""
        return [described.step for described in self._described]

    def weights(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return the steps' kernels and biases; NotCheckable where one is computed, or a step has numbers that may be some."""
        found = {d.step.name: self._own(d) for d in self._described if d.word.places}
        needed = sum(isinstance(layer, (Conv, Dense)) for layer in self._architecture.layers) if self._architecture else math.inf
        if sum("kernel" in parts for parts in found.values()) < needed:
            for described in self._described:
                if described.step.params is None:
                    raise NotCheckable(f"which of its numbers are weights does not show in {described.step.name}")
        return found

    def _own(self, described: _Described) -> dict[str, NDArray[np.float32]]:
        node, parts = self._graph.nodes[described.nodes[0]], {}
        for part, place in described.word.places.items():
            value = self._graph.constant(node.input[place.input])
            if value is None:
                raise NotCheckable(f"the {part} of {described.step.name} is computed in the model, by more than moving numbers")
            parts[part] = place.read(value)
        return parts

    def outputs(self, x: Array) -> list[Array]:
        """Return every step's output; a model for a fixed number of images gets that many at a time."""
        return self._batched(self._whole, self._graph.source, x, fixed=True)

    def run(self, first: int, last: int, x: Array, weights: Weights, *, training: bool = False) -> Array:
        """Run the nodes of these steps as a model of their own, with these weights as its initialisers."""
        if training:
            raise NotCheckable("an inference graph has no training mode")
        steps = self._described[first : last + 1]
        inputs = {key: value for step in steps for key, value in self._set(step, weights.get(step.step.name, {}))}
        fixed = any(self._graph.nodes[i].op_type not in _FREE for step in steps for i in step.nodes)
        return self._batched(self._part((first, last), inputs), steps[0].source, x, fixed=fixed)[0]

    def _set(self, described: _Described, parts: Mapping[str, Array]) -> list[tuple[tuple[int, int], Array]]:
        found, places = [], described.word.places
        if parts and not places:
            raise NotCheckable(f"the weights of {described.step.name} cannot be set: they do not show")
        for part, value in parts.items():
            if part in places:  # a port without bias has no place for one, and shall be seen to have none
                key = (described.nodes[0], places[part].input)
                name = self._graph.nodes[key[0]].input[key[1]]
                kind = FLOATS.get(self._graph.types.get(name, onnx.TensorProto.FLOAT), np.float32)
                found.append((key, places[part].written(value, self._graph.shapes.get(name, ()), kind)))
        return found

    def _part(self, steps: tuple[int, int], inputs: Inputs) -> Run:
        """Return the model of these steps, prepared: kept if it has its own weights, else until others are set."""
        if not inputs and steps in self._prepared:
            return self._prepared[steps]
        if self._last is not None and self._last[0] == steps and _equal(self._last[1], inputs):
            return self._last[2]
        source, result = self._described[steps[0]].source, self._described[steps[1]].result
        run = self._runtime.prepare(self._graph.model(source, [result], inputs=inputs))
        if inputs:
            self._last = (steps, inputs, run)
        elif len(self._prepared) < _KEPT:
            self._prepared[steps] = run
        return run

    def _batched(self, run: Run, source: str, x: Array, *, fixed: bool) -> list[Array]:
        """Run on all images at once, or on as many at a time as the model takes; the last are repeated until it has enough."""
        size = self._graph.batch if fixed and self._graph.batch else len(x)
        results = []
        for start in range(0, len(x), max(size, 1)):
            part = x[start : start + size]
            full = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)]) if len(part) < size else part
            results.append([np.asarray(y)[: len(part)] for y in run({source: self._fed(full, source)})])
        return [np.concatenate(ys) if len(ys) > 1 else ys[0] for ys in zip(*results, strict=True)]


def _lacks_bias(described: Sequence[_Described]) -> bool:
    """Tell whether what was computed last, but for helpers, is a sum of products without a bias."""
    for other in reversed(described):
        if "kernel" in other.word.places:
            return "bias" not in other.word.places
        if other.step.means not in ("identity", "cast", "reshape", "transpose"):
            return False
    return False


def _equal(a: Inputs, b: Inputs) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def _unused(name: str, used: set[str]) -> str:
    return next(candidate for candidate in (name, *(f"{name}#{i}" for i in range(2, len(used) + 3))) if candidate not in used)
