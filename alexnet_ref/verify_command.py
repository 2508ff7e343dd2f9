"""`alexnet-ref verify`: the built-in models, or anybody's port, held against the documents and the oracle."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from alexnet_ref.arithmetic import DECLARABLE, FLOAT32, TF32, Arithmetic
from alexnet_ref.candidates.load import Execution, is_attribute
from alexnet_ref.candidates.sandbox import Limits, Options, judge_file
from alexnet_ref.checks import Check
from alexnet_ref.expected import read_expected
from alexnet_ref.loading import import_tensorflow
from alexnet_ref.printable import printable
from alexnet_ref.report import Report
from reference import ARCHITECTURES, Architecture, InvalidInput, Params

_EXIT_CODES = {"conforms": 0, "does not conform": 1, "could not be checked": 2}
FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks for, whichever candidate it is asked of."""

    candidate: str | None
    params: Path | None
    names: dict[str, str]
    seed: int
    batch_size: int
    device: str | None
    arithmetic: Arithmetic
    execution: Execution
    allow_h5: bool
    limits: Limits


@click.command()
@click.argument("candidate", required=False)
@click.option(
    "--architecture",
    "architectures",
    type=click.Choice(list(ARCHITECTURES)),
    multiple=True,
    help="The document it is held against (built-in models: both by default).",
)
@click.option("--data", metavar="SOURCE", help="Digits: IDX folder, mnist.npz or 'keras' (default: the shipped sample).")
@click.option("--images", type=click.IntRange(1), default=16, show_default=True, help="How many test digits to compare.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Digits per forward pass.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="For weights and probes.")
@click.option("--params", type=FILE, help="Weights that the port should have: an .npz as `train` writes it.")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="LAYER=STEP",
    help="The step of the port that ends this layer, where order does not tell. Again for each.",
)
@click.option("--device", metavar="NAME", help="TensorFlow device, such as CPU:0 or GPU:0 (default: TensorFlow's choice).")
@click.option(
    "--arithmetic",
    type=click.Choice([arithmetic.name for arithmetic in DECLARABLE], case_sensitive=False),
    default=FLOAT32.name,
    show_default=True,
    help="What the port computes in, and is judged by; a GPU may use TF32 only if that is named.",
)
@click.option(
    "--execution",
    type=click.Choice(["eager", "function", "XLA"]),
    default="eager",
    show_default=True,
    help="How TensorFlow runs a Keras model.",
)
@click.option("--allow-h5", is_flag=True, help="Read a legacy .h5 model, whose format has no checks of its own.")
@click.option("--seconds", type=click.FloatRange(1), default=Limits.seconds, show_default=True, help="For a file, at most.")
@click.option("--gib", type=click.FloatRange(0.1), default=Limits.memory / 2**30, show_default=True, help="Its memory, at most.")
@click.option("--expected", type=FILE, help="Checks that are known to fail, with reasons (TOML).")
@click.option("--json", "json_file", type=FILE, help="Write the whole report here, for programs.")
@click.option("--junit", "junit_file", type=FILE, help="Write it for build servers.")
@click.option("--html", "html_file", type=FILE, help="Write it as a page, with pictures and what reproduces a failure.")
@click.option("--verbose", is_flag=True, help="Print the document facts as well.")
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    *,
    architectures: tuple[str, ...],
    data: str | None,
    images: int,
    expected: Path | None,
    verbose: bool,
    **options: Any,
) -> None:
    """Judge a port: layer by layer against the document and the NumPy oracle, on probes and real digits.

    CANDIDATE is a file (.onnx .keras .pt2 .npz … or a SavedModel's folder; judged in a process of its own) or your own
    package.module:attribute. Without it, the TensorFlow models that come with this tool.
    """
    from alexnet_ref.verify import digits

    files = {kind: options.pop(f"{kind}_file") for kind in ("json", "junit", "html")}
    asked = _asked(**options)
    chosen = _chosen(asked.candidate, architectures)
    inputs = [digits(architecture, data, images) for architecture in chosen]  # refused before a framework loads
    entries = read_expected(expected) if expected is not None else ()
    for path in filter(None, files.values()):
        if not path.absolute().parent.is_dir():
            raise InvalidInput("no such folder", where=str(path.absolute().parent), hint="Create it, or name another file")
    console = console_of_width()
    if asked.candidate is None:
        import_tensorflow(console)
    reports = []
    for architecture, x in zip(chosen, inputs, strict=True):
        with _progress(console) as progress:
            report = judge(asked, architecture, x, _counter(progress, architecture.name))
        reports.append(replace(report, expectations=entries))
        _print(console, reports[-1], verbose=verbose)
    _write(console, reports, files)
    ctx.exit(max((_EXIT_CODES[report.verdict] for report in reports), key=[0, 2, 1].index))  # one that is wrong outweighs all


