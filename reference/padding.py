"""Where a window of k positions may stand on an axis of n positions: TensorFlow's SAME and VALID.

    SAME   o = ceil(n / s)              total = max((o − 1)·s + k − n, 0),  before = ⌊total / 2⌋,  after = total − before
    VALID  o = ⌊(n − k) / s⌋ + 1        total = 0

An odd total puts the odd position *after* the data. Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
"""

from __future__ import annotations

from typing import Literal, assert_never, get_args

import numpy as np
from numpy.typing import NDArray

from reference.errors import InvalidInput

Padding = Literal["SAME", "VALID"]


def output_size(n: int, k: int, s: int, padding: Padding) -> int:
    """Return o, the number of window positions on one axis; InvalidInput where VALID leaves none, or the words mean nothing."""
    if k < 1 or s < 1 or padding not in get_args(Padding):
        raise InvalidInput(
            "no window can be moved like this",
            expected="a size and stride of at least 1, padding 'SAME' or 'VALID'",
            received=f"size {k}, stride {s}, padding {padding!r}",
        )
    match padding:
        case "SAME":
            return -(-n // s)
        case "VALID":
            if n < k:
                raise InvalidInput(
                    "the window does not fit into the input",
                    expected=f"at least {k} positions (VALID)",
                    received=f"{n}",
                    hint="Use SAME padding, a smaller window or a larger input",
                )
            return (n - k) // s + 1
        case _:
            assert_never(padding)


def pad_widths(n: int, k: int, s: int, padding: Padding) -> tuple[int, int]:
    """Return (before, after), the positions added on the two sides of one axis."""
    o = output_size(n, k, s, padding)
    if padding == "VALID":
        return 0, 0
    total = max((o - 1) * s + k - n, 0)
    return total // 2, total - total // 2


def pad(
    x: NDArray[np.floating], window: tuple[int, int], strides: tuple[int, int], padding: Padding, *, value: float
) -> NDArray[np.floating]:
    """Surround x (N, H, W, C) with `value` as `padding` demands: (N, before + H + after, before + W + after, C)."""
    rows = pad_widths(x.shape[1], window[0], strides[0], padding)
    columns = pad_widths(x.shape[2], window[1], strides[1], padding)
    if rows == columns == (0, 0):
        return x
    return np.pad(x, ((0, 0), rows, columns, (0, 0)), constant_values=value)
