"""Claims decided, and what the repository's ledger says of them: `recorded.json`, and docs/claims.md made from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from alexnet_ref.claims.catalogue import CLAIMS
from alexnet_ref.claims.claim import VERDICTS, Claim, Evidence, Finding, Needs, Verdict
from alexnet_ref.claims.run import Trained, trained_markdown
from alexnet_ref.devices import describe_host
from alexnet_ref.mnist import Mnist
from reference import ARCHITECTURES

QUICK: tuple[Needs, ...] = ("nothing", "mnist", "training")  # no TensorFlow, no timing: a second in all
MEASURED: tuple[Needs, ...] = ("training", "timing")  # figures that belong to a machine
RUNS = "training runs"  # a key beside the claims' ids
UNDECIDED: Verdict = "not checkable here"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the ledger."""

    finding: Finding
    how: str = ""  # the machine and the command, where the figure belongs to them


def recorded() -> dict[str, Entry]:
    """Return the repository's ledger: {claim id: entry}."""
    text = (resources.files("alexnet_ref.claims") / "recorded.json").read_text(encoding="utf-8")
    return {
        id_: Entry(finding=Finding(verdict=line["verdict"], measured=line["measured"]), how=line.get("how", ""))
        for id_, line in json.loads(text).items()
        if id_ != RUNS
    }


def recorded_runs() -> list[Trained]:
    """Return the repository's training runs."""
    text = (resources.files("alexnet_ref.claims") / "recorded.json").read_text(encoding="utf-8")
    return [Trained(**line) for line in json.loads(text).get(RUNS, [])]


def decide(
    needs: Iterable[Needs] = QUICK,
    *,
    mnist: Mnist,
    runs: Mapping[str, Sequence[Path]] | None = None,
    other_runs: Mapping[str, Path] | None = None,
) -> dict[str, Finding]:
    """Decide the claims that need one of these: {claim id: finding}.

    runs: {architecture: folders}, the first of which decides what one can; other_runs: {architecture: one without LRN}.
    """
    wanted, findings = tuple(needs), {}
    for claim in CLAIMS:
        if claim.needs in wanted:
            own = (runs or {}).get(claim.architecture, ())
            evidence = Evidence(
                architecture=ARCHITECTURES[claim.architecture],
                mnist=mnist,
                run=own[0] if own else None,
                seeds=tuple(own[1:]),
                other_run=(other_runs or {}).get(claim.architecture),
            )
            findings[claim.id] = claim.find(evidence)
    return findings


def changed(findings: Mapping[str, Finding], ledger: Mapping[str, Entry]) -> list[str]:
    """Return the ids whose verdict is decided and is not the ledger's; what the ledger leaves open may be decided either way."""
    return [
        id_
        for id_, finding in findings.items()
        if finding.verdict != UNDECIDED and (id_ not in ledger or ledger[id_].finding.verdict not in {finding.verdict, UNDECIDED})
    ]


def updated(ledger: Mapping[str, Entry], findings: Mapping[str, Finding], command: str) -> dict[str, Entry]:
    """Return the ledger with these findings; what was decided before stays where nothing could be decided now."""
    entries, host = {}, describe_host()
    machine = f"{host['device_name']}, {host['cores']} cores, {host['platform']}; `{command}`"
    for claim in CLAIMS:
        entry = ledger.get(claim.id)
        finding = findings.get(claim.id)
        # What takes a run or a quiet machine is not undecided anew, in other words, by having neither.
        known = entry is not None and (entry.finding.verdict != UNDECIDED or claim.needs in MEASURED)
        if finding is not None and not (known and finding.verdict == UNDECIDED):
            measured = claim.needs in MEASURED and finding.verdict != UNDECIDED
            entry = Entry(finding=finding, how=machine if measured else "")
        if entry is None:
            entry = Entry(finding=Finding(verdict=UNDECIDED, measured=f"needs {claim.needs}"))
        entries[claim.id] = entry
    return entries


def ledger_json(ledger: Mapping[str, Entry], trained: Sequence[Trained] = ()) -> str:
    """Return the ledger, and the training runs, as `recorded.json` holds them."""
    lines: dict[str, object] = {
        id_: {"verdict": entry.finding.verdict, "measured": entry.finding.measured, **({"how": entry.how} if entry.how else {})}
        for id_, entry in ledger.items()
    }
    if trained:
        lines[RUNS] = [asdict(run) for run in trained]
    return json.dumps(lines, indent=1, ensure_ascii=False) + "\n"


def ledger_markdown(ledger: Mapping[str, Entry] | None = None, trained: Sequence[Trained] | None = None) -> str:
    """Return docs/claims.md: the same text for the same ledger and runs (default: the repository's)."""
    ledger = recorded() if ledger is None else ledger
    trained = recorded_runs() if trained is None else trained
    counts = Counter(entry.finding.verdict for entry in ledger.values())
    lines = [
        "# What the two documents claim, and what was found",
        "",
        "Made by `alexnet-ref claims --markdown docs/claims.md`; edit the claims, not this file.",
        "Each verdict is computed from the quoted characters and the networks. Times, and what takes a training run, were",
        "measured with the machine and command below the tables; everything else comes out the same everywhere. Another",
        "processor adds in another order: there the same command trains another network, as another seed does. A measurement",
        "that decides nothing, as on a busy machine, leaves what was recorded before.",
        "",
        f"{len(ledger)} claims: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]) + ".",
    ]
    lines += ["", *trained_markdown(trained)] if trained else []
    notes: dict[str, int] = {}
    for name, architecture in ARCHITECTURES.items():
        lines += [
            "",
            f"## {name}: *{architecture.title}*",
            "",
            "| claim | the document says | verdict | found |",
            "|---|---|---|---|",
        ]
        for claim in CLAIMS:
            if claim.architecture == name:
                lines.append(_row(claim, ledger[claim.id], notes))
    lines += ["", "## Where it was measured", ""] if notes else []
    lines += [f"{number}. {how}" for how, number in notes.items()]
    return "\n".join(lines) + "\n"


def _row(claim: Claim, entry: Entry, notes: dict[str, int]) -> str:
    note = f" [{notes.setdefault(entry.how, len(notes) + 1)}]" if entry.how else ""
    verdict = entry.finding.verdict if entry.finding.verdict == "holds" else f"**{entry.finding.verdict}**"
    cells = f"`{claim.id}`", f"`{claim.quotes[0]}`", verdict, entry.finding.measured + note
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
