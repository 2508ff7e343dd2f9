"""Layers swapped, missing, doubled and added. Names stay with what they name, in the port's order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from alexnet_ref.mistakes.families.make import BATCH_NORM, at, rewired
from alexnet_ref.mistakes.mistake import Mistake, Network, documented
from alexnet_ref.mistakes.shapes import fits
from reference import LRN, Architecture, Conv, Dense, Dropout, Layer, MaxPool, ReLU, Softmax
from reference.shapes import layer_inputs

TAKEN_BY_MAXIMUM = "a maximum of positive parts is the positive part of the maximum"


def order(architecture: Architecture) -> Iterator[Mistake]:
    """Yield wrong orders whose every layer still fits the weights it has."""
    wrong = [*_swapped(architecture), *_activated_late(architecture), *_missing(architecture), *_more(architecture)]
    return (mistake for mistake in wrong if fits(mistake))


def _swapped(architecture: Architecture) -> Iterator[Mistake]:
    layers, right = architecture.layers, documented(architecture)
    for i, (first, second) in enumerate(itertools.pairwise(layers)):
        network: Network = (*right[:i], right[i + 1], right[i], *right[i + 2 :])
        more: dict[str, Any]
        match first, second:
            case LRN(), ReLU():
                more = {"words": "normalises after ReLU, as the paper does, not before it", "seen": "chainer/chainer#1650"}
            case ReLU(), MaxPool():
                more = {"words": "pools before ReLU", "same_result": TAKEN_BY_MAXIMUM}
            case MaxPool(), LRN():
                more = {"words": "normalises before pooling, as the paper does, not after it"}
            case LRN(), Dropout():
                more = {"words": "drops before it normalises", "shows": "training"}
            case Dense(), Dropout():
                more = {"words": "drops the dense layer's inputs, not its outputs", "shows": "training"}
            case _:
                continue
        yield rewired(architecture, first, "order", f"after_{second.name}", network=network, **more)
    for i, trio in enumerate(zip(layers, layers[1:], layers[2:], strict=False)):
        match trio:
            case LRN() as first, ReLU(), MaxPool():
                words = "normalises after ReLU and pooling, as Caffe's reference network does"
                network = (*right[:i], right[i + 1], right[i + 2], right[i], *right[i + 3 :])
                yield rewired(architecture, first, "order", f"after_{trio[2].name}", words, network)
            case _:
                pass


def _activated_late(architecture: Architecture) -> Iterator[Mistake]:
    """Yield convolutions whose ReLU comes after the pooling, or after the LRN, that follows them."""
    layers, right = architecture.layers, documented(architecture)
    for i, first in enumerate(layers):
        if not isinstance(first, Conv) or first.activation != "relu":
            continue
        bare = (first.name, (replace(first, activation=None),))
        for j, follower in enumerate(layers[i + 1 : i + 3], i + 1):
            if not isinstance(follower, (MaxPool, LRN)):
                break
            late = (follower.name, (follower, ReLU(name=follower.name)))
            words = f"applies ReLU after {follower.name} only"
            same = TAKEN_BY_MAXIMUM if isinstance(follower, MaxPool) else ""
            network: Network = (*right[:i], bare, *right[i + 1 : j], late, *right[j + 1 :])
            yield rewired(architecture, first, "order", f"activated_after_{follower.name}", words, network, same_result=same)


def _missing(architecture: Architecture) -> Iterator[Mistake]:
    inputs = layer_inputs(architecture)
    for i, layer in enumerate(architecture.layers):
        network = tuple(entry for entry in documented(architecture) if entry[0] != layer.name)
        shows = "training" if isinstance(layer, Dropout) else "inference"
        match layer:
            case LRN() | ReLU() | MaxPool() | Dropout() | Softmax():
                yield rewired(architecture, layer, "order", "missing", "has no such layer", network, shows=shows)
            case Conv(filters=filters) if inputs[layer.name][2] == filters:
                yield rewired(architecture, layer, "order", "missing", "has no such layer", network)
            case Dense(units=units) if inputs[layer.name] == (units,) and i + 1 < len(architecture.layers):
                yield rewired(architecture, layer, "order", "missing", "has no such layer", network)
            case _:
                pass


def _more(architecture: Architecture) -> Iterator[Mistake]:
    layers = architecture.layers
    norms = [layer for layer in layers if isinstance(layer, LRN)]
    for i, layer in enumerate(layers):
        follows = layers[i + 1] if i + 1 < len(layers) else None
        match layer:
            case LRN():
                yield at(architecture, layer, "order", "doubled", "normalises twice", (layer, layer))
            case ReLU():
                reason = "ReLU of ReLU is ReLU"
                words = "applies ReLU twice"
                yield at(architecture, layer, "order", "doubled", words, (layer, layer), equivalent=reason, shows="nothing")
                if norms and not isinstance(follows, MaxPool):
                    words = "is followed by an LRN that the document does not give it"
                    yield _inserted(architecture, i, "lrn_added", words, replace(norms[0], name="lrn_added"))
            case Dropout():
                words = "drops twice, and keeps the square of what it should keep"
                yield at(architecture, layer, "order", "doubled", words, (layer, layer), shows="training")
            case Dense(activation="relu") if not isinstance(follows, Dropout):
                words = "is followed by a dropout that the document does not give it, as the paper's dense layers are"
                extra = Dropout(name="dropout_added", rate=0.5)
                yield _inserted(architecture, i, "dropout_added", words, extra, shows="training")
            case Conv():
                words = "is followed by a batch normalisation, still with its initial statistics"
                yield at(architecture, layer, "order", "batch_norm_added", words, (layer, BATCH_NORM))
            case _:
                pass


def _inserted(architecture: Architecture, i: int, word: str, words: str, extra: Layer, **more: Any) -> Mistake:
    right = documented(architecture)
    network: Network = (*right[: i + 1], (extra.name, (extra,)), *right[i + 1 :])
    return rewired(architecture, architecture.layers[i], "order", word, words, network, **more)
