"""`alexnet-ref power`: the kill matrix. Exit code 0 the goals are met, 1 they are not, 2 bad input."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from reference import ARCHITECTURES, Architecture, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from alexnet_ref.mistakes import Mistake
    from alexnet_ref.power.census import Census

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
@click.option("--json", "json_file", type=FILE, help="Write every outcome here, each as soon as it is known.")
@click.option(
    "--from", "earlier", type=FILE, multiple=True, help="Join what --json wrote here, and do not judge it again (repeatable)."
)
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
    from alexnet_ref.devices import describe_host
    from alexnet_ref.files import write_atomically
    from alexnet_ref.power.census import Census, as_json
    from alexnet_ref.power.miniature import miniature
    from alexnet_ref.power.report import faults_table, markdown, matrix_table
    from alexnet_ref.power.run import chosen
    from alexnet_ref.tolerances.sharpness import smallest_faults

    documents = [ARCHITECTURES[name] for name in dict.fromkeys(names)] or list(ARCHITECTURES.values())
    networks = [miniature(network) for network in documents] if few_channels else documents
    wrong = {network: chosen(network, family=family, sample=sample, seed=seed) for network in networks}
    known = [_read(file, few_channels=few_channels) for file in earlier]
    command = " ".join(["alexnet-ref power", *_told(names, frameworks, family, sample, seed, few_channels=few_channels)])
    console = Console()
    if not console.is_terminal:
        console.width = 160
    commands = list(dict.fromkeys(each for earlier in known for each in earlier.commands))
    empty = Census(commands=commands, host=describe_host(), few_channels=few_channels, found=[], right={}, least={})
    for census in _made(console, empty, tuple(dict.fromkeys(frameworks or ("onnx",))), wrong, known):
        if json_file is not None:
            write_atomically(json_file, json.dumps(as_json(census), indent=1) + "\n")
    census = replace(census, commands=list(dict.fromkeys([*commands, command])))
    if faults:
        least = {name: rows for each in known for name, rows in each.least.items()}
        least = {network.name: least.get(network.name) or list(smallest_faults(network)) for network in networks}
        census = replace(census, least=least)
    if json_file is not None:
        write_atomically(json_file, json.dumps(as_json(census), indent=1) + "\n")
    if markdown_file is not None:
        write_atomically(markdown_file, markdown(census))
    console.print(matrix_table(census.found))
    if census.least:
        console.print(faults_table(census.least))
    ctx.exit(_concluded(console, census))


def _read(file: Path, *, few_channels: bool) -> Census:
    from alexnet_ref.power.census import from_json

    try:
        census = from_json(json.loads(file.read_bytes()), str(file))
    except (OSError, ValueError) as error:  # unreadable, or no JSON in UTF-8
        raise InvalidInput(f"cannot be read: {error}", where=str(file)) from None
    if census.few_channels != few_channels:
        raise InvalidInput("other networks were judged", where=str(file), received=f"few_channels {census.few_channels}")
    return census


def _made(
    console: Console,
    census: Census,
    frameworks: Sequence[str],
    wrong: Mapping[Architecture, Sequence[Mistake]],
    known: Sequence[Census],
) -> Iterator[Census]:
    """Yield the census after right ports, and after each mistake; what is known is in it from the beginning."""
    from alexnet_ref.power.run import outcomes, right_ports

    judged = {(each.framework, each.architecture, each.mistake): each for earlier in known for each in earlier.found}
    chosen = [(framework, network.name, each.id) for framework in frameworks for network in wrong for each in wrong[network]]
    order = list(dict.fromkeys([*chosen, *judged]))
    right = {port: verdicts for each in known for port, verdicts in each.right.items()}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        for framework, (network, those) in itertools.product(frameworks, wrong.items()):
            port = f"{network.name} in {framework}"
            task = progress.add_task(port, total=len(those))
            if port not in right:
                right[port] = [report.verdict for _, report in right_ports(framework, network, range(RIGHT_SEEDS))]
            for mistake in those:
                key = framework, network.name, mistake.id
                if key not in judged:
                    [judged[key]] = outcomes(framework, [mistake])
                    yield replace(census, right=right, found=[judged[each] for each in order if each in judged])
                progress.update(task, advance=1, description=f"{port}: {mistake.id}")
    yield replace(census, right=right, found=[judged[each] for each in order])


def _told(
    names: tuple[str, ...],
    frameworks: tuple[str, ...],
    family: str | None,
    sample: int | None,
    seed: int,
    *,
    few_channels: bool,
) -> list[str]:
    told = [f"--architecture {name}" for name in names] + [f"--framework {name}" for name in frameworks]
    told += [f"--family {family}"] if family else []
    told += [f"--sample {sample} --seed {seed}"] if sample else []
    return told + (["--few-channels"] if few_channels else [])


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
