"""`train`: a documented recipe from the first step to the run directory, resumable at any instant."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.train import material, results
from alexnet_ref.train.checkpoint import Checkpoint, Checkpoints
from alexnet_ref.train.events import Event, Interrupted, Notice, Row, Step, Values
from alexnet_ref.train.files import locked
from alexnet_ref.train.history import History, Sums, dead_columns
from alexnet_ref.train.loop import Evaluation, Trainer
from alexnet_ref.train.schedule import documented_schedule
from alexnet_ref.train.signals import stop_requests
from reference import Architecture, InvalidInput, as_architecture

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexnet_ref.mnist import Prepared
    from alexnet_ref.train.schedule import Schedule


def train(
    architecture: Architecture | str,
    *,
    data: str | Path | None = None,
    out: str | Path,
    epochs: int | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    device: str | None = None,
    resume: bool = False,
    checkpoint_seconds: float = 60.0,
    on_progress: Callable[[Event], None] = lambda _: None,
) -> dict[str, Any]:
    """Train as the document does, and fill the folder `out`; return what its metrics.json holds.

    data: as `alexnet_ref.mnist.load` takes it; None is the shipped sample. epochs, batch_size: the document's by default.
    limit: the first so many training digits alone. resume: go on from the folder's checkpoint. A checkpoint is written at each
    end of an epoch, at the end, and when `checkpoint_seconds` have passed since the last.

    Same configuration, device and number of threads: the same weights to the bit, however often the run is killed and resumed.
    InvalidInput: what cannot be trained, read or written, or has diverged. Interrupted: by Ctrl-C or SIGTERM, with a checkpoint.
    """
    from alexnet_ref.devices import describe, devices, settings

    architecture = as_architecture(architecture)
    prepared, origin, notices = material.load_digits(architecture, data, limit)
    schedule = documented_schedule(architecture, digits=len(prepared.x_train), batch_size=batch_size, epochs=epochs, seed=seed)
    folder = Path(out)
    with locked(folder), settings(device=device, tf32=False, deterministic=True):
        for text in notices:
            on_progress(Notice(text))
        checkpoints = Checkpoints(folder=folder)
        if checkpoints.paths and not resume:
            raise InvalidInput(
                "this folder holds a checkpoint",
                where=str(folder),
                hint="--resume goes on from it; another --out, or removing it, trains from the beginning",
            )
        run = Run(architecture, prepared, schedule, checkpoints, on_progress)
        run.environment = {"alexnet-ref": version("alexnet-ref"), **describe(device or devices()[-1])}
        if resume:
            run.restore()
        run.loop(checkpoint_seconds)
        try:
            return results.write_results(run, folder, origin)
        except KeyboardInterrupt:
            raise Interrupted(run.how_to_resume) from None


class Run:
    """A training run between its first and its last step."""

    def __init__(
        self,
        architecture: Architecture,
        prepared: Prepared,
        schedule: Schedule,
        checkpoints: Checkpoints,
        tell: Callable[[Event], None],
    ) -> None:
        """Build the network at its start."""
        self.architecture, self.prepared, self.schedule = architecture, prepared, schedule
        self.checkpoints, self.tell = checkpoints, tell
        self.trainer = Trainer(architecture, schedule.seed)
        self.configuration = material.configuration(architecture, prepared, schedule)
        self.environment: dict[str, Any] = {}
        self.history, self.sums = History(), Sums()
        self.done = 0  # steps
        self.seconds = 0.0  # of training, over all processes that took part

    @property
    def how_to_resume(self) -> str:
        """Say how to go on."""
        return f"stopped after step {self.done} of {self.schedule.steps}, saved: the same command with --resume goes on"

    def restore(self) -> None:
        """Go on from the newest whole checkpoint; without any, from the beginning, which is said."""
        found = self.checkpoints.load(self.configuration, self.trainer.state())
        for text in self.checkpoints.notices:
            self.tell(Notice(text))
        if found is None:
            self.tell(Notice("there is no checkpoint yet: training from the beginning"))
            return
        position = found.position
        if position["order"] != self.schedule.order_digest(position["step"]):
            raise InvalidInput(
                "the digits would be shuffled in another order than before",
                where=str(self.checkpoints.folder),
                expected=f"NumPy {found.environment.get('numpy')}, which wrote the checkpoint",
                received=f"NumPy {np.__version__}",
            )
        changed = [
            f"{key} {found.environment.get(key)} → {value}"
            for key, value in self.environment.items()
            if found.environment.get(key) != value
        ]
        if changed:
            self.tell(Notice(f"the environment has changed ({', '.join(changed)}): the result may differ in low bits"))
        self.trainer.restore(found.arrays)
        self.history = History(rows=[dict(row) for row in found.history])
        self.sums = Sums(loss=position["loss"], correct=position["correct"], digits=position["digits"])
        self.done, self.seconds = position["step"], position["seconds"]
        self.tell(Notice(f"resuming after step {self.done} of {self.schedule.steps}"))

    def save(self) -> None:
        """Write a checkpoint of this instant."""
        position = {
            "step": self.done,
            "epoch": self.schedule.epoch(self.done),
            "batch": self.done % self.schedule.steps_per_epoch,
            "loss": self.sums.loss,
            "correct": self.sums.correct,
            "digits": self.sums.digits,
            "order": self.schedule.order_digest(self.done),
            "seconds": self.seconds,
        }
        self.checkpoints.save(
            Checkpoint(
                configuration=self.configuration,
                position=position,
                history=[dict(row) for row in self.history.rows],
                environment=self.environment,
                arrays=self.trainer.state(),
            )
        )

    def loop(self, checkpoint_seconds: float) -> None:
        """Make all steps that are left."""
        started = saved = time.monotonic()
        with stop_requests() as asked_to_stop:
            for step in range(self.done, self.schedule.steps):
                ended_row = self._advance(step)
                now = time.monotonic()
                self.seconds += now - started
                started = now
                last = self.done == self.schedule.steps
                if ended_row or last or asked_to_stop() or now - saved >= checkpoint_seconds:
                    self.save()
                    saved = time.monotonic()
                if asked_to_stop() and not last:
                    raise Interrupted(self.how_to_resume)

    def _advance(self, step: int) -> bool:
        """Make one step; tell whether it ended a row of the history."""
        indices = self.schedule.batch(step)
        x, y = self.prepared.x_train[indices], self.prepared.y_train[indices]
        loss, correct = self.trainer.step(x, y, step)
        self.done = step + 1
        if self.schedule.continuous:
            self.sums = Sums()
        self.sums.add(loss, correct, len(indices))
        self.tell(
            Step(
                step=self.done,
                steps=self.schedule.steps,
                epoch=self.schedule.epoch(step) + 1,
                loss=self.sums.mean_loss,
                accuracy=self.sums.accuracy,
            )
        )
        if not self.schedule.ends_row(step):
            return False
        self._add_row(self._displayed(x, y) if self.schedule.continuous else self._epoch(step))
        return True

    def _epoch(self, step: int) -> Values:
        """Return the row of an epoch: training means as Keras prints them (with dropout), then the validation set."""
        held_out = self.trainer.evaluate(self.prepared.x_val, self.prepared.y_val, self.schedule.batch_size)
        row: Values = {
            "epoch": self.schedule.epoch(step) + 1,
            "step": self.done,
            "loss": self.sums.mean_loss,
            "accuracy": self.sums.accuracy,
            "val_loss": held_out.loss,
            "val_accuracy": held_out.accuracy,
            **dead_columns(held_out.dead),
        }
        self.sums = Sums()
        return row

    def _displayed(self, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> Values:
        """Return the row of a displayed step: this batch once more with keep_prob 1, after its update, as the document does.

        Dead units are counted on held-out digits, because a batch of 64 would call many of them dead.
        """
        batch: Evaluation = self.trainer.evaluate(x, y, len(x))
        count = material.DEAD_DIGITS
        held_out = self.trainer.evaluate(self.prepared.x_val[:count], self.prepared.y_val[:count], count)
        return {
            "step": self.done,
            "iter": self.done * self.schedule.batch_size,
            "loss": batch.loss,
            "accuracy": batch.accuracy,
            **dead_columns(held_out.dead),
        }

    def _add_row(self, row: Values) -> None:
        self.history.rows.append(row)
        self.history.write(self.checkpoints.folder / "history.csv")
        self.tell(Row(row))
