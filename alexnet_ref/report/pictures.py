"""Numbers as pictures: one pixel for each, a PNG inside the page."""

from __future__ import annotations

import base64
import importlib.util
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.diagnosis import Evidence
from alexnet_ref.report.reproduction import worst_of

Array = NDArray[Any]
# Of the colour-blind's: cividis from low to high, PuOr from below zero (orange) to above (purple).
VALUES, SIGNED = "cividis", "PuOr"
NO_NUMBER = (1.0, 0.0, 1.0)  # a colour that neither map has


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A map and its colour bar, as data: URIs."""

    title: str
    image: str
    bar: str
    low: float
    high: float
    rows: int
    columns: int


def available() -> bool:
    """Tell whether Matplotlib, which knows the colours, is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def pictures(evidence: Evidence) -> tuple[str, list[Picture]]:
    """Return (which map it is, [expected, received, difference]) of the worst element's image and channel.

    The first two share their colours. A vector is laid out in rows.
    """
    image, *place = worst_of(evidence)
    expected, received = evidence.expected[image], evidence.received[image].astype(np.float64)
    if expected.ndim == 3:
        words = f"image {image}, channel {place[-1]} of {expected.shape[-1]}; worst at row {place[0]}, column {place[1]}"
        expected, received = expected[..., place[-1]], received[..., place[-1]]
    else:
        columns = _columns(expected.size)
        words = f"image {image}, {expected.size} features in rows of {columns}; worst is feature {place[-1]}"
        expected, received = expected.reshape(-1, columns), received.reshape(-1, columns)
    numbers = np.concatenate([expected.ravel(), received.ravel()])
    numbers = numbers[np.isfinite(numbers)]
    low, high = float(numbers.min(initial=math.inf)), float(numbers.max(initial=-math.inf))
    low, high = (0.0, 1.0) if low > high else (low, high)
    with np.errstate(over="ignore", invalid="ignore"):  # infinite differences have a colour of their own
        difference = received - expected
    most = float(np.abs(difference[np.isfinite(difference)]).max(initial=0.0))
    return words, [
        _picture("expected", expected, VALUES, low, high),
        _picture("received", received, VALUES, low, high),
        _picture("received − expected", difference, SIGNED, -most, most),
    ]


def _columns(size: int) -> int:
    """Return the divisor nearest above the square root, so that the rows fill a rectangle; a prime is one row."""
    return next(n for n in range(max(1, math.isqrt(size - 1) + 1), size + 1) if size % n == 0) if size > 1 else 1


def _picture(title: str, values: Array, colours: str, low: float, high: float) -> Picture:
    # Halves, because the difference of two numbers may be beyond all numbers; equal numbers take the middle of the colours.
    share = (values / 2 - low / 2) / (high / 2 - low / 2) if high > low else np.where(np.isfinite(values), 0.5, np.nan)
    return Picture(
        title=title,
        image=_png(share, colours),
        bar=_png(np.linspace(0.0, 1.0, 128)[None, :], colours),
        low=low,
        high=high,
        rows=values.shape[0],
        columns=values.shape[1],
    )


def _png(share: Array, colours: str) -> str:
    """Return the picture of numbers between 0 and 1; what is not finite has a colour of its own."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    colour = colormaps[colours].with_extremes(bad=NO_NUMBER)
    buffer = io.BytesIO()
    imsave(buffer, colour(np.ma.masked_invalid(share), bytes=True), format="png")
    return uri("image/png", buffer.getvalue())


def uri(kind: str, content: bytes) -> str:
    """Return the content as a data: URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
