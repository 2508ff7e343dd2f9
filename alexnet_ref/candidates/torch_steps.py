"""A PyTorch graph's steps as the judge sees them: named, described, with the places of their weights."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import fx

from alexnet_ref.candidates.chain import Segment
from alexnet_ref.candidates.step import Step
from alexnet_ref.candidates.torch_call import Place, Word, call_of
from alexnet_ref.candidates.torch_graph import Graph, attribute, function_name
from alexnet_ref.candidates.torch_words import UNKNOWN, lrn, word
from reference import Architecture

# F.local_response_norm, as PyTorch itself takes it apart.
_LRN = ("mul", "pad", "avg_pool", "squeeze", "mul", "add", "pow", "div")
_VIEWS = ("view", "unsqueeze", "reshape")


@dataclass(frozen=True, kw_only=True)
class Described:
    """A step, the nodes that compute it, and where its weights are."""

    step: Step
    segment: Segment
    places: Mapping[str, Place]


def described(graph: Graph, architecture: Architecture) -> list[Described]:
    """Return the graph's steps in order."""
    found: list[Described] = []
    for segment in graph.steps():
        nodes = [graph.nodes[graph.data[place]] for place in segment.nodes]
        meaning = _meaning(graph, nodes, segment, architecture)
        kind = " + ".join(_kind(graph, node) for node in nodes) + (f" ({meaning.note})" if meaning.note else "")
        step = Step(
            name=unused(_name(graph, nodes), {other.step.name for other in found}),
            kind=kind,
            means=meaning.means,
            output_shape=graph.shape(segment.result),
            params=sum(attribute(graph.root, path).numel() for path in _parameters(graph, nodes)),
            pads=meaning.pads,
            pool_pads=meaning.pool_pads,
        )
        found.append(Described(step=step, segment=segment, places=meaning.places))
    return found


def _meaning(graph: Graph, nodes: Sequence[fx.Node], segment: Segment, architecture: Architecture) -> Word:
    before, after = graph.shape(segment.source), graph.shape(segment.result)
    names = [function_name(node) for node in nodes]
    if len(nodes) == 1 or names == ["max_pool2d_with_indices", "getitem"]:
        return word(call_of(graph, nodes[0]), before, after, architecture)
    return _taken_apart(nodes, names) or UNKNOWN


def _taken_apart(nodes: Sequence[fx.Node], names: Sequence[str]) -> Word | None:
    """Return LRN, where the nodes are PyTorch's own for it: a square, its mean over channels, times alpha, plus k, to a power."""
    kept = [
        (name.removesuffix("2d").removesuffix("3d"), node) for name, node in zip(names, nodes, strict=True) if name not in _VIEWS
    ]
    if tuple(name for name, _ in kept) != _LRN:
        return None
    square, pad, mean, squeezed, scaled, added, powered, quotient = way = [node for _, node in kept]
    linked = all(_viewed(after.args[0]) is before for before, after in itertools.pairwise(way[:-1]))
    if not linked or square.args[0] is not square.args[1] or quotient.args != (square.args[0], powered) or squeezed.args[1] != 1:
        return None
    size, *others = list(mean.args[1]) + (list(mean.args[2]) if len(mean.args) > 2 else [])
    *inner, before, after = pad.args[1]
    if (before, after) != (size // 2, (size - 1) // 2) or any(inner) or set(others) != {1}:
        return None
    alpha, k, beta = (node.args[1] for node in (scaled, added, powered))
    return Word(means=lrn(size=size, alpha=alpha, beta=beta, k=k))


def _viewed(node: Any) -> Any:
    while isinstance(node, fx.Node) and function_name(node) in _VIEWS:
        node = node.args[0]
    return node


def _parameters(graph: Graph, nodes: Sequence[fx.Node]) -> set[str]:
    """Return the paths of the parameters that these nodes use, directly or through what is computed from parameters alone."""
    paths: set[str] = set()
    learnt = {name for name, _ in graph.root.named_parameters(remove_duplicate=False)}
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node.op == "call_module":
            paths |= {path for path in learnt if path.startswith(f"{node.target}.")}
        if node.op == "get_attr" and str(node.target) in learnt:
            paths.add(str(node.target))
        waiting.extend(other for other in node.all_input_nodes if other.name not in graph.data and other.name != graph.source)
    return paths


def _kind(graph: Graph, node: fx.Node) -> str:
    if node.op == "call_module":
        return f"nn.{type(graph.root.get_submodule(str(node.target))).__name__}"
    return f"{_origin(node)}.{function_name(node)}"


def _origin(node: fx.Node) -> str:
    if node.op == "call_method":
        return "Tensor"
    target: Any = node.target
    module = getattr(target, "__module__", "") or ""
    words = {"torch._ops": "aten", "_operator": "operator", "torch.nn.functional": "F", "torch._C._nn": "F"}
    return next((word for start, word in words.items() if module.startswith(start)), "torch")


def _name(graph: Graph, nodes: Sequence[fx.Node]) -> str:
    """Return the module's path where a module made the step, else a name that no user gave: with its origin before it."""
    last = nodes[-1]
    if last.op == "call_module":
        return str(last.target)
    stacks = [list((node.meta.get("nn_module_stack") or {}).values()) for node in nodes]
    inner = {str(stack[-1][0]) for stack in stacks if stack and "torch.nn.modules" in str(stack[-1][1])}
    if len(inner) == 1 and all(stacks):
        return inner.pop()
    del graph
    return f"{_origin(last)}.{last.name}"


def unused(name: str, used: set[str]) -> str:
    """Return the name, numbered where a module is called again."""
    return next(candidate for candidate in (name, *(f"{name}:{i}" for i in range(1, len(used) + 2))) if candidate not in used)
