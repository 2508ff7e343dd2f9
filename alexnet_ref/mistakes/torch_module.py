"""The PyTorch module of a mistake: layers by name, each one or more steps. Imports torch: import it late."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np
import torch
from torch import nn

from alexnet_ref.mistakes import torch_parts
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import Part
from alexnet_ref.mistakes.shapes import shape_after
from reference import LRN, Conv, Dense, Dropout, Layer, MaxPool, ReLU
from reference.padding import pad_widths
from reference.shapes import Shape

Step = Callable[[Any], Any]


class Port(nn.Module):  # type: ignore[misc]  # PyTorch is read as untyped
    """The wrong network, weights loaded. A layer that PyTorch has is PyTorch's module, under the document's name."""

    def __init__(self, mistake: Mistake, fed: Mapping[str, Shape], params: Mapping[str, Mapping[str, Any]]) -> None:
        """Take the shapes that each layer is fed, NHWC without the batch, and the port's own params."""
        super().__init__()
        own = {layer.name: layer for layer in mistake.architecture.layers}
        self.steps: list[tuple[str, list[Step]]] = []
        if mistake.input:
            self.steps.append(("preprocessing", [self._step("preprocessing", part, None, {}) for part in mistake.input]))
        for name, parts in mistake.network:
            shape, steps = fed[name], []
            for part in parts:
                steps.append(self._step(name, part, shape, params.get(name, {})))
                shape = shape_after((part,), shape, own.get(name))
            self.steps.append((name, steps))

    def outputs(self, x: Any) -> dict[str, Any]:
        """Return {layer name: output} for x (N, C, H, W)."""
        found = {}
        for name, steps in self.steps:
            for step in steps:
                x = step(x)
            found[name] = x
        return found

    def forward(self, x: Any) -> Any:
        """Return the result for x (N, C, H, W)."""
        for _, steps in self.steps:
            for step in steps:
                x = step(x)
        return x

    def _step(self, name: str, part: Part, shape: Shape | None, params: Mapping[str, Any]) -> Step:
        """Return the part as a function, its weights and PyTorch's own module registered under the layer's name."""
        holder = self._holder(name, params)
        if isinstance(part, get_args(Layer)):
            module: Step | None = self._module(part, shape, holder)
            if module is not None:
                if module is not holder:  # each is registered, or `eval` would not reach it
                    self.add_module(_unused(name, self), module)
                return module
        owner = getattr(self, name, None)
        return lambda x: torch_parts.run(part, owner, x, training=self.training)

    def _holder(self, name: str, params: Mapping[str, Any]) -> Any:
        """Return the module that holds the layer's weights, made at the first part of a layer with weights."""
        if not params or hasattr(self, name):
            return getattr(self, name, None)
        kernel, bias = (torch.from_numpy(np.ascontiguousarray(params[each])) for each in ("kernel", "bias"))
        holder: nn.Conv2d | nn.Linear
        if kernel.ndim == 4:
            weight = kernel.permute(3, 2, 0, 1).contiguous()
            holder = nn.Conv2d(weight.shape[1], weight.shape[0], (weight.shape[2], weight.shape[3]))
        else:
            weight = kernel.T.contiguous()
            holder = nn.Linear(weight.shape[1], weight.shape[0])
        holder.load_state_dict({"weight": weight, "bias": bias})
        self.add_module(name, holder)
        return holder

    def _module(self, layer: Any, shape: Shape | None, holder: Any) -> nn.Module | None:
        """Return PyTorch's module for the layer; None where it takes more than one."""
        match layer:
            case Conv(activation=None) if (
                shape is not None and (width := _symmetric(shape, layer.kernel_size, layer)) is not None
            ):
                holder.stride, holder.padding = layer.strides, width
                return holder
            case Dense(activation=None):
                return holder
            case LRN():
                return nn.LocalResponseNorm(layer.window, alpha=layer.alpha * layer.window, beta=layer.beta, k=layer.bias)
            case ReLU():
                return nn.ReLU()
            case MaxPool() if shape is not None and (width := _symmetric(shape, layer.pool_size, layer)) is not None:
                return nn.MaxPool2d(layer.pool_size, layer.strides, padding=width)
            case Dropout(rate=rate):
                return nn.Dropout(rate)
            case _:
                return None


def _unused(name: str, owner: nn.Module) -> str:
    """Return a name of which no other layer's holder comes later: the documents number theirs, dense and dense_1."""
    names = itertools.chain((name,), (f"{name}_part_{place}" for place in itertools.count(2)))
    return next(each for each in names if not hasattr(owner, each))


def _symmetric(shape: Shape, window: tuple[int, int], layer: Conv | MaxPool) -> tuple[int, int] | None:
    rows, columns = (pad_widths(n, k, s, layer.padding) for n, k, s in zip(shape, window, layer.strides, strict=False))
    return (rows[0], columns[0]) if rows[0] == rows[1] and columns[0] == columns[1] else None
