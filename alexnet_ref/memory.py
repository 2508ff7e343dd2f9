"""Memory that is kept once it was had: judging makes large arrays and drops them, hundreds of times."""

from __future__ import annotations

import ctypes

# <malloc.h>: what may be mapped by itself, to be given back when it is freed; how much may lie free at the top of the heap; how
# many heaps there are, of which each thread would take from its own.
M_MMAP_MAX, M_TRIM_THRESHOLD, M_ARENA_MAX = -4, -1, -8


def keep_pages() -> bool:
    """Tell glibc to keep what is freed for the next array; return whether it is glibc's, and does.

    It would give each large array back to the system, whose fresh pages, zeroed one by one, can take as long as the arithmetic.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no such function here
        return False
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}
    done = [mallopt(name, value) for name, value in settings.items()]
    return all(done)
