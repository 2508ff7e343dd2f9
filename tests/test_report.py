"""The report: what makes a verdict, how it is said, and its JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from alexnet_ref.checks import Check, Status
from alexnet_ref.report import Report
from alexnet_ref.report.json import SCHEMA, to_json, write_json
from reference import InvalidInput


def made(*checks: tuple[str, str | None, Status]) -> Report:
    """Return a report of checks (id, layer, status)."""
    return Report(
        candidate="a port",
        architecture="tf1_graph",
        checks=tuple(Check(id=id, layer=layer, status=status, fact="because") for id, layer, status in checks),  # noqa: A001
    )


GOOD: tuple[str, str | None, Status] = ("conv.exact[conv1]", "conv1", "passed")
BAD: tuple[str, str | None, Status] = ("lrn.probe[norm1]", "norm1", "failed")
UNSEEN: tuple[str, str | None, Status] = ("conv.unseen[conv2d_3]", "conv2d_3", "not checkable")


def test_one_failure_is_enough() -> None:
    """A report with a failed check does not conform, whatever else passed."""
    assert not made(GOOD, BAD, UNSEEN).conforms
    assert made(GOOD, BAD).verdict == "does not conform"


def test_what_cannot_be_checked_never_passes() -> None:
    """A report of nothing but checks that could not be made is no verdict, and an empty one neither."""
    assert made(UNSEEN).verdict == made().verdict == "could not be checked"
    assert not made(UNSEEN).conforms
    assert made(GOOD, UNSEEN).conforms


def test_first_wrong_layer_is_wrong_on_its_own() -> None:
    """A layer that only inherits an error, end to end, is not the first wrong one."""
    inherited: tuple[str, str | None, Status] = ("conv.end_to_end[conv1]", "conv1", "failed")
    assert made(inherited, BAD).first_wrong_layer == "norm1"
    assert made(GOOD).first_wrong_layer is None


def test_sentence_counts_what_ran_and_what_could_not() -> None:
    """The verdict's line counts passed, run and uncheckable checks, with the reason."""
    assert made(GOOD, UNSEEN).sentence == "tf1_graph: conforms: 1 of 1 checks passed; 1 not checkable, because because"
    assert made(GOOD, BAD).sentence == "tf1_graph: does not conform: 1 of 2 checks passed; first wrong layer: norm1"


def test_sentence_names_what_the_verdict_rests_on() -> None:
    """The line says whether layers were held against the oracle on their own, end to end, or both."""
    isolated: tuple[str, str | None, Status] = ("conv.isolated[conv1]", "conv1", "passed")
    accumulated: tuple[str, str | None, Status] = ("conv.end_to_end[conv1]", "conv1", "passed")
    assert "passed, isolated and end to end" in made(isolated, accumulated).sentence
    assert made(accumulated).sentence.endswith("passed, end to end")
    assert made(GOOD).sentence.endswith("passed")


def test_json_holds_everything() -> None:
    """The JSON has the schema's number, the verdict and every check; infinity, which JSON lacks, becomes null."""
    check = Check(id=BAD[0], layer=BAD[1], status="failed", fact="off", error=1.0, allowed=0.0, ratio=math.inf)
    report = Report(candidate="a port", architecture="tf1_graph", checks=(check,), environment={"numpy": "2"})
    document = json.loads(to_json([report]))
    assert document["schema"] == SCHEMA
    assert document["conforms"] is False
    [stored] = document["reports"]
    assert (stored["verdict"], stored["first_wrong_layer"], stored["failed"]) == ("does not conform", "norm1", 1)
    assert stored["checks"] == [
        {"id": BAD[0], "layer": "norm1", "status": "failed", "fact": "off", "error": 1.0, "allowed": 0.0, "ratio": None}
        | {"arithmetic": None}
    ]
    assert stored["environment"] == {"numpy": "2"}


def test_no_report_is_no_conformity() -> None:
    """The JSON of no reports at all does not claim conformity."""
    assert json.loads(to_json([]))["conforms"] is False


def test_writing_replaces_whole_files_or_nothing(tmp_path: Path) -> None:
    """A report replaces an old one whole; one that cannot be written leaves nothing behind and says so in a line."""
    path = tmp_path / "report.json"
    path.write_text("old")
    write_json(path, [made(GOOD)])
    assert json.loads(path.read_text())["conforms"] is True
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_json(tmp_path / "missing" / "report.json", [made(GOOD)])
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
