"""What an ONNX model may hold before anything of it is computed: a stranger's model is hostile until it has passed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import onnx
from onnx import AttributeProto, TensorProto

from alexnet_ref.printable import printable
from reference import InvalidInput

NODES = 2000  # the documents have 21 layers; unfused and with their constants as nodes, some 200
ATTRIBUTES = 64  # of a node: no operator has half as many
NUMBERS = 2**16  # in an attribute that is a list; long lists belong into tensors
NAME = 1000  # characters
# Elements of a tensor of two images: the documents' greatest has 602,112, their greatest weight 16,777,216, a quarter of this.
ELEMENTS = 2**26
DOMAINS = ("", "ai.onnx", "com.microsoft")  # the standard's operators, and those that ONNX Runtime writes when it optimises
FOREIGN = ("EPContext",)  # com.microsoft's operator that loads another file, with code for a device in it
OPSETS = range(7, onnx.defs.onnx_opset_version() + 1)  # before 7, broadcasting and dropout meant something else

# How many bytes an element has in raw_data, and which field holds it otherwise. Strings and what is packed are no weights.
_TYPES: dict[int, tuple[int, str]] = {
    TensorProto.FLOAT: (4, "float_data"),
    TensorProto.DOUBLE: (8, "double_data"),
    TensorProto.INT64: (8, "int64_data"),
    TensorProto.UINT32: (4, "uint64_data"),
    TensorProto.UINT64: (8, "uint64_data"),
    **dict.fromkeys((TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT16, TensorProto.UINT16), (2, "int32_data")),
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL), (1, "int32_data")),
    TensorProto.INT32: (4, "int32_data"),
}


def check_limits(model: onnx.ModelProto) -> None:
    """Refuse, with InvalidInput, what this judge cannot or will not run.

    Data in other files, graphs within graphs and functions, operators from elsewhere, more nodes than any port has, tensors
    whose data are not as long as their shape says.
    """
    graph = model.graph
    if model.functions or model.training_info:
        raise _refused("functions and training graphs", "one graph for inference")
    _check_opsets(model)
    for what, several in (("nodes", graph.node), ("initialisers", graph.initializer), ("inputs", graph.input)):
        if len(several) > NODES:
            raise _refused(f"so many {what}", f"at most {NODES}", str(len(several)))
    if graph.sparse_initializer:
        raise _refused("sparse initialisers", "dense ones")
    for tensor in graph.initializer:
        check_tensor(tensor)
    for node in graph.node:
        _check_node(node)
    _check_names(value.name for value in (*graph.input, *graph.output))


def _check_opsets(model: onnx.ModelProto) -> None:
    versions: dict[str, int] = {}
    for opset in model.opset_import:
        domain = "" if opset.domain == "ai.onnx" else opset.domain
        if domain in versions:
            raise _refused("an operator set that is named twice", "each once", printable(domain))
        versions[domain] = opset.version
    if versions.get("") not in OPSETS:
        raise _refused("this operator set", f"version {OPSETS[0]} to {OPSETS[-1]}", str(versions.get("", "none")))


def _check_node(node: onnx.NodeProto) -> None:
    _check_names((node.name, node.op_type, *node.input, *node.output))
    where = printable(f"node {node.name or '?'} ({node.op_type})")
    if node.domain not in DOMAINS or node.op_type in FOREIGN:
        received = printable(f"{node.domain}.{node.op_type}")
        raise _refused("operators from elsewhere", "the standard's, or com.microsoft's", received, where)
    if len(node.attribute) > ATTRIBUTES:
        raise _refused("so many attributes", f"at most {ATTRIBUTES}", str(len(node.attribute)), where)
    for attribute in node.attribute:
        _check_names((attribute.name,))
        _check_attribute(attribute, where)


def _check_attribute(attribute: onnx.AttributeProto, where: str) -> None:
    if attribute.HasField("g") or attribute.graphs or attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        raise _refused("graphs within the graph (If, Loop, Scan)", "a network without branches", None, where)
    if attribute.HasField("sparse_tensor") or attribute.sparse_tensors or attribute.HasField("tp") or attribute.type_protos:
        raise _refused("sparse tensors and types as attributes", "numbers and dense tensors", None, where)
    if max(len(attribute.ints), len(attribute.floats), len(attribute.strings), len(attribute.tensors)) > NUMBERS:
        raise _refused("so long an attribute", f"at most {NUMBERS} numbers", None, where)
    for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
        check_tensor(tensor)


def check_tensor(tensor: onnx.TensorProto) -> None:
    """Refuse a tensor with its data elsewhere, of a type that is no weight's, or whose data are not as long as it says."""
    _check_names((tensor.name,))
    where = printable(f"tensor {tensor.name or '?'}")
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        hint = "Save the model as one file: onnx.save(onnx.load(file), other)"
        raise InvalidInput("external data are not read", where=where, expected="all weights in the model itself", hint=hint)
    if tensor.data_type not in _TYPES or tensor.HasField("segment"):
        raise _refused("a tensor of this type", "floats, integers or booleans", str(tensor.data_type), where)
    if len(tensor.dims) > 8 or any(n < 0 for n in tensor.dims):
        raise _refused("such a shape", "up to 8 sizes of at least 0", printable(list(tensor.dims[:9])), where)
    width, field = _TYPES[tensor.data_type]
    elements = math.prod(tensor.dims)
    if tensor.HasField("raw_data"):
        expected, received = f"{elements * width} bytes", f"{len(tensor.raw_data)} bytes"
    else:
        expected, received = f"{elements} numbers", f"{len(getattr(tensor, field))} numbers"
    if expected != received:
        raise InvalidInput("a tensor's data do not fit its shape", where=where, expected=expected, received=received)


def _check_names(names: Iterable[Any]) -> None:
    for name in names:
        if not isinstance(name, str):  # protobuf gives what is no UTF-8 as bytes
            raise _refused("a name that is no text", "UTF-8", printable(name, 40))
        if len(name) > NAME:
            raise _refused("so long a name", f"at most {NAME} characters", printable(name, 40))


def _refused(what: str, expected: str, received: str | None = None, where: str | None = None) -> InvalidInput:
    return InvalidInput(f"{what} cannot be judged", where=where or "ONNX model", expected=expected, received=received)
