"""A PyTorch module or exported program as a graph whose nodes can be computed one by one, with other weights if need be.

Three kinds of nodes: data, on the tensors' way from the input to the result; sizes, which are asked of data (x.shape[0]) and
known for every batch once they are known for two; constants, such as parameters, and what is computed from sizes and constants.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from alexnet_ref.candidates.chain import Node, Segment, segments
from reference import InvalidInput

BATCHES = (2, 3)  # of the samples that sizes are learnt from: two, since a size grows by the same amount with each image

_ASKED_OF_DATA = {"size", "dim", "ndim", "shape", "dtype", "device", "numel", "stride", "is_cuda", "nelement", "ndimension"}
_SYMBOLIC = {"sym_size", "sym_numel", "sym_stride"}


@dataclass(kw_only=True)
class Graph:
    """`nodes` in the order of computation; `data` in it are the names of those that tensors pass through to the result."""

    root: nn.Module
    nodes: Mapping[str, fx.Node]
    source: str
    result: str
    data: Sequence[str]
    batch: int | None = None  # the only one that it takes: an exported program may have been fixed to one
    samples: list[dict[str, Any]] = field(default_factory=list)  # of each sample batch: {node: tensor's shape, or size}
    remade: Mapping[Any, Any] = field(default_factory=dict)  # {generator: its state} of those that the module makes in each call

    def segments(self) -> list[Segment]:
        """Return the chain of steps; their places count in `data`."""
        chain = [Node(inputs=tuple(n.name for n in self.nodes[name].all_input_nodes), outputs=(name,)) for name in self.data]
        return segments(chain, self.source, self.result)

    def steps(self) -> list[Segment]:
        """Return the segments that end with a tensor: a pair of maximum and place, say, goes with what takes one of the two."""
        found: list[Segment] = []
        for segment in self.segments():
            if found and found[-1].result not in self.samples[0]:
                first = found.pop()
                segment = Segment(nodes=(*first.nodes, *segment.nodes), source=first.source, result=segment.result)  # noqa: PLW2901
            found.append(segment)
        return found

    def generators(self) -> dict[Any, Any]:
        """Return the random generators that the graph holds, with their present states."""
        held = [attribute(self.root, str(node.target)) for node in self.nodes.values() if node.op == "get_attr"]
        return {each: each.get_state() for each in held if isinstance(each, torch.Generator)}

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a data node's tensor, without its batch axis."""
        return tuple(self.samples[0][name][1:])

    def run(self, names: Sequence[str], known: dict[str, Any], batch: int, weights: Mapping[str, Any]) -> dict[str, Any]:
        """Compute these data nodes in order, adding to what is known; weights: {path: tensor in its place}."""
        restore(self.remade)
        for name in names:
            known[name] = self._compute(self.nodes[name], known, batch, weights)
        return known

    def result_for(self, x: Any) -> Any:
        """Return the result for x; with a fixed batch, x has that."""
        return self.run(self.data, {self.source: x}, len(x), {})[self.result]

    def known_sizes(self, arguments: Any) -> Any:
        """Return arguments with numbers in the place of the sizes that they are computed from; tensors stay nodes."""

        def number(node: fx.Node) -> Any:
            if node.op in ("placeholder", "get_attr") or node.name in self.data:
                return node
            value = self._value(node, {}, BATCHES[0], {})
            return node if isinstance(value, torch.Tensor) else value

        return fx.map_arg(arguments, number)

    def _value(self, node: fx.Node, known: dict[str, Any], batch: int, weights: Mapping[str, Any]) -> Any:
        if node.name not in known:
            known[node.name] = self._compute(node, known, batch, weights)
        return known[node.name]

    def _compute(self, node: fx.Node, known: dict[str, Any], batch: int, weights: Mapping[str, Any]) -> Any:
        if node.op == "placeholder":
            if not node.args:
                raise InvalidInput("the module takes more than one input", received=node.name)
            return node.args[0]
        if node.op == "get_attr":
            path = str(node.target)
            return weights[path] if path in weights else attribute(self.root, path)
        if node.name in self.samples[0] and is_size(node):
            return self._size(node.name, batch)
        args = fx.map_arg(node.args, lambda n: self._value(n, known, batch, weights))
        kwargs = fx.map_arg(node.kwargs, lambda n: self._value(n, known, batch, weights))
        if node.op == "call_module":
            return self._module(str(node.target), args, kwargs, weights)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        return node.target(*args, **kwargs)

    def _module(self, path: str, args: Any, kwargs: Any, weights: Mapping[str, Any]) -> Any:
        module = self.root.get_submodule(path)
        own = {name.removeprefix(f"{path}."): value for name, value in weights.items() if name.startswith(f"{path}.")}
        return torch.func.functional_call(module, own, args, kwargs) if own else module(*args, **kwargs)

    def _size(self, name: str, batch: int) -> Any:
        if len(self.samples) < 2:
            return self.samples[0][name]
        return _extrapolated(self.samples[0][name], self.samples[1][name], batch, name)

    def sample(self, x: Any) -> Any:
        """Compute everything for a sample batch, remember shapes and sizes, and return the result."""
        known: dict[str, Any] = {self.source: x}
        found: dict[str, Any] = {}
        self.samples.append(found)
        for node in self.nodes.values():
            if node.name in self.data:
                known[node.name] = self._compute(node, known, len(x), {})
            elif node.op not in ("placeholder", "output") and is_size(node):
                asked = node.all_input_nodes[0].name
                if asked in known:  # of data
                    found[node.name] = known[node.name] = self._ask(node, known)
            if isinstance(known.get(node.name), torch.Tensor):
                found[node.name] = tuple(known[node.name].shape)
        return known[self.result]

    @staticmethod
    def _ask(node: fx.Node, known: dict[str, Any]) -> Any:
        args = fx.map_arg(node.args, lambda n: known[n.name])
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **dict(node.kwargs))
        return node.target(*args, **dict(node.kwargs))


