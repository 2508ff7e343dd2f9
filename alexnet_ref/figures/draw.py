"""A trained network's pictures and numbers, together, because both come from the same two forward passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import reference
from alexnet_ref.figures.activations import images_figure, magnitudes_figure, vectors_figure
from alexnet_ref.figures.dropout import dropout_figure
from alexnet_ref.figures.filters import change_by_tap, filters_figure, met_by_grey, taps_figure
from alexnet_ref.figures.lrn import Column, divisors, lrn_figure, strongest_column
from alexnet_ref.figures.measure import MASKS, inputs_of, kernels, measure, significant
from alexnet_ref.train.results import log_probabilities
from reference import LRN, Conv, Dropout
from reference.forward import as_input
from reference.shapes import layer_inputs, unseen_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from alexnet_ref.figures.trained import Digits, Trained

    Array = NDArray[np.float64]


def draw(trained: Trained, digits: Digits) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ({picture: figure}, what `measure` says): pictures of the first digit, numbers over all digits.

    Pictures: images, vectors, filters, dropout, magnitudes, the names of the first and last LRN, and taps where some never learn.
    """
    architecture = trained.architecture
    x = digits.prepared(architecture)
    start = reference.forward(architecture, trained.start, x)
    after = reference.forward(architecture, trained.params, x)
    masks = reference.draw_masks(architecture, MASKS)
    facts = measure(trained, start, after, masks)
    of_truth = log_probabilities(architecture, start[architecture.layers[-1].name])[range(len(digits.labels)), digits.labels]
    facts["start_loss"] = significant(float(-of_truth.mean()))
    facts["digit"] = {"label": int(digits.labels[0]), "digits": len(digits.labels)}

    first = {name: y[0] for name, y in after.items()}
    conv = next(layer for layer in architecture.layers if isinstance(layer, Conv))
    lrns = [layer for layer in architecture.layers if isinstance(layer, LRN)]
    drop = [layer for layer in architecture.layers if isinstance(layer, Dropout)][-1]
    inputs, inputs_start = inputs_of(architecture, after), inputs_of(architecture, start)
    rms = {when: {name: layer["rms"] for name, layer in facts["layers"][when].items()} for when in ("start", "trained")}
    figures = {
        "images": images_figure(architecture, as_input(architecture, x, float)[0], first),
        "vectors": vectors_figure(architecture, first),
        "filters": filters_figure(conv.name, *map(met_by_grey, kernels(trained.start, trained.params, conv.name))),
        "dropout": dropout_figure(drop, inputs[drop.name][0], masks[drop.name][0]),
        "magnitudes": magnitudes_figure(architecture, rms["start"], rms["trained"]),
    }
    for lrn in (lrns[0], lrns[-1]):
        column = strongest_column(inputs[lrn.name][0])
        values = inputs_start[lrn.name][0, column.row, column.column]
        as_started = Column(row=column.row, column=column.column, values=values)
        figures[lrn.name] = lrn_figure(lrn, as_started, column)
        facts["lrn"][lrn.name]["pixel"] = {
            "row": column.row,
            "column": column.column,
            "start": extremes(divisors(lrn, as_started.values)),
            "trained": extremes(divisors(lrn, column.values)),
            "negative": significant(float((column.values < 0).mean())),  # of the channels, after training
        }
    if changes := tap_changes(trained):
        shapes = layer_inputs(architecture)
        figures["taps"] = taps_figure(changes, {name: shapes[name] for name in changes})
    return figures, facts


def extremes(values: Array) -> list[float]:
    """Return the least and the largest, as they are recorded."""
    result: list[float] = significant([float(values.min()), float(values.max())])
    return result


def tap_changes(trained: Trained) -> dict[str, Any]:
    """Return {convolution: mean change by tap} for those of one kernel size of which any has weights that no input reaches."""
    architecture, shapes = trained.architecture, layer_inputs(trained.architecture)
    convs = [layer for layer in architecture.layers if isinstance(layer, Conv)]
    sizes = {layer.kernel_size for layer in convs if unseen_weights(layer, shapes[layer.name])}
    return {
        layer.name: change_by_tap(*kernels(trained.start, trained.params, layer.name))
        for layer in convs
        if layer.kernel_size in sizes
    }
