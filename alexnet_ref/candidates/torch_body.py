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
from alexnet_ref.candidates.torch_graph import Graph, mode
from alexnet_ref.candidates.torch_hooks import HookBody
from alexnet_ref.candidates.torch_modes import Pair, aligned
from alexnet_ref.candidates.torch_steps import Described, described
from reference import Architecture

Trace = Callable[[], Graph]
MANY = 64  # images in each batch of training, where it must be fixed: a dropout is tried on thousands


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
    pairs: Sequence[Pair]

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

    A graph is taken only if it computes bit for bit what the module does, random numbers included. A way that shows training too
    goes before one that shows inference alone.
    """

    def exported(batch: int | None) -> Graph:
        return torch_trace.exported(module, x(batch or 2), any_batch=batch is None)

    ways: list[tuple[str, Trace, Sequence[Trace]]] = [
        ("torch.fx", lambda: torch_trace.symbolic(module), [lambda: torch_trace.symbolic(module)]),
        # Of some random numbers torch.export cannot follow how many they are, but when the batch is fixed.
        ("torch.export", lambda: exported(None), [lambda: exported(None), lambda: exported(MANY)]),
        ("torch.export, batches of 2", lambda: exported(2), [lambda: exported(MANY)]),
    ]
    hindrances: list[str] = []
    alone: GraphBody | None = None
    for way, trace, training_traces in ways:
        try:
            inference = torch_trace.verified(module, trace, x, training=False)
        except Exception as error:  # noqa: BLE001 - tracers raise anything for what they cannot follow; the next may
            hindrances.append(f"not by {way}: {type(error).__name__}")
            continue
        steps, named = described(inference, architecture), "; ".join([way, *hindrances])
        alone = alone or GraphBody(
            way=named, inference=inference, training=None, steps=steps, pairs=[(step.segment, None) for step in steps]
        )
        for other in training_traces:
            try:
                training = torch_trace.verified(module, other, x, training=True)
            except Exception as error:  # noqa: BLE001 - as above
                hindrances.append(f"its training not by {way}: {type(error).__name__}")
                continue
            both = aligned(inference, steps, training, described(training, architecture))
            if both is not None:
                return GraphBody(way=named, inference=inference, training=training, steps=both[0], pairs=both[1])
            hindrances.append(f"its training not by {way}: other layers than at inference")
    return alone or HookBody(module, x(2), architecture, "; ".join(["by the modules that it calls", *hindrances]))
