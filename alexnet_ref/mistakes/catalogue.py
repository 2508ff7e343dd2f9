"""The catalogue: every mistake of every family, generated from a description."""

from __future__ import annotations

import functools

from alexnet_ref.mistakes.families.activations import activations
from alexnet_ref.mistakes.families.bias import bias
from alexnet_ref.mistakes.families.convolutions import kernels, padding, strides
from alexnet_ref.mistakes.families.dropout import dropout
from alexnet_ref.mistakes.families.images import images, resize
from alexnet_ref.mistakes.families.layout import kernels_carried, layout
from alexnet_ref.mistakes.families.lrn import lrn
from alexnet_ref.mistakes.families.order import order
from alexnet_ref.mistakes.families.pooling import pooling
from alexnet_ref.mistakes.families.precision import precision
from alexnet_ref.mistakes.families.recipe import recipe
from alexnet_ref.mistakes.families.vectors import dense, flatten, softmax
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.shapes import fed_shapes
from reference import ARCHITECTURES, Architecture, InvalidInput, as_architecture

GENERATORS = (
    padding, strides, kernels, kernels_carried, layout, lrn, order, pooling, activations, dropout, resize, flatten, dense,
    softmax, bias, images, precision, recipe,
)  # fmt: skip


@functools.cache
def mistakes(architecture: Architecture | str) -> tuple[Mistake, ...]:
    """Return the catalogue for a network: all mistakes that can be made in it and built, in the order of families and layers.

    What no input passes through (a window that no longer fits) is no port, and left out. InvalidInput names the architectures.
    """
    architecture = as_architecture(architecture)
    return tuple(mistake for generate in GENERATORS for mistake in generate(architecture) if _runs(mistake))


def _runs(mistake: Mistake) -> bool:
    try:
        fed_shapes(mistake)
    except InvalidInput:
        return False
    return True


@functools.cache
def catalogue() -> tuple[Mistake, ...]:
    """Return both documented networks' mistakes."""
    return tuple(mistake for name in ARCHITECTURES for mistake in mistakes(name))


def named(architecture: Architecture | str, name: str) -> Mistake:
    """Return the mistake of this id in a network's catalogue; InvalidInput where there is none."""
    for mistake in mistakes(architecture):
        if mistake.id == name:
            return mistake
    raise InvalidInput(f"no mistake is called {name!r}", where=f"architecture {as_architecture(architecture).name!r}")
