"""Coarser numbers than float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from alexnet_ref.mistakes.families.make import at, throughout
from alexnet_ref.mistakes.mistake import Mistake, Network, Weights
from alexnet_ref.mistakes.parts import Rounded
from reference import LRN, Architecture, Conv, Dense


def precision(architecture: Architecture) -> Iterator[Mistake]:
    """Yield results, operands and weights in fewer bits, at one layer and throughout."""
    for layer in architecture.layers:
        if not isinstance(layer, (Conv, Dense, LRN)):
            continue
        half, brain, eight, tf32 = (Rounded(to=to) for to in ("float16", "bfloat16", "int8", "tf32"))
        yield at(architecture, layer, "precision", "float16_result", "stores its result in float16", (layer, half))
        yield at(architecture, layer, "precision", "bfloat16_result", "stores its result in bfloat16", (layer, brain))
        yield at(architecture, layer, "precision", "int8_result", "stores its result in 8 bits, with one scale", (layer, eight))
        if isinstance(layer, LRN):
            yield at(architecture, layer, "precision", "float16_operand", "squares float16 numbers", (half, layer))
        else:
            words = "multiplies TF32 numbers: its operand keeps 11 significant bits"
            yield at(architecture, layer, "precision", "tf32_operand", words, (tf32, layer))
    formats: tuple[Literal["float16", "bfloat16", "int8"], ...] = ("float16", "bfloat16", "int8")
    for to in formats:
        words = f"keeps all results in {to}"
        network: Network = tuple((layer.name, (layer, Rounded(to=to))) for layer in architecture.layers)
        yield throughout(architecture, "precision", f"{to}_network", words, network=network)
        words = f"keeps all kernels in {to}"
        weights = (Weights(layer=None, part="kernel", change=to),)
        yield throughout(architecture, "precision", f"{to}_kernels", words, weights=weights, shows="weights")
