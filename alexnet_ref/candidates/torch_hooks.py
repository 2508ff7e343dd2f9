"""A PyTorch module that cannot be traced, watched instead: the modules that it calls, and what lies between them unseen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from alexnet_ref.candidates.chain import Segment
from alexnet_ref.candidates.step import NotCheckable, Step
from alexnet_ref.candidates.torch_call import module_call
from alexnet_ref.candidates.torch_graph import mode
from alexnet_ref.candidates.torch_steps import Described, unused
from alexnet_ref.candidates.torch_trace import only_tensor
from alexnet_ref.candidates.torch_words import word
from reference import Architecture


@dataclass(frozen=True, kw_only=True)
class Called:
    """One call of a module without parts, or (path None) what was computed between two such calls."""

    path: str | None
    before: Any  # tensors
    after: Any


class HookBody:
    """The calls in order: one follows another if its input is the very tensor that the other returned, or there is a gap."""

    def __init__(self, module: nn.Module, x: Any, architecture: Architecture, way: str) -> None:
        """Watch the module compute x, a sample."""
        self.root, self.way, self.architecture = module, way, architecture
        self.calls = self._watched(x)
        self.steps: Sequence[Described] = self._described()

    def outputs(self, x: Any) -> list[Any]:
        """Return every step's inference output; NotCheckable where other modules are called than for the sample."""
        calls = self._watched(x)
        if [call.path for call in calls] != [call.path for call in self.calls]:
            raise NotCheckable("which modules it calls depends on the data")
        return [call.after for call in calls]

    def run(self, first: int, last: int, x: Any, weights: Mapping[str, Any], *, training: bool) -> Any:
        """Run the modules one after the other; NotCheckable where something unseen lies between them."""
        paths = [call.path for call in self.calls[first : last + 1]]
        with mode(self.root, training=training):
            if len(paths) == len(self.calls):
                return only_tensor(torch.func.functional_call(self.root, dict(weights), (x,)))
            for path in paths:
                if path is None:
                    raise NotCheckable("the module computes it between the modules that it calls, and cannot be traced")
                own = {name.removeprefix(f"{path}."): value for name, value in weights.items() if name.startswith(f"{path}.")}
                x = torch.func.functional_call(self.root.get_submodule(path), own, (x,))
            return x

    def _watched(self, x: Any) -> list[Called]:
        """Run the module, and return its calls and gaps, with copies of what goes in and comes out."""
        calls: list[Called] = []
        last, copy = x, x.clone()

        def before(_: Any, args: Any) -> None:
            nonlocal last, copy
            if len(args) == 1 and isinstance(args[0], torch.Tensor) and args[0] is not last:
                gap = args[0].clone()
                calls.append(Called(path=None, before=copy, after=gap))
                last, copy = args[0], gap

        def after(path: str) -> Any:
            def hook(_: Any, args: Any, result: Any) -> None:
                nonlocal last, copy
                if len(args) == 1 and args[0] is last and isinstance(result, torch.Tensor):
                    calls.append(Called(path=path, before=copy, after=result.clone()))
                    last, copy = result, calls[-1].after

            return hook

        handles = []
        leaves = {path: part for path, part in self.root.named_modules() if path and not list(part.children())}
        try:
            for path, part in leaves.items():
                handles += [part.register_forward_pre_hook(before), part.register_forward_hook(after(path))]
            with mode(self.root, training=False):
                result = only_tensor(self.root(x))
        finally:
            for handle in handles:
                handle.remove()
        if result is not last:
            calls.append(Called(path=None, before=copy, after=result.clone()))
        return calls

    def _described(self) -> list[Described]:
        found: list[Described] = []
        learnt = dict(self.root.named_parameters(remove_duplicate=False))
        unseen = len(learnt) - sum(len(list(self.root.get_submodule(path).parameters())) for path in self._paths())
        for place, call in enumerate(self.calls):
            shapes = tuple(call.before.shape[1:]), tuple(call.after.shape[1:])
            used = {other.step.name for other in found}
            segment = Segment(nodes=(place,), source="", result="")
            if call.path is None:
                name = unused("forward" if len(self.calls) == 1 else "between", used)
                # What lies between may hold parameters of its own: then nobody knows how many.
                params = None if unseen > 0 else 0
                step = Step(name=name, kind="unseen", means=None, output_shape=shapes[1], params=params)
                found.append(Described(step=step, segment=segment, places={}))
                continue
            part = self.root.get_submodule(call.path)
            meaning = word(module_call(self.root, call.path), *shapes, self.architecture)
            kind = f"nn.{type(part).__name__}" + (f" ({meaning.note})" if meaning.note else "")
            step = Step(
                name=unused(call.path, used),
                kind=kind,
                means=meaning.means,
                output_shape=shapes[1],
                params=sum(parameter.numel() for parameter in part.parameters()),
                pads=meaning.pads,
                pool_pads=meaning.pool_pads,
            )
            found.append(Described(step=step, segment=segment, places=meaning.places))
        return found

    def _paths(self) -> set[str]:
        return {call.path for call in self.calls if call.path is not None}
