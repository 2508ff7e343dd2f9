"""A training run's folder, as `alexnet-ref train` writes it, read: history.csv and metrics.json."""

from __future__ import annotations

import csv
import json
import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_ref.train.published import published_epochs
from alexnet_ref.train.schedule import documented_schedule
from reference import ARCHITECTURES, InvalidInput

MOST_BYTES = 10_000_000  # a history of forty epochs takes some kilobytes
# What the documents leave to train on, of MNIST's 60,000: the last 2,000 or the first 5,000 are held out.
DIGITS = {"keras_sequential": 58_000, "tf1_graph": 55_000}
TEST_DIGITS = 10_000


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What the ledger tells of a run on all of MNIST, in the documented batches."""

    architecture: str
    command: str  # that trains it again
    steps: int
    val_accuracy: float | None  # after the last epoch; tf1_graph's document does not look at it
    documented_accuracy: float  # on the test digits that the document tests on: all, or the first 256
    test_accuracy: float  # on all test digits


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the claims need of a run."""

    architecture: str
    network: str  # a digest of its layers
    without_lrn: bool
    documented: bool  # on all of MNIST, in the documented batches
    rows: tuple[dict[str, float], ...]  # of history.csv: for each epoch, or for each displayed step of tf1_graph
    trained: Trained

    @property
    def steps(self) -> int:
        """How many it made."""
        return self.trained.steps

    @property
    def test_accuracy(self) -> float:
        """On all test digits."""
        return self.trained.test_accuracy


def trained_markdown(runs: Sequence[Trained]) -> list[str]:
    """Return the lines of a table of the runs, the published accuracies beside theirs, and the spread where seeds differ."""
    lines = [
        "## Trained on all of MNIST",
        "",
        "| trained by | steps | validation accuracy at the end | test accuracy, as the document tests | all 10,000 test digits |",
        "|---|---:|---:|---:|---:|",
    ]
    for run in runs:
        epoch = run.steps // math.ceil(DIGITS[run.architecture] / ARCHITECTURES[run.architecture].recipe.batch_size)
        published = published_epochs(run.architecture).get(epoch)
        beside = f" (published: {published['val_accuracy']:.4f})" if published else ""
        shown = "not looked at" if run.val_accuracy is None else f"{run.val_accuracy:.4f}{beside}"
        lines.append(f"| `{run.command}` | {run.steps:,} | {shown} | {run.documented_accuracy:.4f} | {run.test_accuracy:.4f} |")
    alike: dict[tuple[str, int], list[float]] = {}
    for run in runs:
        alike.setdefault((_without_seed(run.command), run.steps), []).append(run.test_accuracy)
    for (command, _), accuracies in alike.items():
        if len(accuracies) > 1:
            mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies)
            words = f"{min(accuracies):.4f} … {max(accuracies):.4f}, mean {mean:.4f}, standard deviation {spread:.4f}"
            lines += ["", f"`{command}` with {len(accuracies)} seeds, all test digits: {words}."]
    return lines


def _without_seed(command: str) -> str:
    return re.sub(r" --seed \d+", "", command)


def train_command(
    architecture: str, *, steps: int, epochs: float, training_digits: int, batch_size: int, seed: int, without_lrn: bool = False
) -> str:
    """Return the command that trains the same again; what is the document's own is left out."""
    documented = documented_schedule(ARCHITECTURES[architecture], digits=training_digits, batch_size=batch_size)
    parts = [
        f"alexnet-ref train {architecture} --data keras",
        "" if steps == documented.steps else f"--epochs {math.ceil(epochs)}",  # tf1_graph ends within its last one
        "" if training_digits == DIGITS[architecture] else f"--limit {training_digits}",
        "" if batch_size == ARCHITECTURES[architecture].recipe.batch_size else f"--batch-size {batch_size}",
        "" if seed == 0 else f"--seed {seed}",
        "--without-lrn" if without_lrn else "",
    ]
    return " ".join(part for part in parts if part)


def read_run(folder: Path) -> Run:
    """Read the folder; InvalidInput for whatever is no such run."""
    path = folder / "metrics.json"
    metrics = _metrics(path)
    try:
        name, configuration, test = metrics["architecture"], metrics["configuration"], metrics["test_all"]
        batch_size, digits = int(configuration["batch size"]), int(configuration["training digits"])
        rows, steps = _history(folder / "history.csv"), int(metrics["steps"])
        return Run(
            architecture=name,
            network=configuration["network"],
            without_lrn=bool(metrics["without_lrn"]),
            documented=(digits, test["digits"]) == (DIGITS[name], TEST_DIGITS)
            and batch_size == ARCHITECTURES[name].recipe.batch_size,
            rows=rows,
            trained=Trained(
                architecture=name,
                command=train_command(
                    name,
                    steps=steps,
                    epochs=float(metrics["epochs"]),
                    training_digits=digits,
                    batch_size=batch_size,
                    seed=int(configuration["seed"]),
                    without_lrn=bool(metrics["without_lrn"]),
                ),
                steps=steps,
                val_accuracy=rows[-1].get("val_accuracy"),
                documented_accuracy=float(metrics["test"]["accuracy"]),
                test_accuracy=float(test["accuracy"]),
            ),
        )
    except InvalidInput:
        raise
    except (KeyError, TypeError, ValueError) as error:
        received = f"{type(error).__name__}: {error}"
        raise InvalidInput("is not what `alexnet-ref train` writes", where=str(path), received=received) from None


def _metrics(path: Path) -> dict[str, Any]:
    try:
        metrics = json.loads(_text(path))
    except ValueError as error:
        raise InvalidInput("is not JSON", where=str(path), received=str(error)) from None
    if not isinstance(metrics, dict):
        raise InvalidInput("is no JSON object", where=str(path), received=type(metrics).__name__)
    return metrics


def _history(path: Path) -> tuple[dict[str, float], ...]:
    rows = list(csv.DictReader(_text(path).splitlines()))
    if not rows or not {"loss", "accuracy"} <= set(rows[0]):
        raise InvalidInput("is no history", where=str(path), expected="columns loss, accuracy, …, and at least one row")
    try:
        numbers = tuple({column: float(row[column]) for column in rows[0]} for row in rows)
    except (TypeError, ValueError) as error:
        raise InvalidInput("holds what is no number", where=str(path), received=str(error)) from None
    if "epoch" in rows[0] and [row["epoch"] for row in numbers] != list(range(1, len(rows) + 1)):
        raise InvalidInput("skips epochs", where=str(path), expected=f"epochs 1 … {len(rows)}, in order")
    if not all(math.isfinite(value) for row in numbers for value in row.values()):
        raise InvalidInput("holds NaN or infinity", where=str(path), expected="finite numbers")
    return numbers


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InvalidInput("is too large", where=str(path), expected=f"at most {MOST_BYTES:,} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "Name the folder that `alexnet-ref train --out` wrote"
        raise InvalidInput("cannot be read", where=str(path), received=str(error), hint=hint) from None
