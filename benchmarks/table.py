"""The closing table: each step's median time on each device, and the ratios between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Literal

Kind = Literal["training", "inference"]
Case = tuple[str, Kind, int]  # architecture, kind, batch

# *AlexNet with TensorFlow*, the log of `fit` on its author's GPU: "907/907 [==============================] - 103s 114ms/step".
PUBLISHED: Mapping[Case, float] = {("keras_sequential", "training", 64): 0.114}


@dataclass(frozen=True, kw_only=True)
class Record:
    """One benchmark's result."""

    case: Case
    runner: str  # what ran it: a device of TensorFlow such as "CPU:0", or "NumPy float32"
    median: float  # seconds per step
    implementation: str = "documented"  # of the network; "input" for what fetches its batches
    speedup: float | None = None  # how many times the listing's time of this: steps of both in turn

    @property
    def numpy(self) -> bool:
        """Whether NumPy ran it."""
        return self.runner.startswith("NumPy")

    @property
    def documented(self) -> bool:
        """Whether the document's own listing ran."""
        return self.implementation == "documented"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `ratios` {what over what: ratio of times}."""

    case: Case
    runner: str
    time: str
    ratios: Mapping[str, float]


def closing_rows(records: Sequence[Record], absent: Mapping[str, str]) -> list[Row]:
    """Return the table's rows, case by case in the order of measurement.

    absent: {device: why}, for the devices that the run asked for and did not find. Ratios are of median times to that of
    TensorFlow's first CPU, and to the published time; above 1 means slower. How many times as fast as the listing a fast
    implementation is, its record says; fetching a batch is given as a share of each implementation's step.
    """
    cases = list(dict.fromkeys(record.case for record in records))
    return [row for case in cases for row in _case_rows(case, [r for r in records if r.case == case], absent)]


def _case_rows(case: Case, records: Sequence[Record], absent: Mapping[str, str]) -> list[Row]:
    tensorflow = [record for record in records if not record.numpy]
    rows = [_row(record, tensorflow) for record in tensorflow]
    if tensorflow:
        rows += [Row(case=case, runner=device, time=f"not measured: {why}", ratios={}) for device, why in absent.items()]
    rows += [_row(record, tensorflow) for record in records if record.numpy]
    if tensorflow and case in PUBLISHED:
        rows.append(Row(case=case, runner="published, on the author's GPU", time=duration(PUBLISHED[case]), ratios={}))
    return rows


def _row(record: Record, tensorflow: Sequence[Record]) -> Row:
    ratios = {}
    if record.implementation == "input":
        steps = {
            other.implementation: other.median for other in tensorflow if other.runner == record.runner and other is not record
        }
        shares = {f"input/{name}": record.median / median for name, median in steps.items()}
        return Row(case=record.case, runner=f"{record.runner} input", time=duration(record.median), ratios=shares)
    cpu = next((other.median for other in tensorflow if other.runner == "CPU:0" and other.documented), None)
    if record.speedup is not None:
        ratios[f"documented/{record.implementation}"] = record.speedup
    if cpu is not None and record.numpy:
        ratios["NumPy/TensorFlow"] = record.median / cpu
    if cpu is not None and record.runner.startswith("GPU") and record.documented:
        ratios["GPU/CPU"] = record.median / cpu
    if not record.numpy and record.case in PUBLISHED:
        ratios["here/published"] = record.median / PUBLISHED[record.case]
    runner = record.runner if record.documented else f"{record.runner} {record.implementation}"
    return Row(case=record.case, runner=runner, time=duration(record.median), ratios=ratios)


def duration(seconds: float) -> str:
    """Spell a time in milliseconds with three significant digits: "0.0123 ms", "114 ms", "5,430 ms"."""
    milliseconds = float(f"{seconds * 1000:.3g}")
    return f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:#.3g} ms"


def render(rows: Sequence[Row], width: int) -> str:
    """Return the table as text of at most `width` columns."""
    from rich.console import Console
    from rich.table import Table

    table = Table("architecture", "step", box=None, pad_edge=False)
    table.add_column("batch", justify="right")
    table.add_column("run by")
    table.add_column("median", justify="right")
    table.add_column("ratio of times")
    previous = None
    for row in rows:
        if previous is not None and row.case != previous:
            table.add_row()
        first = ("", "", "") if row.case == previous else (row.case[0], row.case[1], str(row.case[2]))
        table.add_row(*first, row.runner, row.time, ", ".join(f"{name} {ratio:.3g}" for name, ratio in row.ratios.items()))
        previous = row.case
    text = StringIO()
    Console(file=text, width=width, force_terminal=False, color_system=None).print(table)
    return text.getvalue()
