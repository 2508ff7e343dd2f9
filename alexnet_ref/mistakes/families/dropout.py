"""Dropout in all its misreadings. Most show in training alone: an inference graph without dropout says nothing about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alexnet_ref.mistakes.families.make import at, carried, fed
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import OddDropout
from reference import Architecture, Conv, Dense, Dropout
from reference.shapes import Shape


def dropout(architecture: Architecture) -> Iterator[Mistake]:
    """Yield every misreading at every dropout layer that it changes, and dropout's scaling moved into the weights behind it."""
    for layer, shape in fed(architecture):
        if isinstance(layer, Dropout):
            yield from _rates(architecture, layer)
            yield from _masks(architecture, layer, shape)
    yield from _scaled_weights(architecture)


def _wrong(architecture: Architecture, layer: Dropout, word: str, words: str, seen: str = "", **changes: Any) -> Mistake:
    right = {"rate": layer.rate, "scale": 1 / layer.keep_prob}
    shows = "inference" if changes.get("active") == "always" or "at_inference" in changes else "training"
    return at(architecture, layer, "dropout", word, words, (OddDropout(**{**right, **changes}),), shows=shows, seen=seen)


def _rates(architecture: Architecture, layer: Dropout) -> Iterator[Mistake]:
    rate, keep = layer.rate, layer.keep_prob
    if rate != keep:
        yield _wrong(architecture, layer, "keep_for_rate", "gives the probability to keep where the rate is asked for",
                     "aymericdamien/TensorFlow-Examples#205", rate=keep, scale=1 / rate)  # fmt: skip
        yield _wrong(architecture, layer, "mask_inverted", "keeps what it should drop, and scales as if it had not", rate=keep)
        words = "divides what it keeps by the rate, as keras_sequential's document says"
        yield _wrong(architecture, layer, "divided_by_rate", words, scale=1 / rate)
        yield _wrong(architecture, layer, "rate_of_the_paper", "drops half, as the paper does", rate=0.5, scale=2.0)
    yield _wrong(architecture, layer, "not_scaled", "does not scale what it keeps", scale=1.0)
    yield _wrong(architecture, layer, "multiplied_by_keep", "multiplies what it keeps where it should divide", scale=keep)
    words = "scales in inference, by the probability to keep, and not in training: the paper's way"
    yield _wrong(architecture, layer, "scaled_at_inference", words, scale=1.0, at_inference=keep)
    words = "scales in training and once more in inference"
    yield _wrong(architecture, layer, "scaled_twice", words, at_inference=keep)


def _masks(architecture: Architecture, layer: Dropout, shape: Shape) -> Iterator[Mistake]:
    yield _wrong(architecture, layer, "at_inference", "drops in inference as in training", active="always")
    yield _wrong(architecture, layer, "never", "never drops: the training flag does not reach it", active="never")
    yield _wrong(architecture, layer, "one_mask_for_the_batch", "draws one mask for all images of a batch", shared="batch")
    yield _wrong(architecture, layer, "same_mask_always", "draws the same mask at every step", fixed=True)
    words = "multiplies by Gaussian noise of the same variance"
    yield _wrong(architecture, layer, "gaussian", words, noise="gaussian")
    if len(shape) == 3:
        words = "drops whole channels of an image (Dropout2d, SpatialDropout2D)"
        yield _wrong(architecture, layer, "whole_channels", words, shared="channel")
        yield _wrong(architecture, layer, "whole_pixels", "drops all channels of a pixel together", shared="pixel")


def _scaled_weights(architecture: Architecture) -> Iterator[Mistake]:
    kept: float | None = None
    for layer in architecture.layers:
        if isinstance(layer, Dropout):
            kept = layer.keep_prob
        elif isinstance(layer, (Conv, Dense)) and kept is not None:
            words = "its kernel is multiplied by the probability to keep of the dropout before it, the paper's way to infer"
            yield carried(architecture, layer, "dropout", "kernel_times_keep", words, "kernel", "kept times", kept=kept)
            kept = None
