"""The run: every result is checked first, then the peers take turns, and the limit is measured between the cases."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.arithmetic import Arithmetic
from benchmarks.material import Ends, check_ends, digits, ends
from benchmarks.peers.limits import FORCED, LimitAnswers, Rates, work
from benchmarks.peers.peer import Array, Peer
from benchmarks.peers.worker import PeerAnswers, Prepare, Unavailable, Worker
from reference import Architecture, init_params

PAUSE = 0.02  # seconds between two turns: threads of the last one spin for some milliseconds before they sleep
FEWEST = 3  # rounds of a peer of which one takes a tenth of all the time
NOT_CONFORMING = "not conforming"

Say = Callable[[str], None]
Images = Callable[[Architecture, int], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What all peers do in turn."""

    architecture: Architecture
    batch: int
    threads: int


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One peer's row."""

    peer: str
    version: str = ""
    seconds: tuple[float, ...] = ()  # of each run; empty: it was not timed, and the remark says why
    remark: str = ""
    refused: bool = False  # its result was wrong, and nobody knew

    @property
    def least(self) -> float:
        """The time in which least else ran on the machine."""
        return min(self.seconds, default=math.nan)

    @property
    def median(self) -> float:
        """The median time."""
        return float(np.median(self.seconds)) if self.seconds else math.nan


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A case's rows, and what the machine could do."""

    case: Case
    timings: tuple[Timing, ...]
    rates: Rates

    @property
    def limit(self) -> float:
        """Seconds: see limits.Work."""
        return work(self.case.architecture, self.case.batch).limit(self.rates)


def first_digits(architecture: Architecture, batch: int) -> NDArray[np.float32]:
    """Return so many real digits, (batch, H, W, C)."""
    return digits(architecture, batch)[0]


def measure(
    cases: Sequence[Case],
    peers: Sequence[Peer],
    *,
    seconds: float,
    rounds: int,
    images: Images = first_digits,
    say: Say = lambda _: None,
) -> list[Measured]:
    """Measure every case for so many seconds and at least so many rounds."""
    found: list[Measured] = []
    for threads in dict.fromkeys(case.threads for case in cases):
        here = [case for case in cases if case.threads == threads]
        with ExitStack() as stack:
            limits = [stack.enter_context(closing(worker)) for worker in limit_workers(threads)]
            workers = {peer: stack.enter_context(closing(Worker(PeerAnswers(peer, threads), threads))) for peer in peers}
            rates = reduce(Rates.best, (limit.ask("") for limit in limits))
            measured = []
            for case in here:
                say(f"{case.architecture.name}, batch {case.batch}, {threads} thread{'s' * (threads > 1)}")
                timings = measure_case(case, workers, images(case.architecture, case.batch), seconds=seconds, rounds=rounds)
                measured.append((case, tuple(timings)))
                rates = reduce(Rates.best, (limit.ask("") for limit in limits), rates)
        found += [Measured(case=case, timings=timings, rates=rates) for case, timings in measured]
    return found


def limit_workers(threads: int) -> list[Worker]:
    """Return the processes that measure the machine; where OpenBLAS's kernels are prescribed, one with its own choice as well."""
    workers = [Worker(LimitAnswers(threads), threads)]
    if FORCED in os.environ:
        workers.append(Worker(LimitAnswers(threads, f"NumPy without {FORCED}"), threads, without=(FORCED,)))
    return workers


def measure_case(
    case: Case, workers: Mapping[Peer, Worker], images: NDArray[np.float32], *, seconds: float, rounds: int
) -> list[Timing]:
    """Check each peer's result, then time in turn those that may be timed."""
    rows: dict[str, Timing] = {}
    runs: dict[str, Callable[[], float]] = {}
    expected: dict[Arithmetic, Ends] = {}
    for peer, worker in workers.items():
        if peer.one_image and case.batch > 1:
            continue
        if peer.arithmetic not in expected:
            weights = init_params(case.architecture)
            expected[peer.arithmetic] = ends(case.architecture, weights, images, peer.arithmetic)
        order = Prepare(architecture=case.architecture, images=images)
        row = checked(peer, partial(worker.ask, order), expected[peer.arithmetic], len(images))
        if row is None:
            continue
        rows[peer.name] = row
        if not row.refused and not row.remark.startswith("not measured"):
            runs[peer.name] = partial(worker.ask, "time")
    times = take_turns(runs, seconds=seconds, rounds=rounds)
    return [replace(row, seconds=tuple(times.get(name, ()))) for name, row in rows.items()]


def checked(peer: Peer, run: Callable[[], Array], expected: Ends, batch: int) -> Timing | None:
    """Return the peer's row, not timed yet; None for a GPU's peer that finds no GPU.

    A result that differs from the oracle's by more than rounding explains is refused, or marked where that was known.
    """
    row = Timing(peer=peer.name, version=peer.version)
    try:
        result = run()
    except Unavailable as reason:
        return None if peer.gpu else replace(row, remark=f"not measured: {reason}")
    try:
        assert len(result) == batch, f"{len(result)} results for {batch} images"
        check_ends(result, expected)
    except AssertionError as difference:
        if peer.wrong:
            return replace(row, remark=NOT_CONFORMING)
        return replace(row, remark=f"refused, its result is wrong: {next(iter(str(difference).splitlines()), '')}", refused=True)
    return row


def take_turns(runs: Mapping[str, Callable[[], float]], *, seconds: float, rounds: int) -> dict[str, list[float]]:
    """Return {name: the seconds of its runs}. A round has one run of each; every other round goes backwards.

    It ends after so many rounds and so many seconds. With a time to keep to, whoever takes a tenth of it has but FEWEST runs.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + seconds
    for number in _count_up(rounds, end):
        for name in list(runs)[:: -1 if number % 2 else 1]:
            own = times[name]
            if seconds and len(own) >= FEWEST and min(own) > seconds / 10:
                continue
            time.sleep(PAUSE)
            own.append(runs[name]())
    return times


def _count_up(rounds: int, end: float) -> Iterator[int]:
    number = 0
    while number < rounds or time.perf_counter() < end:
        yield number
        number += 1
