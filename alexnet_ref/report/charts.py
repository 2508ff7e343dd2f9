"""Where things stand in the page's drawings: percentages, so that a drawing is as wide as the screen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from alexnet_ref.checks import Check
from alexnet_ref.diagnosis import Evidence
from alexnet_ref.report.report import Outcome, Report
from alexnet_ref.report.reproduction import ratios
from alexnet_ref.report.table import in_layer_order

DECADES = 4  # the axis of error/allowed: 10^−4 … 10^4, what lies beyond stands at its ends
HALF = 0.5  # decades: a bar's width
MILLION = 10**6  # beyond it a ratio's size says no more
SIGNS: dict[Outcome, str] = {"passed": "✓", "failed": "✕", "not checkable": "?", "expected failure": "!"}
_GRAVEST: tuple[Outcome, ...] = ("failed", "expected failure", "passed", "not checkable")
# The shades of what passed, by the share of its allowance that it used: its slack.
_SHADES = ((0.0, "exact"), (0.01, "wide"), (0.1, "half"), (1.0, "near"))


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One check that compared numbers."""

    check: str
    outcome: Outcome
    ratio: str
    at: float  # percent of the axis


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One layer of the strip."""

    layer: str
    concept: str
    outcome: Outcome
    sign: str
    shade: str
    words: str  # the greatest error/allowed of its checks
    at: float
    unchecked: int  # checks that could not be made, in a layer whose others could
    dots: tuple[Dot, ...]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """How many elements lie in one half decade of error/allowed."""

    at: float
    width: float
    height: float
    count: int
    beyond: bool


def position(ratio: float) -> float:
    """Return where a ratio stands on the axis, in percent: the bound at 50, an exact result at 0, infinity at 100."""
    if ratio <= 0:
        return 0.0
    decade = DECADES if math.isinf(ratio) else min(max(math.log10(ratio), -DECADES), DECADES)
    return 100 * (decade + DECADES) / (2 * DECADES)


def strip(report: Report) -> list[Cell]:
    """Return one cell for each layer, in the document's order; checks about the whole network belong to none."""
    layers: dict[str, list[Check]] = {}
    for check in in_layer_order(report):
        if check.layer is not None:
            layers.setdefault(check.layer, []).append(check)
    return [_cell(report, layer, checks) for layer, checks in layers.items()]


def _cell(report: Report, layer: str, checks: list[Check]) -> Cell:
    outcomes = {report.outcome(check) for check in checks}
    outcome = next(outcome for outcome in _GRAVEST if outcome in outcomes)
    # A layer that is wrong is as wrong as its worst failure; one that is right, as close to its bound as its closest check.
    found = [check.ratio for check in checks if check.ratio is not None and report.outcome(check) == outcome]
    ratio = max(found, default=None)
    shade, sign = outcome.replace(" ", "-"), SIGNS[outcome]
    if outcome == "failed" and all(check.kind == "end_to_end" for check in checks if report.outcome(check) == "failed"):
        shade, sign = "inherited", "↳"  # fed as the document says, it is right
    if outcome == "passed" and ratio is not None:
        shade = next((name for limit, name in _SHADES if ratio <= limit), "near")
    return Cell(
        layer=layer,
        concept=checks[0].id.partition(".")[0],
        outcome=outcome,
        sign=sign,
        shade=shade,
        words=ratio_words(ratio),
        at=position(ratio if ratio is not None else (math.inf if outcome == "failed" else 0.0)),
        unchecked=sum(check.status == "not checkable" for check in checks) if outcome != "not checkable" else 0,
        dots=tuple(
            Dot(check=check.id, outcome=report.outcome(check), ratio=ratio_words(check.ratio), at=position(check.ratio))
            for check in checks
            if check.ratio is not None
        ),
    )


def ratio_words(ratio: float | None) -> str:
    """Return error/allowed as a person reads it: "exact", "0.42", "3,400", "∞"; nothing where no numbers were compared."""
    if ratio is None:
        return ""
    if ratio == 0:
        return "exact"
    if ratio >= MILLION:
        return "∞" if math.isinf(ratio) else "> 10⁶"
    return f"{ratio:.1e}" if ratio < 1e-3 else f"{ratio:.2g}" if ratio < 100 else f"{ratio:,.0f}"


def histogram(evidence: Evidence) -> list[Bar]:
    """Return how error/allowed is spread over the layer's elements; the first bar has the exact ones, the last the infinite."""
    ratio = ratios(evidence).ravel()
    with np.errstate(divide="ignore"):
        places = np.clip(np.log10(ratio), -DECADES, DECADES)
    edges = np.arange(-DECADES, DECADES + HALF / 2, HALF)
    # What is exactly at the bound is allowed: bars take their upper edge, and not their lower.
    index = np.clip(np.ceil((places + DECADES) / HALF).astype(int) - 1, 0, len(edges) - 2)
    counts = np.bincount(index, minlength=len(edges) - 1)
    width = 100 / len(counts)
    return [
        Bar(
            at=width * i,
            width=width,
            height=100 * float(count) / float(counts.max()),
            count=int(count),
            beyond=bool(edges[i] >= 0),
        )
        for i, count in enumerate(counts)
    ]
