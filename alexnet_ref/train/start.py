"""`train`: from what was asked for to a finished folder."""

from __future__ import annotations

from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_ref.train import material, results
from alexnet_ref.train.checkpoint import Checkpoints
from alexnet_ref.train.cluster import read_cluster
from alexnet_ref.train.distribution import Strategy, check_divides, distribute
from alexnet_ref.train.events import Event, Interrupted, Notice
from alexnet_ref.train.files import locked
from alexnet_ref.train.meeting import meet
from alexnet_ref.train.run import Run
from alexnet_ref.train.schedule import documented_schedule
from reference import Architecture, InvalidInput, as_architecture

if TYPE_CHECKING:
    from collections.abc import Callable


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
    strategy: Strategy = "none",
    without_lrn: bool = False,
    resume: bool = False,
    checkpoint_seconds: float = 60.0,
    on_progress: Callable[[Event], None] = lambda _: None,
) -> dict[str, Any]:
    """Train as the document does, and fill the folder `out`; return what its metrics.json holds.

    data: as `alexnet_ref.mnist.load` takes it; None is the shipped sample. epochs, batch_size: the document's by default.
    limit: the first so many training digits alone. resume: go on from the folder's checkpoint. A checkpoint is written at each
    end of an epoch, at the end, and when `checkpoint_seconds` have passed since the last.

    strategy: "mirrored" on all GPUs of this machine, "multiworker" on the machines that TF_CONFIG names, which all run the same
    command. A batch stays the document's, each replica taking its part of it; dropout's masks are drawn for the whole batch, so
    that a digit meets the same mask on any number of replicas. The chief alone writes to `out`, and reads from it to resume; on
    the others the result is {}. without_lrn: drop the LRN layers, for the claims that compare both networks.

    Same configuration, devices, replicas and number of threads: the same weights to the bit, however often the run is killed
    and resumed. Resumed on another number of replicas the sums are added in another order, which a notice says.
    InvalidInput: what cannot be trained, read or written, has diverged, or has lost a worker. Interrupted: by Ctrl-C or SIGTERM
    to any worker, with a checkpoint.
    """
    from alexnet_ref.devices import describe, devices, settings

    if device is not None and strategy != "none":
        raise InvalidInput(
            "a strategy chooses its devices itself",
            expected=f"--strategy {strategy} or --device {device}",
            received="both",
            hint="CUDA_VISIBLE_DEVICES says which GPUs it sees",
        )
    architecture = material.without_lrn(as_architecture(architecture)) if without_lrn else as_architecture(architecture)
    cluster = read_cluster() if strategy == "multiworker" else None
    prepared, origin, notices = material.load_digits(architecture, data, limit)
    schedule = documented_schedule(architecture, digits=len(prepared.x_train), batch_size=batch_size, epochs=epochs, seed=seed)
    if cluster:
        check_divides(schedule, len(cluster.addresses))  # each has at least one replica: refuse before anybody waits
    folder, chief = Path(out), cluster is None or cluster.rank == 0
    configuration = material.configuration(architecture, prepared, schedule)
    with locked(folder) if chief else nullcontext(), settings(device=device, tf32=False, deterministic=True):
        for text in notices if chief else []:
            on_progress(Notice(text))
        checkpoints = Checkpoints(folder=folder)
        if chief and checkpoints.paths and not resume:
            raise InvalidInput(
                "this folder holds a checkpoint",
                where=str(folder),
                hint="--resume goes on from it; another --out, or removing it, trains from the beginning",
            )
        if cluster:
            facts = {**configuration, "steps": schedule.steps, "resume": resume, "order": schedule.order_digest(0)[:16]}
            meet(cluster, facts, tell=lambda text: on_progress(Notice(text)))
        distribution = distribute(strategy, cluster)
        check_divides(schedule, distribution.replicas)
        run = Run(
            architecture=architecture,
            prepared=prepared,
            schedule=schedule,
            checkpoints=checkpoints,
            distribution=distribution,
            configuration=configuration,
            tell=on_progress,
        )
        facts = distribution.describe() if cluster else describe(device or devices()[-1])
        facts |= {"strategy": strategy, "replicas": distribution.replicas}
        run.environment = {"alexnet-ref": version("alexnet-ref"), **facts}
        if resume:
            run.restore()
        run.loop(checkpoint_seconds)
        if not chief:
            return {}
        try:
            return results.write_results(run, folder, origin)
        except KeyboardInterrupt:
            raise Interrupted(run.how_to_resume) from None
