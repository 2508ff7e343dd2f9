"""One PyTorch operation with its arguments by name, be it a module, a function or an ATen operator; and where its weights are."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from alexnet_ref.candidates.step import Helper
from alexnet_ref.candidates.torch_graph import Graph, attribute, function_name
from reference import InvalidInput, Layer

Pads = tuple[tuple[int, int], tuple[int, int]]  # rows, then columns
# How a weight lies in PyTorch: convolutions and dense layers have their outputs first; a full-size convolution is a dense layer.
Layout = Literal["OIHW", "out in", "in out", "dense OIHW", "vector"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a weight is: the path of its parameter, and how it lies there."""

    path: str
    layout: Layout

    def read(self, value: Any) -> NDArray[np.float32]:
        """Return the parameter as the oracle has it: HWIO, (in, out) or (out,)."""
        array = value.detach().to("cpu", torch.float32).numpy()
        match self.layout:
            case "OIHW":
                array = array.transpose(2, 3, 1, 0)
            case "out in":
                array = array.T
            case "dense OIHW":
                array = array.reshape(len(array), -1).T
            case "vector":
                array = array.reshape(-1)
            case "in out":
                pass
        return np.array(array, np.float32, order="C")

    def written(self, value: Any, like: Any) -> Any:
        """Return the oracle's array as this parameter's tensor; InvalidInput where it has another shape."""
        array, shape = np.asarray(value, np.float32), tuple(like.shape)
        match self.layout:
            case "OIHW":
                array = array.transpose(3, 2, 0, 1)
            case "out in":
                array = array.T
            case "dense OIHW" if array.size == like.numel():
                array = array.T.reshape(shape)
            case "vector" if array.size == like.numel():
                array = array.reshape(shape)
            case _:
                pass
        if array.shape != shape:
            raise InvalidInput("wrong shape", where=self.path, expected=str(shape), received=str(array.shape))
        return torch.from_numpy(array.copy()).to(like)


@dataclass(frozen=True, kw_only=True)
class Word:
    """What an operation means, where its weights are, and what its own arguments add to its name."""

    means: Layer | Helper | None = None
    places: Mapping[str, Place] = field(default_factory=dict)  # "kernel", "bias"
    pads: Pads | None = None
    pool_pads: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Call:
    """An operation by its function's name, with its arguments by theirs."""

    name: str
    root: nn.Module  # that paths begin at
    args: Mapping[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument."""
        return self.args.get(name, default)

    def place(self, name: str, layout: Layout) -> dict[str, Place]:
        """Return {"kernel" or "bias": where it is} of a parameter given as "weight" or "bias"; TypeError where it is none."""
        value = self.get(name)
        if value is None:
            return {}
        path = value if isinstance(value, str) else constant(value)
        if path is None:
            raise TypeError("a weight that is computed")
        return {"kernel" if name == "weight" else "bias": Place(path=path, layout=layout)}


# Names of the arguments behind the data, by position, as F.* and aten.* have them.
_POSITIONS = {
    "conv2d": ("weight", "bias", "stride", "padding", "dilation", "groups"),
    "convolution": ("weight", "bias", "stride", "padding", "dilation", "transposed", "output_padding", "groups"),
    "linear": ("weight", "bias"),
    "addmm": ("factor", "other"),
    "matmul": ("other",),
    "mm": ("other",),
    "max_pool2d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    "adaptive_avg_pool2d": ("output_size",),
    "local_response_norm": ("size", "alpha", "beta", "k"),
    "dropout": ("p", "training"),
    "softmax": ("dim",),
    "pad": ("pad", "mode", "value"),
    "constant_pad_nd": ("pad", "value"),
    "interpolate": ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias"),
    "upsample_bilinear2d": ("size", "align_corners", "scale_factor"),
    "clamp": ("min", "max"),
    "add": ("other",),
}
_ALIASES = {"_softmax": "softmax", "clamp_min": "clamp", "convolution": "conv2d", "max_pool2d_with_indices": "max_pool2d"}
_MODULES: tuple[tuple[type[nn.Module], str, tuple[str, ...]], ...] = (
    (nn.Conv2d, "conv2d", ("stride", "padding", "dilation", "groups", "padding_mode")),
    (nn.Linear, "linear", ()),
    (nn.MaxPool2d, "max_pool2d", ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")),
    (nn.AdaptiveAvgPool2d, "adaptive_avg_pool2d", ("output_size",)),
    (nn.LocalResponseNorm, "local_response_norm", ("size", "alpha", "beta", "k")),
    (nn.Dropout, "dropout", ("p",)),
    (nn.Softmax, "softmax", ("dim",)),
    (nn.ReLU, "relu", ()),
    (nn.Flatten, "flatten", ()),
    (nn.Unflatten, "reshape", ()),
    (nn.Identity, "contiguous", ()),
    (nn.ZeroPad2d, "pad", ()),
    (nn.ConstantPad2d, "pad", ("value",)),
    (nn.Upsample, "interpolate", ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")),
)

_PLACING = ("view", "reshape", "unsqueeze", "getitem")  # what gives a vector its place among the axes


def constant(value: Any) -> str | None:
    """Return the path of the parameter or buffer that this argument is, None where it is none."""
    return str(value.target) if isinstance(value, fx.Node) and value.op == "get_attr" else None


def placed(root: nn.Module, value: Any) -> tuple[str, tuple[int, ...]] | None:
    """Return (path, shape) of an argument that is a parameter, or a view of one, as b[:, None] is; None if it is neither."""
    node, views = value, []
    while isinstance(node, fx.Node) and node.op != "get_attr" and function_name(node) in _PLACING:
        views.append(node)
        node = node.args[0]
    path = constant(node)
    if path is None:
        return None
    found = attribute(root, path)
    for view in reversed(views):  # their other arguments are numbers: what is asked of data is a node, and refused here
        found = (getattr(found, str(view.target)) if view.op == "call_method" else functools.partial(view.target, found))(
            *view.args[1:], **view.kwargs
        )
    return path, tuple(found.shape)


def call_of(graph: Graph, node: fx.Node) -> Call:
    """Return what the node calls."""
    if node.op == "call_module":
        return module_call(graph.root, str(node.target))
    own = function_name(node)
    name = _ALIASES.get(own, own)
    positional, named = graph.known_sizes(node.args), graph.known_sizes(node.kwargs)
    args = dict(zip(("input", *_POSITIONS.get(own, _POSITIONS.get(name, ()))), positional, strict=False))
    return Call(name=name, root=graph.root, args=args | dict(named))


def module_call(root: nn.Module, path: str) -> Call:
    """Return what the module at this path calls; a name that is no function's where it is none of torch's own layers."""
    module = root.get_submodule(path)
    for kind, name, fields in _MODULES:
        # Of the module's own kind: a subclass may compute anything. Upsample's two old subclasses only fix arguments.
        if type(module) is kind or (kind is nn.Upsample and isinstance(module, kind)):
            args = {field: getattr(module, field) for field in fields}
            own = {part for part, value in module.named_parameters(recurse=False) if value is not None}
            args |= {part: f"{path}.{part}" for part in ("weight", "bias") if part in own}
            if isinstance(module, nn.ConstantPad2d):
                args["pad"] = module.padding
            return Call(name=name, root=root, args=args)
    return Call(name="", root=root, args={})
