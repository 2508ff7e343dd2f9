"""What one PyTorch operation means in the vocabulary, as far as its arguments tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from alexnet_ref.candidates.step import Helper
from alexnet_ref.candidates.torch_call import Call, Pads, Place, Word, constant, placed
from alexnet_ref.candidates.torch_graph import attribute, function_name
from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, InvalidInput, Layer, MaxPool, ReLU, Resize, Softmax
from reference.padding import Padding, pad_widths

NAME = "port"  # in the vocabulary, names are identifiers; the step has the port's own
UNKNOWN = Word()


def word(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    """Return what the call means, whose data has these shapes, without the batch, before and after it."""
    try:
        return _WORDS[call.name](call, before, after, architecture) if call.name in _WORDS else UNKNOWN
    except (InvalidInput, TypeError, ValueError, LookupError):  # illegal in the vocabulary; arguments of an unusual form
        return UNKNOWN


def _pair(value: Any) -> tuple[int, int]:
    values = list(value) if isinstance(value, (tuple, list, torch.Size)) else [value]
    a, b = values * 2 if len(values) == 1 else values
    if type(a) is not int or type(b) is not int:
        raise TypeError("no numbers")
    return a, b


def _padding(
    size: Sequence[int], window: tuple[int, int], strides: tuple[int, int], pads: Pads, words: set[str]
) -> Padding | None:
    """Return the word for these pads: SAME's widths for this size are SAME, unless `words`, the document's, are VALID alone."""
    same = tuple(pad_widths(n, k, s, "SAME") for n, k, s in zip(size, window, strides, strict=True))
    if pads == same and not (pads == ((0, 0), (0, 0)) and words == {"VALID"}):
        return "SAME"
    return "VALID" if pads == ((0, 0), (0, 0)) else None


def _conv(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    places = call.place("weight", "OIHW") | call.place("bias", "vector")
    shape = tuple(attribute(call.root, places["kernel"].path).shape)  # O, I, rows, columns
    window, strides, padding = (shape[2], shape[3]), _pair(call.get("stride", 1)), call.get("padding", 0)
    if _pair(call.get("dilation", 1)) != (1, 1) or call.get("groups", 1) != 1 or call.get("transposed") or len(before) != 3:
        return Word(places=places, note=f"dilation {call.get('dilation')}, groups {call.get('groups')}")
    if call.get("padding_mode", "zeros") != "zeros":
        return Word(places=places, note=f"padding mode {call.get('padding_mode')}")
    if isinstance(padding, str):  # "same" is for strides of 1, and puts the odd pixel after, as TensorFlow does
        pads: Pads = tuple(((k - 1) // 2, k // 2) if padding == "same" else (0, 0) for k in window)  # type: ignore[assignment]
    else:
        rows, columns = _pair(padding)
        pads = ((rows, rows), (columns, columns))
    like = [layer for layer in architecture.layers if isinstance(layer, Conv) and layer.kernel_size == window]
    like = [layer for layer in like if (layer.filters, layer.strides) == (shape[0], strides)]
    # A window as large as the image is a dense layer of its pixels, unless the document has such a convolution.
    if after[1:] == (1, 1) and before[1:] == window and not any(map(any, pads)) and not like:
        return Word(
            means=Dense(name=NAME, units=shape[0]), places=call.place("weight", "dense OIHW") | call.place("bias", "vector")
        )
    found = _padding(before[1:], window, strides, pads, {layer.padding for layer in like})
    if found is None:
        return Word(places=places, note=f"padding {pads}")
    return Word(means=Conv(name=NAME, filters=shape[0], kernel_size=window, strides=strides, padding=found), places=places)


def _max_pool(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    window = _pair(call.get("kernel_size"))
    strides = _pair(call.get("stride") or window)
    if _pair(call.get("dilation", 1)) != (1, 1) or call.get("return_indices") or len(before) != 3:
        return UNKNOWN
    # What the windows reach beyond the data: more than the padding where the size is rounded up, less where it is rounded down.
    reach = tuple(
        (p, max((o - 1) * s + k - n - p, 0))
        for n, o, k, s, p in zip(before[1:], after[1:], window, strides, _pair(call.get("padding", 0)), strict=True)
    )
    like = [layer for layer in architecture.layers if isinstance(layer, MaxPool)]
    words = {layer.padding for layer in like if (layer.pool_size, layer.strides) == (window, strides)}
    found = _padding(before[1:], window, strides, (reach[0], reach[1]), set(words))
    if found is None:
        return Word(note=f"windows reach {reach} beyond the image")
    return Word(means=MaxPool(name=NAME, pool_size=window, strides=strides, padding=found))


def lrn(*, size: int, alpha: float, beta: float, k: float) -> LRN | None:
    """Return PyTorch's LRN in TensorFlow's meaning, where it has one: an even size stands on no channel's middle.

    PyTorch:    d = k + alpha/size · Σa² over `size` channels        TensorFlow: d = bias + alpha · Σa² over 2·depth_radius + 1
    """
    if size % 2 == 0:
        return None
    return LRN(name=NAME, depth_radius=(size - 1) // 2, bias=float(k), alpha=alpha / size, beta=float(beta))


def _lrn(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    del before, after, architecture
    arguments = {key: call.get(key, default) for key, default in (("size", 1), ("alpha", 1e-4), ("beta", 0.75), ("k", 1.0))}
    note = ", ".join(f"{key} {value}" for key, value in arguments.items())
    return Word(means=lrn(**arguments), note="" if arguments["size"] % 2 else note)


def _dense(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    del before, architecture
    places = call.place("weight", "out in") | call.place("bias", "vector")
    return Word(means=Dense(name=NAME, units=after[-1]) if len(after) == 1 else None, places=places)


def _matmul(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    del before, architecture
    path = constant(call.get("other"))
    if path is None or len(after) != 1:
        return UNKNOWN
    return Word(means=Dense(name=NAME, units=after[-1]), places={"kernel": Place(path=path, layout="in out")})


def _addmm(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    """Read addmm(bias, data, kernel), whose kernel is a Linear's weight if it was transposed first."""
    del before, architecture
    kernel, bias = call.get("other"), constant(call.get("input"))
    turned = isinstance(kernel, fx.Node) and function_name(kernel) in ("permute", "t", "transpose")
    path = constant(kernel.args[0] if turned else kernel)
    if path is None or bias is None or len(after) != 1:
        return UNKNOWN
    places = {"kernel": Place(path=path, layout="out in" if turned else "in out"), "bias": Place(path=bias, layout="vector")}
    return Word(means=Dense(name=NAME, units=after[-1]), places=places)


