"""Winograd's minimal filtering F(2×2, 3×3) in float32, computed: `alexnet_ref.winograd` bounds it and its larger sister.

Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for each tile of 4×4 inputs and 2×2 outputs (Lavin & Gray 2016). The factors ½ of G are powers of
two: integer probes stay exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.padding import Padding, pad

Array = NDArray[Any]

B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float32)  # Bᵀ
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float32)  # Aᵀ


def winograd(x: Array, kernel: Array, padding: Padding) -> Array:
    """Return the convolution of x (N, H, W, C) with kernel (3, 3, C, O), without bias, (N, I, J, O)."""
    x = pad(x, (3, 3), (1, 1), padding, value=0.0)  # (N, I + 2, J + 2, C)
    n, i, j = x.shape[0], x.shape[1] - 2, x.shape[2] - 2
    x = np.pad(x, ((0, 0), (0, i % 2), (0, j % 2), (0, 0)))
    tiles = np.lib.stride_tricks.sliding_window_view(x, (4, 4), axis=(1, 2))[:, ::2, ::2]  # (N, T, U, C, 4, 4)
    v = _both(B, tiles)  # (N, T, U, C, 4, 4)
    u = _both(G, np.ascontiguousarray(kernel.transpose(2, 3, 0, 1)))  # (C, O, 4, 4)
    t, w = v.shape[1:3]
    v = v.transpose(4, 5, 0, 1, 2, 3).reshape(16, n * t * w, -1)  # (16, N·T·U, C)
    products = v @ u.transpose(2, 3, 0, 1).reshape(16, *kernel.shape[2:])  # (16, N·T·U, O)
    m = products.reshape(4, 4, n, t, w, -1).transpose(2, 3, 4, 5, 0, 1)  # (N, T, U, O, 4, 4)
    y = _both(A, m)  # (N, T, U, O, 2, 2)
    y = y.transpose(0, 1, 4, 2, 5, 3).reshape(n, 2 * t, 2 * w, -1)
    return y[:, :i, :j]


def _both(matrix: Array, x: Array) -> Array:
    """Return M x Mᵀ over the last two axes."""
    return np.ascontiguousarray(matrix @ x @ matrix.T)
