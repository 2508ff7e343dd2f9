"""Which fast layer stands for which documented one. Imports TensorFlow."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from alexnet_ref.fast import enlarged
from alexnet_ref.fast.conv import Conv2D
from alexnet_ref.fast.dense import Dense
from alexnet_ref.fast.lrn import LocalResponseNormalization
from reference import LRN, Architecture, Conv, Layer, Resize
from reference import Dense as DenseWord
from reference.shapes import layer_inputs


def fast_layers(architecture: Architecture, documented: list[Any], *, bfloat16: bool) -> list[Any]:
    """Return Keras layers that compute what the documented ones do, with their names, initializers and seeds.

    documented: one Keras layer for each of the architecture's, not yet built. An enlargement joins the convolution behind it.
    """
    layers = architecture.layers
    inputs = layer_inputs(architecture)
    folded = {first.name for first, then in pairwise(layers) if _folds(first, then, inputs[first.name])}
    result = []
    for layer, plain, previous in zip(layers, documented, (None, *layers), strict=False):
        if previous is not None and previous.name in folded:
            result.append(_enlarged(previous, plain, bfloat16))
        elif layer.name not in folded:
            result.append(_fast(layer, plain, bfloat16=bfloat16))
    return result


def _fast(layer: Layer, plain: Any, *, bfloat16: bool) -> Any:
    """Return the fast twin of one Keras layer; the layer itself where there is none."""
    match layer:
        case LRN():
            return LocalResponseNormalization.from_config(plain.get_config())
        case Conv():
            return Conv2D.from_config({**plain.get_config(), "bfloat16": bfloat16})
        case DenseWord():
            return Dense.from_config({**plain.get_config(), "bfloat16": bfloat16})
        case _:
            return plain


def _folds(first: Layer, then: Layer, shape: tuple[int, ...]) -> bool:
    """Return whether an enlargement of (H, W, C) and the convolution behind it are faster as one."""
    if not (isinstance(first, Resize) and isinstance(then, Conv)) or then.padding != "SAME" or then.activation is not None:
        return False
    sizes = zip(shape[:2], (first.height, first.width), then.kernel_size, then.strides, strict=True)
    return all(enlarged.folds(*axis) for axis in sizes)


def _enlarged(resize: Layer, plain: Any, bfloat16: bool) -> Any:
    assert isinstance(resize, Resize)  # noqa: S101 - `_folds` says so
    config = plain.get_config()
    own = ("name", "trainable", "filters", "kernel_size", "strides", "kernel_initializer", "bias_initializer")
    return enlarged.Conv2D(height=resize.height, width=resize.width, bfloat16=bfloat16, **{key: config[key] for key in own})
