"""No constant says anywhere in this repository how far two numbers may be apart: allowances are derived."""

from __future__ import annotations

import io
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "rtol",
    "atol",
    "rel_tol",
    "abs_tol",
    "allclose",
    "isclose",
    "assert_allclose",
    "assertAllClose",
    "assert_almost_equal",
    "approx",
}
EXEMPT = {
    "alexnet_ref/tolerances/others.py": "other people's constants, the data of the side-by-side table",
    "tests/test_no_magic_tolerance.py": "the words that are forbidden, and examples of their use",
}


def magic(source: str) -> Iterator[str]:
    """Yield each line that has a forbidden name in its code; comments and strings may speak of them."""
    if not any(name in source for name in FORBIDDEN):  # to find the names takes longer than to find that there is none
        return
    seen = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and token.string in FORBIDDEN and token.start[0] > seen:
            seen = token.start[0]
            yield f"{seen}: {token.line.strip()}"


def sources() -> list[Path]:
    """Return the repository's Python files: those that git knows or would add, or all where there is no git."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "*.py"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 - our words
    except (OSError, subprocess.CalledProcessError):
        folders = ("reference", "alexnet_ref", "tests", "benchmarks", "docs")
        return [ROOT / "conftest.py", *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    return [path for name in listed if (path := ROOT / name).exists()]


def test_no_constant_is_a_tolerance() -> None:
    """No file but the table of other people's constants names a tolerance of any library."""
    found = {
        name: list(magic(path.read_text(encoding="utf-8")))
        for path in sources()
        if (name := path.relative_to(ROOT).as_posix()) not in EXEMPT
    }
    assert len(found) > 50, "the repository's files were not found"
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "np.testing.assert_allclose(a, b, rtol=1e-3)",
        "assert np.allclose(a, b)",
        "assert math.isclose(a, b, rel_tol=1e-9)",
        "assert a == pytest.approx(b)",
        "self.assertAllClose(a, b)",
        "compare(a, b, atol=1e-6)",
    ],
)
def test_a_constant_is_found(line: str) -> None:
    """The search itself: it finds every way of writing one, and nothing in comments and strings."""
    assert list(magic(line + "\n")) == [f"1: {line}"]
    assert list(magic(f"# {line}\nx = {line!r}\n")) == []