def restore(generators: Mapping[Any, Any]) -> None:
    """Put {random generator: state} back to these states."""
    for generator, state in generators.items():
        generator.set_state(state)


def is_size(node: fx.Node) -> bool:
    """Tell whether the node asks a tensor for its shape or kind."""
    match node.op:
        case "call_method":
            return node.target in _ASKED_OF_DATA
        case "call_function":
            if node.target is getattr:
                return node.args[1] in _ASKED_OF_DATA
            return function_name(node) in _SYMBOLIC
        case _:
            return False


def function_name(node: fx.Node) -> str:
    """Return the function's own name: "relu" of torch.relu, F.relu, aten.relu.default and aten.relu_.default alike."""
    name = full_name(node)
    return name.removesuffix("_") if not name.endswith("__") else name


def full_name(node: fx.Node) -> str:
    """Return the function's name as it is, with the underscore behind that says "in place"."""
    target: Any = node.target
    if isinstance(target, torch._ops.OpOverload):  # noqa: SLF001 - PyTorch has no public name for it
        return str(target._schema.name).split("::")[1]  # noqa: SLF001 - nor for this
    return str(target) if node.op == "call_method" else str(getattr(target, "__name__", target))


def attribute(root: Any, path: str) -> Any:
    """Return what stands at a.b.c below the root."""
    for name in path.split("."):
        root = getattr(root, name)
    return root


def _extrapolated(two: Any, three: Any, batch: int, name: str) -> Any:
    """Return a size for any batch: what each image more adds to it is always the same."""
    if isinstance(two, tuple):
        return torch.Size(_extrapolated(a, b, batch, name) for a, b in zip(two, three, strict=True))
    if type(two) is int:
        return two + (three - two) * (batch - BATCHES[0])
    if two != three:
        raise InvalidInput("what the module asks of its data depends on the batch", received=f"{name}: {two}, {three}")
    return two


@contextlib.contextmanager
def mode(module: Any, *, training: bool) -> Iterator[None]:
    """Set a module to training or inference without gradients, and put back its flags, and the buffers that training changed."""
    flags = {part: part.training for part in module.modules()}
    buffers = {name: value.detach().clone() for name, value in module.named_buffers()} if training else {}
    try:
        with contextlib.suppress(NotImplementedError):  # what was exported has no modes
            module.train(training)
        with torch.no_grad():
            yield
    finally:
        for part, flag in flags.items():
            part.training = flag
        own = dict(module.named_buffers())
        with torch.no_grad():
            for name, value in buffers.items():
                own[name].copy_(value)
