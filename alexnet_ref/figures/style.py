"""How the pages' pictures look: colours that everybody can tell apart, legible 800 pixels wide, small files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from alexnet_ref.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

# Okabe & Ito 2008: told apart with every kind of colour vision.
START, TRAINED = "#0072B2", "#D55E00"
SIGNED = "PuOr"  # ColorBrewer: orange below zero, purple above, white at zero; safe for the colour-blind
POSITIVE = "cividis"  # made for the colour-blind: zero is dark blue, the largest value yellow
GREY = "gray"

WIDTH = 8.0  # inches, for every picture
DPI = 100  # so that every picture is 800 pixels wide
PALETTE = 256  # colours of a PNG: a third of the size, and no channel of no pixel further than 5 of 255 from what was drawn


def new_figure(height: float) -> Any:
    """Return an empty figure of Matplotlib's, without pyplot: no window, no state shared with anybody."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def colours(values: Any) -> dict[str, Any]:
    """Return imshow's colours for values of one kind: symmetric about zero where any is negative, from zero where none is."""
    most = float(abs(values).max()) or 1.0
    if values.min() < 0:
        return {"cmap": SIGNED, "vmin": -most, "vmax": most}
    return {"cmap": POSITIVE, "vmin": 0.0, "vmax": most}


def without_ticks(axes: Any) -> None:
    """Take the ticks away where a picture's axes are rows and columns of pixels."""
    axes.set(xticks=[], yticks=[])


def number(value: float) -> str:
    """Return a number for a label: 0.38, 27, 3,900, without powers of ten."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"


def save_png(figure: Any, path: Path) -> None:
    """Write the figure with a palette, whole or not at all."""
    from PIL import Image  # Matplotlib's own dependency

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    drawn = Image.open(buffer).convert("RGB")
    picture = drawn.quantize(PALETTE, method=Image.Quantize.MAXCOVERAGE, kmeans=5, dither=Image.Dither.NONE)
    with replacing(path) as temporary:
        picture.save(temporary, format="png", optimize=True)
