"""Freed memory stays with the process, where glibc can be told so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SIZE = 2**26  # bytes of each of two arrays, one after the other
SCRIPT = f"""
import resource, sys
import numpy as np
from alexnet_ref.memory import keep_pages
if "keep" in sys.argv and not keep_pages():
    sys.exit(3)
np.ones({SIZE}, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones({SIZE}, np.uint8)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize())
"""


def fresh(*arguments: str) -> int:
    """Return how many bytes of fresh pages the second array took; the test is skipped where there is no glibc."""
    pytest.importorskip("resource", reason="needs glibc, which alone can be told to keep memory")
    run = subprocess.run(  # noqa: S603 - this interpreter, our own script
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"},  # a large page would count as one
    )
    if run.returncode == 3:
        pytest.skip("needs glibc, which alone can be told to keep memory")
    return int(run.stdout)


def test_a_second_array_takes_the_pages_of_the_first() -> None:
    """Told to keep pages, most of the second array is memory of the first; otherwise most of it is fresh."""
    assert fresh("keep") < SIZE / 2 < fresh()
