"""Ways from a PyTorch module or exported program to its graph."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import fx, nn

from alexnet_ref.candidates.torch_files import quiet
from alexnet_ref.candidates.torch_graph import BATCHES, Graph, full_name, is_size, mode, restore
from reference import InvalidInput

SEED = 7_568_423_190  # one that no module is likely to set itself, as it may set 0 or 42


def symbolic(module: nn.Module) -> Graph:
    """Return the graph as torch.fx traces it: torch's own modules and functions stay whole, the user's are looked into.

    Whatever the module raises for what it cannot compute with: comparisons of data, for instance.
    """
    parameters = list(inspect.signature(module.forward).parameters.values())[1:]
    fixed = {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}
    return make(module, fx.Tracer().trace(module, concrete_args=fixed or None))


def exported(module: nn.Module, x: Any, *, any_batch: bool) -> Graph:
    """Return the graph as torch.export sees the module compute x: any Python, but functions are taken apart into operators.

    Whatever torch.export raises, where the module does what it cannot follow, or (any_batch) fixes the batch to that of x.
    """
    shapes = ({0: torch.export.Dim.DYNAMIC},) if any_batch else None
    with quiet():  # what it cannot follow, it prints and logs at length, and raises as well: the last is enough
        return from_program(torch.export.export(module, (x,), dynamic_shapes=shapes, strict=False))


def from_program(program: Any) -> Graph:
    """Return the graph of an exported program."""
    # Guards are Python source out of the program's file, and made into a function by exec: from PyTorch 2.9 on, unless refused.
    guarded = "check_guards" in inspect.signature(program.module).parameters
    unlifted = program.module(check_guards=False) if guarded else program.module()
    return make(unlifted, unlifted.graph)


def batches(graph: Graph) -> tuple[int, ...]:
    """Return the batches that sizes are learnt from."""
    return BATCHES if graph.batch is None else (graph.batch,)


def verified(module: nn.Module, trace: Callable[[], Graph], x: Callable[[int], Any], *, training: bool) -> Graph:
    """Return the graph of the module in this mode, if it computes bit for bit what the module does; else InvalidInput.

    Each is called several times, so that a module that seeds its random numbers itself is seen to repeat them.
    """
    with mode(module, training=training):
        graph = trace()
        generators = graph.generators()
        samples = [x(batch) for batch in batches(graph)]
        for sample in samples:
            graph.sample(sample)
        samples.append(samples[-1])

        def called(function: Callable[[Any], Any]) -> list[Any]:
            with seeded(generators):
                return [only_tensor(function(sample)) for sample in samples]

        expected = called(module)
        if not all(map(_same, called(graph.result_for), expected)):
            graph.remade = generators
            if not generators or not all(map(_same, called(graph.result_for), expected)):
                raise InvalidInput("the graph is not what the module computes")
    return graph


def _same(received: Any, expected: Any) -> bool:
    return bool(received.shape == expected.shape) and bool(torch.equal(received.nan_to_num(), expected.nan_to_num()))


@contextlib.contextmanager
def seeded(generators: Mapping[Any, Any] | None = None) -> Iterator[None]:
    """Draw the same random numbers each time, from the module's generators {each: its state} too, and leave the user's alone."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        try:
            restore(generators or {})
            yield
        finally:
            restore(generators or {})


def only_tensor(result: Any) -> Any:
    """Return the only tensor of a result; InvalidInput where there are several, or none."""
    values = list(result.values()) if isinstance(result, dict) else result
    values = list(values) if isinstance(values, (tuple, list)) else [values]
    if len(values) != 1 or not isinstance(values[0], (torch.Tensor, fx.Node)):
        received = ", ".join(type(value).__name__ for value in values) or "nothing"
        raise InvalidInput(
            "the module does not return one tensor", expected="the network's result", received=received, hint="Wrap it"
        )
    return values[0]


def make(root: nn.Module, graph: fx.Graph) -> Graph:
    """Return the graph cut to what its result needs; InvalidInput: several results, or none that depends on the input."""
    made_functional(graph, root)
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    source, result = placeholders[0], only_tensor(next(node for node in graph.nodes if node.op == "output").args[0])
    carrying = {source}
    for node in graph.nodes:
        if not is_size(node) and carrying.intersection(node.all_input_nodes):
            carrying.add(node)
    needed: set[fx.Node] = set()
    waiting = [result]
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting.extend(node.all_input_nodes)
    if result not in carrying:
        raise InvalidInput("the output does not depend on the input", received=result.name)
    value = source.meta.get("val")
    fixed = value.shape[0] if value is not None and isinstance(value.shape[0], int) else None
    nodes = {node.name: node for node in graph.nodes if node in needed}
    data = [name for name, node in nodes.items() if node in carrying and node is not source]
    return Graph(root=root, nodes=nodes, source=source.name, result=result.name, data=data, batch=fixed)


def made_functional(graph: fx.Graph, root: nn.Module) -> None:
    """Let whoever reads a tensor after it was changed in place read the change: a graph has no other way to say it."""
    changed: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        for old in list(node.all_input_nodes):
            if old in changed:
                node.replace_input_with(old, changed[old])
        if node.all_input_nodes and _in_place(node, root):
            target = node.args[0] if node.args else None
            if isinstance(target, fx.Node):
                originals = [old for old, new in changed.items() if new is target]
                changed.update(dict.fromkeys([target, *originals], node))


def _in_place(node: fx.Node, root: nn.Module) -> bool:
    if node.op == "call_module":
        return bool(getattr(root.get_submodule(str(node.target)), "inplace", False))
    name = full_name(node)
    underscored = name.endswith("_") and not name.endswith("__")
    return node.op.startswith("call") and (underscored or node.kwargs.get("inplace") is True)
