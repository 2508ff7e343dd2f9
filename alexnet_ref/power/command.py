"""`alexnet-ref power`: the kill matrix. Exit code 0 the goals are met, 1 they are not, 2 bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from reference import ARCHITECTURES, Architecture, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alexnet_ref.mistakes import Mistake
    from alexnet_ref.power.census import Census
    from alexnet_ref.power.outcome import Outcome

FILE = click.Path(path_type=Path, dir_okay=False)
RIGHT_SEEDS = 3  # of a right port's weights and probes


@click.command()
@click.option(
    "--architecture", "names", type=click.Choice(list(ARCHITECTURES)), multiple=True, help="This one only (default: both)."
)
@click.option(
    "--framework",
    "frameworks",
    type=click.Choice(["onnx", "torch", "keras"]),
    multiple=True,
    help="Build the ports in this one (default: onnx; may be repeated).",
)
@click.option("--family", metavar="NAME", help="Mistakes of this family only, such as lrn.")
@click.option("--sample", type=click.IntRange(1), help="So many mistakes of each network only, spread over the families.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which mistakes are sampled.")
@click.option("--few-channels", is_flag=True, help="The networks with few channels in each layer: a tenth of the time.")
@click.option(
    "--faults/--no-faults",
    default=True,
    show_default=True,
    help="Whether to seek the least fault of each parameter that is found.",
)
@click.option("--from", "earlier", type=FILE, multiple=True, help="Judge nothing: join what --json wrote here (may be repeated).")
@click.option("--json", "json_file", type=FILE, help="Write every outcome here.")
@click.option("--markdown", "markdown_file", type=FILE, help="Write the page here: docs/power.md is the repository's.")
@click.pass_context
def power(
    ctx: click.Context,
    *,
    names: tuple[str, ...],
    frameworks: tuple[str, ...],
    family: str | None,
    sample: int | None,
    seed: int,
    few_channels: bool,
    faults: bool,
    earlier: tuple[Path, ...],
    json_file: Path | None,
    markdown_file: Path | None,
) -> None:
    """Judge every named mistake as a port, and say which are rejected and named rightly."""
    from alexnet_ref.files import write_atomically
    from alexnet_ref.power.census import as_json, joined
    from alexnet_ref.power.miniature import miniature
    from alexnet_ref.power.report import faults_table, markdown, matrix_table
    from alexnet_ref.power.run import chosen

    console = Console()
    if not console.is_terminal:
        console.width = 160
    if earlier:
        census = joined([_read(file) for file in earlier])
    else:
        documents = [ARCHITECTURES[name] for name in dict.fromkeys(names)] or list(ARCHITECTURES.values())
        networks = [miniature(network) for network in documents] if few_channels else documents
        wrong = {network: chosen(network, family=family, sample=sample, seed=seed) for network in networks}
        told = _told(names, frameworks, family, sample, seed, few_channels=few_channels, faults=faults)
        command = " ".join(["alexnet-ref power", *told])
        census = _made(console, command, tuple(dict.fromkeys(frameworks or ("onnx",))), wrong, faults=faults)
    if json_file is not None:
        write_atomically(json_file, json.dumps(as_json(census), indent=1) + "\n")
    if markdown_file is not None:
        write_atomically(markdown_file, markdown(census))
    console.print(matrix_table(census.found))
    if census.least:
        console.print(faults_table(census.least))
    ctx.exit(_concluded(console, census))


def _read(file: Path) -> Census:
    from alexnet_ref.power.census import from_json

    try:
        return from_json(json.loads(file.read_bytes()), str(file))
    except (OSError, ValueError) as error:  # unreadable, or no JSON in UTF-8
        raise InvalidInput(f"cannot be read: {error}", where=str(file)) from None


def _made(
    console: Console,
    command: str,
    frameworks: Sequence[str],
    wrong: Mapping[Architecture, Sequence[Mistake]],
    *,
    faults: bool,
) -> Census:
    from alexnet_ref.devices import describe_host
    from alexnet_ref.power.census import Census
    from alexnet_ref.tolerances.sharpness import smallest_faults

    found: list[Outcome] = []
    right: dict[str, list[str]] = {}
    for framework in frameworks:
        for network in wrong:
            right[f"{network.name} in {framework}"] = _right(framework, network)
            found += _judged(console, framework, network, wrong[network])
    least = {network.name: list(smallest_faults(network)) for network in wrong} if faults else {}
    return Census(commands=[command], host=describe_host(), found=found, right=right, least=least)


def _right(framework: str, network: Architecture) -> list[str]:
    from alexnet_ref.power.run import right_ports

    return [report.verdict for _, report in right_ports(framework, network, range(RIGHT_SEEDS))]


def _judged(console: Console, framework: str, network: Architecture, wrong: Sequence[Mistake]) -> list[Outcome]:
    from alexnet_ref.power.run import outcomes

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"{network.name} in {framework}", total=len(wrong))
        for outcome in outcomes(framework, wrong):
            found.append(outcome)
            progress.update(task, advance=1, description=f"{network.name} in {framework}: {outcome.mistake}")
    return found


def _told(
    names: tuple[str, ...],
    frameworks: tuple[str, ...],
    family: str | None,
    sample: int | None,
    seed: int,
    *,
    few_channels: bool,
    faults: bool,
) -> list[str]:
    told = [f"--architecture {name}" for name in names] + [f"--framework {name}" for name in frameworks]
    told += [f"--family {family}"] if family else []
    told += [f"--sample {sample} --seed {seed}"] if sample else []
    return told + (["--few-channels"] if few_channels else []) + ([] if faults else ["--no-faults"])


def _concluded(console: Console, census: Census) -> int:
    """Print what misses the goals, and return the exit code."""
    from alexnet_ref.power.outcome import tally
    from alexnet_ref.power.report import GOAL, missed, unnamed

    for title, rows in (("not rejected", missed(census.found)), ("not named as first choice", unnamed(census.found))):
        for row in rows:
            console.print(f"{title}: {', '.join(filter(None, row))}", soft_wrap=True, highlight=False, markup=False)
    false_alarms = [port for port, verdicts in census.right.items() if "does not conform" in verdicts]
    for port in false_alarms:
        console.print(f"a right port is rejected: {port}", style="bold red", soft_wrap=True, highlight=False)
    counts = tally(census.found)
    console.print(
        f"{counts.rejected} of {counts.mutants} mutants rejected, {counts.first} named as first choice ({counts.share:.1%}), "
        f"{counts.equivalent} equivalent, {counts.refused} refused, {counts.not_judged} not judged",
        soft_wrap=True,
        highlight=False,
    )
    return int(counts.rejected < counts.mutants or bool(false_alarms) or counts.share < GOAL)
