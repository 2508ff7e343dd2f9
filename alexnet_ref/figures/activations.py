"""One digit's activations at every layer, and how large they are from layer to layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.figures.dropout import mosaic
from alexnet_ref.figures.style import GREY, START, TRAINED, colours, new_figure, number, without_ticks
from reference import Dropout, MaxPool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from reference import Architecture

    Array = NDArray[np.float64]
    Outputs = Mapping[str, Array]  # {layer name: one digit's output, no batch axis}

CHANNELS = 8  # shown of each layer
PER_ROW = 4  # vector layers beside each other


def is_image(x: Array) -> bool:
    """Tell whether the output is a picture of more than one pixel."""
    return x.ndim == 3 and x.shape[0] * x.shape[1] > 1


def shown_channels(architecture: Architecture, outputs: Outputs) -> dict[str, list[int]]:
    """Return {image layer: the channels to show}: in every block the same, the strongest in the block's pooling.

    A block ends before the next layer that changes the number of channels.
    """
    images = [layer for layer in architecture.layers if is_image(outputs[layer.name])]
    chosen: dict[str, list[int]] = {}
    block: list[str] = []
    for layer, following in zip(images, [*images[1:], None], strict=True):
        block.append(layer.name)
        last = following is None or outputs[following.name].shape[-1] != outputs[layer.name].shape[-1]
        if last:
            pooled = next((n for n in block if isinstance(architecture[n], MaxPool)), block[-1])
            strength = outputs[pooled].max(axis=(0, 1))
            best = sorted(np.argsort(-strength, kind="stable")[:CHANNELS].tolist())
            chosen.update(dict.fromkeys(block, best))
            block = []
    return chosen


def images_figure(architecture: Architecture, digit: Array, outputs: Outputs) -> Any:
    """Return a row for each layer with a picture: eight of its channels, in the colours of their own range."""
    chosen = shown_channels(architecture, outputs)
    rows = [("input", digit, list(range(min(CHANNELS, digit.shape[-1]))))]
    rows += [(name, outputs[name], channels) for name, channels in chosen.items()]
    figure = new_figure(1.02 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), CHANNELS)
    for panels, (name, values, channels) in zip(grid, rows, strict=True):
        scale = colours(values[..., channels])
        if name == "input":
            scale["cmap"] = GREY
        for axes in panels:
            axes.set_axis_off()
        for axes, channel in zip(panels, channels, strict=False):
            axes.set_axis_on()
            without_ticks(axes)
            axes.imshow(values[..., channel], interpolation="nearest", **scale)
            axes.set_title(f"channel {channel}", fontsize=7, pad=2)
        same = "\n(identity)" if name in chosen and isinstance(architecture[name], Dropout) else ""
        shape = "×".join(map(str, values.shape))
        panels[0].set_ylabel(
            f"{name}{same}\n{shape}\n{span(values[..., channels])}", rotation=0, ha="right", va="center", fontsize=8
        )
    return figure


def span(values: Array) -> str:
    """Return the least and the largest value, for a label."""
    return f"{number(values.min())} … {number(values.max())}"


def vectors_figure(architecture: Architecture, outputs: Outputs) -> Any:
    """Return a panel for each layer without a picture: its values row after row, the last layer's as bars."""
    names = [layer.name for layer in architecture.layers if not is_image(outputs[layer.name])]
    down = -(-len(names) // PER_ROW)
    figure = new_figure(2.35 * down)
    panels = figure.subplots(down, PER_ROW, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        values = outputs[name]
        dropped = " (identity)" if isinstance(architecture[name], Dropout) else ""
        axes.set_title(f"{name}{dropped}\n{'×'.join(map(str, values.shape))}", fontsize=9)
        if name == names[-1]:
            axes.bar(range(values.size), values.ravel(), color=TRAINED)
            axes.set(xticks=range(values.size), xlabel="digit")
            axes.tick_params(labelsize=8)
            continue
        axes.imshow(mosaic(values), interpolation="nearest", **colours(values))
        axes.set_xlabel(span(values), fontsize=8)
        without_ticks(axes)
    return figure


def magnitudes_figure(architecture: Architecture, start: Mapping[str, float], trained: Mapping[str, float]) -> Any:
    """Return the root mean square of every layer's output, at the start and after training, on a logarithmic scale."""
    figure = new_figure(4.2)
    axes = figure.subplots()
    for values, colour, marker, words in (
        (start, START, "o", "at the start"),
        (trained, TRAINED, "s", "after training"),
    ):
        axes.plot(list(values), list(values.values()), color=colour, marker=marker, label=words)
    axes.set_yscale("log")
    axes.set_ylabel("root mean square of the output")
    axes.tick_params(axis="x", labelrotation=60)
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set_title(f"{architecture.name}: how large the activations are")
    return figure
