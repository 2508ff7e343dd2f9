"""A process for each framework: none inherits another's threads, settings or Keras back end, and all take turns.

The number of threads is that of the processors which the process may use (Linux), and what the environment tells each library.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Literal

from benchmarks.peers.peer import Absent, Array, Peer, Runner
from reference import Architecture, init_params

Answers = Callable[[Any], Any]
WARMED = 0.5  # seconds: a run that takes longer is not warmed up each time, for what the others left in the caches matters little

# What the libraries ask for how many threads to start.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


class Unavailable(Exception):  # noqa: N818 - names the fact, as InvalidInput does
    """The process could not do what it was asked for: its text says why."""


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """The order to build the network with its initial weights, and to run it on the images."""

    architecture: Architecture
    images: Array


@dataclass(frozen=True, kw_only=True)
class _Failure:
    reason: str


class PeerAnswers:
    """What a peer's process answers: to Prepare the result, to "time" the seconds of one run."""

    def __init__(self, peer: Peer, threads: int) -> None:
        self.peer, self.threads = peer, threads
        self._built: dict[Architecture, Runner] = {}
        self._run: Callable[[], Array]
        self._last = 0.0

    def __call__(self, order: Prepare | Literal["time"]) -> Any:
        """Answer one order."""
        if isinstance(order, Prepare):
            return self._prepare(order.architecture, order.images)
        if self._last < WARMED:
            self._run()
        return self._timed()

    def _prepare(self, architecture: Architecture, images: Array) -> Array:
        if architecture not in self._built:
            self._built[architecture] = self.peer.build(architecture, init_params(architecture), self.threads)
        run = self._built[architecture]
        self._run = lambda: run(images)
        result = self._run()  # also traces, compiles and allocates
        self._timed()
        return result

    def _timed(self) -> float:
        start = time.perf_counter()
        self._run()
        self._last = time.perf_counter() - start
        return self._last


class Worker:
    """The parent's end of such a process."""

    def __init__(self, answers: Answers, threads: int, *, without: tuple[str, ...] = ()) -> None:
        context = get_context("spawn")  # not fork: see TensorFlow's threads
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, answers), daemon=True)
        with limited_to(threads, without=without):
            self._process.start()
        there.close()

    def ask(self, order: Any) -> Any:
        """Return the answer to an order; Unavailable if there is none."""
        try:
            self._here.send(order)
            answer = self._here.recv()
        except (EOFError, OSError):
            self._process.join()
            raise Unavailable(f"its process ended with exit code {self._process.exitcode}") from None
        if isinstance(answer, _Failure):
            raise Unavailable(answer.reason)
        return answer

    def close(self) -> None:
        """End the process."""
        self._here.close()
        self._process.join()


def _serve(connection: Connection, answers: Answers) -> None:
    while True:
        try:
            order = connection.recv()
        except EOFError:
            return
        try:
            answer = answers(order)
        except Absent as absent:
            answer = _Failure(reason=str(absent))
        except Exception as error:  # noqa: BLE001 - whatever a framework raises becomes its row's remark
            answer = _Failure(reason=f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}")
        connection.send(answer)


@contextmanager
def limited_to(threads: int, *, without: tuple[str, ...] = ()) -> Iterator[None]:
    """Let processes that the block starts use so many processors, and have their libraries start so many threads.

    TensorFlow's start-up messages are left out, unless the environment asks for them; so are the variables named in `without`.
    """
    changed = {**dict.fromkeys(VARIABLES, str(threads)), "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2")}
    before = {name: os.environ.get(name) for name in (*changed, *without)}
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    os.environ.update(changed)
    for name in without:
        os.environ.pop(name, None)
    try:
        if allowed is not None:
            os.sched_setaffinity(0, sorted(allowed)[:threads])
        yield
    finally:
        if allowed is not None:
            os.sched_setaffinity(0, allowed)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
