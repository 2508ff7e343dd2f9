"""Buffers that are used again, and threads that share work, each with its own buffers."""

from __future__ import annotations

import contextvars
import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import lru_cache
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from reference.fast.blas import one_thread_each

Array = NDArray[Any]
Item = TypeVar("Item")

# Multiplications that are worth another thread: on one they take half a millisecond or more. Starting it costs a tenth, it begins
# with empty caches, and where other work waits for the processors, less than that is done before it has begun. Those of a dense
# layer for one image wait for their weights, and those of LRN for roots and quotients: they count several times.
SHARED = 1 << 26

# Of intermediate values that one block of work may take: about half of a core's second-level cache.
BLOCK_BYTES = 1 << 19


class Worker:
    """One thread's buffers; work that is shared with nobody."""

    hands = 1  # threads that `share` employs

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[np.uint8]] = {}
        self.finite = True  # False after a sum that was not

    def take(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Return this worker's buffer of this name, of undefined content, valid until it is taken again."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.nbytes < size:
            buffer = self._buffers[name] = np.empty(size, np.uint8)
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
    """The calling thread and as many more as there are further processors; use it as a context."""

    def __init__(self, hands: int) -> None:
        super().__init__()
        self.hands = hands
        self._workers = [Worker() for _ in range(hands)]

    def __enter__(self) -> Self:
        """Start threads, and keep the matrix library from starting its own."""
        with ExitStack() as stack:
            if self.hands > 1:
                stack.enter_context(one_thread_each())
                self._pool = stack.enter_context(ThreadPoolExecutor(self.hands - 1))
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads."""
        self._exit.close()

    def share(self, work: Callable[[Item, Worker], None], items: Iterable[Item], hands: int | None = None) -> None:
        """Call work(item, worker) for every item, in any order, on so many threads or all; the first exception is raised here."""
        waiting = deque(items)

        def until_done(worker: Worker) -> None:
            while waiting:
                try:
                    item = waiting.popleft()
                except IndexError:  # another thread was faster
                    return
                work(item, worker)

        first, *others = self._workers[: max(1, min(len(waiting), hands or self.hands))]
        # NumPy's error state belongs to a context, so that it goes along.
        helping = [self._pool.submit(contextvars.copy_context().run, until_done, worker) for worker in others]
        try:
            until_done(first)
        finally:
            waiting.clear()
            for help_ in helping:
                help_.result()
        self.finite = self.finite and all(worker.finite for worker in self._workers)


@lru_cache(maxsize=64)
def ones(k: int, dtype: DTypeLike) -> Array:
    """Return k ones, which nobody writes to."""
    return np.ones(k, dtype)


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parts(n: int, most: int, at_least: int = 1) -> list[slice]:
    """Cut n things into slices of at most so many (one, if that is none), as equal as can be, `at_least` so many if n allows."""
    count = max(-(-n // max(most, 1)), min(at_least, n))
    count = min(-(-count // at_least) * at_least, n)
    ends = [n * k // count for k in range(count + 1)]
    return [slice(start, end) for start, end in itertools.pairwise(ends)]
