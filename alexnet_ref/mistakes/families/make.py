"""How a mistake is made from a description: what the generators share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from alexnet_ref.mistakes.mistake import Change, Family, Mistake, Network, Weights, documented, replaced
from alexnet_ref.mistakes.parts import Affine, OddConv, OddDense, Pads, Parts
from reference import Architecture, Conv, Dense, Layer, MaxPool, ReLU, Softmax
from reference.padding import pad_widths
from reference.shapes import Shape, layer_inputs, seen_taps


def at(  # noqa: PLR0917 - read as a row: where, which family, the name, the sentence, what it computes
    architecture: Architecture, layer: Layer, family: Family, word: str, words: str, parts: Parts, **more: Any
) -> Mistake:
    """Return the mistake that puts `parts` in this layer's place."""
    network = replaced(architecture, layer, parts)
    return rewired(architecture, layer, family, word, words, network, **more)


def rewired(  # noqa: PLR0917 - as above
    architecture: Architecture, layer: Layer, family: Family, word: str, words: str, network: Network, **more: Any
) -> Mistake:
    """Return the mistake at this layer that is a whole other network."""
    name = f"{family}.{word}[{layer.name}]"
    return Mistake(id=name, family=family, words=words, architecture=architecture, layer=layer.name, network=network, **more)


def throughout(architecture: Architecture, family: Family, word: str, words: str, **more: Any) -> Mistake:
    """Return a mistake of the whole network, which is the document's but for what `more` says."""
    more = {"network": documented(architecture), **more}
    return Mistake(id=f"{family}.{word}", family=family, words=words, architecture=architecture, layer=None, **more)


def carried(  # noqa: PLR0917 - as above
    architecture: Architecture,
    layer: Layer,
    family: Family,
    word: str,
    words: str,
    part: Literal["kernel", "bias"],
    change: Change,
    **more: Any,
) -> Mistake:
    """Return the mistake of a network that is right, with the kernel or bias of this layer changed on its way into it."""
    kept = more.pop("kept", 1.0)
    weights = (Weights(layer=layer.name, part=part, change=change, kept=kept),)
    more = {"shows": "weights", **more}
    return rewired(architecture, layer, family, word, words, documented(architecture), weights=weights, **more)


def fed(architecture: Architecture) -> Iterator[tuple[Layer, Shape]]:
    """Yield each layer with the shape of its input."""
    inputs = layer_inputs(architecture)
    return ((layer, inputs[layer.name]) for layer in architecture.layers)


def activation(layer: Layer) -> Parts:
    """Return what a convolution or dense layer does after its products and bias."""
    match layer:
        case Conv(activation="relu") | Dense(activation="relu"):
            return (ReLU(name=layer.name),)
        case Dense(activation="softmax"):
            return (Softmax(name=layer.name),)
        case _:
            return ()


def pads(layer: Conv | MaxPool, shape: Shape) -> Pads:
    """Return the document's padding of this layer, in numbers."""
    size = layer.kernel_size if isinstance(layer, Conv) else layer.pool_size
    rows, columns = (pad_widths(n, k, s, layer.padding) for n, k, s in zip(shape, size, layer.strides, strict=False))
    return rows, columns


def odd_conv(layer: Conv, shape: Shape, **changes: Any) -> OddConv:
    """Return the convolution of this layer, its activation left out, with these changes."""
    return OddConv(**{"strides": layer.strides, "pads": pads(layer, shape), **changes})


def products(layer: Conv | Dense, shape: Shape, *, bias: bool) -> Parts:
    """Return the layer's products, with its bias or without, its activation left out."""
    return (odd_conv(layer, shape, bias=bias),) if isinstance(layer, Conv) else (OddDense(bias=bias),)


def only_centre(layer: Conv, shape: Shape) -> bool:
    """Tell whether the window's middle alone ever meets data, as over a 1×1 map."""
    axes = zip(shape, layer.kernel_size, layer.strides, strict=False)
    return all(k % 2 == 1 and seen_taps(n, k, s, layer) == [k // 2] for n, k, s in axes)


BATCH_NORM_EPSILON = 1e-3  # keras.layers.BatchNormalization's and LayerNormalization's
BATCH_NORM = Affine(scale=((1 + BATCH_NORM_EPSILON) ** -0.5,))  # with its initial statistics: mean 0, variance 1
ONLY_CENTRE = "the middle of the window alone meets data; all other weights meet padding"
