"""Workers that are killed, stopped or silent in the middle of a run: the others end by themselves, and all resume to the bit."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alexnet_ref.train import Step, checkpoint, pictures
from alexnet_ref.train.checkpoint import Checkpoints
from alexnet_ref.train.events import Event
from tests.test_distribution_step import free_ports, tf_config
from tests.test_train_loop import TINY_KERAS
from tests.test_train_run import final_bits

pytestmark = [pytest.mark.tf, pytest.mark.slow]

STEPS = 9
OPTIONS = "keras_sequential --strategy multiworker --epochs 3 --limit 40 --batch-size 16 --resume".split()  # noqa: SIM905 - a command
SILENT_SECONDS = 15.0
Fate = tuple[int, int, Callable[[], Any]] | None  # rank, after which step, what it does


def kill() -> None:
    """End this process as a lost machine would."""
    os.kill(os.getpid(), signal.SIGKILL)


def terminate() -> None:
    """Ask this process to stop, as a batch system does."""
    os.kill(os.getpid(), signal.SIGTERM)


def fall_silent() -> None:
    """Do nothing more, with the heartbeats going on: for longer than anybody waits."""
    time.sleep(300)


def work(rank: int, ports: list[int], folder: Path, every: str, fate: Fate) -> None:
    """Run `alexnet-ref train` on a tiny network as one of the workers, which meets its fate."""
    os.environ.update(TF_CONFIG=tf_config(ports, rank), TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    from alexnet_ref import train as package
    from alexnet_ref.cli import main
    from alexnet_ref.train import distribution, start

    pictures.draw_all = lambda *_, **__: None  # they take longer than the run
    if fate and fate[2] is fall_silent:
        distribution.COLLECTIVE_SECONDS = SILENT_SECONDS

    def train(_: str, *, on_progress: Callable[[Event], None], **options: Any) -> dict[str, Any]:
        def watch(event: Event) -> None:
            on_progress(event)
            if fate and isinstance(event, Step) and (rank, event.step) == fate[:2]:
                fate[2]()

        return start.train(TINY_KERAS, on_progress=watch, **options)

    package.train = train  # type: ignore[assignment]  # it takes what the command gives
    descriptor = os.open(folder.with_name(f"said-{rank}.txt"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    main(["train", *OPTIONS, "--out", str(folder), "--checkpoint-every", every])


def both(folder: Path, *, every: str = "0", fate: Fate = None) -> tuple[list[int | None], list[list[str]]]:
    """Let two workers run to their ends; return exit codes and what each said last. Whoever fell silent is ended at last."""
    context = multiprocessing.get_context("spawn")
    ports = free_ports(2)
    processes = [context.Process(target=work, args=(rank, ports, folder, every, fate)) for rank in (0, 1)]
    for process in processes:
        process.start()
    silent = fate[0] if fate and fate[2] is fall_silent else None
    with contextlib.ExitStack() as stack:
        for process in processes:
            stack.callback(process.kill)
        for rank, process in enumerate(processes):
            if rank != silent:
                process.join(150)
                assert process.exitcode is not None, f"worker {rank} does not end"
    for process in processes:
        process.join()
    said = [folder.with_name(f"said-{rank}.txt").read_text().strip().splitlines() for rank in (0, 1)]
    assert not [line for lines in said for line in lines if line.startswith("WARNING:tensorflow")]
    return [process.exitcode for process in processes], [
        [line for line in lines if line.startswith("alexnet-ref: ")] for lines in said
    ]


def saved_step(folder: Path) -> int:
    """Return the step of the newest checkpoint."""
    headers = [checkpoint._verify(path) for path in Checkpoints(folder=folder).paths]
    return int(max(headers, key=lambda header: int(header["generation"]))["position"]["step"])


def test_lost_workers_end_the_run_and_it_resumes_to_the_bit(tmp_path: Path) -> None:
    """A worker killed, a worker asked to stop, the chief killed: resumed each time, the run ends in an undisturbed run's bits."""
    whole, folder = tmp_path / "whole" / "run", tmp_path / "killed" / "run"
    whole.parent.mkdir()
    folder.parent.mkdir()
    assert both(whole) == ([0, 0], [[], []])

    # The worker is killed after step 2. No checkpoint was due: the chief saves the state before the step that failed.
    codes, said = both(folder, every="1e9", fate=(1, 2, kill))
    assert codes == [2, -signal.SIGKILL]
    assert len(said[0]) == 1
    assert said[0][0].startswith(
        "alexnet-ref: step 3: another worker was lost; expected all 2 workers; received no answer from worker 1 ("
    )
    assert f"The state after step 2 of {STEPS} is saved in {folder}" in said[0][0]
    assert saved_step(folder) == 2

    # The worker is asked to stop after step 4: all learn it in step 5, and stop after it.
    codes, said = both(folder, every="1e9", fate=(1, 4, terminate))
    assert codes == [130, 130]
    words = f"alexnet-ref: stopped after step 5 of {STEPS}, saved: the same command with --resume goes on"
    assert said == [[words], [words]]
    assert saved_step(folder) == 5

    # The chief is killed after step 8, before it saved that.
    codes, said = both(folder, fate=(0, 8, kill))
    assert codes == [-signal.SIGKILL, 2]
    assert len(said[1]) == 1
    assert "another worker was lost; expected all 2 workers; received no answer from worker 0 (" in said[1][0]
    assert "The chief's folder holds the last checkpoint" in said[1][0]
    assert saved_step(folder) == 7

    assert both(folder) == ([0, 0], [[], []])
    assert final_bits(folder) == final_bits(whole)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_silent_worker_is_not_waited_for_without_end(tmp_path: Path, rank: int) -> None:
    """A worker whose heart beats but who makes no step: the other ends when the time for a sum is over."""
    folder = tmp_path / "run"
    codes, said = both(folder, fate=(rank, 3, fall_silent))
    assert codes[1 - rank] == 2
    assert len(said[1 - rank]) == 1
    assert (
        f"step 4: another worker was lost; expected all 2 workers; received no answer from worker {rank} (" in said[1 - rank][0]
    )
    assert saved_step(folder) == 3 - (rank == 0)  # a chief that is silent has not saved its last step
