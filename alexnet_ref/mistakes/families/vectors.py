"""Flattening, dense layers and the scores at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from alexnet_ref.mistakes.families.make import activation, at, fed
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import OddDense, OddFlatten, OddSoftmax, Pointwise, Reverse
from reference import Architecture, Dense, Flatten, Softmax


def flatten(architecture: Architecture) -> Iterator[Mistake]:
    """Yield other orders of a map's pixels and channels."""
    for layer, shape in fed(architecture):
        if not isinstance(layer, Flatten):
            continue
        reason = "a map of one pixel has one order only" if shape[:2] == (1, 1) else ""
        orders = (
            ("channels_first", "flattens channels, rows, columns, as NCHW data lies", (3, 1, 2), "gzuidhof/nn-transfer#16"),
            ("columns_first", "flattens columns, rows, channels", (2, 1, 3), ""),
            ("all_reversed", "flattens channels, columns, rows: Fortran's order", (3, 2, 1), ""),
        )
        for word, words, axes, seen in orders:
            part = OddFlatten(order=axes)
            shows = "nothing" if reason else "inference"
            yield at(architecture, layer, "flatten", word, words, (part,), equivalent=reason, shows=shows, seen=seen)


def dense(architecture: Architecture) -> Iterator[Mistake]:
    """Yield dense layers that use their kernel wrongly."""
    for layer, shape in fed(architecture):
        if not isinstance(layer, Dense):
            continue
        if shape == (layer.units,):
            words = "multiplies by the transposed kernel, which is square"
            yield at(architecture, layer, "dense", "transposed", words, (OddDense(transposed=True), *activation(layer)))
        words = "takes its inputs in reverse order"
        yield at(architecture, layer, "dense", "inputs_reversed", words, (Reverse(axes=(1,)), layer))


def softmax(architecture: Architecture) -> Iterator[Mistake]:
    """Yield results of another kind than the document's: logits for probabilities, or the reverse, and softmaxes gone wrong."""
    layer = architecture.layers[-1]
    if isinstance(layer, Softmax):
        bare: tuple[Dense, ...] = ()
    elif isinstance(layer, Dense):
        bare = (replace(layer, activation=None),)
    else:
        return
    right = isinstance(layer, Softmax) or layer.activation == "softmax"
    soft = Softmax(name=layer.name)
    if right:
        yield at(architecture, layer, "softmax", "missing", "gives logits where probabilities are asked for", bare)
        yield at(
            architecture, layer, "softmax", "twice", "applies softmax twice", (*bare, soft, soft), seen="tflearn/tflearn#562"
        )
    else:
        yield at(architecture, layer, "softmax", "added", "gives probabilities where logits are asked for", (*bare, soft))
    words = "gives logarithms of probabilities"
    yield at(architecture, layer, "softmax", "log", words, (*bare, OddSoftmax(log=True)))
    words = "applies softmax over the batch"
    yield at(architecture, layer, "softmax", "over_batch", words, (*bare, OddSoftmax(over="batch")))
    words = "gives each class a sigmoid of its own"
    yield at(architecture, layer, "softmax", "sigmoid", words, (*bare, Pointwise(function="sigmoid")))
