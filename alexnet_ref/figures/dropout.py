"""A dropout mask on real activations: before, the mask, after, with their means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.figures.style import GREY, POSITIVE, new_figure, number, without_ticks
from reference.ops import dropout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference import Dropout

    Array = NDArray[np.float64]


def mosaic(x: NDArray[Any]) -> NDArray[Any]:
    """Return all values of x as one picture, row after row, as nearly square as they fill it: 384 are 16×24."""
    rows = next(r for r in range(int(np.sqrt(x.size)), 0, -1) if x.size % r == 0)
    return x.reshape(rows, -1)


def dropout_figure(layer: Dropout, x: Array, mask: NDArray[np.bool_]) -> Any:
    """Return three panels for x and its mask, of any one shape: x, the mask, x · mask / (1 − rate)."""
    after = dropout(x[None], mask[None], rate=layer.rate)[0]
    figure = new_figure(3.5)
    panels = figure.subplots(1, 3)
    most = float(after.max()) or 1.0
    for axes, values, words in (
        (panels[0], x, f"before: mean {x.mean():.4g}"),
        (panels[2], after, f"after: mean {after.mean():.4g}"),
    ):
        axes.imshow(mosaic(values), cmap=POSITIVE, vmin=0, vmax=most, interpolation="nearest")
        axes.set_title(words)
        axes.set_xlabel(f"{number(values.min())} … {number(values.max())}; dark is 0")
        without_ticks(axes)
    panels[1].imshow(mosaic(mask), cmap=GREY, vmin=0, vmax=1, interpolation="nearest")
    panels[1].set_title("the mask")
    panels[1].set_xlabel(f"{mask.mean():.2%} kept (white)")
    without_ticks(panels[1])
    figure.suptitle(f"{layer.name}: keep {layer.keep_prob:g}, so kept values are multiplied by {1 / layer.keep_prob:g}")
    return figure
