"""Pooling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from alexnet_ref.mistakes.families.make import at, fed, pads
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import OddPool, Pads
from reference import Architecture, MaxPool, output_shape
from reference.shapes import Shape, never_negative

NONE: Pads = ((0, 0), (0, 0))


def pooling(architecture: Architecture) -> Iterator[Mistake]:
    """Yield what becomes of maximum pooling in ports."""
    for layer, shape in fed(architecture):
        if isinstance(layer, MaxPool):
            yield from _windows(architecture, layer, shape)
            yield from _values(architecture, layer, pads(layer, shape))


def _windows(architecture: Architecture, layer: MaxPool, shape: Shape) -> Iterator[Mistake]:
    size, steps, right = layer.pool_size, layer.strides, pads(layer, shape)
    if size != steps:
        words = "pools without overlap: the window is as large as the stride"
        yield at(architecture, layer, "pooling", "without_overlap", words, (replace(layer, pool_size=steps),))
        words = "steps by the window's size, the default of Keras and PyTorch"
        yield at(architecture, layer, "pooling", "stride_of_window", words, (replace(layer, strides=size),))
    else:
        words = "pools with the paper's overlap: a window of 3, a stride of 2"
        yield at(architecture, layer, "pooling", "with_overlap", words, (replace(layer, pool_size=(3, 3)),))
    other = replace(layer, padding="VALID" if layer.padding == "SAME" else "SAME")
    if output_shape(other, shape) != output_shape(layer, shape):
        word = "floor" if layer.padding == "SAME" else "ceiling"
        words = {
            "floor": "drops the last incomplete window (VALID for SAME, PyTorch's default)",
            "ceiling": "pools an incomplete last window as well (SAME for VALID, Caffe's ceil_mode)",
        }[word]
        yield at(architecture, layer, "pooling", word, words, (other,), seen="PINTO0309/onnx2tf#207")
    turned: Pads = (right[0][::-1], right[1][::-1])
    if turned != right:
        words = "the odd row and column of padding come before the image, not after it"
        parts = (OddPool(kind="max", pool_size=size, strides=steps, pads=turned),)
        yield at(architecture, layer, "pooling", "odd_pixel_before", words, parts)
    if max(size) // 2 == 1:
        words = "pads one pixel on all sides (padding=1)"
        parts = (OddPool(kind="max", pool_size=size, strides=steps, pads=((1, 1), (1, 1))),)
        yield at(architecture, layer, "pooling", "padded_by_one", words, parts)


def _values(architecture: Architecture, layer: MaxPool, right: Pads) -> Iterator[Mistake]:
    size, steps = layer.pool_size, layer.strides
    words = "takes the average for the maximum"
    parts = (OddPool(kind="average", pool_size=size, strides=steps, pads=right),)
    yield at(architecture, layer, "pooling", "average", words, parts)
    words = "takes no maximum, but the first value of each window, as a stride alone does"
    parts = (OddPool(kind="first", pool_size=size, strides=steps, pads=right),)
    yield at(architecture, layer, "pooling", "subsampled", words, parts)
    if right == NONE:
        return
    words = "takes the average for the maximum, and counts the padding's zeros"
    parts = (OddPool(kind="average", pool_size=size, strides=steps, pads=right, padding="zero"),)
    yield at(architecture, layer, "pooling", "average_with_padding", words, parts)
    words = "pads with zeros, which win over negative values"
    parts = (OddPool(kind="max", pool_size=size, strides=steps, pads=right, padding="zero"),)
    reason = "what it is fed is never negative, so that a zero never wins" if never_negative(architecture, layer) else ""
    yield at(
        architecture, layer, "pooling", "padded_with_zero", words, parts, equivalent=reason,
        shows="alone" if reason else "inference", seen="pytorch/pytorch#33382",
    )  # fmt: skip