def _asked(*, names: tuple[str, ...], arithmetic: str, seconds: float, gib: float, **options: Any) -> Asked:
    pairs = [name.partition("=") for name in names]
    if strange := [name for name, (layer, _, step) in zip(names, pairs, strict=True) if not (layer and step)]:
        raise InvalidInput("is no pair of names", where="--name", expected="LAYER=STEP", received=strange[0])
    return Asked(
        names={layer: step for layer, _, step in pairs},
        arithmetic=next(candidate for candidate in DECLARABLE if candidate.name == arithmetic),
        limits=Limits(seconds=seconds, memory=int(gib * 2**30)),
        **options,
    )


def _chosen(candidate: str | None, names: tuple[str, ...]) -> list[Architecture]:
    if candidate is not None and not names:
        raise InvalidInput(
            "of which document is it a port?",
            where=printable(candidate),
            expected="--architecture " + " or ".join(ARCHITECTURES),
            hint="Name it",
        )
    return [ARCHITECTURES[name] for name in dict.fromkeys(names)] or list(ARCHITECTURES.values())


def judge(asked: Asked, architecture: Architecture, images: np.ndarray[Any, Any], on_check: Callable[[Check], None]) -> Report:
    """Return the verdict on the candidate: a stranger's file in a process of its own, all else here."""
    from alexnet_ref.verify import verify as judge_here

    if asked.candidate is not None and not is_attribute(asked.candidate):
        options = Options(
            seed=asked.seed,
            batch_size=asked.batch_size,
            arithmetic=asked.arithmetic.name,
            execution=asked.execution,
            device=asked.device,
            allow_h5=asked.allow_h5,
            params=None if asked.params is None else str(asked.params),
            names=asked.names or None,
        )
        return judge_file(asked.candidate, architecture, images=images, options=options, limits=asked.limits, on_check=on_check)
    params = _params(asked.params, architecture)
    own = _own(asked, architecture)
    with _settings(asked):
        return judge_here(
            _built_in(asked, architecture, params) if own is None else own,
            architecture,
            images=images,
            seed=asked.seed,
            batch_size=asked.batch_size,
            arithmetic=asked.arithmetic,
            params=params,
            names=asked.names or None,
            on_check=on_check,
        )


def _own(asked: Asked, architecture: Architecture) -> Any:
    """Return the user's own object, which may import a framework; None where the built-in models are asked for."""
    from alexnet_ref.candidates.load import load

    return None if asked.candidate is None else load(asked.candidate, architecture, execution=asked.execution)


def _built_in(asked: Asked, architecture: Architecture, params: Params | None) -> Any:
    from alexnet_ref.candidates.keras import KerasPort
    from alexnet_ref.models import build_model, compile_model
    from reference import init_params

    # Compiled, so that its training is judged too.
    model = compile_model(build_model(architecture, params or init_params(architecture, asked.seed)), architecture)
    return KerasPort(model, architecture=architecture, execution=asked.execution)


def _params(path: Path | None, architecture: Architecture) -> Params | None:
    from alexnet_ref.candidates.params_file import read_params

    return None if path is None else read_params(path, architecture)


def _settings(asked: Asked) -> contextlib.AbstractContextManager[Any]:
    """Return TensorFlow's settings for the run, if TensorFlow is what runs."""
    if "tensorflow" not in sys.modules:
        return contextlib.nullcontext()
    from alexnet_ref import devices

    return devices.settings(device=asked.device, tf32=asked.arithmetic == TF32, deterministic=False)


def _print(console: Console, report: Report, *, verbose: bool) -> None:
    from alexnet_ref.report import table

    if verbose:
        console.print(table.facts_table(report))
    console.print(table.agreement_table(report))
    if report.of("failed"):
        console.print(table.failures_table(report))
    if report.reasons:
        console.print(table.expectations_table(report))


def _write(console: Console, reports: list[Report], files: dict[str, Path | None]) -> None:
    """Print what is wrong and the verdicts, then write the files, of which a full disk must not swallow them."""
    from alexnet_ref.report import table
    from alexnet_ref.report.json import write_json
    from alexnet_ref.report.junit import write_junit

    for report in reports:
        for line in table.diagnosis_lines(report):
            console.print(line, soft_wrap=True)
        console.print(table.verdict_line(report), soft_wrap=True)
    if (path := files["json"]) is not None:
        write_json(path, reports)
    if (path := files["junit"]) is not None:
        write_junit(path, reports)
    if (path := files["html"]) is not None:
        from alexnet_ref.report.html import write_html  # jinja2 and, for pictures, matplotlib

        write_html(path, reports)


def console_of_width() -> Console:
    """Return the terminal; what is no terminal gets lines long enough for every table."""
    console = Console()
    if not console.is_terminal:
        console.width = 160
    return console


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _counter(progress: Progress, name: str) -> Callable[[Check], None]:
    task = progress.add_task(name, total=None)
    return lambda check: progress.update(task, advance=1, description=printable(check.id))
