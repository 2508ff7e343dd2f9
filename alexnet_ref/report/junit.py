"""The report as JUnit XML, for build servers: a suite for each network, a case for each check."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from alexnet_ref.checks import Check
from alexnet_ref.files import write_atomically
from alexnet_ref.printable import printable
from alexnet_ref.report.report import Report

LONGEST = 2000  # characters of one text: XML has no limit, but the servers' tables have


def to_junit(reports: Sequence[Report]) -> str:
    r"""Return one document: what failed is a failure; what could not be checked, or was expected to fail, is skipped.

    classname is network.layer, name the check's id, so that servers group by layer. The verdict's sentence is the suite's output,
    the environment its properties. XML 1.0 has no word for control characters: they are written as \x1b.
    """
    suites = [_suite(report) for report in reports]
    root = ET.Element("testsuites", {"name": "alexnet-ref", **_sums(suites)})
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(report: Report) -> ET.Element:
    skipped = len(report.of("not checkable")) + len(report.of("expected failure"))
    counts = {"tests": len(report.checks), "failures": len(report.of("failed")), "errors": 0, "skipped": skipped}
    suite = ET.Element("testsuite", {"name": _text(f"{report.architecture}: {report.candidate}")})
    suite.attrib.update({key: str(value) for key, value in counts.items()}, time="0")  # a check's time is not measured
    properties = ET.SubElement(suite, "properties")
    for key, value in report.environment.items():
        ET.SubElement(properties, "property", {"name": _text(key), "value": _text(value)})
    suite.extend(_case(report, check) for check in report.checks)
    lines = [report.sentence, *(diagnosis.sentence for diagnosis in report.diagnoses)]
    ET.SubElement(suite, "system-out").text = "\n".join(map(_text, lines))
    if report.stale:
        stale = [_text(f"stale expectation: {check} {why}") for check, why in report.stale.items()]
        ET.SubElement(suite, "system-err").text = "\n".join(stale)
    return suite


def _case(report: Report, check: Check) -> ET.Element:
    place = f"{report.architecture}.{check.layer or 'network'}"
    case = ET.Element("testcase", {"classname": _text(place), "name": _text(check.id), "time": "0"})
    match report.outcome(check):
        case "passed":
            pass
        case "failed":
            failure = ET.SubElement(case, "failure", {"type": "failed", "message": _text(check.fact)})
            failure.text = _text(f"{check.id}: {check.fact}{_numbers(check)}")
        case "not checkable":
            ET.SubElement(case, "skipped", {"type": "not checkable", "message": _text(check.fact)})
        case "expected failure":
            reason = f"expected failure: {report.reasons[check.id]}"
            ET.SubElement(case, "skipped", {"type": "expected failure", "message": _text(reason)})
    return case


def _numbers(check: Check) -> str:
    return "" if check.ratio is None else f" (error {check.error:.3e}, allowed {check.allowed:.3e}, ratio {check.ratio:.3e})"


def _sums(suites: Sequence[ET.Element]) -> dict[str, str]:
    return {key: str(sum(int(suite.get(key, "0")) for suite in suites)) for key in ("tests", "failures", "errors", "skipped")}


def _text(text: object) -> str:
    return printable(text, LONGEST)


def write_junit(path: Path, reports: Sequence[Report]) -> None:
    """Write the reports' XML to the file, whole or not at all."""
    write_atomically(path, to_junit(reports))