def _add(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    """Take a parameter with one number for each channel, added along the channels, for a bias."""
    del before, architecture
    found = [it for it in (placed(call.root, call.get(key)) for key in ("input", "other")) if it]
    if len(found) != 1 or call.get("alpha", 1) != 1:
        return UNKNOWN
    [(path, shape)] = found
    while len(shape) > 1 and shape[0] == 1 and len(shape) > len(after):
        shape = shape[1:]
    if len(shape) <= len(after) and math.prod(shape) == max(shape, default=0) and math.prod(shape) in (after[0], after[-1]):
        return Word(means="bias", places={"bias": Place(path=path, layout="vector")})
    return UNKNOWN


def _dropout(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    del before, after, architecture
    return Word(means=Dropout(name=NAME, rate=float(call.get("p", 0.5))))


def _softmax(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    del before, architecture
    over_last = call.get("dim") in (-1, len(after)) or (call.get("dim") is None and len(after) == 1)
    return Word(means=Softmax(name=NAME) if over_last else None, note="" if over_last else f"over axis {call.get('dim')}")


def _clamp(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    del before, after, architecture
    return Word(means=ReLU(name=NAME)) if (call.get("min"), call.get("max")) == (0, None) else UNKNOWN


def _pad(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    del after, architecture
    widths = [int(width) for width in call.get("pad")]
    if not any(widths):
        return Word(means="identity")
    widths += [0] * (4 - len(widths))
    left, right, top, bottom = widths
    value = call.get("value") or 0.0
    if call.get("mode", "constant") != "constant" or min(widths) < 0 or len(before) != 3:
        return Word(note=f"mode {call.get('mode')}, widths {tuple(widths)}")
    lowest = value == -math.inf or value == torch.finfo(torch.float32).min
    if value != 0 and not lowest:
        return Word(note=f"value {value}")
    return Word(means="pad", pads=((top, bottom), (left, right)), pool_pads=lowest)


def _interpolate(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    del architecture
    plain = call.get("mode", "nearest" if call.name == "interpolate" else "bilinear") == "bilinear"
    plain = plain and not call.get("align_corners") and not call.get("antialias") and len(before) == 3
    scale = call.get("scale_factor")
    if plain and scale is not None and not call.get("recompute_scale_factor"):
        # A given factor decides where pixels stand: the same as the sizes' own only where it is their quotient.
        factors = [float(f) for f in (scale if isinstance(scale, (tuple, list)) else [scale, scale])]
        plain = all(f * n == o for f, n, o in zip(factors, before[1:], after[1:], strict=True))
    if not plain:
        return Word(note=", ".join(f"{key} {call.get(key)}" for key in ("mode", "align_corners", "antialias", "scale_factor")))
    return Word(means=Resize(name=NAME, height=after[1], width=after[2]))


def _reshape(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    del call, architecture
    if after == before:
        return Word(means="identity")
    flattens = len(before) > 1 and after == (math.prod(before),)
    return Word(means=Flatten(name=NAME) if flattens else "reshape" if math.prod(before) == math.prod(after) else None)


def _always(means: Layer | Helper) -> Callable[..., Word]:
    return lambda *_: Word(means=means)


def _adaptive(call: Call, before: tuple[int, ...], after: tuple[int, ...], architecture: Architecture) -> Word:
    del architecture
    return Word(means="identity" if before == after else None, note=f"to {call.get('output_size')}")


_WORDS: Mapping[str, Callable[[Call, tuple[int, ...], tuple[int, ...], Architecture], Word]] = {
    "conv2d": _conv,
    "linear": _dense,
    "addmm": _addmm,
    "matmul": _matmul,
    "mm": _matmul,
    "max_pool2d": _max_pool,
    "adaptive_avg_pool2d": _adaptive,
    "local_response_norm": _lrn,
    "relu": _always(ReLU(name=NAME)),
    "clamp": _clamp,
    "dropout": _dropout,
    "softmax": _softmax,
    "add": _add,
    "pad": _pad,
    "constant_pad_nd": _pad,
    "interpolate": _interpolate,
    "upsample_bilinear2d": _interpolate,
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze", "unsqueeze"), _reshape),
    **dict.fromkeys(("permute", "transpose", "movedim", "moveaxis", "swapaxes"), _always("transpose")),
    **dict.fromkeys(("contiguous", "clone", "detach", "alias"), _always("identity")),
    **dict.fromkeys(("float", "to", "_to_copy"), _always("cast")),
}
