"""The command. Exit code 0 measured, 1 a result is wrong or reference.predict is too slow, 2 bad input."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from alexnet_ref.devices import cores, describe_host
from alexnet_ref.figures.style import save_png
from alexnet_ref.files import write_atomically
from benchmarks.peers.limits import blas
from benchmarks.peers.measure import Case, Measured, measure
from benchmarks.peers.peer import PEERS, REFERENCE, TENSORFLOW, Peer, installed
from benchmarks.peers.table import as_json, below, markdown, spelled, told, yardstick
from benchmarks.peers.worker import Unavailable
from benchmarks.table import duration
from reference import ARCHITECTURES, InvalidInput

FILE = click.Path(path_type=Path, dir_okay=False)
BATCHES, SWEPT, MIDDLE = (1, 64), (1, 4, 16, 64, 256), 64


@click.command()
@click.option("--architecture", "names", type=click.Choice(list(ARCHITECTURES)), multiple=True, help="This one only.")
@click.option("--batch", "batches", type=click.IntRange(1), multiple=True, help="Images at once; may be repeated [1, 64].")
@click.option("--threads", metavar="N,N", help="Threads, each number a table [all processors].")
@click.option(
    "--peer", "only", type=click.Choice([peer.name for peer in PEERS]), multiple=True, help="These and reference.predict."
)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=20.0, show_default=True, help="For each case.")
@click.option("--rounds", type=click.IntRange(1), help="So many rounds instead, however long they take.")
@click.option("--sweep", is_flag=True, help="Batch sizes 1, 4, 16, 64, 256; and threads from 1 to all, at batch 64.")
@click.option("--markdown", "markdown_file", type=FILE, help="Write the tables here.")
@click.option("--picture", type=FILE, help="Draw them here, as PNG.")
@click.option("--json", "json_file", type=FILE, help="Write every run's time here.")
@click.option(
    "--fail-below", type=click.FloatRange(0, min_open=True), help=f"Least speed of {REFERENCE}, {TENSORFLOW}'s being 1."
)
def main(
    *,
    names: tuple[str, ...],
    batches: tuple[int, ...],
    threads: str | None,
    only: tuple[str, ...],
    seconds: float,
    rounds: int | None,
    sweep: bool,
    markdown_file: Path | None,
    picture: Path | None,
    json_file: Path | None,
    fail_below: float | None,
) -> None:
    """Time the forward pass in every framework that is installed, in turn, beside the limit of the machine."""
    try:
        peers = chosen(only, sweep=sweep)
        if fail_below is not None and TENSORFLOW not in {peer.name for peer in peers}:
            raise InvalidInput("nothing to compare with", where="--fail-below", expected="TensorFlow installed and chosen")
        cases = planned(names, batches, threads, sweep=sweep)
        for path in (markdown_file, picture, json_file):
            if path is not None and not path.parent.is_dir():
                raise InvalidInput("no such folder", where=str(path))
        length = {"seconds": 0.0, "rounds": rounds} if rounds else {"seconds": seconds, "rounds": 3}
        measured = measure(cases, peers, say=lambda text: click.echo(text, err=True), **length)  # type: ignore[arg-type]  # floats and ints
        facts = {
            "command": shlex.join(["python", "-m", "benchmarks.peers", *sys.argv[1:]]),
            "host": describe_host(),
            "blas": blas(),
        }
        if markdown_file is not None:
            write_atomically(markdown_file, markdown(measured, **facts))  # type: ignore[arg-type]  # the same
        if json_file is not None:
            write_atomically(json_file, json.dumps(as_json(measured, **facts), indent=1) + "\n")  # type: ignore[arg-type]
        if picture is not None:
            draw(picture, measured, sweep=sweep)
    except (InvalidInput, Unavailable) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    sys.exit(conclude(measured, fail_below))


def chosen(only: Sequence[str], *, sweep: bool) -> list[Peer]:
    """Return the peers to time; a sweep has each library once. InvalidInput if one that was asked for is not installed."""
    present = installed(PEERS)
    if missing := set(only) - {peer.name for peer in present}:
        raise InvalidInput("not installed", where="--peer", received=", ".join(sorted(missing)))
    if only:
        return [peer for peer in present if peer.name in {REFERENCE, *only}]
    ours_again = {peer.name for peer in PEERS if not peer.needs} - {REFERENCE}
    return [peer for peer in present if not sweep or not (peer.one_image or peer.name in ours_again)]


def planned(names: Sequence[str], batches: Sequence[int], threads: str | None, *, sweep: bool) -> list[Case]:
    """Return the cases, in the order of measurement. InvalidInput for threads that are no numbers, or too many."""
    most = cores()
    counts = thread_counts(threads, most) if threads else list(range(1, most + 1)) if sweep else [most]
    sizes = list(dict.fromkeys(batches)) or list(SWEPT if sweep else BATCHES)
    return [
        Case(architecture=ARCHITECTURES[name], batch=batch, threads=count)
        for count in sorted(set(counts), reverse=True)
        for name in dict.fromkeys(names or ARCHITECTURES)
        for batch in sizes
        if not sweep or count == max(counts) or batch == middle(sizes)
    ]


def middle(sizes: Sequence[int]) -> int:
    """Return the batch size at which threads are swept: 64, or the largest."""
    return MIDDLE if MIDDLE in sizes else max(sizes)


def thread_counts(text: str, most: int) -> list[int]:
    """Return the numbers of "1,2"."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= most for part in parts):
        raise InvalidInput("no such numbers of threads", where="--threads", expected=f"1 to {most}, as 1,2", received=repr(text))
    return [int(part) for part in parts]


def draw(path: Path, measured: Sequence[Measured], *, sweep: bool) -> None:
    """Draw the picture. InvalidInput without Matplotlib."""
    try:
        from benchmarks.peers import pictures

        if sweep:
            batch = middle([one.case.batch for one in measured])
            figure = pictures.sweep(measured, batch=batch, threads=max(one.case.threads for one in measured))
        else:
            figure = pictures.dots(measured)
    except ModuleNotFoundError as error:
        raise InvalidInput(f"{error.name} is not installed", where="--picture", hint="pip install matplotlib") from None
    save_png(figure, path)


def conclude(measured: Sequence[Measured], fail_below: float | None) -> int:
    """Print a line for each row and what is wrong, and return the exit code."""
    click.echo(f"NumPy's products: {blas()}")
    for one in measured:
        click.echo(f"{spelled(one.case)}: limit {duration(one.limit)}")
        base = yardstick(one.timings)
        for row in one.timings:
            figures = ""
            if row.seconds and base:
                ratio = base.least / row.least
                figures = (
                    f"least {duration(row.least):>10}  median {duration(row.median):>10}  {ratio:6.2f} × {base.peer}'s speed"
                )
            click.echo(f"  {row.peer:33}{figures}  {row.remark}".rstrip())
    wrong = [f"{spelled(one.case)}: {row.peer} {row.remark}" for one in measured for row in one.timings if row.refused]
    slow = told(below(measured, fail_below), fail_below) if fail_below is not None else []
    for line in [*wrong, *slow]:
        click.echo(f"FAILED {line}", err=True)
    return int(bool(wrong or slow))


if __name__ == "__main__":
    main()
