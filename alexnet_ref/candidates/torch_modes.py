"""The same PyTorch module in inference and in training: which steps of the two graphs are the same.

What neither mode shares, such as the dropout that training alone has, stands between steps that both have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from torch import fx

from alexnet_ref.candidates.chain import Segment
from alexnet_ref.candidates.torch_graph import Graph, function_name
from alexnet_ref.candidates.torch_steps import Described, unused

Pair = tuple[Segment | None, Segment | None]  # of inference and of training; None: it has no such step

# Draws random numbers. "dropout" does so in training alone, and is the same call in both graphs: no word of this list.
_RANDOM = {"bernoulli", "exponential", "multinomial", "normal", "poisson", "uniform"}
_RANDOM |= {"rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm"}


def aligned(
    inference: Graph, steps: Sequence[Described], training: Graph, more: Sequence[Described]
) -> tuple[list[Described], list[Pair]] | None:
    """Return the steps of both modes in order, and where each is; None: the modes differ in more than what has no weights."""
    words = [[_word(graph, step) for step in own] for graph, own in ((inference, steps), (training, more))]
    found: list[tuple[Described, Pair]] = []
    for what, a, b, c, d in SequenceMatcher(a=words[0], b=words[1], autojunk=False).get_opcodes():
        before, after = steps[a:b], more[c:d]
        if what == "equal":
            pairs = zip(before, after, strict=True)
            found.extend((other, (step.segment, other.segment)) for step, other in pairs)
            continue
        if any(step.places for step in (*before, *after)):
            return None
        if what == "replace":  # a scale at inference, say, for a mask in training: one step, whose halves nothing matches
            found.append((_whole([*after]), (_joined(before), _joined(after))))
        found.extend((step, (step.segment, None)) for step in before if what == "delete")
        found.extend((step, (None, step.segment)) for step in after if what == "insert")
    return _named([step for step, _ in found]), [pair for _, pair in found]


def _word(graph: Graph, step: Described) -> tuple[bool, tuple[str, ...]]:
    """Return whether the step draws random numbers, and what its nodes call: module paths, and names of functions."""
    nodes = [graph.nodes[graph.data[place]] for place in step.segment.nodes]
    called = tuple(str(node.target) if node.op == "call_module" else function_name(node) for node in nodes)
    return any(_random(graph, node) for node in nodes), called


def _random(graph: Graph, node: fx.Node) -> bool:
    """Tell whether the node, or anything but data that it is computed from, draws random numbers."""
    others = [other for other in node.all_input_nodes if other.name not in graph.data and other.name != graph.source]
    return function_name(node) in _RANDOM or any(_random(graph, other) for other in others)


def _joined(steps: Sequence[Described]) -> Segment:
    nodes = tuple(place for step in steps for place in step.segment.nodes)
    return Segment(nodes=nodes, source=steps[0].segment.source, result=steps[-1].segment.result)


def _whole(steps: Sequence[Described]) -> Described:
    """Return several steps as one that no word describes, as its mask may be in one and its scale in another."""
    last = steps[-1]
    kind = " + ".join(step.step.kind for step in steps)
    return replace(last, step=replace(last.step, kind=kind, means=None), segment=_joined(steps))


def _named(steps: Sequence[Described]) -> list[Described]:
    """Return the steps with names of their own: two graphs may have called two steps the same."""
    used: set[str] = set()
    found = []
    for step in steps:
        name = unused(step.step.name, used)
        used.add(name)
        found.append(replace(step, step=replace(step.step, name=name)))
    return found
