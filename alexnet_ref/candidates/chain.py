"""A graph of operations cut into a chain: where one tensor alone carries all the data on, a step ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reference import InvalidInput


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operation: the names of the tensors that it takes (constants and weights may be among them) and gives."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The operations between two cuts, by their places in the graph, and the tensors that go in and come out."""

    nodes: tuple[int, ...]
    source: str
    result: str


def segments(nodes: Sequence[Node], source: str, result: str) -> list[Segment]:
    """Cut the nodes, which stand in an order in which they can be computed, between the source and the result.

    What does not depend on the source is no data, and belongs to the segment that uses it; what the result does not need is left
    out. InvalidInput: the result does not depend on the source.
    """
    data = {source}
    for node in nodes:
        if any(name in data for name in node.inputs):
            data.update(node.outputs)
    needed = {result}
    kept: list[int] = []
    for i in range(len(nodes) - 1, -1, -1):
        if needed.intersection(nodes[i].outputs):
            kept.insert(0, i)
            needed.update(nodes[i].inputs)
    if result not in data:
        raise InvalidInput("the output does not depend on the input", expected=f"a way from {source} to {result}")
    last_use = {name: i for i in kept for name in nodes[i].inputs if name in data} | {result: len(nodes)}
    found: list[Segment] = []
    live, taken, entry = {source}, [], source
    for i in kept:
        taken.append(i)
        live.update(name for name in nodes[i].outputs if name in data)
        live = {name for name in live if last_use.get(name, -1) > i}
        if len(live) == 1 and (carrier := next(iter(live))) in nodes[i].outputs:
            found.append(Segment(nodes=tuple(taken), source=entry, result=carrier))
            taken, entry = [], carrier
    return found
