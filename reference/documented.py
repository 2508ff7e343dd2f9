"""What a layer's quotes say in numbers: read from the document's own characters, computed from nothing."""

from __future__ import annotations

import math
import re

from reference.layers import Layer

# "conv2d (Conv2D) (None, 56, 56, 96) 34944": a row of keras_sequential's summary.
_ROW = re.compile(r"\(None, ([\d, ]+)\) (\d+)$")
# "'wd1': tf.Variable(tf.random_normal([4*4*256, 1024]))": a variable of tf1_graph's listing.
_VARIABLE = re.compile(r"tf\.random_normal\(\[([\w*, ]+)\]\)")
_CONSTANTS = {"n_classes": "10"}  # "n_classes = 10 # MNIST total classes (0-9 digits)"


def documented_shape(layer: Layer) -> tuple[int, ...] | None:
    """Return the layer's output shape without the batch axis, None where the document does not state it."""
    for quote in layer.quotes:
        if row := _ROW.search(quote):
            return tuple(int(n) for n in row[1].split(","))
    return None


def documented_params(layer: Layer) -> int | None:
    """Return the number of the layer's parameters, None where the document does not state it."""
    for quote in layer.quotes:
        if row := _ROW.search(quote):
            return int(row[2])
    variables = [match[1] for quote in layer.quotes if (match := _VARIABLE.search(quote))]
    return sum(map(_size, variables)) if variables else None


def _size(variable: str) -> int:
    factors = re.split(r"[*,]", variable)
    return math.prod(int(_CONSTANTS.get(factor.strip(), factor)) for factor in factors)
