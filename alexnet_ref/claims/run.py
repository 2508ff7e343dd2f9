"""A training run's folder, as `alexnet-ref train` writes it, read: history.csv and metrics.json."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference import ARCHITECTURES, InvalidInput

MOST_BYTES = 10_000_000  # a history of forty epochs takes some kilobytes
# What the documents leave to train on, of MNIST's 60,000: the last 2,000 or the first 5,000 are held out.
DIGITS = {"keras_sequential": 58_000, "tf1_graph": 55_000}
TEST_DIGITS = 10_000


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the claims need of a run."""

    architecture: str
    network: str  # a digest of its layers
    documented: bool  # on all of MNIST, in the documented batches
    steps: int
    rows: tuple[dict[str, float], ...]  # of history.csv: for each epoch, or for each displayed step of tf1_graph
    test_accuracy: float  # on all test digits
    documented_accuracy: float  # on those that the document tests on: all, or the first 256
    seed: int


def runs_markdown(runs: Sequence[Run]) -> list[str]:
    """Return the lines of a table of runs on all of MNIST, in the documented batches; none where there are none."""
    rows = [run for run in runs if run.documented]
    if not rows:
        return []
    lines = [
        "## Trained on all of MNIST",
        "",
        "| document | steps | seed | last validation accuracy | test accuracy, as the document tests | all 10,000 test digits |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for run in rows:
        held_out = run.rows[-1].get("val_accuracy")
        shown = "not looked at" if held_out is None else f"{held_out:.4f}"
        accuracies = f"{shown} | {run.documented_accuracy:.4f} | {run.test_accuracy:.4f}"
        lines.append(f"| {run.architecture} | {run.steps:,} | {run.seed} | {accuracies} |")
    return [*lines, ""]


def read_run(folder: Path) -> Run:
    """Read the folder; InvalidInput for whatever is no such run."""
    path = folder / "metrics.json"
    metrics = _metrics(path)
    try:
        name, configuration, test = metrics["architecture"], metrics["configuration"], metrics["test_all"]
        digits, batch = (configuration["training digits"], test["digits"]), configuration["batch size"]
        documented = (DIGITS.get(name), TEST_DIGITS) == digits and batch == ARCHITECTURES[name].recipe.batch_size
        return Run(
            architecture=name,
            network=configuration["network"],
            documented=documented,
            steps=int(metrics["steps"]),
            rows=_history(folder / "history.csv"),
            test_accuracy=float(test["accuracy"]),
            documented_accuracy=float(metrics["test"]["accuracy"]),
            seed=int(configuration["seed"]),
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
