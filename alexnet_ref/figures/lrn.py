"""What local response normalisation does to a column of channels: before, the divisor, after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.figures.style import START, TRAINED, new_figure
from reference import LRN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# Krizhevsky et al. 2012, section 3.3: "k = 2, n = 5, α = 10⁻⁴, and β = 0.75"; n channels in all, so two to each side.
KRIZHEVSKY = LRN(name="krizhevsky", depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75)


def divisors(layer: LRN, x: Array) -> Array:
    """Return (bias + alpha·Σa²)^beta for every element of x (…, C), the window cut off at both ends."""
    radius = layer.depth_radius
    squares = np.pad(np.square(x), [(0, 0)] * (x.ndim - 1) + [(radius, radius)])  # (…, C + 2·radius)
    sums = np.lib.stride_tricks.sliding_window_view(squares, layer.window, axis=-1).sum(axis=-1)  # (…, C)
    d: Array = (layer.bias + layer.alpha * sums) ** layer.beta
    return d


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """The channels of one pixel of one digit, before the LRN."""

    row: int
    column: int
    values: Array  # (C,)


def strongest_column(x: Array) -> Column:
    """Return the pixel of x (H, W, C) whose channels have the largest sum of squares."""
    row, column = np.unravel_index(np.square(x).sum(axis=-1).argmax(), x.shape[:2])
    return Column(row=int(row), column=int(column), values=x[row, column])


def lrn_figure(layer: LRN, start: Column, trained: Column) -> Any:
    """Return three rows (before, divisor, after) in two columns (at the start, after training)."""
    figure = new_figure(6.4)
    axes = figure.subplots(3, 2, sharex=True, sharey="row")
    most = max(float(divisors(layer, shown.values).max()) for shown in (start, trained))
    axes[1, 0].set_ylim(0, 1.08 * most)
    for across, (when, shown, colour) in enumerate((("at the start", start, START), ("after training", trained, TRAINED))):
        divisor = divisors(layer, shown.values)
        i = np.arange(len(shown.values))
        axes[0, across].bar(i, shown.values, width=1.0, color=colour)
        axes[1, across].step(i, divisor, where="mid", color="black")
        axes[1, across].axhline(layer.bias**layer.beta, color="0.5", linestyle=":")
        axes[2, across].bar(i, shown.values / divisor, width=1.0, color=colour)
        axes[0, across].set_title(f"{when}: pixel ({shown.row}, {shown.column})")
        axes[2, across].set_xlabel("channel")
    for down, words in enumerate(("before: a", "divisor d", "after: a / d")):
        axes[down, 0].set_ylabel(words)
        for panel in axes[down]:
            panel.grid(axis="y", alpha=0.3)
            panel.axhline(0, color="black", linewidth=0.6)
    figure.suptitle(
        f"{layer.name}: d = ({layer.bias:g} + {layer.alpha:.3g} · Σa²)$^{{{layer.beta:g}}}$, "
        f"the sum over {layer.depth_radius} channels to each side"
    )
    return figure
