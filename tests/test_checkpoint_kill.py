"""SIGKILL at every instant of a checkpoint write: before and after each system call, and with half of each piece written."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from alexnet_ref.train import checkpoint
from alexnet_ref.train.checkpoint import Arrays, Checkpoint, Checkpoints

CONFIGURATION = {"architecture": "tiny", "batch size": 64, "seed": 0, "data": "0123abcd"}


def arrays_of(generation: int) -> Arrays:
    """Return arrays that a careless format would change, different for each generation."""
    special = np.array([-0.0, np.nan, np.float32(1e-45), np.inf, generation], np.float32)
    return {
        "weights/kernel": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3) + generation),
        "weights/bias": special,
        "adam/iteration": np.array(generation + 2**40, np.int64),
    }


def make(generation: int) -> Checkpoint:
    """Return the checkpoint of a generation."""
    return Checkpoint(
        configuration=CONFIGURATION,
        position={"step": generation, "loss": generation / 3},
        history=[{"epoch": 1, "loss": 0.1 + generation}],
        environment={"numpy": "2"},
        arrays=arrays_of(generation),
    )


class Fuse:
    """Kills this process when it has been asked for the n-th time."""

    def __init__(self, instants: int) -> None:
        """Take n; 0 never kills."""
        self.left = instants

    def __call__(self) -> None:
        """Count one instant."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Halves:
    """A file that writes in two halves, with an instant before, between and after them."""

    def __init__(self, file: IO[bytes], fuse: Fuse) -> None:
        """Wrap the file."""
        self.file, self.fuse = file, fuse

    def write(self, data: bytes) -> None:
        """Write in two halves that reach the operating system."""
        self.fuse()
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        self.fuse()
        self.file.write(data[len(data) // 2 :])
        self.file.flush()


def light(instants: int) -> None:
    """Set the fuse in this process: at every write to a checkpoint, every fsync and every rename."""
    fuse = Fuse(instants)
    write, sync, replace = checkpoint._write, os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        fuse()
        sync(descriptor)
        fuse()

    def replaced(path: Path, target: Path) -> Path:
        fuse()
        result = replace(path, target)
        fuse()
        return result

    checkpoint._write = lambda file, *rest: write(Halves(file, fuse), *rest)  # type: ignore[arg-type]  # a file, as far as it is used
    os.fsync = synced  # type: ignore[assignment]  # takes a descriptor alone, which is all that we give it
    Path.replace = replaced  # type: ignore[assignment,method-assign]  # takes a path alone, which is all that we give it


def save_under_fire(folder: Path, instants: int) -> None:
    """Write generation 3 over 1, beside 2, and be killed on the way."""
    checkpoints = Checkpoints(folder=folder)
    checkpoints.load(CONFIGURATION, arrays_of(0))
    light(instants)
    checkpoints.save(make(3))


def kill_at(folder: Path, instants: int, context: Any) -> bool:
    """Save in another process that is killed at that instant; tell whether it was."""
    process = context.Process(target=save_under_fire, args=(folder, instants))
    process.start()
    process.join(60)
    assert process.exitcode in (-signal.SIGKILL, 0)
    return bool(process.exitcode)


def test_killed_at_every_instant_of_a_write(tmp_path: Path) -> None:
    """Generation 2 is there before the rename, 3 after it, never anything else, and the next save succeeds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    instants, generations = 0, []
    while True:
        instants += 1
        folder = tmp_path / str(instants)
        folder.mkdir()
        checkpoints = Checkpoints(folder=folder)
        checkpoints.save(make(1))
        checkpoints.save(make(2))
        killed = kill_at(folder, instants, context)
        found = checkpoints.load(CONFIGURATION, arrays_of(0))
        assert found is not None
        assert checkpoints.notices == []
        expected = make(found.generation).arrays
        assert all(found.arrays[name].tobytes() == array.tobytes() for name, array in expected.items())
        generations.append(found.generation)
        checkpoints.save(make(found.generation + 1))
        assert len(list(folder.iterdir())) == 2, "what the kill left behind stays"
        if not killed:
            break
    assert generations == sorted(generations)
    assert set(generations) == {2, 3}
    # Six pieces in two halves, fsync of file and folder and a rename each with a before and an after, and once unharmed.
    assert instants == 6 * 2 + 3 * 2 + 1


def test_the_fuse_kills() -> None:
    """The instrument itself: a process with a fuse of one instant ends by SIGKILL."""
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_burn)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def _burn() -> None:
    Fuse(1)()


if not hasattr(signal, "SIGKILL"):
    pytest.skip("SIGKILL is POSIX's", allow_module_level=True)
