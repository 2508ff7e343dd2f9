"""What one ONNX operator means in the vocabulary, as far as its attributes and constants tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import helper

from alexnet_ref.candidates.onnx_call import Call, Place, Word
from alexnet_ref.candidates.onnx_graph import Graph, Shape
from alexnet_ref.candidates.onnx_windows import reach, same_or_valid
from alexnet_ref.candidates.step import Helper
from alexnet_ref.printable import printable
from reference import LRN, Architecture, Conv, Dense, Dropout, InvalidInput, Layer, MaxPool, ReLU, Resize, Softmax

NAME = "port"  # in the vocabulary, names are identifiers; the step has the port's own


def word(graph: Graph, node: onnx.NodeProto, before: Shape, after: Shape, architecture: Architecture | None) -> Word:
    """Return what the node means; a Word without meaning where none describes it."""
    if node.domain not in ("", "ai.onnx") or node.op_type not in _WORDS:
        return Word()
    try:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        call = Call(graph=graph, node=node, attributes=attributes, before=before, after=after, architecture=architecture)
        return _WORDS[node.op_type](call)
    except (InvalidInput, TypeError, ValueError, LookupError, ArithmeticError):  # not legal; attributes of another type
        return Word()


def _conv(call: Call) -> Word:
    weight = call.shape(1)
    if weight is None or len(weight) != 4 or len(call.before) != 3 or len(call.after) != 3:
        return Word()
    places = {"kernel": Place(input=1, layout="OIHW")} | ({"bias": Place(input=2, layout="vector")} if call.shape(2) else {})
    window, strides = (weight[2], weight[3]), tuple(call.get("strides", (1, 1)))
    if tuple(call.get("dilations", (1, 1))) != (1, 1) or call.get("group", 1) != 1:
        return Word(places=places, note=f"dilations {call.get('dilations')}, group {call.get('group', 1)}")
    reached = reach(call.attributes, call.before[1:], call.after[1:], window, strides)
    like = [layer for layer in call.layers(Conv) if (layer.filters, layer.kernel_size) == (weight[0], window)]
    # A window as large as the image is a dense layer of its pixels, unless the document has such a convolution.
    if call.after[1:] == (1, 1) and call.before[1:] == window and reached == ((0, 0), (0, 0)) and call.architecture and not like:
        places["kernel"] = Place(input=1, layout="dense OIHW")
        return Word(means=Dense(name=NAME, units=weight[0]), places=places)
    words = {layer.padding for layer in like if layer.strides == strides}
    padding = same_or_valid(reached, call.before[1:], call.after[1:], window, strides, words=words)
    if padding is None:
        return Word(places=places, note=f"pads {reached}")
    means = Conv(name=NAME, filters=weight[0], kernel_size=window, strides=(strides[0], strides[1]), padding=padding)
    return Word(means=means, places=places)


def _max_pool(call: Call) -> Word:
    if len(call.before) != 3 or tuple(call.get("dilations", (1, 1))) != (1, 1):
        return Word(note=f"dilations {call.get('dilations')}" if call.get("dilations") else "")
    window, strides = tuple(call.get("kernel_shape")), tuple(call.get("strides", (1, 1)))
    reached = reach(call.attributes, call.before[1:], call.after[1:], window, strides)
    words = {layer.padding for layer in call.layers(MaxPool) if (layer.pool_size, layer.strides) == (window, strides)}
    padding = same_or_valid(reached, call.before[1:], call.after[1:], window, strides, words=words)
    if padding is None:
        return Word(note=f"windows reach {reached} beyond the image")
    return Word(means=MaxPool(name=NAME, pool_size=window, strides=strides, padding=padding))


def lrn(*, size: int, alpha: float, beta: float, bias: float) -> LRN | None:
    """Return ONNX's LRN in TensorFlow's meaning, where it has one: an even size stands on no channel's middle.

    ONNX:    d = bias + alpha/size · Σa² over `size` channels        TensorFlow: d = bias + alpha · Σa² over 2·depth_radius + 1
    """
    if size % 2 == 0:
        return None
    return LRN(name=NAME, depth_radius=(size - 1) // 2, bias=bias, alpha=alpha / size, beta=beta)


def decimal(value: float) -> float:
    """Return the shortest decimal that is this float32, which is what its author wrote: 0.001, not 0.0010000000474974513."""
    return float(str(np.float32(value)))


def _lrn(call: Call) -> Word:
    defaults = (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    numbers = {name: decimal(call.get(name, default)) for name, default in defaults}
    size = call.get("size")
    note = f"size {size}, " + ", ".join(f"{name} {value}" for name, value in numbers.items())
    return Word(means=lrn(size=size, **numbers), note="" if size % 2 else note)


def _gemm(call: Call) -> Word:
    weight, bias = call.shape(1), call.shape(2)
    if weight is None or call.get("transA", 0) or len(call.after) != 1:
        return Word()
    places = {"kernel": Place(input=1, layout="out in" if call.get("transB", 0) else "in out")}
    vector = bias is not None and math.prod(bias) == call.after[0]
    places |= {"bias": Place(input=2, layout="vector")} if vector else {}
    factors = (call.get("alpha", 1.0), call.get("beta", 1.0) if len(call.node.input) > 2 else 1.0)
    if factors != (1.0, 1.0) or (len(call.node.input) > 2 and not vector):
        return Word(places=places, note=f"alpha {factors[0]}, beta {factors[1]}")
    return Word(means=Dense(name=NAME, units=call.after[0]), places=places)


def _matmul(call: Call) -> Word:
    weight = call.shape(1)
    if weight is None or len(weight) != 2 or len(call.after) != 1:
        return Word()
    return Word(means=Dense(name=NAME, units=weight[1]), places={"kernel": Place(input=1, layout="in out")})


def _add(call: Call) -> Word:
    """Return "bias" for one number of each feature, or of each channel of (C, H, W)."""
    [place] = [i for i, name in enumerate(call.node.input) if call.graph.is_constant(name)]
    shape = call.shape(place)
    while shape and shape[0] == 1 and len(shape) > len(call.after):
        shape = shape[1:]
    each = (call.after[0], *[1] * (len(call.after) - 1))  # (C, 1, 1) or (features,)
    return Word(means="bias", places={"bias": Place(input=place, layout="vector")}) if shape == each else Word()


def _softmax(call: Call) -> Word:
    rank = len(call.after) + 1
    axis = call.get("axis", -1 if call.graph.opset >= 13 else 1) % rank
    # Before opset 13: over all axes from this one on.
    alone = call.graph.opset >= 13 or math.prod(call.after[axis:]) == 1
    return Word(means=Softmax(name=NAME)) if axis == 1 and alone else Word(note=f"axis {axis} of {rank}")


def _resize(call: Call) -> Word:
    mode = {name: call.get(name, b"").decode() for name in ("mode", "coordinate_transformation_mode")}
    exact = (call.get("antialias", 0), call.get("exclude_outside", 0), call.get("keep_aspect_ratio_policy", b"stretch"))
    h, w = call.after[1:] if call.after[0] == call.before[0] else call.after[:2]  # of (C, H, W), or of (H, W, C)
    scales = call.constant(2)
    # A scale that is no quotient of the sizes moves the pixels; pytorch_half_pixel means another thing for one pixel alone.
    fits = (
        scales is None or not scales.size or all(s * n == m for s, n, m in zip(scales[1:], call.before, call.after, strict=True))
    )
    centres = mode["coordinate_transformation_mode"] or "half_pixel"
    plain = centres == "half_pixel" or (centres == "pytorch_half_pixel" and min(h, w) > 1)
    if call.graph.opset < 11 or mode["mode"] != "linear" or not plain or exact != (0, 0, b"stretch") or not fits:
        return Word(note=", ".join(filter(None, mode.values())))
    return Word(means=Resize(name=NAME, height=h, width=w))


def _dropout(call: Call) -> Word:
    if call.graph.opset < 12:
        ratio = call.get("ratio", 0.5)
    else:
        value, training = call.constant(1), call.constant(2)
        given = [place < len(call.node.input) and call.node.input[place] for place in (1, 2)]
        if (given[0] and value is None) or (given[1] and training is None) or (training is not None and training.any()):
            return Word(note="training mode")
        ratio = 0.5 if value is None else float(value)
    return Word(means=Dropout(name=NAME, rate=decimal(ratio)))


def _pad(call: Call) -> Word:
    """Return "pad" for zeros, or the lowest numbers, around rows and columns of (C, H, W), or of (H, W, C) if only that fits."""
    value, axes = call.constant(2), call.constant(3)
    pads = np.asarray(call.get("pads") if call.graph.opset < 11 else call.constant(1)).reshape(2, -1).tolist()
    places = range(4) if axes is None else [int(axis) % 4 for axis in axes]
    around = {axis: (pads[0][i], pads[1][i]) for i, axis in enumerate(places) if (pads[0][i], pads[1][i]) != (0, 0)}
    filling = float(call.get("value", 0.0) if call.graph.opset < 11 else 0.0 if value is None else value)
    lowest = filling <= float(np.finfo(np.float32).min)
    spatial = (2, 3) if set(around) <= {2, 3} else (1, 2)
    legal = set(around) <= set(spatial) and len(call.before) == 3 and all(n >= 0 for pair in around.values() for n in pair)
    if call.get("mode", b"constant") != b"constant" or not legal or not (lowest or filling == 0):
        return Word(note=f"mode {printable(call.get('mode', b'').decode())}, value {filling}")
    rows, columns = (around.get(axis, (0, 0)) for axis in spatial)
    return Word(means="pad", pads=(rows, columns), pool_pads=lowest)


def _clip(call: Call) -> Word:
    if call.graph.opset < 11:
        low, high = call.get("min", -math.inf), call.get("max", math.inf)
    else:
        low, high = (call.constant(place) for place in (1, 2))
        if high is None and len(call.node.input) > 2 and call.node.input[2]:
            return Word()
        high = math.inf if high is None else high
    positive = low is not None and float(low) == 0 and float(high) >= float(np.finfo(np.float32).max)
    return Word(means=ReLU(name=NAME)) if positive else Word(note=f"{low} … {high}")


def _always(means: Layer | Helper) -> Callable[[Call], Word]:
    return lambda _: Word(means=means)


def _transpose(call: Call) -> Word:
    perm = call.get("perm", range(len(call.before), -1, -1))
    return Word(means="transpose") if perm[0] == 0 else Word(note="moves the batch")


def _reshape(call: Call) -> Word:
    return Word(means="reshape") if math.prod(call.before) == math.prod(call.after) else Word(note="mixes images")


_WORDS: Mapping[str, Callable[[Call], Word]] = {
    "Conv": _conv,
    "MaxPool": _max_pool,
    "LRN": _lrn,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "Softmax": _softmax,
    "Resize": _resize,
    "Dropout": _dropout,
    "Pad": _pad,
    "Clip": _clip,
    "Relu": _always(ReLU(name=NAME)),
    "Identity": _always("identity"),
    "Cast": _always("cast"),
    "Transpose": _transpose,
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), _reshape),
}
