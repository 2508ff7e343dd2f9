"""The report as tables for a terminal. Whatever a port says of itself is printed as text: no markup, no escape sequence."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from alexnet_ref.checks import Check
from alexnet_ref.printable import printable
from alexnet_ref.report.report import Outcome, Report

STYLE: dict[Outcome, str] = {
    "passed": "green",
    "failed": "bold red",
    "not checkable": "yellow",
    "expected failure": "magenta",
}
# The kinds of checks that compare numbers; the others state facts.
_NUMBERS = (
    "isolated", "end_to_end", "exact", "probe", "bias", "variance", "impulses", "scaling", "kept", "independent", "loss",
    "gradient", "step",
)  # fmt: skip
FACT = 1000  # characters of a fact at most: the order of 21 layers, twice, takes 600


def agreement_table(report: Report) -> Table:
    """Return the checks that compared numbers: error, allowed error, their ratio, and the verdict of each."""
    table = _table(f"{report.architecture}: {printable(report.candidate)} against the oracle")
    table.add_column("check", no_wrap=True)
    for heading in ("error", "allowed", "error / allowed"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for check in in_layer_order(report):
        if check.kind in _NUMBERS:
            table.add_row(Text(check.id), *numbers(check), _outcome(report, check))
    return table


def facts_table(report: Report) -> Table:
    """Return one row for each layer of what the candidate says of itself, and how the document sees it."""
    table = _table(f"{report.architecture}: document facts")
    for heading in ("check", "fact", "verdict"):
        table.add_column(heading)
    for check in report.checks:
        if check.kind not in _NUMBERS:
            table.add_row(Text(check.id), Text(printable(check.fact, FACT)), _outcome(report, check))
    return table


def failures_table(report: Report) -> Table:
    """Return what failed, each with its fact."""
    table = _table(f"{report.architecture}: what is wrong")
    table.add_column("check", no_wrap=True)
    table.add_column("fact")
    for check in in_layer_order(report):
        if report.outcome(check) == "failed":
            table.add_row(Text(check.id, style=STYLE["failed"]), Text(printable(check.fact, FACT)))
    return table


def expectations_table(report: Report) -> Table:
    """Return every failure that was expected, with its reason, and what became of it."""
    table = _table(f"{report.architecture}: expected to fail")
    for heading in ("check", "reason", "verdict"):
        table.add_column(heading)
    outcomes = {check.id: report.outcome(check) for check in report.checks}
    for check, reason in report.reasons.items():
        stale = report.stale.get(check)
        words = Text(f"stale: {stale}", style="bold red") if stale else Text(outcomes[check], style=STYLE[outcomes[check]])
        table.add_row(Text(printable(check)), Text(printable(reason, FACT)), words)
    return table


def diagnosis_lines(report: Report) -> list[Text]:
    """Return each diagnosis, the first wrong layer's first, in one line."""
    return [Text(printable(diagnosis.sentence, FACT), style="bold") for diagnosis in report.diagnoses]


def verdict_line(report: Report) -> Text:
    """Return the verdict's sentence in its colour: bold red also where an expectation is stale."""
    return Text(printable(report.sentence, 2 * FACT), style="green" if report.conforms and not report.stale else "bold red")


def in_layer_order(report: Report) -> Iterable[Check]:
    """Return the checks, layer after layer as the document has them."""
    order = {layer: place for place, layer in enumerate(dict.fromkeys(check.layer for check in report.checks))}
    return sorted(report.checks, key=lambda check: order[check.layer])


def numbers(check: Check) -> tuple[str, str, str]:
    """Return error, allowed and ratio in words; empty where no numbers were compared."""
    if check.error is None or check.allowed is None or check.ratio is None:
        return "", "", ""
    return f"{check.error:.2e}", f"{check.allowed:.2e}" if check.allowed else "exact", _ratio(check.ratio)


def _ratio(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < 1000 else f"{ratio:.2e}"  # inf as well


def _table(title: str) -> Table:
    return Table(title=Text(title), title_justify="left")


def _outcome(report: Report, check: Check) -> Text:
    outcome = report.outcome(check)
    return Text(outcome, style=STYLE[outcome])
