"""The kill matrix, as tables for the terminal and as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from alexnet_ref.power.census import Census
from alexnet_ref.power.outcome import Outcome, Tally, tally
from alexnet_ref.tolerances.sharpness import Least

COLUMNS = (
    "network",
    "framework",
    "family",
    "mutants",
    "rejected",
    "named first",
    "within three",
    "equivalent",
    "refused",
    "not judged",
)
FAULT_COLUMNS = ("network", "layer", "parameter", "least fault", "found by")
GOAL = 0.95  # of the mutants named as first choice
Cells = tuple[str, ...]
Faults = Mapping[str, Sequence[Least]]  # of each network


def matrix(found: Sequence[Outcome]) -> list[Cells]:
    """Return the rows of the kill matrix: one for each network, framework and family, one for each network and framework."""
    rows: list[Cells] = []
    for network, framework in dict.fromkeys((each.architecture, each.framework) for each in found):
        those = [each for each in found if (each.architecture, each.framework) == (network, framework)]
        families = {family: [each for each in those if each.family == family] for family in (each.family for each in those)}
        rows.extend(
            (network, framework, family, *_counts(tally(members))) for family, members in (families | {"all": those}).items()
        )
    return rows


def _counts(counts: Tally) -> Cells:
    numbers = (counts.mutants, counts.rejected, counts.first, counts.within_three, counts.equivalent, counts.refused)
    return (*map(str, numbers), str(counts.not_judged))


def matrix_table(found: Sequence[Outcome]) -> Table:
    """Return the kill matrix for the terminal."""
    table = Table(title="kill matrix", title_justify="left")
    for place, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if place < 3 else "right")
    for row in matrix(found):
        table.add_row(*row, end_section=row[2] == "all", style="bold" if row[2] == "all" else "")
    return table


def faults_table(least: Faults) -> Table:
    """Return the least fault of each parameter that is found, for the terminal."""
    table = Table(title="least fault that is found", title_justify="left")
    for column in FAULT_COLUMNS:
        table.add_column(column)
    for row in _faults(least):
        table.add_row(*row)
    return table


def unnamed(found: Iterable[Outcome]) -> list[Cells]:
    """Return the rejected mutants that are not named as first choice: what they are, what they are called, what rejects them."""
    return [
        (each.architecture, each.framework, each.mistake, _called(each), each.check)
        for each in found
        if each.fate == "rejected" and not each.first and not each.equivalent
    ]


def _called(each: Outcome) -> str:
    names = dict.fromkeys((*each.named[:3], *each.others[:2]))
    return ", ".join(names) or "nothing"


def missed(found: Iterable[Outcome]) -> list[Cells]:
    """Return the mutants that are not rejected, or at which the judge failed."""
    return [
        (each.architecture, each.framework, each.mistake, each.fate, each.why)
        for each in found
        if each.fate in ("missed", "error")
    ]


def markdown(census: Census) -> str:
    """Return the page."""
    found, least = census.found, census.least
    commands = " and ".join(f"`{command}`" for command in census.commands)
    parts = [_INTRODUCTION, f"Made by {commands} in {sum(each.seconds for each in found):.0f} seconds of judging, on "]
    parts[-1] += ", ".join(f"{key} {value}" for key, value in census.host.items()) + "."
    parts += ["## The kill matrix", _rows(COLUMNS, matrix(found))]
    parts += ["## Right ports", _rows(("port", "verdicts"), [(k, ", ".join(v)) for k, v in census.right.items()])]
    parts += ["## Not rejected", _rows(("network", "framework", "mistake", "fate", "why"), missed(found))]
    head = ("network", "framework", "mistake", "called", "rejected by")
    parts += ["## Rejected, but not named as first choice", _rows(head, unnamed(found))]
    parts += ["## Named as one that cannot be told from it", _rows(("mistake", "named", "why"), _ties(found))]
    parts += [
        "## Equivalent, with the reason",
        _rows(("network", "framework", "mistake", "rejected by", "why"), _equivalent(found)),
    ]
    parts += ["## Not built, or not judged", _rows(("framework", "why", "mistakes"), _left_out(found))]
    if least:
        parts += ["## The least fault that is found", _LEAST, _rows(FAULT_COLUMNS, _faults(least))]
    return "\n\n".join(parts) + "\n"


def _rows(head: Cells, rows: Iterable[Cells]) -> str:
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *lines]) if lines else "None."


def _ties(found: Iterable[Outcome]) -> list[Cells]:
    return list(dict.fromkeys((each.mistake, each.named[0], each.tie) for each in found if each.tie))


def _equivalent(found: Iterable[Outcome]) -> list[Cells]:
    """Return the equivalent ports, and what rejects those that say of themselves what the document does not."""
    return [
        (each.architecture, each.framework, each.mistake, each.check or "not rejected", each.equivalent)
        for each in found
        if each.equivalent and each.fate in ("rejected", "equivalent")
    ]


def _left_out(found: Iterable[Outcome]) -> list[Cells]:
    groups: dict[tuple[str, str], int] = {}
    for each in found:
        if each.fate in ("refused", "not judged"):
            key = each.framework, each.why.removeprefix(f"{each.mistake}: ")
            groups[key] = groups.get(key, 0) + 1
    return [(framework, why, str(count)) for (framework, why), count in groups.items()]


def _faults(least: Faults) -> list[Cells]:
    return [
        (network, row.layer, row.parameter, f"{row.size:.1e}" if row.found else "none is found", row.check)
        for network, rows in least.items()
        for row in rows
    ]


_INTRODUCTION = """# Detection power

Every named mistake of the catalogue (`alexnet_ref/mistakes`) is built as a real port and judged as anybody's port is: by
`alexnet_ref.verify`, with the intended weights given. This page says what became of each. Goals: every mutant that is not proved
equivalent is rejected, 95 % are named rightly as first choice, no right port is rejected.

- *mutants*: ports that could be built and judged, and are not proved equivalent to the document's network.
- *named first*: the best hypothesis of the first diagnosis is the mistake itself, or one that no input can tell from it: the same
  parts in the same order, or bit-equal outputs on every probe (`alexnet_ref/power/ties.py`).
- *within three*: among that diagnosis' first three, or the first choice of another layer's diagnosis.
- *refused*: the framework cannot express it. *not judged*: not even a training step shows it, or the judge says that it cannot
  judge the port (exit code 2), which is neither accepted nor rejected then.
- Weights are drawn as the document draws them; biases that start from zero are drawn too, as training would leave them: at zero,
  no mistake in them shows.

The slowest checks (dropout's masks, impulses) are made only where the others find nothing."""

_LEAST = """A port in NumPy's float32 has one parameter off by a power of two, relative to itself. This is the least at which the
verdict turns, by bisection (`alexnet_ref/tolerances/sharpness.py`), for the first layer of each kind and shape. Single weights
and biases are drawn."""
