"""Biases left out, added twice, or added in the wrong place."""

from __future__ import annotations

from collections.abc import Iterator

from alexnet_ref.mistakes.families.make import activation, at, carried, fed, products
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import Bias
from reference import Architecture, Conv, Dense
from reference.shapes import param_shapes


def bias(architecture: Architecture) -> Iterator[Mistake]:
    """Yield the mistakes made with each bias, when the layer runs and when its weights are carried over."""
    for layer, shape in fed(architecture):
        if not isinstance(layer, (Conv, Dense)):
            continue
        without, with_it, then = products(layer, shape, bias=False), products(layer, shape, bias=True), activation(layer)
        words = "adds no bias (use_bias=False)"
        yield at(architecture, layer, "bias", "missing", words, (*without, *then))
        words = "adds the bias twice, once in the fused operation and once after it"
        yield at(architecture, layer, "bias", "twice", words, (*with_it, Bias(), *then))
        words = "subtracts the bias"
        yield at(architecture, layer, "bias", "subtracted", words, (*without, Bias(times=-1.0), *then))
        if then:
            words = "adds the bias after the activation"
            yield at(architecture, layer, "bias", "after_activation", words, (*without, *then, Bias()))
        words = "its bias is 0: the weights' file was read without it"
        yield carried(architecture, layer, "bias", "not_loaded", words, "bias", "zero")
        words = "its bias is one channel off, the last one first"
        yield carried(architecture, layer, "bias", "one_channel_off", words, "bias", "outputs rolled")
        units = param_shapes(layer, shape)["bias"]
        others = (each for each, s in fed(architecture) if each is not layer and param_shapes(each, s).get("bias") == units)
        if any(True for _ in others):
            words = "its bias is another layer's of the same size"
            yield carried(architecture, layer, "bias", "of_another_layer", words, "bias", "of the next layer of this shape")
