"""Expected failures: the file, what they change of a verdict, and what becomes of entries that no longer hold."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexnet_ref.expected import Expectation, read_expected
from alexnet_ref.report import Report
from reference import InvalidInput
from tests.test_report import BAD, GOOD, UNSEEN, made


def expecting(report: Report, *entries: tuple[str, str | None]) -> Report:
    """Return the report with these checks (id, architecture) expected to fail."""
    expectations = tuple(Expectation(check=check, reason="known", architecture=network) for check, network in entries)
    return dataclasses.replace(report, expectations=expectations)


def test_the_file_is_read(tmp_path: Path) -> None:
    """Each table is a check, with its reason, and its architecture where it names one."""
    path = tmp_path / "expected.toml"
    path.write_text('["lrn.probe[norm1]"]\nreason = "a"\n["conv.exact[conv1]"]\nreason = " b "\narchitecture = "tf1_graph"\n')
    assert read_expected(path) == (
        Expectation(check="lrn.probe[norm1]", reason="a"),
        Expectation(check="conv.exact[conv1]", reason="b", architecture="tf1_graph"),
    )
    path.write_text("")
    assert read_expected(path) == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'["lrn.probe[norm1]"]', "needs its reason"),
        (b'["lrn.probe[norm1]"]\nreason = " "', "needs its reason"),
        (b'["lrn.probe[norm1]"]\nreason = 3', "needs its reason"),
        (b'["lrn.probe[norm1]"]\nreason = "a"\nstrict = true', "no such key.*received strict"),
        (b'["lrn.probe[norm1]"]\nreason = "a"\narchitecture = "vgg"', "no such architecture"),
        (b'["lrn.probe[norm1]"]\nreason = "a"\narchitecture = []', "no such architecture"),
        (b'"lrn.probe[norm1]" = "a"', "this is no entry"),
        (b'["a"]\nreason = "a"\n["a"]\nreason = "b"', "this is no TOML"),
        (b"[", "this is no TOML"),
        (b'["\\u001b[2J"]\nreason = 1', r"\\x1b\[2J: an expected failure needs its reason"),
        (b"\xff\xfe", "this is no text"),
        (b"a = " + b"[" * 5000, "this is no TOML"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Whatever is wrong with the file is said in a line that names the file."""
    path = tmp_path / "expected.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message) as caught:
        read_expected(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there, and a folder, are refused."""
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(InvalidInput, match="cannot be read"):
            read_expected(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the file is overwritten in each example
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_file_raises_anything_else(tmp_path: Path, content: bytes) -> None:
    """Any bytes at all are entries, or InvalidInput."""
    path = tmp_path / "expected.toml"
    path.write_bytes(content)
    with contextlib.suppress(InvalidInput):
        read_expected(path)


def test_an_expected_failure_does_not_count_against_the_port() -> None:
    """With its only failure expected, a port conforms, and the sentence says but for what."""
    report = expecting(made(GOOD, BAD), (BAD[0], None))
    assert report.conforms
    assert report.outcome(report.checks[1]) == "expected failure"
    assert report.first_wrong_layer is None
    assert report.stale == {}
    assert report.sentence == "tf1_graph: conforms but for 1 expected failure: 1 of 2 checks passed; 1 failed as expected"


def test_another_failure_still_counts() -> None:
    """An entry excuses its own check alone."""
    other = ("lrn.isolated[norm1]", "norm1", "failed")
    report = expecting(made(GOOD, BAD, other), (BAD[0], None))  # type: ignore[arg-type]  # a literal
    assert report.verdict == "does not conform"
    assert [check.id for check in report.of("failed")] == ["lrn.isolated[norm1]"]


def test_nothing_but_expected_failures_is_no_verdict() -> None:
    """A port of which nothing passed does not conform because its failures were expected."""
    assert expecting(made(BAD), (BAD[0], None)).verdict == "could not be checked"


def test_entries_that_no_longer_hold_are_stale() -> None:
    """A check that passes and one that never ran are stale, and said; one that could not be made may still fail."""
    report = expecting(made(GOOD, UNSEEN), (GOOD[0], None), ("lrn.exact[norm1]", None), (UNSEEN[0], None))
    assert report.stale == {GOOD[0]: "passed", "lrn.exact[norm1]": "never ran"}
    assert report.conforms
    assert "; 2 stale expectations: conv.exact[conv1] passed (and 1 more)" in report.sentence
    assert report.of("passed")[0].id == GOOD[0]


def test_an_entry_about_another_network_is_ignored() -> None:
    """An entry excuses nothing, and is not stale, where it names the other network, or a layer that only the other has."""
    report = expecting(made(GOOD, BAD), (BAD[0], "keras_sequential"), ("conv.exact[conv2d_1]", None))
    assert report.verdict == "does not conform"
    assert report.stale == {}
    assert expecting(made(GOOD, BAD), (BAD[0], "tf1_graph")).conforms
    # A layer that neither has: a mistyped name must not hide.
    assert expecting(made(GOOD), ("lrn.probe[nrom1]", None)).stale == {"lrn.probe[nrom1]": "never ran"}
