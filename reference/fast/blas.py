"""OpenBLAS's threads held to one while a team of ours works.

Each of its products would otherwise wake its own threads, which wait for one another by spinning: with ours beside them, or on a
busy machine, they take turns at doing nothing. OpenBLAS offers no way to say so for one call; its setting is the process's, so
it is put back as soon as no team works any more. With another matrix library nothing is done: results are the same, times vary.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

Control = tuple[Callable[[], int], Callable[[int], None]]  # get and set the number of threads

_lock = threading.Lock()
_teams = 0  # at work
_threads = 1  # that OpenBLAS had before the first of them


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let every product inside run on the thread that asks for it."""
    global _teams, _threads  # noqa: PLW0603 - as OpenBLAS's own setting, which they mirror
    if (control := openblas()) is None:
        yield
        return
    get, put = control
    with _lock:
        if _teams == 0:
            _threads = get()
            put(1)
        _teams += 1
    try:
        yield
    finally:
        with _lock:
            _teams -= 1
            if _teams == 0:
                put(_threads)


@cache
def openblas() -> Control | None:
    """Return how to read and set the threads of the OpenBLAS that NumPy is linked with; None where it is another library."""
    for name in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):  # NumPy 2, NumPy 1
        try:
            library = ctypes.CDLL(importlib.import_module(name).__file__)  # finds the functions of what it is linked with
        except (ImportError, OSError):
            continue
        for before, after in itertools.product(("scipy_openblas", "openblas"), ("64_", "")):  # NumPy's wheels, others' builds
            get, put = (getattr(library, f"{before}_{verb}_num_threads{after}", None) for verb in ("get", "set"))
            if get is not None and put is not None:
                get.restype, get.argtypes, put.restype, put.argtypes = ctypes.c_int, [], None, [ctypes.c_int]
                return get, put
        return None
    return None
