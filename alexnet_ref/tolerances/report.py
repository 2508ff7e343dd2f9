"""The tables of `docs/tolerances.md`, measured anew, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from alexnet_ref.tolerances.configurations import long_run
from alexnet_ref.tolerances.others import OTHERS
from alexnet_ref.tolerances.sharpness import KINDS, Slack, medians, slack, smallest_faults
from alexnet_ref.tolerances.side_by_side import OURS, WAYS, side_by_side
from alexnet_ref.tolerances.soundness import Tally
from reference import ARCHITECTURES, Architecture


def tolerances_report() -> str:
    """Measure soundness, slack, smallest faults and the comparison with others (some twenty minutes); return Markdown."""
    return "\n".join([*soundness_section(), *slack_section(), *faults_section(), *side_by_side_section()]) + "\n"


def soundness_section() -> Iterator[str]:
    """Yield the table of correct implementations."""
    yield "## No false alarm\n"
    rows, total = [], Tally()
    for name, tally in long_run():
        total.merge(tally)
        rows.append(_tally(name, tally))
    header = ("implementation", "runs", "comparisons", "tests", "failed", "closest error/allowed")
    yield from table(header, [*rows, _tally("all", total)])
    yield from (f"- {failure}" for failure in total.failures)
    yield ""


def _tally(name: str, tally: Tally) -> tuple[str, ...]:
    closest = f"{max(tally.closest.values()):.2f}" if tally.closest else ""
    return name, f"{tally.runs:,}", f"{tally.comparisons:,}", f"{tally.tests:,}", str(len(tally.failures)), closest


def slack_section(architectures: Iterable[Architecture] = tuple(ARCHITECTURES.values())) -> Iterator[str]:
    """Yield, for each network, allowed/observed of each layer."""
    for architecture in architectures:
        yield f"## Slack: {architecture.name}\n"
        rows = slack(architecture)
        middle = Slack(layer="median", concept="", slack=medians(rows))
        yield from table(("layer", *KINDS), [(row.layer, *_slacks(row)) for row in (*rows, middle)])
        yield ""


def _slacks(row: Slack) -> Iterator[str]:
    for kind in KINDS:
        yield f"{row.slack[kind]:,.1f}" if kind in row.slack else "—"


def faults_section(architectures: Iterable[Architecture] = tuple(ARCHITECTURES.values())) -> Iterator[str]:
    """Yield, for each network, the least fault of each parameter that is found."""
    for architecture in architectures:
        yield f"## Smallest detectable fault: {architecture.name}\n"
        rows = [
            (fault.layer, fault.parameter, f"{fault.size:.1e}" if fault.found else "none", fault.check)
            for fault in smallest_faults(architecture)
        ]
        yield from table(("layer", "parameter", "least relative change", "found by"), rows)
        yield ""


def side_by_side_section() -> Iterator[str]:
    """Yield the table of false alarms and misses of everybody's constants."""
    yield "## Side by side\n"
    scores = side_by_side()
    rows = []
    for judge in (*(other.name for other in OTHERS), OURS):
        cells = [scores.get((way, judge)) for way in WAYS]
        rows.append((judge, *(_score(s.false_alarms, s.correct, s.misses, s.mistakes) if s else "—" for s in cells)))
    yield from table(("judge", *(f"{way}: false alarms, misses" for way in WAYS)), rows)
    yield ""
    for way in WAYS:
        missed = scores[way, OURS].missed
        yield f"Missed by ours, {way}: {'; '.join(missed) or 'none'}."
        yield ""
    yield "Where the constants stand:"
    yield ""
    for other in OTHERS:
        joint = " or " if other.rule == "either" else " + "
        yield f"- {other.name}: {other.absolute:g}{joint}{other.relative:g}·|expected|; {other.source}"


def _score(false_alarms: int, correct: int, misses: int, mistakes: int) -> str:
    return f"{false_alarms} of {correct}, {misses} of {mistakes}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a Markdown table."""
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
