"""The numbers that the pages tell of a trained network: each computed by the oracle on the shipped digits."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

import reference
from alexnet_ref.figures.filters import change_by_tap
from alexnet_ref.figures.lrn import KRIZHEVSKY, divisors
from reference import LRN, Conv, Dropout
from reference.shapes import layer_inputs, seen_taps, unseen_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from alexnet_ref.figures.trained import Trained
    from reference import Architecture, Params

    Array = NDArray[np.float64]
    Outputs = Mapping[str, Array]

MASKS = 200  # drawn to show that dropout keeps the mean
FIGURES = 4  # significant ones that are recorded


def significant(value: Any) -> Any:
    """Return the numbers of a nested structure with four significant figures; integers stay whole."""
    match value:
        case dict():
            return {key: significant(item) for key, item in value.items()}
        case list() | tuple():
            return [significant(item) for item in value]
        case float():
            return float(f"{value:.{FIGURES}g}")
        case _:
            return value


def layer_facts(outputs: Outputs) -> dict[str, dict[str, float]]:
    """Return root mean square, extremes and the share of exact zeros of every layer's output."""
    return {
        name: {
            "rms": float(np.sqrt(np.square(y).mean())),
            "least": float(y.min()),
            "most": float(y.max()),
            "zeros": float((y == 0).mean()),
        }
        for name, y in outputs.items()
    }


def lrn_facts(layer: LRN, x: Array) -> dict[str, float]:
    """Return how the layer divides x (N, H, W, C), and how the original paper's numbers would divide the same."""
    d, original = divisors(layer, x), divisors(KRIZHEVSKY, x)
    before, after = (np.sqrt(np.square(v).sum(axis=-1)).ravel() for v in (x, x / d))  # each pixel's column, (N·H·W,)
    return {
        "input_rms": float(np.sqrt(np.square(x).mean())),
        "most": float(d.max()),
        "kept": float(np.sqrt(np.square(x / d).sum() / np.square(x).sum())),  # of the Euclidean norm
        "correlation": float(np.corrcoef(before, after)[0, 1]),
        "krizhevsky_least": float(original.min()),
        "krizhevsky_most": float(original.max()),
    }


def dropout_facts(layer: Dropout, x: Array, masks: NDArray[np.bool_]) -> dict[str, float]:
    """Return the means of one digit's x (…) before and after the first mask, and over all masks (M, …)."""
    after = reference.ops.dropout(np.broadcast_to(x, masks.shape), masks, rate=layer.rate)
    means = after.reshape(len(masks), -1).mean(axis=1)  # (M,)
    return {
        "kept": float(masks[0].mean()),
        "before": float(x.mean()),
        "unscaled": float((x * masks[0]).mean()),
        "after": float(means[0]),
        "masks": len(masks),
        "mean_of_means": float(means.mean()),
        "least_mean": float(means.min()),
        "most_mean": float(means.max()),
    }


def taps_facts(layer: Conv, shape: tuple[int, ...], start: NDArray[Any], trained: NDArray[Any]) -> dict[str, Any]:
    """Return which weights of a kernel (rows, columns, C, F) no input reaches, and how many of those training left to the bit."""
    rows, columns = (seen_taps(n, k, s, layer) for n, k, s in zip(shape[:2], layer.kernel_size, layer.strides, strict=True))
    seen = np.zeros(layer.kernel_size, bool)
    seen[np.ix_(rows, columns)] = True
    same = start == trained
    return {
        "unseen": unseen_weights(layer, shape),
        "unseen_unchanged": int(same[~seen].sum()),
        "seen": int(same[seen].size),
        "seen_unchanged": int(same[seen].sum()),
        "moved": float(change_by_tap(start, trained)[seen].mean()),
    }


def grey_facts(start: NDArray[Any], trained: NDArray[Any]) -> dict[str, float]:
    """Return how far a kernel (rows, columns, 3, F) moved, and how far its channels moved differently."""
    moved = trained.astype(np.float64) - start.astype(np.float64)
    return {"moved": float(np.abs(moved).max()), "apart": float(np.ptp(moved, axis=2).max())}


def measure(trained: Trained, start: Outputs, after: Outputs, masks: Mapping[str, NDArray[np.bool_]]) -> dict[str, Any]:
    """Return everything that the page of this network tells; outputs (N, …), masks (M, …) of the first digit."""
    architecture = trained.architecture
    inputs = inputs_of(architecture, after), inputs_of(architecture, start)
    shapes = layer_inputs(architecture)
    convs = [layer for layer in architecture.layers if isinstance(layer, Conv)]
    facts: dict[str, Any] = {
        "run": trained.facts,
        "layers": {"start": layer_facts(start), "trained": layer_facts(after)},
        "lrn": {
            layer.name: {"start": lrn_facts(layer, inputs[1][layer.name]), "trained": lrn_facts(layer, inputs[0][layer.name])}
            for layer in architecture.layers
            if isinstance(layer, LRN)
        },
        "dropout": {
            layer.name: dropout_facts(layer, inputs[0][layer.name][0], masks[layer.name])
            for layer in architecture.layers
            if isinstance(layer, Dropout)
        },
        "taps": {
            conv.name: taps_facts(conv, shapes[conv.name], *kernels(trained.start, trained.params, conv.name)) for conv in convs
        },
        "output": after[architecture.layers[-1].name][0].tolist(),
    }
    if architecture.input_shape[-1] > 1:
        facts["grey"] = grey_facts(*kernels(trained.start, trained.params, convs[0].name))
    result: dict[str, Any] = significant(facts)
    return result


def kernels(start: Params, trained: Params, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a layer's kernel at the start and after training."""
    return np.asarray(start[name]["kernel"]), np.asarray(trained[name]["kernel"])


def inputs_of(architecture: Architecture, outputs: Outputs) -> dict[str, Array]:
    """Return {layer: its input} for all layers but the first, from the layers' outputs."""
    names = [layer.name for layer in architecture.layers]
    return {name: outputs[before] for before, name in itertools.pairwise(names)}
