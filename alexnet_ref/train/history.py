"""The run's history as a table: a row per epoch of keras_sequential, per displayed step of tf1_graph."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alexnet_ref.train.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from alexnet_ref.train.events import Values

DEAD = "dead_"  # column prefix: the share, 0 … 1, of a layer's units that no held-out digit made positive


@dataclass(kw_only=True)
class Sums:
    """Loss and accuracy of an epoch so far: sums over digits, exact to restore."""

    loss: float = 0.0
    correct: int = 0
    digits: int = 0

    def add(self, loss: float, correct: int, digits: int) -> None:
        """Count a batch by its mean loss."""
        self.loss += loss * digits
        self.correct += correct
        self.digits += digits

    @property
    def mean_loss(self) -> float:
        """The mean over the digits seen."""
        return self.loss / self.digits

    @property
    def accuracy(self) -> float:
        """The share of the digits seen that were right."""
        return self.correct / self.digits


@dataclass(kw_only=True)
class History:
    """Rows of numbers, all with the same columns."""

    rows: list[Values] = field(default_factory=list)

    def column(self, name: str) -> list[float]:
        """Return a column's numbers from top to bottom."""
        return [row[name] for row in self.rows]

    def dead_layers(self) -> list[str]:
        """Return the layers whose dead units are counted."""
        return [name.removeprefix(DEAD) for name in self.rows[0] if name.startswith(DEAD)] if self.rows else []

    def write(self, path: Path) -> None:
        """Write the table as CSV, atomically; every number is written so that reading it gives the same number."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.rows[0]) if self.rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: repr(value) for name, value in row.items()} for row in self.rows)
        write_text(path, text.getvalue())


def dead_columns(dead: dict[str, float]) -> dict[str, float]:
    """Return the columns of a row for the dead shares of the layers."""
    return {f"{DEAD}{layer}": share for layer, share in dead.items()}


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """Write the run's results and its environment as JSON, atomically."""
    write_text(path, json.dumps(metrics, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
