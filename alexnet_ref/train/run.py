"""A training run between its first and its last step, resumable at any instant."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.train import material
from alexnet_ref.train.checkpoint import Checkpoint, Checkpoints
from alexnet_ref.train.distribution import Distribution, WorkerLostError
from alexnet_ref.train.events import Event, Interrupted, LostWorker, Notice, Row, Step, Values
from alexnet_ref.train.history import History, Sums, dead_columns
from alexnet_ref.train.loop import Evaluation, Trainer
from alexnet_ref.train.signals import stop_requests
from reference import Architecture, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from alexnet_ref.mnist import Prepared
    from alexnet_ref.train.schedule import Schedule


class Run:
    """A training run between its first and its last step."""

    def __init__(
        self,
        *,
        architecture: Architecture,
        prepared: Prepared,
        schedule: Schedule,
        checkpoints: Checkpoints,
        distribution: Distribution,
        configuration: dict[str, Any],
        tell: Callable[[Event], None],
    ) -> None:
        """Build the network at its start."""
        self.architecture, self.prepared, self.schedule = architecture, prepared, schedule
        self.checkpoints, self.distribution, self.tell = checkpoints, distribution, tell
        self.trainer = Trainer(architecture, schedule.seed, distribution)
        self.configuration = configuration
        self.environment: dict[str, Any] = {}
        self.history, self.sums = History(), Sums()
        self.done = 0  # steps
        self.seconds = 0.0  # of training, over all processes that took part

    @property
    def how_to_resume(self) -> str:
        """Say how to go on."""
        return f"stopped after step {self.done} of {self.schedule.steps}, saved: the same command with --resume goes on"

    def restore(self) -> None:
        """Go on from the newest whole checkpoint; without any, from the beginning, which is said.

        The chief reads it, and every worker goes on from what the chief read.
        """
        found = self._found() if self.distribution.chief else None
        try:
            position = self.distribution.from_chief(found and found.position)
            arrays = self.distribution.arrays_from_chief(found.arrays if found else self.trainer.state()) if position else {}
        except WorkerLostError as lost:
            raise LostWorker("another worker was lost before the first step", received=str(lost)) from None
        if position is None:
            self.tell(Notice("there is no checkpoint yet: training from the beginning"))
            return
        self.trainer.restore(arrays)
        self.history = History(rows=[dict(row) for row in found.history] if found else [])
        self.sums = Sums(loss=position["loss"], correct=position["correct"], digits=position["digits"])
        self.done, self.seconds = position["step"], position["seconds"]
        self.tell(Notice(f"resuming after step {self.done} of {self.schedule.steps}"))

    def _found(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, if it can be gone on from."""
        found = self.checkpoints.load(self.configuration, self.trainer.state())
        for text in self.checkpoints.notices:
            self.tell(Notice(text))
        if found is None:
            return None
        if found.position["order"] != self.schedule.order_digest(found.position["step"]):
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
        return found

    def save(self) -> None:
        """Write a checkpoint of this instant; the chief does."""
        if not self.distribution.chief:
            return
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
                ended_row, stop = self._advance(step, asked_to_stop())
                stop = stop if self.distribution.workers > 1 else asked_to_stop()  # several stop after the same step
                now = time.monotonic()
                self.seconds += now - started
                started = now
                last = self.done == self.schedule.steps
                if ended_row or last or stop or now - saved >= checkpoint_seconds:
                    self.save()
                    saved = time.monotonic()
                if last or stop:
                    self.distribution.part()
                if stop and not last:
                    raise Interrupted(self.how_to_resume)

    def _advance(self, step: int, asked_to_stop: bool) -> tuple[bool, bool]:
        """Make one step; tell whether it ended a row of the history, and whether any worker was asked to stop before it."""
        indices = self.schedule.batch(step)
        share = self.distribution.share(indices)
        x, y = self.prepared.x_train[share], self.prepared.y_train[share]
        try:
            stepped = self.trainer.step(x, y, step, stop=asked_to_stop)
        except WorkerLostError as lost:
            raise self._without(str(lost), step) from None
        self.done = step + 1
        if self.schedule.continuous:
            self.sums = Sums()
        self.sums.add(stepped.loss, stepped.correct, len(indices))
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
            return False, stepped.stop
        if self.distribution.chief:
            self._add_row(self._displayed(indices) if self.schedule.continuous else self._epoch(step))
        if not self.schedule.continuous:
            self.sums = Sums()
        return True, stepped.stop

    def _without(self, lost: str, step: int) -> LostWorker:
        """Save the state before the step that could not be made, and return what to tell."""
        hint = "The chief's folder holds the last checkpoint"
        if self.distribution.chief and self.trainer.steps == self.done:
            self.save()
            hint = f"The state after step {self.done} of {self.schedule.steps} is saved in {self.checkpoints.folder}"
        return LostWorker(
            "another worker was lost",
            where=f"step {step + 1}",
            expected=f"all {self.distribution.workers} workers",
            received=lost,
            hint=f"{hint}: the same command with --resume on every worker goes on",
        )

    def _epoch(self, step: int) -> Values:
        """Return the row of an epoch: training means as Keras prints them (with dropout), then the validation set."""
        held_out = self.trainer.evaluate(self.prepared.x_val, self.prepared.y_val, self.schedule.batch_size)
        return {
            "epoch": self.schedule.epoch(step) + 1,
            "step": self.done,
            "loss": self.sums.mean_loss,
            "accuracy": self.sums.accuracy,
            "val_loss": held_out.loss,
            "val_accuracy": held_out.accuracy,
            **dead_columns(held_out.dead),
        }

    def _displayed(self, indices: np.ndarray[Any, Any]) -> Values:
        """Return the row of a displayed step: this batch once more with keep_prob 1, after its update, as the document does.

        Dead units are counted on held-out digits, because a batch of 64 would call many of them dead.
        """
        x, y = self.prepared.x_train[indices], self.prepared.y_train[indices]
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
