"""One named mistake: what the port computes, what it was given to compute with, and what can show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alexnet_ref.mistakes.parts import Parts
from reference import Architecture, InvalidInput, Layer, Recipe

Network = tuple[tuple[str, Parts], ...]

# What can show the mistake: inputs of the network; a layer fed by itself, with what the network never feeds it; repeated calls in
# training; the intended weights held against the port's; a training step; nothing at all.
Shows = Literal["inference", "alone", "training", "weights", "recipe", "nothing"]

Family = Literal[
    "padding", "strides", "kernels", "layout", "lrn", "order", "pooling", "activations", "dropout", "resize", "flatten", "dense",
    "softmax", "bias", "input", "precision", "recipe",
]  # fmt: skip

Change = Literal[
    "mirrored", "rows mirrored", "columns mirrored", "rows and columns swapped", "inputs and outputs swapped",
    "inputs reversed", "outputs reversed", "inputs rolled", "outputs rolled",
    "OIHW bytes read as HWIO", "out-in bytes read as in-out", "rows meant for CHW", "rows meant for WHC",
    "zero", "negative", "kept times", "divided by kept", "of the next layer of this shape", "drawn anew",
    "float16", "bfloat16", "int8",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How a part of a layer's weights came into the port: "kernel" or "bias" of `layer` (None: of all layers), changed.

    "kept times" and "divided by kept" scale by the keep probability `kept`, as where dropout's scaling is moved into weights.
    """

    layer: str | None
    part: Literal["kernel", "bias"]
    change: Change
    kept: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a port trains. `scores`: whether its loss takes a softmax once too often, or once too rarely, before the logarithm."""

    recipe: Recipe
    optimizer: Literal["adam", "sgd", "momentum", "rmsprop", "amsgrad", "adamw"] = "adam"
    beta_1: float = 0.9
    beta_2: float = 0.999
    reduction: Literal["mean", "sum"] = "mean"
    label_smoothing: float = 0.0
    scores: Literal["right", "softmax twice", "softmax forgotten"] = "right"
    l2: float = 0.0  # l2/2·Σw² over the kernels is added to the loss: a weight decay of l2·w in its gradient
    frozen: Literal["nothing", "biases"] = "nothing"
    labels_from: int = 0  # 1: classes counted from 1, each image taught as the next digit, 9 as 0


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A wrong port of `architecture`, named "family.word[layer]".

    `network` is what it computes, layer by layer, in its order; `input` what it does to images first; `weights` what became of
    the weights on their way; `training` how it trains, where that is the mistake. `equivalent` says why no input of the network
    can show it at any layer, and is "" otherwise; `same_result` says why the network's result is right all the same, though a
    layer's output is not. `seen` is a public place where the mistake was made or reported: owner/repository#number.
    """

    id: str
    family: Family
    words: str  # one sentence: what the port does
    architecture: Architecture
    layer: str | None  # the document's name; None: the whole network
    network: Network
    input: Parts = ()
    weights: tuple[Weights, ...] = ()
    training: Training | None = None
    shows: Shows = "inference"
    equivalent: str = ""
    same_result: str = ""
    seen: str = ""

    @property
    def word(self) -> str:
        """The mistake's name without family and layer: "alpha_over_window" of "lrn.alpha_over_window[norm1]"."""
        return self.id.partition(".")[2].partition("[")[0]

    def parts(self, name: str) -> Parts:
        """Return the parts of the layer of this name; InvalidInput where the port has none."""
        for layer, parts in self.network:
            if layer == name:
                return parts
        raise InvalidInput(f"the port has no layer {name!r}", where=self.id, expected=", ".join(n for n, _ in self.network))


def documented(architecture: Architecture) -> Network:
    """Return the right network: each layer, itself its only part."""
    return tuple((layer.name, (layer,)) for layer in architecture.layers)


def right(architecture: Architecture) -> Mistake:
    """Return no mistake at all: the documented network, to be built by the same functions."""
    return Mistake(
        id="none",
        family="order",
        words="nothing is wrong",
        architecture=architecture,
        layer=None,
        network=documented(architecture),
        shows="nothing",
        equivalent="it is the document's network",
    )


def replaced(architecture: Architecture, layer: Layer, parts: Parts) -> Network:
    """Return the documented network with these parts in the layer's place."""
    return tuple((name, parts if name == layer.name else own) for name, own in documented(architecture))
