"""Each part in PyTorch's own operations, NCHW. Imports torch: import it late."""

from __future__ import annotations

from typing import Any, assert_never

import torch
from torch.nn import functional as f

from alexnet_ref.mistakes import torch_windows
from alexnet_ref.mistakes.parts import (
    Affine,
    Bias,
    Normed,
    OddConv,
    OddDense,
    OddDropout,
    OddFlatten,
    OddLRN,
    OddPool,
    OddResize,
    OddSoftmax,
    Pad,
    Part,
    Permute,
    Pointwise,
    Reinterpreted,
    Reverse,
    Rounded,
    Standardised,
)
from reference import LRN, Conv, Dense, Dropout, Flatten, MaxPool, ReLU, Resize, Softmax

NCHW = {0: 0, 1: 2, 2: 3, 3: 1}  # an axis of NHWC → the same axis of NCHW


def run(part: Part, own: Any, x: Any, *, training: bool) -> Any:  # noqa: C901 - a case a part
    """Return what the part makes of x; `own` holds the layer's weight and bias."""
    match part:
        case Conv() | Dense() | MaxPool() | LRN():
            return torch_windows.layer(part, own, x)
        case ReLU():
            return f.relu(x)
        case Dropout(rate=rate):
            return f.dropout(x, rate, training)
        case Flatten():
            return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x
        case Softmax():
            return f.softmax(x, dim=1)
        case Resize(height=height, width=width):
            return f.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
        case OddConv():
            return torch_windows.convolve(part, own, x)
        case OddDense(transposed=transposed, bias=bias):
            return f.linear(x, own.weight.T if transposed else own.weight, own.bias if bias else None)
        case Bias(times=times):
            return x + times * own.bias.reshape(-1, *(1 for _ in range(x.ndim - 2)))
        case OddPool():
            return torch_windows.pool(part, x)
        case OddLRN():
            return torch_windows.normalise(part, x)
        case Pad():
            return torch_windows.pad(part, x)
        case OddDropout():
            return _dropout(part, x, training=training)
        case OddResize():
            return _resize(part, x)
        case Pointwise():
            return _pointwise(part, x)
        case Affine(scale=scale, offset=offset):
            return x * _channels(scale, x) + _channels(offset, x)
        case Standardised(over=over, epsilon=epsilon):
            axes = {"image": (1, 2, 3), "pixel": (1,), "batch": (0, 2, 3)}[over]
            variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
            return (x - mean) / torch.sqrt(variance + epsilon)
        case Normed(epsilon=epsilon):
            return f.normalize(x, dim=1, eps=epsilon)
        case OddSoftmax(over=over, log=log):
            return (f.log_softmax if log else f.softmax)(x, dim=1 if over == "classes" else 0)
        case Rounded():
            return _rounded(part, x)
        case Permute(axes=axes):
            order = {NCHW[to]: NCHW[of] for to, of in enumerate(axes)}
            return x.permute([order[axis] for axis in range(4)])
        case Reinterpreted():
            n, c, h, w = x.shape
            return x.permute(0, 2, 3, 1).reshape(n, c, h, w)
        case Reverse(axes=axes):
            return x.flip([NCHW[axis] if x.ndim == 4 else axis for axis in axes])
        case OddFlatten(order=order):
            return x.permute(0, *(NCHW[axis] for axis in order)).flatten(1)
        case _:
            assert_never(part)


def _channels(numbers: tuple[float, ...], x: Any) -> Any:
    return torch.tensor(numbers, dtype=x.dtype).reshape(-1, *(1 for _ in range(x.ndim - 2)))


def _dropout(part: OddDropout, x: Any, *, training: bool) -> Any:
    if not training and part.active != "always":
        return x * part.at_inference
    if part.active == "never":
        return x
    generator = torch.Generator().manual_seed(1) if part.fixed else None
    ones = [1] * (x.ndim - 2)
    whole = list(x.shape)
    shape = {
        "none": whole,
        "batch": [1, *whole[1:]],
        "channel": [*whole[:2], *ones],
        "pixel": [whole[0], 1, *whole[2:]],
    }[part.shared]
    if part.noise == "gaussian":
        return x * (1 + (part.rate / (1 - part.rate)) ** 0.5 * torch.randn(shape, generator=generator))
    return x * (torch.rand(shape, generator=generator) >= part.rate) * part.scale


def _resize(part: OddResize, x: Any) -> Any:
    size, corners = (part.height, part.width), part.coordinates == "align_corners"
    if part.method == "nearest":
        return f.interpolate(x, size=size, mode="nearest" if part.coordinates == "asymmetric" else "nearest-exact")
    return f.interpolate(x, size=size, mode=part.method, align_corners=corners)


def _pointwise(part: Pointwise, x: Any) -> Any:
    match part.function:
        case "leaky_relu":
            return f.leaky_relu(x, part.slope)
        case "elu":
            return f.elu(x, part.slope)
        case "gelu" | "gelu_tanh":
            return f.gelu(x, approximate="tanh" if part.function == "gelu_tanh" else "none")
        case "swish":
            return f.silu(x)
        case "relu" | "relu6" | "softplus":
            return getattr(f, part.function)(x)
        case "tanh" | "sigmoid":
            return getattr(torch, part.function)(x)
        case _:
            assert_never(part.function)


def _rounded(part: Rounded, x: Any) -> Any:
    match part.to:
        case "float16" | "bfloat16":
            return x.to(getattr(torch, part.to)).to(x.dtype)
        case "tf32":
            bits = x.contiguous().view(torch.int32)
            return ((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)
        case "int8":
            step = x.abs().max() / 127
            return torch.where(step > 0, torch.round(x / step) * step, x)
        case _:
            assert_never(part.to)
