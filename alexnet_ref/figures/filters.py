"""The first convolution's filters, before and after training; and which taps of a kernel ever learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.figures.style import POSITIVE, SIGNED, new_figure, without_ticks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ACROSS = 16  # filters in a row
INK = 0.55  # of the colour scale: above it, black letters read better than white ones


def met_by_grey(kernel: NDArray[Any]) -> Array:
    """Return the kernel (rows, columns, C, F) as a grey picture meets it: summed over its channels, (rows, columns, F)."""
    total: Array = kernel.astype(np.float64).sum(axis=2)
    return total


def tiled(filters: NDArray[Any]) -> Array:
    """Return filters (rows, columns, F) side by side, 16 in a row, a line of nothing (NaN) between."""
    rows, columns, count = filters.shape
    down = -(-count // ACROSS)
    sheet = np.full((down * (rows + 1) - 1, ACROSS * (columns + 1) - 1), np.nan)
    for f in range(count):
        top, left = f // ACROSS * (rows + 1), f % ACROSS * (columns + 1)
        sheet[top : top + rows, left : left + columns] = filters[..., f]
    return sheet


def filters_figure(name: str, start: Array, trained: Array) -> Any:
    """Return all filters (rows, columns, F) of one layer, at the start above, after training below, one scale for both."""
    sheets = [tiled(start), tiled(trained)]
    height, width = sheets[0].shape
    figure = new_figure(2 * 7.0 * height / width + 1.3)
    panels = figure.subplots(2, 1)
    most = max(float(np.nanmax(np.abs(sheet))) for sheet in sheets)
    for axes, sheet, words in zip(panels, sheets, ("at the start", "after training"), strict=True):
        axes.imshow(sheet, cmap=SIGNED, vmin=-most, vmax=most, interpolation="nearest")
        axes.set_title(f"{name}: the {start.shape[-1]} filters {words}")
        without_ticks(axes)
        axes.set_frame_on(False)
    figure.colorbar(panels[0].images[0], ax=panels, orientation="horizontal", fraction=0.04, pad=0.02, aspect=50, label="weight")
    return figure


def change_by_tap(start: NDArray[Any], trained: NDArray[Any]) -> Array:
    """Return the mean |trained − start| of a kernel (rows, columns, C, F) for each tap: (rows, columns)."""
    change: Array = np.abs(trained.astype(np.float64) - start.astype(np.float64)).mean(axis=(2, 3))
    return change


def taps_figure(changes: Mapping[str, Array], maps: Mapping[str, tuple[int, ...]]) -> Any:
    """Return a panel a layer: how far training moved its taps. changes {layer: (rows, columns)}, maps {layer: its input}."""
    figure = new_figure(3.2)
    panels = figure.subplots(1, len(changes), squeeze=False)[0]
    most = max(float(change.max()) for change in changes.values()) or 1.0
    for axes, (name, change) in zip(panels, changes.items(), strict=True):
        axes.imshow(change, cmap=POSITIVE, vmin=0, vmax=most)
        for (row, column), value in np.ndenumerate(change):
            words = f"{value:.4f}" if value else "0\nexactly"
            axes.text(column, row, words, ha="center", va="center", color="black" if value > INK * most else "white")
        axes.set_title(f"{name}\ninput {'×'.join(map(str, maps[name]))}")
        axes.set(xlabel="tap's column", xticks=range(change.shape[1]), yticks=range(change.shape[0]))
    panels[0].set_ylabel("tap's row")
    figure.colorbar(panels[0].images[0], ax=panels, fraction=0.03, label="mean |change| of a weight")
    return figure
