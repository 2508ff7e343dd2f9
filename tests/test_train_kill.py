"""SIGKILL at many instants of a whole run, checkpoint writes included: resumed again and again, it ends in the same bits.

Four kills by default; 200 in the thorough environment (`--hypothesis-profile=thorough`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_ref.train import pictures, train
from tests.test_checkpoint_kill import light
from tests.test_train_loop import TINY
from tests.test_train_run import OPTIONS, final_bits

pytestmark = [pytest.mark.tf, pytest.mark.slow]


def train_under_fire(name: str, folder: Path, instants: int) -> None:
    """Train, resuming, and be killed at that instant of writing, if it comes; 0: never."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    pictures.draw_all = lambda *_, **__: None  # they take longer than the run
    light(instants)
    train(TINY[name], out=folder, resume=True, **OPTIONS)


def run(context: Any, name: str, folder: Path, instants: int, seconds: float | None) -> int:
    """Train in another process, killed at an instant of writing or after some time; return its exit code."""
    process = context.Process(target=train_under_fire, args=(name, folder, instants))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    code: int = process.exitcode
    return code


@pytest.mark.parametrize("name", list(TINY))
def test_killed_and_resumed_equals_uninterrupted(name: str, tmp_path: Path, thorough: bool) -> None:
    """Killed by turns at random instants of writing and at random times, the run ends in an undisturbed run's bits.

    A run that ends before its kill is thrown away and begun again, so that every kill is one.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["alexnet_ref.layers", __name__])  # TensorFlow, without an operation: safe to fork
    assert run(context, name, tmp_path / "whole", 0, None) == 0
    rng = np.random.default_rng(0)
    killed, attempt = 0, 0
    while killed < (200 if thorough else 4) // len(TINY):
        attempt += 1
        instants = int(rng.integers(1, 60)) if attempt % 2 else 0
        seconds = None if instants else float(rng.uniform(0.5, 3.0))
        code = run(context, name, tmp_path / "killed", instants, seconds)
        assert code in (0, -signal.SIGKILL)
        killed += code != 0
        if code == 0:
            assert final_bits(tmp_path / "killed") == final_bits(tmp_path / "whole")
            (tmp_path / "killed").rename(tmp_path / f"ended-{attempt}")
    assert run(context, name, tmp_path / "killed", 0, None) == 0
    assert final_bits(tmp_path / "killed") == final_bits(tmp_path / "whole")
