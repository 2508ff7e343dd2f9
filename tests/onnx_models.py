"""Small ONNX models for the tests, and ways to change them. Import it behind `pytest.importorskip("onnx")`."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

import alexnet_ref
import reference
from alexnet_ref.candidates.onnx import OnnxPort
from alexnet_ref.checks.agreement import check_agreement
from alexnet_ref.checks.facts import check_facts
from alexnet_ref.checks.impulses import check_impulses
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.checks.weights import check_weights
from alexnet_ref.export.onnx import export_onnx
from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, MaxPool
from reference.params import all_param_shapes
from tests.miniatures import MINIATURES, material
from tests.strategies import signed


def small(name: str = "tf1_graph", layout: Any = "NCHW") -> tuple[Any, reference.Params]:
    """Return a small document as an onnx.ModelProto, and its weights."""
    params, _ = material(MINIATURES[name])
    return export_onnx(MINIATURES[name], params, layout=layout), params


def node(model: Any, name: str) -> Any:
    """Return the node of this name."""
    return next(node for node in model.graph.node if node.name == name)


def set_attribute(model: Any, name: str, attribute: str, value: Any) -> None:
    """Give the node's attribute another value; None removes it."""
    found = node(model, name)
    kept = [other for other in found.attribute if other.name != attribute]
    del found.attribute[:]
    found.attribute.extend(kept + ([] if value is None else [onnx.helper.make_attribute(attribute, value)]))


def tensor(model: Any, name: str) -> Any:
    """Return the initialiser of this name."""
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def set_tensor(model: Any, name: str, value: Any) -> None:
    """Give the initialiser another value."""
    tensor(model, name).CopyFrom(onnx.numpy_helper.from_array(value, name))


def replace_nodes(model: Any, name: str, nodes: list[Any]) -> None:
    """Put other nodes in the place of one."""
    place = next(i for i, other in enumerate(model.graph.node) if other.name == name)
    every = [*list(model.graph.node)[:place], *nodes, *list(model.graph.node)[place + 1 :]]
    del model.graph.node[:]
    model.graph.node.extend(every)


# Smaller than any document, with windows whose SAME padding is odd: rows (0, 1), columns (1, 1); pool's columns (0, 1).
TINY = Architecture(
    name="tiny",
    input_shape=(8, 7, 2),
    layers=(
        Conv(name="conv", filters=5, kernel_size=(3, 3), strides=(2, 1), padding="SAME", activation="relu"),
        MaxPool(name="pool", pool_size=(2, 2), strides=(2, 2), padding="SAME"),
        LRN(name="norm", depth_radius=1, bias=1.0, alpha=0.5, beta=0.75),
        Dropout(name="drop", rate=0.2),
        Flatten(name="flatten"),
        Dense(name="fc1", units=8, activation="relu"),
        Dense(name="fc2", units=8, activation="relu"),
        Dense(name="out", units=4, activation="softmax"),
    ),
)
TINY_IMAGES = signed((3, *TINY.input_shape), 0, 1.0, np.float32)


def tiny(layout: Any = "NCHW") -> tuple[Any, Any]:
    """Return TINY as an onnx.ModelProto, and its weights, none of them zero."""
    rng = np.random.default_rng(7)
    params = {
        layer: {part: rng.standard_normal(shape).astype(np.float32) / 2 for part, shape in parts.items()}
        for layer, parts in all_param_shapes(TINY).items()
    }
    return export_onnx(TINY, params, layout=layout), params


# What tells whether numbers, weights and words are right; the statistics of errors take longer, and are for arithmetics.
MOST = (check_facts, check_weights, check_probes, check_impulses, check_agreement)


def judged(model: Any, params: Any = None, checks: Any = MOST, **options: Any) -> Any:
    """Return the report of a model of TINY."""
    port = OnnxPort(model, architecture=TINY, **options)
    return alexnet_ref.verify(port, TINY, images=TINY_IMAGES, params=params, checks=checks, diagnosis=False)


def failures(report: Any) -> dict[str, str]:
    """Return {check: what it found} of what failed."""
    return {check.id: check.fact for check in report.of("failed")}


def add_tensors(model: Any, values: dict[str, Any]) -> None:
    """Add initialisers."""
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in values.items())


def set_input(model: Any, name: str, place: int, source: str) -> None:
    """Let the node take another tensor."""
    node(model, name).input[place] = source
