"""An ONNX graph as a chain of steps, from which smaller models can be cut: any tensors in between, other weights in place."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from alexnet_ref.candidates.chain import Node, segments
from alexnet_ref.candidates.layout import channels_first
from alexnet_ref.candidates.onnx_limits import ELEMENTS, check_limits
from alexnet_ref.candidates.step import Array, NotCheckable
from alexnet_ref.printable import printable
from reference import Architecture, InvalidInput

Shape = tuple[int, ...]
Step = tuple[tuple[int, ...], str, str]  # the places of its nodes, the tensor that enters, the tensor that leaves
Inputs = Mapping[tuple[int, int], Array]  # {(place of a node, of its input): the array to take there}

FLOATS = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64, TensorProto.FLOAT16: np.float16}
SAMPLE = 2  # images that a free batch is tried with
_SMALL = 1024  # elements: larger tensors are no sizes, and inference of shapes does without their values
# What may stand between an initialiser and its use, and gives no more elements than it takes.
_STILL = ("Constant", "Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "DequantizeLinear")


class Graph:
    """`steps` are in order of data.

    Three kinds of tensors: data, which depend on the images' values; sizes, which depend on their shapes alone; and constants.
    """

    def __init__(self, model: onnx.ModelProto, architecture: Architecture | None = None) -> None:
        """Read the model; InvalidInput where it is no chain from one input to one output, or beyond the limits."""
        check_limits(model)
        self._model, self.nodes = model, list(model.graph.node)
        self.opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.source, self.element, dims = _input(model, self.tensors)
        self._makers = self._ordered()
        self.data, self.sizes = self._dependent()
        self.result = self._output()
        self.batch = dims[0] if dims else None
        turned = next((n.op_type == "Transpose" for n in self.nodes if self.source in n.input), False)
        self.input_shape = _image_shape(dims, architecture, turned=turned)
        self.shapes, self.types = self._inferred()
        order = [i for i, node in enumerate(self.nodes) if self.data.intersection(node.output)]
        chain = [self._data_node(self.nodes[i]) for i in order]
        cut = [(tuple(order[i] for i in s.nodes), s.source, s.result) for s in segments(chain, self.source, self.result)]
        self.steps = list(self._shown(cut))
        if not self.steps:
            raise InvalidInput("the model computes nothing", where="ONNX model", expected="a network")

    def _shown(self, cut: Iterable[Step]) -> Iterator[Step]:
        """Join steps with the next where NumPy has no type for what is between them."""
        nodes: tuple[int, ...] = ()
        first: str | None = None
        for own, source, result in cut:
            nodes, first = (*nodes, *own), source if first is None else first
            if self.types.get(result) != TensorProto.BFLOAT16 or result == self.result:
                yield nodes, first, result
                nodes, first = (), None

    def _data_node(self, node: onnx.NodeProto) -> Node:
        return Node(inputs=tuple(x for x in node.input if x in self.data), outputs=tuple(y for y in node.output if y))

    def _ordered(self) -> dict[str, int]:
        """Return {tensor: place of the node that makes it}; InvalidInput unless each is made once, before its use."""
        makers: dict[str, int] = {}
        known = {self.source, "", *self.tensors}
        for i, node in enumerate(self.nodes):
            outputs = [name for name in node.output if name]
            if missing := [name for name in node.input if name not in known]:
                raise _invalid("a node takes what is not there yet", node, missing[0])
            if twice := [name for name in outputs if name in known]:
                raise _invalid("a tensor is made twice", node, twice[0])
            makers |= dict.fromkeys(outputs, i)
            known.update(outputs)
        return makers

    def _dependent(self) -> tuple[set[str], set[str]]:
        """Return the names of data, and of what is asked of their shapes."""
        data, sizes = {self.source}, set[str]()
        for node in self.nodes:
            outputs = [name for name in node.output if name]
            if data.intersection(node.input) and node.op_type not in ("Shape", "Size"):
                data.update(outputs)
            elif data.intersection(node.input) or sizes.intersection(node.input):
                sizes.update(outputs)
        return data, sizes

    def _output(self) -> str:
        """Return the result: of several outputs the last, if the others are on the way to it."""
        names = [value.name for value in self._model.graph.output]
        found = sorted({name for name in names if name in self._makers}, key=self._makers.__getitem__)
        if not found or len(found) < len(set(names)):
            raise InvalidInput("the model has no result", where="ONNX model", expected="outputs that nodes make")
        needed = {y for i in self.needed([found[-1]], {self.source}) for y in self.nodes[i].output}
        if strangers := [name for name in found if name not in needed]:
            received = ", ".join(printable(name, 40) for name in (*strangers[:3], found[-1]))
            raise InvalidInput("the model has several results", where="ONNX model", expected="one output", received=received)
        return str(found[-1])

    def needed(self, names: Iterable[str], given: Collection[str]) -> list[int]:
        """Return the places of the nodes that compute these tensors from the given ones; NotCheckable if those do not suffice."""
        places: set[int] = set()
        waiting = [name for name in names if name and name not in given]
        while waiting:
            name = waiting.pop()
            if name in self.tensors or name in given:
                continue
            if name == self.source:
                raise NotCheckable("it uses more than the tensor before it: it cannot be computed by itself")
            if (i := self._makers[name]) not in places:
                places.add(i)
                waiting.extend(other for other in self.nodes[i].input if other)
        return sorted(places)

    def model(
        self, source: str, results: Sequence[str], shape: Sequence[Any] | None = None, inputs: Inputs | None = None
    ) -> onnx.ModelProto:
        """Return the model of what is between the source and the results; `inputs` are initialisers in the place of its own."""
        # Built in place: onnx.helper would copy the weights, 67 MB in one layer, three times more. Before IR version 4,
        # initialisers had to be inputs as well.
        part = onnx.ModelProto(ir_version=max(self._model.ir_version, 4), opset_import=self._model.opset_import)
        graph, used = part.graph, set[str]()
        graph.name = "part"
        for i in self.needed(results, {source}):
            node = graph.node.add()
            node.CopyFrom(self.nodes[i])
            for j in range(len(node.input)):
                if inputs and (i, j) in inputs:
                    node.input[j] = f"{node.input[j]}/{i}/{j}/set"
                    _add_tensor(graph, node.input[j], inputs[i, j])
            used.update(node.input)
        for name, tensor in self.tensors.items():
            if name in used:
                graph.initializer.add().CopyFrom(tensor)
        if source:
            graph.input.append(helper.make_tensor_value_info(source, self.types.get(source, self.element), shape))
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in results)
        return part

    def _inferred(self) -> tuple[dict[str, Shape], dict[str, int]]:
        """Return what can be known of shapes and types beforehand; InvalidInput where a tensor would be too large to be tried."""
        small = {name: t for name, t in self.tensors.items() if math.prod(t.dims) <= _SMALL}
        large = [helper.make_tensor_value_info(n, t.data_type, t.dims) for n, t in self.tensors.items() if n not in small]
        shape = [self.batch or SAMPLE, *self.input_shape]
        inputs = [helper.make_tensor_value_info(self.source, self.element, shape), *large]
        graph = helper.make_graph(self.nodes, "shapes", inputs, [onnx.ValueInfoProto(name=self.result)], list(small.values()))
        model = helper.make_model(graph, opset_imports=self._model.opset_import, ir_version=max(self._model.ir_version, 4))
        try:
            inferred = onnx.shape_inference.infer_shapes(model, check_type=True, data_prop=True).graph
        except Exception as error:  # noqa: BLE001 - whatever it says of a stranger's model, it is no network
            received = printable(next(iter(str(error).strip().splitlines()), type(error).__name__))
            raise InvalidInput("its shapes or types do not fit together", where="ONNX model", received=received) from None
        shapes, types = (
            {name: tuple(t.dims) for name, t in self.tensors.items()},
            {n: t.data_type for n, t in self.tensors.items()},
        )
        for value in (*inferred.input, *inferred.value_info, *inferred.output):
            kind = value.type.tensor_type
            dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
            if math.prod(n for n in dims if n is not None) > ELEMENTS:
                expected = f"at most {ELEMENTS:,} elements for {shape[0]} images"
                where = f"tensor {printable(value.name)}"
                raise InvalidInput("is too large to be judged", where=where, expected=expected, received=f"shape {dims}")
            types[value.name] = kind.elem_type or self.element
            if kind.HasField("shape") and None not in dims:
                shapes[value.name] = tuple(n for n in dims if n is not None)
        return shapes, types

    def is_constant(self, name: str) -> bool:
        """Tell whether the tensor depends neither on the images nor on their number."""
        return bool(name) and name not in self.data and name not in self.sizes

    def constant(self, name: str) -> Array | None:
        """Return a constant's value: an initialiser, or one that nodes have only moved or converted. Else None."""
        if not self.is_constant(name):
            return None
        if name in self.tensors:
            return np.asarray(numpy_helper.to_array(self.tensors[name]))
        if any(self.nodes[i].op_type not in _STILL for i in self.needed([name], ())):
            return None
        from onnx.reference import ReferenceEvaluator  # computes with NumPy: no judge asks the runtime that it judges

        model = self.model("", [name])
        for opset in model.opset_import:  # the evaluator knows DequantizeLinear since 19; the others mean the same since 13
            opset.version = 19 if opset.domain in ("", "ai.onnx") and 13 <= opset.version < 19 else opset.version
        try:
            value = ReferenceEvaluator(model).run(None, {})[0]
        except Exception:  # noqa: BLE001 - a node that the evaluator cannot compute
            return None
        return np.asarray(value)


