"""The documented table beside the computed one, and what the network costs."""

from __future__ import annotations

import math

from rich import box
from rich.table import Table

from reference import Architecture, layer_shapes, multiply_adds, param_counts, unseen_weights
from reference.documented import documented_params, documented_shape
from reference.shapes import layer_inputs

FLOAT32_BYTES = 4
NOT_STATED = "·"
_HEADINGS = (
    "shape,\ndocumented",
    "shape,\ncomputed",
    "parameters,\ndocumented",
    "parameters,\ncomputed",
    "multiply-\nadds",
    "output\nmemory",
    "unseen\nweights",
)


def summary_table(architecture: Architecture) -> Table:
    """Return one row a layer: the document's shape and parameters beside the computed ones, and its cost for one image.

    A dot where the document states nothing.
    """
    table = Table(title=f"{architecture.title} ({architecture.name})", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("layer", no_wrap=True)
    table.add_column("stands in", no_wrap=True)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    shapes, inputs, counts = layer_shapes(architecture), layer_inputs(architecture), param_counts(architecture)
    for layer in architecture.layers:
        name = layer.name
        unseen = unseen_weights(layer, inputs[name])
        table.add_row(
            name,
            layer.place,
            _shape(documented_shape(layer)),
            _shape(shapes[name]),
            _count(documented_params(layer)),
            _count(counts[name]),
            _count(multiply_adds(layer, inputs[name])),
            _memory(math.prod(shapes[name])),
            _count(unseen) if unseen else "",
        )
    return table


def totals(architecture: Architecture) -> list[str]:
    """Return the sums over layers, one sentence each."""
    shapes, inputs = layer_shapes(architecture), layer_inputs(architecture)
    params = sum(param_counts(architecture).values())
    work = sum(multiply_adds(layer, inputs[layer.name]) for layer in architecture.layers)
    unseen = sum(unseen_weights(layer, inputs[layer.name]) for layer in architecture.layers)
    outputs = sum(math.prod(shape) for shape in shapes.values())
    lines = [
        f"Parameters: {params:,} ({_memory(params)} in float32).",
        f"One image: {work:,} multiply-adds; all outputs {_memory(outputs)} in float32.",
    ]
    if unseen:
        lines.append(f"Weights that meet padding alone, and so can never see data: {unseen:,} ({unseen / params:.1%}).")
    return lines


def _shape(shape: tuple[int, ...] | None) -> str:
    return NOT_STATED if shape is None else "×".join(map(str, shape))


def _count(count: int | None) -> str:
    return NOT_STATED if count is None else f"{count:,}"


def _memory(numbers: int) -> str:
    size = numbers * FLOAT32_BYTES
    return f"{size / 2**20:.2f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"
