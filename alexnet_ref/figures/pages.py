"""The pages, made from the templates, the networks and what was measured: no number in them is typed."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, assert_never

from alexnet_ref.claims.run import train_command
from alexnet_ref.figures.lrn import KRIZHEVSKY
from alexnet_ref.train.history import DEAD
from alexnet_ref.train.published import KERAS_SEQUENTIAL_EPOCHS
from alexnet_ref.train.schedule import EPOCHS
from reference import (
    ARCHITECTURES,
    LRN,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    InvalidInput,
    Layer,
    MaxPool,
    ReLU,
    Resize,
    Softmax,
    layer_shapes,
    multiply_adds,
    param_counts,
    unseen_weights,
)
from reference.contradictions import CONTRADICTIONS
from reference.padding import output_size, pad_widths
from reference.shapes import layer_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PAGES = (*ARCHITECTURES, "contradictions", "index")
MEASURED = "measured.json"  # beside the pictures
RECIPE = ("steps", "epochs", "training_digits", "batch_size", "seed")  # of a run, what its command tells


def render(page: str, measured: Mapping[str, Any]) -> str:
    """Return a page's Markdown. measured: {architecture: what `draw` said}."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, from this repository's own templates and numbers
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(n=whole, num=number, pct=percent, shape=dimensions)
    text = environment.get_template(page).render(
        architectures=ARCHITECTURES,
        networks={name: network(architecture) for name, architecture in ARCHITECTURES.items()},
        measured=measured,
        contradictions=CONTRADICTIONS,
        krizhevsky=KRIZHEVSKY,
        dead_layers=lambda row: [column.removeprefix(DEAD) for column in row if column.startswith(DEAD)],
        commands={name: train_command(name, **{key: measured[name]["run"][key] for key in RECIPE}) for name in measured},
        published={"epochs": EPOCHS, "val_accuracy": {epoch: v["val_accuracy"] for epoch, v in KERAS_SEQUENTIAL_EPOCHS.items()}},
    )
    return re.sub("^> (.+)$", lambda line: f"> {escaped(line[1])}", text, flags=re.MULTILINE)


def _template(page: str) -> str:
    return (resources.files("alexnet_ref.figures") / "templates" / f"{page}.md").read_text(encoding="utf-8")


def read_measured(path: Path) -> dict[str, Any]:
    """Return what an earlier run of the command measured; nothing where there is no such file yet."""
    if not path.exists():
        return {}
    try:
        measured: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput("cannot be read", where=str(path), received=str(error)) from None
    return measured


def measured_json(measured: Mapping[str, Any]) -> str:
    """Return the file's text: the same for the same numbers."""
    return json.dumps(measured, indent=1, ensure_ascii=False) + "\n"


def network(architecture: Architecture) -> dict[str, Any]:
    """Return what a page tells of a network without any weights: {"rows": {layer: …}, totals}."""
    shapes, inputs, counts = layer_shapes(architecture), layer_inputs(architecture), param_counts(architecture)
    rows = {
        layer.name: {
            "number": number_,
            "layer": layer,
            "what": describe(layer),
            "input": inputs[layer.name],
            "output": shapes[layer.name],
            "params": counts[layer.name],
            "work": multiply_adds(layer, inputs[layer.name]),
            "unseen": unseen_weights(layer, inputs[layer.name]),
            "window": window(layer, inputs[layer.name]),
        }
        for number_, layer in enumerate(architecture.layers, 1)
    }
    return {
        "architecture": architecture,
        "rows": rows,
        "params": sum(counts.values()),
        "unseen": sum(row["unseen"] for row in rows.values()),
    }


def window(layer: Layer, shape: tuple[int, ...]) -> dict[str, Any] | None:
    """Return the arithmetic of a moved window on one axis of a square input; None for layers that move none."""
    match layer:
        case (
            Conv(kernel_size=(k, _), strides=(s, _), padding=padding) | MaxPool(pool_size=(k, _), strides=(s, _), padding=padding)
        ):
            n = shape[0]
            o, (before, after) = output_size(n, k, s, padding), pad_widths(n, k, s, padding)
            unread = max(n - ((o - 1) * s + k), 0) if padding == "VALID" else 0
            return {"n": n, "k": k, "s": s, "o": o, "padding": padding, "before": before, "after": after, "unread": unread}
        case _:
            return None


def describe(layer: Layer) -> str:
    """Return what the layer does, in the field's words, with all its hyperparameters."""
    match layer:
        case Resize(height=height, width=width):
            return f"bilinear resizing to {height}×{width}"
        case Conv(filters=filters, kernel_size=kernel_size, strides=(s, _), padding=padding, activation=activation):
            return f"convolution, {filters} filters {dimensions(kernel_size)}, stride {s}, {padding}{_then(activation)}"
        case LRN(depth_radius=radius, bias=bias, alpha=alpha, beta=beta):
            return f"LRN, depth_radius {radius}, bias {bias:g}, alpha {alpha:.4g}, beta {beta:g}"
        case ReLU():
            return "ReLU"
        case MaxPool(pool_size=pool_size, strides=(s, _), padding=padding):
            return f"max pooling, {dimensions(pool_size)}, stride {s}, {padding}"
        case Flatten():
            return "flatten"
        case Dense(units=units, activation=activation):
            return f"dense, {units} units{_then(activation)}"
        case Dropout(rate=rate, keep_prob=keep_prob):
            return f"dropout, keep {keep_prob:g} (rate {rate:g})"
        case Softmax():
            return "softmax"
        case _:
            assert_never(layer)


def _then(activation: str | None) -> str:
    return {"relu": ", then ReLU", "softmax": ", then softmax", None: ""}[activation]


def whole(value: float) -> str:
    """Return an integer with its thousands set apart: 1,966,080."""
    if value != int(value):
        raise ValueError(f"{value} is no integer")
    return f"{int(value):,}"


def number(value: float, figures: int = 3) -> str:
    """Return a measured number with so many significant figures, but never fewer than its whole ones: 0.0123, 148, 152,800."""
    if abs(value) < 1000 and value == round(value):
        return f"{value:g}"
    return f"{value:,.0f}" if abs(value) >= 10 ** (figures - 1) else f"{value:.{figures}g}"


def percent(value: float, places: int = 1) -> str:
    """Return a share as a percentage: 9.1 %."""
    return f"{100 * value:.{places}f} %"


def escaped(quote: str) -> str:
    """Return a document's characters so that Markdown shows them unchanged."""
    return re.sub(r"([\\`*_{}\[\]<>#+!|])", r"\\\1", quote)


def dimensions(shape: tuple[int, ...]) -> str:
    """Return a shape as the pages write it: 56×56×96."""
    return "×".join(map(str, shape))