def _add_tensor(graph: onnx.GraphProto, name: str, value: Array) -> None:
    tensor = graph.initializer.add()
    tensor.name, tensor.data_type, tensor.raw_data = name, helper.np_dtype_to_tensor_dtype(value.dtype), value.tobytes()
    tensor.dims.extend(value.shape)


def _input(model: onnx.ModelProto, tensors: Mapping[str, Any]) -> tuple[str, int, list[int | None] | None]:
    """Return the name of the only input, the type of its elements, and its shape: None where a size, or all, is left open."""
    inputs = [value for value in model.graph.input if value.name not in tensors]
    if len(inputs) != 1:
        received = ", ".join(printable(value.name, 40) for value in inputs[:5]) or "none"
        raise InvalidInput("the model takes other than one input", where="ONNX model", expected="images", received=received)
    kind = inputs[0].type.tensor_type
    where = f"input {printable(inputs[0].name)}"
    if kind.elem_type not in FLOATS:
        names = [TensorProto.DataType.Name(kind.elem_type)] if kind.elem_type in TensorProto.DataType.values() else []
        raise InvalidInput("takes no images of 0 … 1", where=where, expected="floats", received=(names or ["no tensor"])[0])
    if not kind.HasField("shape"):
        return inputs[0].name, kind.elem_type, None
    dims = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None for dim in kind.shape.dim]
    if not 2 <= len(dims) <= 5 or 0 in dims:
        raise InvalidInput("takes no batch of images", where=where, expected="(N, …)", received=f"{len(dims)} axes, {dims[:6]}")
    return inputs[0].name, kind.elem_type, dims


def _image_shape(dims: list[int | None] | None, architecture: Architecture | None, *, turned: bool) -> Shape:
    """Return an image's shape; where the model leaves sizes open, the documented one, which way round they fit.

    Where both ways fit: channels last if the first thing that the model does is to transpose, as models with such inputs do.
    """
    own = [None] * 3 if dims is None else dims[1:]
    known = tuple(n for n in own if n is not None)
    if len(known) == len(own):
        return known
    if architecture is not None:
        image = architecture.input_shape
        ways = [image, channels_first(image)] if turned else [channels_first(image), image]
        for way in (*ways, (math.prod(image),)):
            if len(way) == len(own) and all(n in (None, m) for n, m in zip(own, way, strict=True)):
                return way
    raise InvalidInput(
        "the input's size is open", where="ONNX model", expected="that of the document's images", received=f"{own}"
    )


def _invalid(what: str, node: onnx.NodeProto, name: str) -> InvalidInput:
    return InvalidInput(what, where=printable(f"node {node.name or '?'} ({node.op_type})"), received=printable(name))
