"""The report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from alexnet_ref.checks import Check, Status
from alexnet_ref.report.report import Report

_STYLE: dict[Status, str] = {"passed": "green", "failed": "bold red", "not checkable": "yellow"}
# The kinds of checks that compare numbers; the others state facts.
_NUMBERS = ("isolated", "end_to_end", "exact", "probe", "bias", "variance", "impulses", "scaling", "kept", "independent")


def agreement_table(report: Report) -> Table:
    """Return the checks that compared numbers: error, allowed error, their ratio, and the verdict of each."""
    table = Table(title=f"{report.architecture}: {report.candidate} against the oracle", title_justify="left")
    table.add_column("check", no_wrap=True)
    for heading in ("error", "allowed", "error / allowed"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for check in _in_layer_order(report):
        if check.kind in _NUMBERS:
            table.add_row(Text(check.id), *_numbers(check), Text(check.status, style=_STYLE[check.status]))
    return table


def facts_table(report: Report) -> Table:
    """Return one row for each layer of what the candidate says of itself, and how the document sees it."""
    table = Table(title=f"{report.architecture}: document facts", title_justify="left")
    for heading in ("check", "fact", "verdict"):
        table.add_column(heading)
    for check in report.checks:
        if check.kind not in _NUMBERS:
            table.add_row(Text(check.id), Text(check.fact), Text(check.status, style=_STYLE[check.status]))
    return table


def failures_table(report: Report) -> Table:
    """Return what failed, each with its fact."""
    table = Table(title=f"{report.architecture}: what is wrong", title_justify="left")
    table.add_column("check", no_wrap=True)
    table.add_column("fact")
    for check in _in_layer_order(report):
        if check.status == "failed":
            table.add_row(Text(check.id, style="bold red"), Text(check.fact))
    return table


def _in_layer_order(report: Report) -> Iterable[Check]:
    order = {layer: place for place, layer in enumerate(dict.fromkeys(check.layer for check in report.checks))}
    return sorted(report.checks, key=lambda check: order[check.layer])


def _numbers(check: Check) -> tuple[str, str, str]:
    if check.error is None or check.allowed is None or check.ratio is None:
        return "", "", ""
    return f"{check.error:.2e}", f"{check.allowed:.2e}" if check.allowed else "exact", f"{check.ratio:.3f}"
