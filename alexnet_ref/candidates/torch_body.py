"""What runs a PyTorch port step by step: the graph of its inference, and of its training where it has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from alexnet_ref.candidates import torch_trace
from alexnet_ref.candidates.chain import Segment
from alexnet_ref.candidates.step import NotCheckable
from alexnet_ref.candidates.torch_graph import Graph, function_name, mode
from alexnet_ref.candidates.torch_hooks import HookBody
from alexnet_ref.candidates.torch_steps import Described, described
from reference import Architecture


class Body(Protocol):
    """The steps, and how they are run. Tensors are on the module's device."""

    way: str  # in words: how the steps were found
    steps: Sequence[Described]

    @property
    def root(self) -> nn.Module:
        """The module that paths begin at."""

    def outputs(self, x: Any) -> list[Any]:
        """Return copies of every step's inference output."""

    def run(self, first: int, last: int, x: Any, weights: Mapping[str, Any], *, training: bool) -> Any:
        """Return the output of step `last`; weights: {path: tensor} to compute with. NotCheckable where it cannot be run."""


@dataclass(kw_only=True)
class GraphBody:
    """Both graphs, and for each step its segment of both: None where the graph lacks it, as inference does a dropout."""

    way: str
    inference: Graph
    training: Graph | None
    steps: Sequence[Described]
    pairs: Sequence[tuple[Segment | None, Segment | None]]

    @property
    def root(self) -> nn.Module:
        """The module that paths begin at."""
        return self.inference.root

    def outputs(self, x: Any) -> list[Any]:
        """Return copies of every step's inference output: the next step may work in place."""
        found = []
        with mode(self.root, training=False):
            for segment, _ in self.pairs:
                x = run_segment(self.inference, segment, x, {})
                found.append(x.clone())
        return found

    def run(self, first: int, last: int, x: Any, weights: Mapping[str, Any], *, training: bool) -> Any:
        """Run the steps' segments one after the other."""
        graph = self.training if training else self.inference
        if graph is None:
            raise NotCheckable("its graph is that of inference")
        with mode(graph.root, training=training):
            for pair in self.pairs[first : last + 1]:
                x = run_segment(graph, pair[training], x, weights)
            return x


def run_segment(graph: Graph, segment: Segment | None, x: Any, weights: Mapping[str, Any]) -> Any:
    """Return a segment's result for x; x itself where the graph has no such step."""
    if segment is None:
        return x
    names = [graph.data[place] for place in segment.nodes]
    if graph.batch is None:
        return graph.run(names, {segment.source: x}, len(x), weights)[segment.result]
    parts = []
    for start in range(0, len(x), graph.batch):  # the last batch is filled up, and cut again
        part = x[start : start + graph.batch]
        filled = torch.cat([part, part.new_zeros((graph.batch - len(part), *part.shape[1:]))])
        parts.append(graph.run(names, {segment.source: filled}, graph.batch, weights)[segment.result][: len(part)])
    return torch.cat(parts)


def of_program(program: Any, x: Callable[[int], Any], architecture: Architecture) -> GraphBody:
    """Return the body of an exported program; x: batch → sample."""
    graph = torch_trace.from_program(program)
    with mode(graph.root, training=False):
        for batch in torch_trace.batches(graph):
            graph.sample(x(batch))
    steps = described(graph, architecture)
    way = "torch.export" if graph.batch is None else f"torch.export, batches of {graph.batch}"
    return GraphBody(way=way, inference=graph, training=None, steps=steps, pairs=[(step.segment, None) for step in steps])


def of_module(module: nn.Module, x: Callable[[int], Any], architecture: Architecture) -> Body:
    """Return the body of a module: by torch.fx, else torch.export, else the modules that it calls. x: batch → sample.

    A graph is taken only if it computes bit for bit what the module does, random numbers included.
    """
    ways: list[tuple[str, Callable[[], Graph]]] = [
        ("torch.fx", lambda: torch_trace.symbolic(module)),
        ("torch.export", lambda: torch_trace.exported(module, x(2), any_batch=True)),
        ("torch.export, batches of 2", lambda: torch_trace.exported(module, x(2), any_batch=False)),
    ]
    hindrances = []
    for way, trace in ways:
        try:
            inference = torch_trace.verified(module, trace, x, training=False)
        except Exception as error:  # noqa: BLE001 - tracers raise anything for what they cannot follow; the next may
            hindrances.append(f"not by {way}: {type(error).__name__}")
            continue
        try:
            training = torch_trace.verified(module, trace, x, training=True)
        except Exception:  # noqa: BLE001 - as above
            training = None
        return _paired("; ".join([way, *hindrances]), inference, training, architecture)
    return HookBody(module, x(2), architecture, "; ".join(["by the modules that it calls", *hindrances]))


def _paired(way: str, inference: Graph, training: Graph | None, architecture: Architecture) -> GraphBody:
    """Match the two graphs' steps: the same, or with dropouts that inference lacks. Otherwise inference's alone are taken."""
    steps = described(inference, architecture)
    alone = [(step.segment, None) for step in steps]
    if training is None:
        return GraphBody(way=way, inference=inference, training=None, steps=steps, pairs=alone)
    more = described(training, architecture)
    pairs: list[tuple[Segment | None, Segment | None]] = []
    waiting = list(steps)
    for step in more:
        if waiting and _signature(inference, waiting[0]) == _signature(training, step):
            pairs.append((waiting.pop(0).segment, step.segment))
        elif _signature(training, step) == ("dropout",):
            pairs.append((None, step.segment))
        else:
            return GraphBody(way=way, inference=inference, training=None, steps=steps, pairs=alone)
    if waiting:
        return GraphBody(way=way, inference=inference, training=None, steps=steps, pairs=alone)
    return GraphBody(way=way, inference=inference, training=training, steps=more, pairs=pairs)


def _signature(graph: Graph, step: Described) -> tuple[str, ...]:
    """Return what the step's nodes call: module paths, and names of functions."""
    nodes = [graph.nodes[graph.data[place]] for place in step.segment.nodes]
    return tuple(str(node.target) if node.op == "call_module" else function_name(node) for node in nodes)
