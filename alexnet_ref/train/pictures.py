"""The run's pictures. Drawn on Matplotlib's figures directly, without pyplot: no window, no state shared with anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.train.files import replacing
from alexnet_ref.train.published import published_epochs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from alexnet_ref.mnist.parts import Bytes
    from alexnet_ref.train.history import History
    from reference import Architecture

    Digits = NDArray[np.int64]
    Logs = NDArray[np.float64]  # ln p (N, 10)

TRAIN, VALIDATION = "#1f77b4", "#d95f02"
MARKED = 60  # history points up to which each is marked


def draw_all(
    folder: Path,
    architecture: Architecture,
    history: History,
    *,
    images: Bytes,
    labels: Digits,
    logs: Logs,
) -> None:
    """Draw curves.png and .svg, dead_relus.png, confusion.png and worst.png into the folder."""
    if history.rows:
        figure = curves(architecture, history)
        save(figure, folder / "curves.png")
        save(figure, folder / "curves.svg")
        save(dead_relus(architecture, history), folder / "dead_relus.png")
    save(confusion(architecture, labels, logs.argmax(axis=-1)), folder / "confusion.png")
    save(worst(architecture, images, labels, logs), folder / "worst.png")


def save(figure: Any, path: Path) -> None:
    """Write the figure whole or not at all, in the format of the path's ending."""
    kind = path.suffix.removeprefix(".")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def curves(architecture: Architecture, history: History) -> Any:
    """Return the document's two panels: loss above, accuracy below, training against validation."""
    figure = _figure(9, 9)
    by_epoch = "epoch" in history.rows[0]
    x = history.column("epoch" if by_epoch else "step")
    marker = {"marker": ".", "markersize": 8} if len(x) <= MARKED else {}
    panels = figure.subplots(2, 1, sharex=True)
    for axes, name in zip(panels, ("loss", "accuracy"), strict=True):
        label = "training (with dropout)" if by_epoch else "this batch, without dropout"
        axes.plot(x, history.column(name), color=TRAIN, label=label, **marker)
        if by_epoch:
            axes.plot(x, history.column(f"val_{name}"), color=VALIDATION, label="validation", **marker)
            _mark_published(axes, architecture.name, name, int(max(x)))
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.legend()
    lowest, highest = min(history.column("loss")), max(history.column("loss"))
    if 0 < lowest < highest / 100:  # a standard-normal start: thousands first, then ones
        panels[0].set_yscale("log")
    panels[0].set_title("Training Loss vs Validation Loss" if by_epoch else "Minibatch Loss")
    panels[1].set_title("Training Accuracy vs Validation Accuracy" if by_epoch else "Training Accuracy")
    _count_along(panels[1], x, "epoch" if by_epoch else "step")
    figure.suptitle(f"{architecture.name}: {architecture.title}")
    return figure


def _mark_published(axes: Any, architecture: str, name: str, last: int) -> None:
    """Mark the document's printed values for the epochs that the run has reached."""
    points = {epoch: values for epoch, values in published_epochs(architecture).items() if epoch <= last}
    for key, colour, words in ((name, TRAIN, "training"), (f"val_{name}", VALIDATION, "validation")):
        axes.plot(
            list(points),
            [dict(values)[key] for values in points.values()],
            linestyle="none",
            marker="D",
            markersize=10,
            markerfacecolor="none",  # the run's own point may lie beneath
            markeredgecolor=colour,
            markeredgewidth=1.8,
            label=f"published, {words}",
        )


def _count_along(axes: Any, x: list[float], word: str) -> None:
    """Label the horizontal axis with whole numbers, and give a single point room."""
    from matplotlib.ticker import MaxNLocator

    margin = max(0.5, 0.02 * (x[-1] - x[0]))
    axes.set(xlabel=word, xlim=(x[0] - margin, x[-1] + margin))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def dead_relus(architecture: Architecture, history: History) -> Any:
    """Return the share of dead units of each ReLU layer over the run."""
    from matplotlib import colormaps
    from matplotlib.ticker import PercentFormatter

    figure = _figure(9, 5.5)
    axes = figure.subplots()
    by_epoch = "epoch" in history.rows[0]
    x = history.column("epoch" if by_epoch else "step")
    layers = history.dead_layers()
    for i, layer in enumerate(layers):
        colour = colormaps["viridis"](i / max(len(layers), 2))  # early layers dark, late ones light
        style = ("-", "--", ":")[i % 3]  # layers that are all at zero lie upon each other: tell them apart by more than colour
        axes.plot(x, history.column(f"dead_{layer}"), style, color=colour, label=layer, marker="os^v<>D"[i % 7], markersize=5)
    _count_along(axes, x, "epoch" if by_epoch else "step")
    axes.set(ylabel="dead units of the layer", ylim=(-0.02, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.3)
    axes.legend(title="layer", loc="center left", bbox_to_anchor=(1.01, 0.5))
    axes.set_title(f"{architecture.name}: filters and neurons that no held-out digit makes positive")
    return figure


def confusion(architecture: Architecture, labels: Digits, predicted: Digits) -> Any:
    """Return the confusion matrix: rows the true digit, columns the predicted one, counts in the cells."""
    matrix = np.zeros((10, 10), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure = _figure(7.5, 7)
    axes = figure.subplots()
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(10, 10):
        if matrix[row, column]:
            axes.text(
                column,
                row,
                str(matrix[row, column]),
                ha="center",
                va="center",
                color="white" if share[row, column] > 0.5 else "black",
            )
    axes.set(xticks=range(10), yticks=range(10), xlabel="predicted digit", ylabel="true digit")
    right = int(np.trace(matrix))
    axes.set_title(f"{architecture.name}: {right:,} of {len(labels):,} test digits right ({right / len(labels):.2%})")
    figure.colorbar(picture, ax=axes, label="share of the true digit", fraction=0.046)
    return figure


def worst(architecture: Architecture, images: Bytes, labels: Digits, logs: Logs, count: int = 25) -> Any:
    """Return the test digits whose true class got the smallest probability, the worst first."""
    of_truth = logs[np.arange(len(labels)), labels]  # (N,)
    ranks = np.argsort(of_truth, kind="stable")[:count]
    figure = _figure(9, 10)
    for axes, i in zip(figure.subplots(5, 5).flat, ranks, strict=False):
        axes.imshow(images[i], cmap="gray_r", vmin=0, vmax=255)
        guess = int(logs[i].argmax())
        axes.set_title(
            f"{labels[i]} taken for {guess}" if guess != labels[i] else f"{labels[i]}, unsure",
            fontsize=10,
            color="#b22222" if guess != labels[i] else "black",
        )
        axes.set_xlabel(f"p({labels[i]}) = {_power(of_truth[i])}   #{i}", fontsize=9)
        axes.set(xticks=[], yticks=[])
    figure.suptitle(
        f"{architecture.name}: the worst-classified test digits, with the probability given to the truth and the position"
    )
    return figure


def _power(log: float) -> str:
    """Return e^log for a person: 0.021, or 10^-1234 where a floating-point number would be 0."""
    power = log / np.log(10)
    return f"{10**power:.2g}" if power > -4 else f"$10^{{{power:.0f}}}$"
