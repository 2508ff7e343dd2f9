"""Where the windows of ONNX's Conv and MaxPool stand, in TensorFlow's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reference.padding import Padding, output_size, pad_widths

Pads = tuple[tuple[int, int], tuple[int, int]]  # rows, then columns: how far windows reach beyond the image, before and after it


def reach(
    attributes: Mapping[str, Any], before: Sequence[int], after: Sequence[int], window: Sequence[int], strides: Sequence[int]
) -> Pads:
    """Return how far the windows reach beyond an image of size `before`, given that `after` positions were computed.

    After the image that is more than the pads say where the size is rounded up (ceil_mode), and less where it is rounded down.
    """
    starts = _starts(attributes, before, window, strides)
    rows, columns = (
        (start, max((o - 1) * s + k - n - start, 0))
        for n, o, k, s, start in zip(before, after, window, strides, starts, strict=True)
    )
    return rows, columns


def _starts(attributes: Mapping[str, Any], before: Sequence[int], window: Sequence[int], strides: Sequence[int]) -> Sequence[int]:
    """Return the positions before the image: rows, columns."""
    totals = [sum(pad_widths(n, k, s, "SAME")) for n, k, s in zip(before, window, strides, strict=True)]
    match attributes.get("auto_pad", b"NOTSET"):
        case b"SAME_UPPER":
            return [total // 2 for total in totals]
        case b"SAME_LOWER":
            return [total - total // 2 for total in totals]
        case b"VALID":
            return [0, 0]
        case b"NOTSET":
            return list(attributes.get("pads", (0, 0, 0, 0)))[:2]
        case _:
            raise ValueError("no such padding")


def same_or_valid(
    reached: Pads, before: Sequence[int], after: Sequence[int], window: Sequence[int], strides: Sequence[int], *, words: set[str]
) -> Padding | None:
    """Return the word that fits; of two that fit SAME, unless `words`, the document's for such a layer, are VALID alone."""
    fitting: list[Padding] = []
    for padding in ("SAME", "VALID"):
        sides = list(zip(before, window, strides, strict=True))
        if padding == "VALID" and any(n < k for n, k, _ in sides):
            continue
        sizes = [output_size(n, k, s, padding) for n, k, s in sides]
        if reached == tuple(pad_widths(n, k, s, padding) for n, k, s in sides) and list(after) == sizes:
            fitting.append(padding)
    return next((padding for padding in fitting if words == {padding}), fitting[0] if fitting else None)
