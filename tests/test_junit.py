"""JUnit XML: what a build server reads of a report."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ref.checks import Check
from alexnet_ref.expected import Expectation
from alexnet_ref.report import Report
from alexnet_ref.report.junit import to_junit, write_junit
from reference import InvalidInput
from tests.test_report import BAD, GOOD, UNSEEN, full_report, made


def parsed(*reports: Report) -> ET.Element:
    """Return the document's root, as a parser of XML sees it."""
    return ET.fromstring(to_junit(reports))  # noqa: S314 - our own words


def test_every_check_is_a_case() -> None:
    """A suite for each report and a case for each check, grouped by layer; the counts are those of the cases."""
    root = parsed(full_report(), made(GOOD))
    assert [suite.get("name") for suite in root] == ["tf1_graph: a port", "tf1_graph: a port"]
    suite = root[0]
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [GOOD[0], BAD[0], UNSEEN[0], "conv.exact[conv2]"]
    assert [case.get("classname") for case in cases][:2] == ["tf1_graph.conv1", "tf1_graph.norm1"]
    found = {key: len(suite.findall(f"testcase/{key}")) for key in ("failure", "skipped", "error")}
    assert found == {"failure": 1, "skipped": 2, "error": 0}
    assert [suite.get(key) for key in ("tests", "failures", "skipped", "errors")] == ["4", "1", "2", "0"]
    assert [root.get(key) for key in ("tests", "failures", "skipped", "errors")] == ["5", "1", "2", "0"]


def test_outcomes_say_why() -> None:
    """A failure has its fact and numbers, a skipped case its reason, a passed one nothing; stale entries are told."""
    check = Check(id=BAD[0], layer="norm1", status="failed", fact="off", error=2.0, allowed=1.0, ratio=2.0)
    expectations = (Expectation(check=GOOD[0], reason="wrong"), Expectation(check="conv.exact[conv2]", reason="known"))
    report = made(GOOD, UNSEEN, ("conv.exact[conv2]", "conv2", "failed"))
    suite = parsed(dataclasses.replace(report, checks=(*report.checks, check), expectations=expectations))[0]
    passed, unseen, known, failed = suite.findall("testcase")
    assert list(passed) == []
    assert unseen[0].attrib == {"type": "not checkable", "message": "because"}
    assert known[0].attrib == {"type": "expected failure", "message": "expected failure: known"}
    assert failed[0].get("message") == "off"
    assert failed[0].text == "lrn.probe[norm1]: off (error 2.000e+00, allowed 1.000e+00, ratio 2.000e+00)"
    assert suite.findtext("system-err") == f"stale expectation: {GOOD[0]} passed"
    assert (suite.findtext("system-out") or "").startswith("tf1_graph: does not conform")


def test_the_environment_and_diagnoses_are_kept() -> None:
    """The environment is the suite's properties, the diagnoses stand below the verdict."""
    suite = parsed(full_report())[0]
    properties = {element.get("name"): element.get("value") for element in suite.findall("properties/property")}
    assert properties["numpy"] == "2"
    assert "norm1: alpha is divided by the window" in (suite.findtext("system-out") or "")


def test_the_order_is_the_one_that_servers_expect() -> None:
    """Within a suite: properties, cases, system-out, system-err, as JUnit's schema has them."""
    tags = [element.tag for element in parsed(full_report())[0]]
    assert tags == sorted(tags, key=["properties", "testcase", "system-out", "system-err"].index)
    assert set(tags) == {"properties", "testcase", "system-out", "system-err"}


@given(
    text=st.text(st.characters(), max_size=300) | st.sampled_from(["\x00", "]]>", "<!--", "&amp;", "\ud800", "\ufffe", "\x1b["])
)
def test_any_words_make_well_formed_xml(text: str) -> None:
    """Whatever a port says - control characters, lone surrogates, markup - the document parses, and nothing hidden is in it."""
    check = Check(id=f"lrn.probe[{text}]", layer=text, status="failed", fact=text)
    odd = Check(id="lrn.exact[x]", layer=text, status="not checkable", fact=text)
    report = Report(candidate=text, architecture="tf1_graph", checks=(check, odd), environment={text: text})
    document = to_junit([report])
    document.encode("utf-8")
    assert len(ET.fromstring(document)[0].findall("testcase")) == 2  # noqa: S314 - our own words
    assert all(character.isprintable() or character == "\n" for character in document)


def test_no_report_is_an_empty_document() -> None:
    """No report at all is a document without suites, and not a passing one."""
    root = parsed()
    assert len(root) == 0
    assert root.get("tests") == "0"


def test_the_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """The file parses; where it cannot be written, that is said in a line."""
    write_junit(tmp_path / "report.xml", [full_report()])
    assert ET.parse(tmp_path / "report.xml").getroot().tag == "testsuites"  # noqa: S314 - our own words
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_junit(tmp_path / "missing" / "report.xml", [full_report()])
