"""Convolution, pooling, LRN and padding, right and wrong, in PyTorch's operations, NCHW. Imports torch: import it late."""

from __future__ import annotations

from typing import Any, assert_never

import torch
from torch.nn import functional as f

from alexnet_ref.mistakes.parts import OddConv, OddLRN, OddPool, Pad, Pads
from reference import LRN, Conv, Dense, MaxPool
from reference.padding import pad_widths


def layer(right: Conv | Dense | MaxPool | LRN, own: Any, x: Any) -> Any:
    """Return what a right layer makes of x, its padding and activation included."""
    match right:
        case Conv(strides=strides, activation=activation):
            y = f.conv2d(f.pad(x, _torch_pads(_same(right, right.kernel_size, x))), own.weight, own.bias, strides)
            return f.relu(y) if activation == "relu" else y
        case Dense(activation=activation):
            y = f.linear(x, own.weight, own.bias)
            return f.relu(y) if activation == "relu" else f.softmax(y, dim=1) if activation == "softmax" else y
        case MaxPool(pool_size=size, strides=strides):
            return f.max_pool2d(f.pad(x, _torch_pads(_same(right, size, x)), value=float("-inf")), size, strides)
        case LRN(window=window, alpha=alpha, beta=beta, bias=k):
            return f.local_response_norm(x, window, alpha=alpha * window, beta=beta, k=k)
        case _:
            assert_never(right)


def _same(right: Conv | MaxPool, size: tuple[int, int], x: Any) -> Pads:
    rows, columns = (pad_widths(n, k, s, right.padding) for n, k, s in zip(x.shape[2:], size, right.strides, strict=True))
    return rows, columns


def _torch_pads(pads: Pads) -> list[int]:
    """Return left, right, above, below: PyTorch begins with the last axis."""
    return [*pads[1], *pads[0]]


def convolve(part: OddConv, own: Any, x: Any) -> Any:
    """Return the convolution of x with the layer's weight (O, I, rows, columns) as the part misuses it."""
    weight, bias = own.weight, own.bias if part.bias else None
    match part.kernel:
        case "as it is":
            pass
        case "mirrored":
            weight = weight.flip(2, 3)
        case "transposed":
            weight = weight.transpose(2, 3)
        case "centre":
            middle = torch.zeros(weight.shape[2:])
            middle[weight.shape[2] // 2, weight.shape[3] // 2] = 1
            weight = weight * middle
        case _:
            assert_never(part.kernel)
    if part.groups > 1:
        o, i = (n // part.groups for n in weight.shape[:2])
        weight = torch.cat([weight[g * o : (g + 1) * o, g * i : (g + 1) * i] for g in range(part.groups)])
    return f.conv2d(f.pad(x, _torch_pads(part.pads)), weight, bias, part.strides, 0, part.dilation, part.groups)


def pool(part: OddPool, x: Any) -> Any:
    """Return the pooled x."""
    pads, size, strides = _torch_pads(part.pads), part.pool_size, part.strides
    match part.kind:
        case "max":
            return f.max_pool2d(f.pad(x, pads, value=0.0 if part.padding == "zero" else float("-inf")), size, strides)
        case "average":
            total = f.avg_pool2d(f.pad(x, pads), size, strides)
            if part.padding == "zero":
                return total
            return total / f.avg_pool2d(f.pad(torch.ones_like(x[:1, :1]), pads), size, strides)
        case "first":
            x = f.pad(x, pads)
            rows, columns = x.shape[2] - size[0] + 1, x.shape[3] - size[1] + 1
            return x[:, :, : rows : strides[0], : columns : strides[1]]
        case _:
            assert_never(part.kind)


def normalise(part: OddLRN, x: Any) -> Any:
    """Return x over its denominator, as the part has it."""
    axes = {"batch": (0,), "channel": (1,), "height": (2,), "width": (3,), "space": (2, 3)}[part.axis]
    values = x.abs() if part.statistic == "absolute" else x.square()
    s = _summed(part, values, axes)
    if part.statistic == "present":
        s = s / _summed(part, torch.ones_like(x), axes)
    if not part.own:
        s = s - values
    match part.form:
        case "inside":
            d = (part.bias + part.alpha * s) ** part.beta
        case "outside":
            d = part.bias + (part.alpha * s) ** part.beta
        case "factor":
            d = part.bias + part.alpha * s**part.beta
        case "all":
            d = (part.alpha * (part.bias + s)) ** part.beta
        case _:
            assert_never(part.form)
    return x * d if part.multiplied else x / d


def _summed(part: OddLRN, values: Any, axes: tuple[int, ...]) -> Any:
    """Return the sums over windows: the axis is brought last and widened, and its windows unfolded."""
    for axis in axes:
        moved = values.movedim(axis, -1)
        flat = moved.reshape(1, -1, moved.shape[-1])
        mode = {"cut": "constant", "wrapped": "circular", "repeated": "replicate"}[part.edges]
        wide = f.pad(flat, (part.before, part.after), mode=mode)
        values = wide.unfold(-1, part.window, 1).sum(-1).reshape(moved.shape).movedim(-1, axis)
    return values


def pad(part: Pad, x: Any) -> Any:
    """Return x with a margin, or without its outer rows and columns where a width is negative."""
    mode = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}[part.mode]
    return f.pad(x, _torch_pads(part.pads), mode=mode, value=part.value if part.mode == "constant" else None)
