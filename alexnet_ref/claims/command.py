"""`alexnet-ref claims`: every checkable statement of the documents, decided. Exit code 0 as recorded, 1 changed, 2 bad input."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import click
from rich.console import Console

from alexnet_ref.claims.catalogue import CLAIMS
from alexnet_ref.claims.claim import VERDICTS, Finding
from alexnet_ref.claims.ledger import (
    QUICK,
    Entry,
    changed,
    decide,
    ledger_json,
    ledger_markdown,
    recorded,
    recorded_runs,
    updated,
)
from alexnet_ref.claims.run import read_run
from alexnet_ref.claims.table import claims_table
from alexnet_ref.files import write_atomically
from alexnet_ref.mnist import load
from reference import ARCHITECTURES, InvalidInput

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--quick/--all", default=True, help="Whether to leave out TensorFlow and timing (default: --quick).")
@click.option(
    "--run",
    "runs",
    type=FOLDER,
    multiple=True,
    help="A folder of `alexnet-ref train`; the first of each document decides, others add their seeds.",
)
@click.option("--without-lrn", type=FOLDER, multiple=True, help="The same of a network without LRN, to compare.")
@click.option("--data", metavar="SOURCE", help="All of MNIST: IDX folder, mnist.npz or 'keras' (default: the shipped sample).")
@click.option("--markdown", type=FILE, help="Write the ledger, with what was decided now, as Markdown.")
@click.option("--record", type=FILE, help="Write the same as JSON: alexnet_ref/claims/recorded.json is the repository's.")
@click.pass_context
def claims(
    ctx: click.Context,
    *,
    quick: bool,
    runs: tuple[Path, ...],
    without_lrn: tuple[Path, ...],
    data: str | None,
    markdown: Path | None,
    record: Path | None,
) -> None:
    """Decide what the two documents claim, and say where a verdict is no longer the recorded one."""
    mnist = load(data)
    trained = {folder: read_run(folder) for folder in (*runs, *without_lrn)}  # refused before anything is measured
    folders = {name: [folder for folder in runs if trained[folder].architecture == name] for name in ARCHITECTURES}
    others = {trained[folder].architecture: folder for folder in reversed(without_lrn)}
    if not quick and importlib.util.find_spec("tensorflow") is None:
        hint = "pip install 'alexnet-ref[tensorflow]' brings it; --quick needs none"
        raise InvalidInput("TensorFlow is not installed", where="alexnet-ref claims", hint=hint)
    needs = QUICK if quick else (*QUICK, "tensorflow", "timing")
    findings, ledger = decide(needs, mnist=mnist, runs=folders, other_runs=others), recorded()
    _print(findings, ledger)
    new = updated(ledger, findings, _command(quick=quick, runs=runs, data=data, without_lrn=without_lrn))
    rows = [run.trained for run in trained.values() if run.documented] if runs else recorded_runs()
    for path, text in ((markdown, ledger_markdown(new, rows)), (record, ledger_json(new, rows))):
        if path is not None:
            write_atomically(path, text)
    ctx.exit(1 if changed(findings, ledger) else 0)


def _print(findings: dict[str, Finding], ledger: dict[str, Entry]) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 200  # what is no terminal gets lines long enough for every table
    for name in ARCHITECTURES:
        console.print(claims_table(name, findings, ledger))
    counts = Counter(finding.verdict for finding in findings.values())
    words = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    console.print(f"{len(findings)} of {len(CLAIMS)} claims decided now: {words}", highlight=False)
    for id_ in changed(findings, ledger):
        old = ledger[id_].finding.verdict if id_ in ledger else "not recorded"
        console.print(f"{id_}: recorded as {old}, now {findings[id_].verdict}: {findings[id_].measured}", style="bold red")


def _command(*, quick: bool, runs: tuple[Path, ...], data: str | None, without_lrn: tuple[Path, ...]) -> str:
    """Return the command for the ledger; folders are named by what they are, not by where they lay."""
    parts = ["alexnet-ref claims", "" if quick else "--all", "--data MNIST" if data else "", "--run DIR" * bool(runs)]
    return " ".join(part for part in [*parts, "--without-lrn DIR" if without_lrn else ""] if part)
