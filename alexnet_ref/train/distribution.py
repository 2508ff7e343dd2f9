"""One step on several replicas: a strategy of TensorFlow, and what a run asks of it. TensorFlow is imported in the functions.

Every worker computes the same schedule, and a batch is the document's however many share it: replica r of R takes the r-th of R
equal, contiguous parts of each batch. The loss is the sum over all digits by the size of the whole batch, and gradients are added
up over the replicas. So R replicas make the step that one makes, but for the order of additions.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, assert_never

import numpy as np

from reference.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alexnet_ref.train.cluster import Cluster
    from alexnet_ref.train.schedule import Schedule

    Arrays = dict[str, NDArray[Any]]

Strategy = Literal["none", "mirrored", "multiworker"]
# A worker that is gone is missed after some ten seconds, by TensorFlow's heartbeats. This is for one that is there and does
# nothing; a chief that evaluates or writes a checkpoint must not be taken for such.
COLLECTIVE_SECONDS = 600.0
# Of TensorFlow's errors, those in which a collective ends when somebody is not there.
LOST = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError", "FailedPreconditionError", "InternalError")


class WorkerLostError(Exception):
    """A step could not be made because another worker did not take part; the text says who, as far as is known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Distribution:
    """A strategy in force in this process."""

    kind: Strategy
    strategy: Any
    cluster: Cluster | None = None  # of several workers

    @property
    def replicas(self) -> int:
        """How many share a batch, over all workers."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def workers(self) -> int:
        """How many processes take part."""
        return len(self.cluster.addresses) if self.cluster else 1

    @property
    def rank(self) -> int:
        """Which of the workers this is."""
        return self.cluster.rank if self.cluster else 0

    @property
    def chief(self) -> bool:
        """Whether this worker writes the files."""
        return self.rank == 0

    def share(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this worker's part of a batch."""
        size = len(indices) // self.workers
        return indices[self.rank * size : (self.rank + 1) * size]

    def own(self, array: Any) -> Any:
        """Return, in a replica, its part of what its worker was given."""
        import tensorflow as tf

        local = self.replicas // self.workers
        if local == 1:
            return array
        size = tf.shape(array)[0] // local
        start = (_replica() - self.rank * local) * size
        with tf.device("CPU:0"):  # where the whole lies, so that a GPU is sent its part alone
            return array[start : start + size]

    def own_of_all(self, array: Any) -> Any:
        """Return, in a replica, its part of what was computed for the whole batch."""
        import tensorflow as tf

        if self.replicas == 1:
            return array
        size = tf.shape(array)[0] // self.replicas
        return array[_replica() * size : (_replica() + 1) * size]

    def add_up(self, arrays: list[Any]) -> list[Any]:
        """Return, in a replica, the sums of the replicas' arrays."""
        import tensorflow as tf

        context, options = tf.distribute.get_replica_context(), None
        if self.workers > 1:  # said here again, because a replica's sums do not heed the strategy's own options
            options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=COLLECTIVE_SECONDS)
        sums: list[Any] = context.all_reduce(tf.distribute.ReduceOp.SUM, arrays, options)
        return sums

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Run what needs all workers; WorkerLostError where one of them is missing."""
        import tensorflow as tf

        try:
            yield
        except tf.errors.OpError as error:
            if self.cluster is None or self.workers == 1 or type(error).__name__ not in LOST:
                raise
            suspects = self.cluster.suspects(error.message)
            if not suspects and self.workers == 2:
                suspects = [self.cluster.name(1 - self.rank)]
            raise WorkerLostError(f"no answer from {' or '.join(suspects) or 'somebody'} ({type(error).__name__})") from None

    def from_chief(self, facts: Any) -> Any:
        """Return the chief's JSON value, on every worker."""
        if self.workers == 1:
            return facts
        codes = np.frombuffer(json.dumps(facts).encode(), np.uint8).astype(np.int64)
        length = int(self._gather(np.array([len(codes)], np.int64))[0])
        padded = np.zeros(length, np.int64)
        if self.chief:
            padded[:] = codes
        return json.loads(self._gather(padded)[:length].astype(np.uint8).tobytes())

    def arrays_from_chief(self, arrays: Arrays) -> Arrays:
        """Return the chief's arrays, to the bit; those of the others give names, types and shapes."""
        if self.workers == 1:
            return arrays
        return {
            name: self._gather(array.reshape(-1))[: array.size].reshape(array.shape).astype(array.dtype, copy=False)
            for name, array in arrays.items()
        }

    def describe(self) -> dict[str, str | bool | int]:
        """Return what a result on several workers depends on; `devices.describe`, whose words these are, knows one machine."""
        import tensorflow as tf

        from alexnet_ref.devices import describe_host

        own = [device.rpartition("/device:")[2] for device in self.strategy.extended.worker_devices]
        return {
            **describe_host(),
            "device": ", ".join(own),
            "device_kind": own[0].partition(":")[0],
            "tensorflow": tf.__version__,
            "keras": version("keras"),
            "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
            "deterministic": True,  # `train` sees to it, and TensorFlow's public functions cannot tell
            "workers": self.workers,
        }

    def part(self) -> None:
        """Wait for the others after the last step: who left at once might leave before the others have all of its last sum."""
        if self.workers > 1:
            with contextlib.suppress(WorkerLostError):  # whoever is gone by now has made all its steps
                self._gather(np.zeros(1, np.int64))

    def _gather(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the replicas' arrays one after another, the chief's first."""
        import tensorflow as tf

        tf.get_logger().addFilter(_is_no_retracing)
        with self.together():
            own = self.strategy.experimental_distribute_values_from_function(lambda _: tf.constant(array))
            result: NDArray[Any] = self.strategy.gather(own, axis=0).numpy()
            return result


def _is_no_retracing(record: logging.LogRecord) -> bool:
    """Leave out TensorFlow's warning that a gather was compiled anew: once for each shape is no waste."""
    return "retracing" not in record.getMessage()


def _replica() -> Any:
    import tensorflow as tf

    return tf.distribute.get_replica_context().replica_id_in_sync_group


def distribute(kind: Strategy = "none", cluster: Cluster | None = None) -> Distribution:
    """Return the strategy at work. none: as TensorFlow stands. mirrored: on all GPUs, without one on all logical CPUs.

    multiworker: on all GPUs, or the CPU, of each of the cluster's workers; returns when all are there. It has to be TensorFlow's
    first act in a process: InvalidInput where it is not.
    """
    import tensorflow as tf

    from alexnet_ref.devices import devices

    match kind:
        case "none":
            return Distribution(kind=kind, strategy=tf.distribute.get_strategy())
        case "mirrored":
            present = devices()
            names = [name for name in present if name.startswith("GPU")] or present
            return Distribution(kind=kind, strategy=tf.distribute.MirroredStrategy(names))
        case "multiworker":
            options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=COLLECTIVE_SECONDS)
            try:
                strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
            except RuntimeError as error:  # "Collective ops must be configured at program startup"
                raise InvalidInput(
                    "the workers' strategy cannot start: TensorFlow is in use already",
                    where="multiworker",
                    received=str(error).splitlines()[0],
                    hint="Train in a process that has not used TensorFlow before",
                ) from None
            except tf.errors.OpError as error:
                raise InvalidInput("the workers could not join", where="multiworker", received=first_line(error)) from None
            return Distribution(kind=kind, strategy=strategy, cluster=cluster)
        case _:
            assert_never(kind)


def first_line(error: Any) -> str:
    """Return the beginning of TensorFlow's message."""
    lines = str(error.message).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


def check_divides(schedule: Schedule, replicas: int) -> None:
    """Refuse a schedule with a batch that the replicas cannot share evenly: the smaller one at an epoch's end counts too."""
    left = 0 if schedule.continuous else schedule.digits % schedule.batch_size
    for what, size, hint in (
        ("the batch", schedule.batch_size, "Give a --batch-size that divides"),
        ("the last batch of each epoch", left, "Give a --batch-size that leaves one that divides, or a --limit"),
    ):
        if size % replicas:
            raise InvalidInput(
                f"{what} does not divide by the replicas",
                where=f"{replicas} replicas",
                expected=f"a multiple of {replicas} digits",
                received=str(size),
                hint=hint,
            )
