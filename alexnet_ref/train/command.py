"""`alexnet-ref train`: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

import click

from alexnet_ref.train.cluster import read_cluster
from alexnet_ref.train.distribution import Strategy
from reference import ARCHITECTURES, InvalidInput

if TYPE_CHECKING:
    from rich.console import Console

    from alexnet_ref.train.events import Event, Step, Values

PLAIN_SECONDS = 30.0  # between two plain lines about steps


@click.command()
@click.argument("architecture", type=click.Choice(list(ARCHITECTURES)))
@click.option("--data", metavar="SOURCE", help="Digits: IDX folder, mnist.npz or 'keras' (default: the shipped sample of 300).")
@click.option("--epochs", type=click.IntRange(1), help="Default: the document's 40, or its 300,000 digits.")
@click.option("--limit", type=click.IntRange(1), help="Train on the first so many digits alone.")
@click.option("--batch-size", type=click.IntRange(1), help="Default: the document's 64.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="For weights, shuffling and dropout.")
@click.option("--device", metavar="NAME", help="TensorFlow device, such as CPU:0 or GPU:0 (default: TensorFlow's choice).")
@click.option(
    "--strategy",
    type=click.Choice(get_args(Strategy)),
    default="none",
    show_default=True,
    help="Share each batch: mirrored, on this machine's GPUs; multiworker, on the machines that TF_CONFIG names.",
)
@click.option("--without-lrn", is_flag=True, help="Drop the LRN layers, for `alexnet-ref claims --without-lrn`.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The run's folder (default: runs/ARCHITECTURE-SEED, or runs/ARCHITECTURE-without-lrn-SEED).",
)
@click.option("--resume", is_flag=True, help="Go on from the folder's checkpoint.")
@click.option(
    "--checkpoint-every",
    "checkpoint_seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="At most so long is lost when the run is killed.",
)
@click.pass_context
def train(ctx: click.Context, /, architecture: str, out: Path | None, **options: Any) -> None:
    """Train a network as its document does, and fill a folder: history, curves, results, the model.

    Ctrl-C saves a checkpoint; the same command with --resume goes on, to the same result to the bit.
    """
    for package, extra in (("tensorflow", "tensorflow"), ("matplotlib", "train")):
        if importlib.util.find_spec(package) is None:
            raise InvalidInput(
                f"{package} is not installed", where="alexnet-ref train", hint=f"pip install 'alexnet-ref[{extra}]'"
            )
    from rich.console import Console

    from alexnet_ref.train import Interrupted, LostWorker
    from alexnet_ref.train import train as run

    out = out or Path("runs") / "-".join([architecture, *["without-lrn"] * options["without_lrn"], str(options["seed"])])
    console = Console()
    cluster = read_cluster() if options["strategy"] == "multiworker" else None
    chief = cluster is None or cluster.rank == 0
    watcher = Bar(console) if console.is_terminal and chief else Plain(notices_alone=not chief)
    try:
        with watcher:
            metrics = run(architecture, out=out, on_progress=watcher, **options)
    except Interrupted as interrupted:
        click.echo(f"alexnet-ref: {interrupted}", err=True)
        ctx.exit(130)  # what a shell reports for Ctrl-C
    except LostWorker as lost:
        click.echo(f"alexnet-ref: {lost}", err=True)
        sys.stdout.flush()
        # TensorFlow's threads may wait for the lost worker still: ending in the usual way was seen to crash with exit code -11.
        os._exit(2)
    if cluster and not chief:
        click.echo(f"{cluster.name(cluster.rank)} is done; {cluster.name(0)} writes the results")
        return
    test = metrics["test"]
    click.echo(f"test: loss {test['loss']:.4f}, accuracy {test['accuracy']:.4f} on {test['digits']:,} digits")
    if published := metrics["published"]["test"]:
        click.echo(f"published: loss {published['loss']:.4f}, accuracy {published['accuracy']:.4f}")
    click.echo(f"{out}: history.csv, curves, dead_relus, confusion, worst, metrics.json, model.keras, params.npz")


def row_line(values: Values) -> str:
    """Return a row of the history in its document's words."""
    if "iter" in values:
        return f"Iter {values['iter']}, Minibatch Loss= {values['loss']:.6f}, Training Accuracy= {values['accuracy']:.5f}"
    line = f"Epoch {values['epoch']}"
    return " - ".join([line, *(f"{key}: {values[key]:.4f}" for key in ("loss", "accuracy", "val_loss", "val_accuracy"))])


class Plain:
    """Lines for a log file: notices, rows, and a step every half minute; or notices alone, as the chief says the rest."""

    def __init__(self, *, notices_alone: bool = False) -> None:
        """Begin to count."""
        self._notices_alone = notices_alone
        self._said = self._began = time.monotonic()
        self._first: int | None = None

    def __enter__(self) -> Self:
        """Need nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Need nothing."""

    def __call__(self, event: Event) -> None:
        """Print the event if it is worth a line."""
        from alexnet_ref.train.events import Notice, Row

        match event:
            case Notice(text=text):
                click.echo(text)
            case _ if self._notices_alone:
                return
            case Row(values=values):
                click.echo(row_line(values))
            case _:
                self._step(event)
        sys.stdout.flush()  # a log that is being followed

    def _step(self, event: Step) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first, self._began = event.step, now
        if now - self._said < PLAIN_SECONDS:
            return
        self._said = now
        speed = (event.step - self._first) / (now - self._began) if now > self._began else 0.0
        click.echo(
            f"step {event.step} of {event.steps}, epoch {event.epoch}: loss {event.loss:.4f}, "
            f"accuracy {event.accuracy:.4f}" + pace(event, speed)
        )


def pace(event: Step, speed: float) -> str:
    """Return steps per second and the time that the remaining ones take, as h:mm:ss, once a speed is known."""
    if speed <= 0:
        return ""
    seconds = round((event.steps - event.step) / speed)
    return f", {speed:.2f} steps/s, {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"


class Bar:
    """A progress bar with loss, accuracy, steps per second and time left; notices and rows scroll above it."""

    def __init__(self, console: Console) -> None:
        """Prepare the bar."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("starting", total=None, numbers="")

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar where it stands."""
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Move the bar, or print above it."""
        from alexnet_ref.train.events import Notice, Row

        match event:
            case Notice(text=text):
                self._progress.console.print(text, style="yellow", highlight=False)
            case Row(values=values):
                self._progress.console.print(row_line(values), highlight=False)
            case _:
                self._step(event)

    def _step(self, event: Step) -> None:
        task = self._progress.tasks[0]
        if task.total is None:  # the first step known here: a resumed run starts in the middle, at no speed
            self._progress.reset(self._task, total=event.steps, completed=event.step - 1)
        speed = f"{task.speed:.2f} steps/s" if task.speed else ""
        numbers = f"loss {event.loss:.4f} accuracy {event.accuracy:.4f} {speed}"
        self._progress.update(self._task, completed=event.step, description=f"epoch {event.epoch}", numbers=numbers)
