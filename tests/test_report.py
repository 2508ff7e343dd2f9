"""The report: what makes a verdict, how it is said, its JSON and its tables."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import reference
from alexnet_ref.checks import Check, Status
from alexnet_ref.conformance.ids import check_ids
from alexnet_ref.expected import Expectation
from alexnet_ref.report import Report
from alexnet_ref.report import table as tables
from alexnet_ref.report.json import SCHEMA, to_json, write_json
from reference import InvalidInput
from tests.wrong_ports import diagnosis_of

DOCUMENTED = (Path(__file__).parents[1] / "docs" / "report.md").read_text(encoding="utf-8")


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


# ---- The schema ----------------------------------------------------------------------------------------------------------


def full_report() -> Report:
    """Return a report in which every part of the schema has something in it."""
    return dataclasses.replace(
        made(GOOD, BAD, UNSEEN, ("conv.exact[conv2]", "conv2", "failed")),
        environment={"numpy": "2", "float": np.float32(0.5), "devices": ["CPU:0", Path("x")], "settings": {"tf32": math.nan}},
        diagnoses=(diagnosis_of("norm1"),),
        expectations=(Expectation(check="conv.exact[conv2]", reason="known"), Expectation(check=GOOD[0], reason="wrong")),
    )


def keys(value: Any) -> Iterator[str]:
    """Yield every key of the document, but for names that are data: those of the environment and of fitted numbers."""
    if isinstance(value, list):
        for item in value:
            yield from keys(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            if key not in ("environment", "fitted"):
                yield from keys(item)


def undocumented(document: Any) -> set[str]:
    """Return the keys that docs/report.md has no row for."""
    rows = [line.split("|")[1] for line in DOCUMENTED.splitlines() if line.startswith("|")]
    return set(keys(document)) - {name for row in rows for name in re.findall("`([^`]+)`", row)}


def test_every_key_is_documented() -> None:
    """docs/report.md has a row for every key that the JSON has."""
    document = json.loads(to_json([full_report()]))
    assert undocumented(document) == set()
    assert {"stale", "explains", "confidence"} <= set(keys(document)), "the report must have every part"


def test_an_undocumented_key_is_found() -> None:
    """The search itself: a key that nobody documented is found, however deep."""
    assert undocumented({"reports": [{"checks": [{"id": 1, "colour": 2}]}]}) == {"colour"}


def test_every_kind_of_check_is_documented(architecture: reference.Architecture) -> None:
    """docs/report.md says what every kind of check compares."""
    kinds = DOCUMENTED.partition("## Check ids")[2].partition("## Expected failures")[0]
    for check in check_ids(architecture, known_weights=True):
        concept, _, kind = check.partition("[")[0].partition(".")
        assert f"`{kind}`" in kinds, check
        assert re.search(rf"\b{concept}\b", kinds), check


def test_json_says_what_was_expected_and_diagnosed() -> None:
    """Expected failures are counted apart, stale entries named, diagnoses told without arrays, and odd values in plain words."""
    [stored] = json.loads(to_json([full_report()]))["reports"]
    assert (stored["passed"], stored["failed"], stored["not_checkable"], stored["expected_failures"]) == (1, 1, 1, 1)
    assert [check["status"] for check in stored["checks"]] == ["passed", "failed", "not checkable", "expected failure"]
    assert stored["expectations"] == [
        {"check": "conv.exact[conv2]", "reason": "known", "stale": None},
        {"check": GOOD[0], "reason": "wrong", "stale": "passed"},
    ]
    [diagnosis] = stored["diagnoses"]
    assert (diagnosis["mistake"], diagnosis["fix"]) == ("lrn.alpha_divided_by_window[norm1]", "alpha=0.001 / 9")
    assert [hypothesis["ratio"] for hypothesis in diagnosis["hypotheses"]] == [0.3, None]
    assert stored["environment"] == {"numpy": "2", "float": 0.5, "devices": ["CPU:0", "x"], "settings": {"tf32": None}}


# ---- Tables --------------------------------------------------------------------------------------------------------------

HOSTILE = "[/bold][red]x\x1b[2J\x07\u202eevil\n" + "y" * 5000


def printed(report: Report) -> str:
    """Return all that the terminal gets to see of the report."""
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    for item in (tables.agreement_table, tables.facts_table, tables.failures_table, tables.expectations_table):
        console.print(item(report))
    for line in (*tables.diagnosis_lines(report), tables.verdict_line(report)):
        console.print(line)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_strangers_words_are_printed_as_words() -> None:
    """Markup, terminal sequences and overrides of the writing direction reach the terminal as visible text, cut to length."""
    check = Check(id="lrn.shape[norm1]", layer="norm1", status="failed", fact=HOSTILE)
    odd = Check(id="lrn.probe[norm1]", layer="norm1", status="not checkable", fact=HOSTILE)
    diagnosis = diagnosis_of(HOSTILE, fix=HOSTILE)
    expectations = (Expectation(check=HOSTILE, reason=HOSTILE, architecture="tf1_graph"),)
    report = Report(
        candidate=HOSTILE, architecture="tf1_graph", checks=(check, odd), diagnoses=(diagnosis,), expectations=expectations
    )
    text = printed(report)
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "[/bold][red]x\\x1b[2J" in text
    assert "y" * 2500 not in text.replace("\n", "")


def test_tables_show_what_was_expected() -> None:
    """An expected failure is not among what is wrong; its reason is printed, and a stale entry loudly."""
    text = printed(full_report())
    failures = text.partition("what is wrong")[2].partition("expected to fail")[0]
    assert BAD[0] in failures
    assert "conv.exact[conv2]" not in failures
    assert "known" in text.partition("expected to fail")[2]
    assert "stale: passed" in text
    assert "norm1: alpha is divided by the window" in text


def test_a_stale_entry_colours_the_verdict() -> None:
    """A verdict with a stale entry is not printed in green."""
    good = made(GOOD)
    stale = dataclasses.replace(good, expectations=(Expectation(check=GOOD[0], reason="known"),))
    assert tables.verdict_line(good).style == "green"
    assert tables.verdict_line(stale).style == "bold red"


def test_large_ratios_stay_readable() -> None:
    """A ratio of many digits is printed with an exponent."""
    check = Check(id=BAD[0], layer=BAD[1], status="failed", fact="off", error=1.0, allowed=1e-30, ratio=1e30)
    assert tables.numbers(check)[2] == "1.00e+30"
    assert tables.numbers(dataclasses.replace(check, ratio=math.inf))[2] == "inf"
    assert tables.numbers(dataclasses.replace(check, ratio=0.25))[2] == "0.250"


def test_a_layer_of_which_nothing_was_compared_leaves_no_verdict() -> None:
    """Right layers around it do not make a port conform: what the layer computes may be anything."""
    unseen: list[tuple[str, str | None, Status]] = [
        ("lrn.shape[norm1]", "norm1", "passed"),
        *((f"lrn.{kind}[norm1]", "norm1", "not checkable") for kind in ("probe", "isolated", "end_to_end")),
        ("network.weights", None, "not checkable"),
    ]
    report = made(GOOD, *unseen, ("dense.exact[out]", "out", "passed"))
    assert report.verdict == "could not be checked"
    assert "nothing was compared of norm1" in report.sentence
    # Fed through it, the layer behind shows it; so does the network's result.
    assert made(GOOD, *unseen, ("dense.isolated[out]", "out", "passed")).conforms
    assert made(GOOD, *unseen, ("dense.end_to_end[out]", "out", "passed")).conforms
