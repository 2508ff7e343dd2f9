"""Activations left out, added, or taken for one another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from alexnet_ref.mistakes.families.make import at
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import Part, Pointwise
from reference import LRN, Architecture, Conv, Dense, Layer, ReLU
from reference.shapes import never_negative

SIX = 6  # where ReLU6 ends
OTHERS: tuple[tuple[str, str, Part], ...] = (
    ("relu6", "caps ReLU at 6, as mobile networks do", Pointwise(function="relu6")),
    ("leaky_relu", "passes a hundredth of negative values, PyTorch's leaky ReLU", Pointwise(function="leaky_relu", slope=0.01)),
    ("elu", "is an exponential linear unit", Pointwise(function="elu", slope=1.0)),
    ("gelu", "is a Gaussian error linear unit", Pointwise(function="gelu")),
    ("gelu_tanh", "is a Gaussian error linear unit by its approximation with tanh", Pointwise(function="gelu_tanh")),
    ("swish", "is a swish, x times its sigmoid", Pointwise(function="swish")),
    ("softplus", "is a softplus, ReLU's smooth approximation", Pointwise(function="softplus")),
    ("tanh", "is a hyperbolic tangent, what ReLU replaced", Pointwise(function="tanh")),
    ("sigmoid", "is a sigmoid", Pointwise(function="sigmoid")),
)


def activations(architecture: Architecture) -> Iterator[Mistake]:
    """Yield every other activation at every ReLU, whether a layer of its own or another layer's last step."""
    for i, layer in enumerate(architecture.layers):
        match layer:
            case ReLU():
                yield at(architecture, layer, "activations", "missing", "passes negative values: no activation", ())
                largest = _largest(architecture.layers[i - 1]) if i else math.inf
                for word, words, part in OTHERS:
                    within = word == "relu6" and largest <= SIX
                    reason = f"LRN with these hyperparameters gives no value above {largest:.4g}" if within else ""
                    shows = "alone" if reason else "inference"
                    yield at(architecture, layer, "activations", word, words, (part,), equivalent=reason, shows=shows)
            case Conv(activation="relu") | Dense(activation="relu"):
                bare = replace(layer, activation=None)
                words = "passes negative values: no activation"
                yield at(architecture, layer, "activations", "missing", words, (bare,))
                for word, words, part in OTHERS:
                    yield at(architecture, layer, "activations", word, words, (bare, part))
            case Conv(activation=None) | Dense(activation=None):
                follows = architecture.layers[i + 1] if i + 1 < len(architecture.layers) else None
                same = "the ReLU that follows makes of it what it makes of the right value" if isinstance(follows, ReLU) else ""
                words = "has a ReLU of its own, which the document does not give it"
                wrong = replace(layer, activation="relu")
                yield at(architecture, layer, "activations", "added", words, (wrong,), same_result=same)
            case LRN():
                yield from _after_lrn(architecture, i, layer)
            case _:
                pass


def _largest(layer: Layer) -> float:
    """Return what no output of this layer exceeds: an LRN's a / (bias + alpha·a²)^beta is largest for a lone a.

    Its derivative is 0 where a² = bias / (alpha·(2·beta − 1)); at beta = ½ it rises towards 1/√alpha, below it without end.
    """
    if not isinstance(layer, LRN) or layer.alpha == 0 or layer.beta < 1 / 2:
        return math.inf
    if layer.beta == 1 / 2:
        return 1 / math.sqrt(layer.alpha)
    square = layer.bias / (layer.alpha * (2 * layer.beta - 1))
    return math.sqrt(square) / float((layer.bias + layer.alpha * square) ** layer.beta)


def _after_lrn(architecture: Architecture, i: int, layer: LRN) -> Iterator[Mistake]:
    words = "is followed by a ReLU that the document does not give it"
    parts = (layer, ReLU(name=layer.name))
    if never_negative(architecture, layer):
        reason = "what it is fed is never negative, and LRN keeps signs"
        yield at(architecture, layer, "activations", "added", words, parts, equivalent=reason, shows="alone")
    else:
        follows = architecture.layers[i + 1] if i + 1 < len(architecture.layers) else None
        same = "the ReLU that follows makes of it what it makes of the right value" if isinstance(follows, ReLU) else ""
        yield at(architecture, layer, "activations", "added", words, parts, same_result=same)
