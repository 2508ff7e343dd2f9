"""Buffers that are used again, and threads that share work, each with its own buffers."""

from __future__ import annotations

import contextvars
import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache, lru_cache
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from reference.fast.blas import one_thread_each

Array = NDArray[Any]
Item = TypeVar("Item")
Buffers = dict[str, NDArray[np.uint8]]

# Multiplications that are worth another thread. To wake it takes a twentieth of a millisecond, to hear of its end as long, and
# both want the interpreter's lock between their steps. Those of a dense layer for one image wait for their weights, and those of
# LRN for roots and quotients: they count several times.
SHARED = 1 << 24

# Of intermediate values that one block of work may take: about a core's second-level cache. Half of it is better for one thread,
# but two that call for every few microseconds of work wait for the interpreter's lock, and to be woken, as long as they work.
BLOCK_BYTES = 1 << 20

# Of buffers that are kept for one thread from one call to the next.
KEPT_BYTES = 1 << 24


class Worker:
    """One thread's buffers; work that is shared with nobody."""

    hands = 1  # threads that `share` employs

    def __init__(self) -> None:
        self.buffers: Buffers = {}
        self.finite = True  # False after a sum that was not

    def take(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Return this worker's buffer of this name, of undefined content, valid until it is taken again."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        buffer = self.buffers.get(name)
        if buffer is None or buffer.nbytes < size:
            buffer = self.buffers[name] = np.empty(size, np.uint8)
        return buffer[:size].view(dtype).reshape(shape)

    def watch(self, sums: Array) -> None:
        """Notice a NaN or infinity among the sums: with one, their own sum is no finite number either."""
        with np.errstate(over="ignore", invalid="ignore"):  # a product with ones takes a third of the time of np.sum
            self.finite = self.finite and math.isfinite((sums @ ones(sums.shape[-1], sums.dtype)).sum())

    def finish(self, sums: Array, bias: Array, *, relu: bool) -> None:
        """Add the bias (K,) to sums (..., K) of products, look whether they are finite, and take their positive part if asked."""
        sums += bias
        self.watch(sums)
        if relu:
            np.maximum(sums, np.zeros_like(bias), out=sums)  # between arrays: with the number 0 it takes four times as long

    def hands_for(self, multiplications: int) -> int:
        """Return how many threads to cut so much work for."""
        return self.hands if multiplications >= SHARED else 1

    def share(self, work: Callable[[Item, Worker], None], items: Iterable[Item], hands: int | None = None) -> None:  # noqa: ARG002 - a team's
        """Call work(item, worker) for every item, in any order: items write to places of their own."""
        for item in items:
            work(item, self)


class Team(Worker):
    """The calling thread and as many more as there are further processors; use it as a context.

    Threads and buffers are kept for the next team: a new thread, or memory never written to, takes longer than small work.
    """

    def __init__(self, hands: int) -> None:
        super().__init__()
        self.hands = hands
        self.workers = [Worker() for _ in range(hands)]  # what is shared is not shared again: none of them is the team

    def __enter__(self) -> Self:
        """Take buffers, and keep the matrix library from starting its own threads."""
        self._exit = ExitStack()
        if self.hands > 1:
            self._exit.enter_context(one_thread_each())
        for worker in self._all():
            with suppress(IndexError):  # none is kept
                worker.buffers = kept.popleft()
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        self._exit.close()
        for worker in self._all():
            small = sum(buffer.nbytes for buffer in worker.buffers.values()) <= KEPT_BYTES
            kept.append(worker.buffers if small else {})

    def _all(self) -> list[Worker]:
        return [self, *self.workers]

    def share(self, work: Callable[[Item, Worker], None], items: Iterable[Item], hands: int | None = None) -> None:
        """Call work(item, worker) for every item, in any order, on so many threads or all; the first exception is raised here.

        The caller begins with the first item, another thread with the last, as with the layer before: they are in its cache.
        """
        waiting = deque(items)
        first, *others = self.workers[: max(1, min(len(waiting), hands or self.hands))]

        def until_done(worker: Worker, take: Callable[[], Item]) -> None:
            while waiting:
                try:
                    item = take()
                except IndexError:  # another thread was faster
                    return
                work(item, worker)

        # NumPy's error state belongs to a context, so that it goes along.
        helping = [
            _helpers(self.hands - 1).submit(contextvars.copy_context().run, until_done, worker, waiting.pop) for worker in others
        ]
        try:
            until_done(first, waiting.popleft)
        finally:
            waiting.clear()
            for help_ in helping:
                if not help_.cancel():  # it has begun: another team's work may be before it
                    help_.result()
        self.finite = self.finite and all(worker.finite for worker in self.workers)


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _helpers(count: int) -> ThreadPoolExecutor:
    """Return so many threads, which wait for work: starting one anew takes longer than the smallest work that is shared."""
    return ThreadPoolExecutor(count)


kept: deque[Buffers] = deque(maxlen=1 + processors())  # in the order of those who had them, for whose caches they suit
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # a child has none of its parent's threads


@lru_cache(maxsize=64)
def ones(k: int, dtype: DTypeLike) -> Array:
    """Return k ones, which nobody writes to."""
    return np.ones(k, dtype)


def parts(n: int, most: int, at_least: int = 1) -> list[slice]:
    """Cut n things into slices of at most so many (one, if that is none), as equal as can be, `at_least` so many if n allows."""
    count = max(-(-n // max(most, 1)), min(at_least, n))
    count = min(-(-count // at_least) * at_least, n)
    ends = [n * k // count for k in range(count + 1)]
    return [slice(start, end) for start, end in itertools.pairwise(ends)]
