"""Freed memory stays with the process, where glibc can be told so."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Two arrays, one after the other: the page faults of making the second, with pages of 4 KiB at most 16,384.
SCRIPT = """
import resource, sys
import numpy as np
from alexnet_ref.memory import keep_pages
if "keep" in sys.argv and not keep_pages():
    sys.exit(3)
np.ones(2**24, np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**24, np.float32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*arguments: str) -> int:
    """Return the page faults of the second array; the test is skipped where there is no glibc."""
    run = subprocess.run(  # noqa: S603 - this interpreter, our own script
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"NUMPY_MADVISE_HUGEPAGE": "0", "PATH": ""},  # as pages of 2 MiB would be few
    )
    if run.returncode == 3:
        pytest.skip("needs glibc, which alone can be told to keep memory")
    return int(run.stdout)


def test_a_second_array_takes_the_pages_of_the_first() -> None:
    """Told to keep pages, it needs no fresh ones; otherwise thousands."""
    assert faults("keep") < 100
    assert faults() > 1000
