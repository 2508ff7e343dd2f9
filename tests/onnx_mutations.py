"""Changes to an ONNX model that keep it a protobuf message: what bit flips seldom reach. Import behind importorskip("onnx")."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import onnx

NUMBERS = (-(2**63), -(2**31), -2, -1, 0, 1, 2, 3, 4, 7, 8, 1000, 2**31, 2**40, 2**63 - 1)
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e38, float("inf"), float("nan"))
OPERATORS = sorted({schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""})
ATTRIBUTES = (
    "axis",
    "axes",
    "pads",
    "strides",
    "kernel_shape",
    "alpha",
    "size",
    "auto_pad",
    "mode",
    "perm",
    "group",
    "to",
    "dilations",
)
TYPES = (np.float32, np.float64, np.float16, np.int8, np.int32, np.int64, np.bool_)


def mutate(model: Any, seed: int) -> None:
    """Change one to three things of the model, by chance."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(rng.randint(1, 3)):
        rng.choice(_MUTATIONS)(model, rng)


def _attribute(model: Any, rng: random.Random) -> None:
    node = rng.choice(model.graph.node)
    if not node.attribute:
        return
    attribute = rng.choice(node.attribute)
    if attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
    attribute.i, attribute.f = rng.choice(NUMBERS), rng.choice(FLOATS)


def _new_attribute(model: Any, rng: random.Random) -> None:
    node, name = rng.choice(model.graph.node), rng.choice(ATTRIBUTES)
    kept = [other for other in node.attribute if other.name != name]
    del node.attribute[:]
    value: Any = rng.choice(
        [rng.choice(NUMBERS), [rng.choice(NUMBERS) for _ in range(rng.randint(1, 5))], rng.choice(FLOATS), b"\xff"]
    )
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])


def _lost_attribute(model: Any, rng: random.Random) -> None:
    node = rng.choice(model.graph.node)
    if node.attribute:
        del node.attribute[rng.randrange(len(node.attribute))]


def _operator(model: Any, rng: random.Random) -> None:
    rng.choice(model.graph.node).op_type = rng.choice(OPERATORS)


def _names(model: Any) -> list[str]:
    made = [name for node in model.graph.node for name in (*node.input, *node.output)]
    return ["", *sorted({*made, *(tensor.name for tensor in model.graph.initializer)})]


def _input(model: Any, rng: random.Random) -> None:
    node = rng.choice(model.graph.node)
    if node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(_names(model))


def _inputs(model: Any, rng: random.Random) -> None:
    node = rng.choice(model.graph.node)
    if node.input and rng.random() < 0.5:
        del node.input[rng.randrange(len(node.input))]
    else:
        node.input.append(rng.choice(_names(model)))


def _node(model: Any, rng: random.Random) -> None:
    place = rng.randrange(len(model.graph.node))
    if rng.random() < 0.5:
        del model.graph.node[place]
        return
    node = onnx.helper.make_node(rng.choice(OPERATORS), [rng.choice(_names(model))], ["made"])
    users = [other for other in model.graph.node[place:] if other.input]
    nodes = [*list(model.graph.node)[:place], node, *list(model.graph.node)[place:]]
    if users:
        rng.choice(users).input[0] = "made"
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _tensor(model: Any, rng: random.Random) -> None:
    """Give an initialiser another type or shape, with as many numbers as that has."""
    tensor = rng.choice(model.graph.initializer)
    shape = [rng.choice([0, 1, 2, 5, 8, 40]) for _ in range(rng.randint(0, 4))] if rng.random() < 0.5 else list(tensor.dims)
    value = np.full(shape, rng.choice([-1, 0, 1, 2, 3]), rng.choice(TYPES))
    tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))


def _size(model: Any, rng: random.Random) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    if rng.random() < 0.3:
        del dims[rng.randrange(len(dims)) :]
        dims.add()
    dims[rng.randrange(len(dims))].dim_value = rng.choice([0, 1, 2, 3, 7, 8, 112, -1, 2**33])


def _version(model: Any, rng: random.Random) -> None:
    model.opset_import[0].version = rng.randint(6, 30)
    model.ir_version = rng.randint(0, 20)


_MUTATIONS = (
    *(_attribute, _new_attribute, _lost_attribute, _operator, _operator, _input, _inputs, _node, _node, _tensor, _size, _version),
)
