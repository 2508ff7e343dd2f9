"""The arithmetics that a port may compute in: unit roundoffs u = 2^−p, p being the bits of the significand."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """How numbers are rounded, to nearest, on their way through a layer."""

    name: str
    u: float  # of element-wise operations
    accumulator: float  # of sums of products
    operand: float = 0.0  # of the two factors of each product, before it is formed; 0: used as they are
    result: float = 0.0  # of each layer's output, where it is stored with fewer bits than it was computed with; 0: it is not
    winograd: bool = False  # whether 3×3 convolutions of stride 1 may be computed by minimal filtering
    tiny: float  # the least normal number: processors may flush what is smaller to zero


FLOAT64 = Arithmetic(name="float64", u=2.0**-53, accumulator=2.0**-53, tiny=2.0**-1022)
FLOAT32 = Arithmetic(name="float32", u=2.0**-24, accumulator=2.0**-24, tiny=2.0**-126)
# NVIDIA's TF32 and the bfloat16 and float16 products of matrix units round the factors, multiply them exactly and add in float32.
TF32 = Arithmetic(name="TF32", u=2.0**-24, accumulator=2.0**-24, operand=2.0**-11, tiny=2.0**-126)
BFLOAT16_PRODUCTS = Arithmetic(name="bfloat16 products", u=2.0**-24, accumulator=2.0**-24, operand=2.0**-8, tiny=2.0**-126)
# TensorFlow's CPU kernels round the float32 sums to bfloat16 once more.
BFLOAT16_STORED = replace(BFLOAT16_PRODUCTS, name="bfloat16 products and sums", result=2.0**-8)
BFLOAT16 = Arithmetic(name="bfloat16", u=2.0**-8, accumulator=2.0**-24, operand=2.0**-8, result=2.0**-8, tiny=2.0**-126)
FLOAT16 = Arithmetic(name="float16", u=2.0**-11, accumulator=2.0**-24, operand=2.0**-11, result=2.0**-11, tiny=2.0**-14)

WINOGRAD = Arithmetic(name="float32 with Winograd", u=2.0**-24, accumulator=2.0**-24, winograd=True, tiny=2.0**-126)

# From the sharpest to the coarsest: the first that fits is what a port computes in.
# Winograd's is left out: its errors are those of tiles, and have no standard deviation element by element.
ARITHMETICS = (FLOAT64, FLOAT32, TF32, FLOAT16, BFLOAT16_PRODUCTS, BFLOAT16)
DECLARABLE = (*ARITHMETICS, BFLOAT16_STORED, WINOGRAD)
