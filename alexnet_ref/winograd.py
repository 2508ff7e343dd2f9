"""What Winograd's minimal filtering may differ: a 3×3 convolution of stride 1 computed tile by tile in another basis.

F(4×4, 3×3), the largest in common use, computes 4×4 outputs from a 6×6 tile d and a 3×3 kernel g of each channel as

    Aᵀ · [ Σ_c (G·g·Gᵀ) ⊙ (Bᵀ·d·B) ] · A                                      (Lavin & Gray 2016, section 4.3)

Every intermediate result is at most what the same expression gives for absolute values, and it passes C sums of channels and the
transforms' own. With D_c the largest |d| of the channel around an output, and the rows of the transforms summed up,

    |ŷ − y| ≤ λ · √(C + n) · u · Σ_c D_c · Σ_{p,q} m_p·m_q·|g_pqc|,      m_p = max_i Σ_a |Aᵀ|_ia · (Σ_k |Bᵀ|_ak) · |G|_ap

except with the probability that λ stands for (`bounds`). It is normwise, not element by element: a large pixel beside a small one
spoils the small one's sum. F(2×2, 3×3) has the smaller transforms and stays inside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference import Conv, ops

Array = NDArray[Any]

B_T = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
A_T = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.float64)

# A term's further roundings: 6 terms in each of 4 applications of Bᵀ and A, 3 in each of 2 of G, its entries' own and the bias.
TRANSFORM_ROUNDINGS = 4 * 6 + 2 * 3 + 6


def applies(layer: Conv) -> bool:
    """Tell whether an implementation may compute this convolution so."""
    return layer.kernel_size == (3, 3) and layer.strides == (1, 1)


def amplification() -> Array:
    """Return m_p for each row p of the kernel."""
    return (np.abs(A_T) @ (np.abs(B_T).sum(axis=1)[:, None] * np.abs(G))).max(axis=0)  # type: ignore[no-any-return]  # NumPy: Any


def bound(layer: Conv, params: Mapping[str, Array], x: Array, confidence: float, u: float) -> Array:
    """Return the allowed error of each output, before the activation; x: (N, H, W, C) float64."""
    # A tile that holds an output reaches at most 4 pixels to each side of the output's own centre.
    largest = ops.max_pool2d(np.abs(x), pool_size=(9, 9), strides=(1, 1), padding="SAME")
    if layer.padding == "VALID":
        largest = largest[:, 1:-1, 1:-1]
    m = amplification()
    weight = np.einsum("p,q,pqco->co", m, m, np.abs(params["kernel"]))
    roundings = x.shape[-1] + TRANSFORM_ROUNDINGS
    sums: Array = largest @ weight + np.abs(params["bias"])
    return confidence * math.sqrt(roundings) * u * sums
