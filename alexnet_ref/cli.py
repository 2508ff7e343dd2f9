"""The command line: `alexnet-ref verify`, `summary`, `claims`, `train`. Exit code 0 conforms, 1 does not, 2 not checked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from alexnet_ref.arithmetic import DECLARABLE, FLOAT32, TF32
from alexnet_ref.claims.command import claims
from alexnet_ref.figures.command import figures
from alexnet_ref.loading import import_tensorflow
from alexnet_ref.train.command import train
from reference import ARCHITECTURES, Architecture, InvalidInput

_EXIT_CODES = {"conforms": 0, "does not conform": 1, "could not be checked": 2}
ARCHITECTURE = click.Choice(list(ARCHITECTURES))


class OneLineErrors(click.Group):
    """Bad input ends in one line on standard error and exit code 2, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            click.echo(f"alexnet-ref: {error}", err=True)
            sys.exit(2)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alexnet-ref", prog_name="alexnet-ref")
def main() -> None:
    """AlexNet as two documents describe it: a NumPy oracle, TensorFlow models, and the judge between them."""


@main.command()
@click.option("--architecture", "names", type=ARCHITECTURE, multiple=True, help="Judge this one only (default: both).")
@click.option("--data", metavar="SOURCE", help="Digits: IDX folder, mnist.npz or 'keras' (default: the shipped sample).")
@click.option("--images", type=click.IntRange(1), default=16, show_default=True, help="How many test digits to compare.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Digits per forward pass.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="For weights and probes.")
@click.option("--device", metavar="NAME", help="TensorFlow device, such as CPU:0 or GPU:0 (default: TensorFlow's choice).")
@click.option(
    "--arithmetic",
    type=click.Choice([arithmetic.name for arithmetic in DECLARABLE], case_sensitive=False),
    default=FLOAT32.name,
    show_default=True,
    help="What the models compute in, and are judged by; a GPU may use TF32 only if that is named.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the whole report here.")
@click.option("--verbose", is_flag=True, help="Print the document facts as well.")
@click.pass_context
def verify(
    ctx: click.Context,
    names: tuple[str, ...],
    data: str | None,
    images: int,
    batch_size: int,
    seed: int,
    device: str | None,
    arithmetic: str,
    json_file: Path | None,
    verbose: bool,
) -> None:
    """Hold the TensorFlow models against the documents and the NumPy oracle, layer by layer, on real digits."""
    from alexnet_ref.report.json import write_json
    from alexnet_ref.report.table import agreement_table, facts_table, failures_table
    from alexnet_ref.verify import digits

    architectures = [ARCHITECTURES[name] for name in dict.fromkeys(names)] or list(ARCHITECTURES.values())
    inputs = [digits(architecture, data, images) for architecture in architectures]  # refused before TensorFlow loads
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise InvalidInput("no such folder", where=str(json_file.absolute().parent), hint="Create it, or name another file")
    console = _console()
    import_tensorflow(console)
    from alexnet_ref import devices

    declared = next(candidate for candidate in DECLARABLE if candidate.name == arithmetic)
    reports = []
    with devices.settings(device=device, tf32=declared == TF32, deterministic=False):
        for architecture, x in zip(architectures, inputs, strict=True):
            report = _verify_built_in(console, architecture, x, seed=seed, batch_size=batch_size, arithmetic=declared)
            reports.append(report)
            if verbose:
                console.print(facts_table(report))
            console.print(agreement_table(report))
            if report.of("failed"):
                console.print(failures_table(report))
    for report in reports:
        console.print(report.sentence, style="green" if report.conforms else "bold red", soft_wrap=True, highlight=False)
    if json_file is not None:
        write_json(json_file, reports)  # after the verdict, which a full disk must not swallow
    ctx.exit(max((_EXIT_CODES[report.verdict] for report in reports), key=[0, 2, 1].index))  # one that is wrong outweighs all


def _verify_built_in(console: Console, architecture: Architecture, x: Any, *, seed: int, **options: Any) -> Any:
    from alexnet_ref.models import build_model
    from alexnet_ref.verify import verify as judge
    from reference import init_params

    model = build_model(architecture, init_params(architecture, seed))
    with _progress(console) as progress:
        task = progress.add_task(architecture.name, total=None)
        return judge(
            model,
            architecture,
            images=x,
            seed=seed,
            on_check=lambda check: progress.update(task, advance=1, description=check.id),
            **options,
        )


@main.command()
@click.argument("architecture", type=ARCHITECTURE)
def summary(architecture: str) -> None:
    """Print the documented table beside the computed one, with what each layer costs."""
    from alexnet_ref.report.summary import summary_table, totals

    console = _console()
    console.print(summary_table(ARCHITECTURES[architecture]))
    for line in totals(ARCHITECTURES[architecture]):
        console.print(line, soft_wrap=True, highlight=False)


main.add_command(claims)
main.add_command(figures)
main.add_command(train)


def _console() -> Console:
    """Return the terminal; what is no terminal gets lines long enough for every table."""
    console = Console()
    if not console.is_terminal:
        console.width = 160
    return console


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
