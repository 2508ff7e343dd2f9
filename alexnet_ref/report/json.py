"""The report as JSON, for programs: a versioned schema with stable check ids, every key of which `docs/report.md` explains."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexnet_ref.diagnosis import Diagnosis, Hypothesis
from alexnet_ref.files import write_atomically
from alexnet_ref.report.report import Report

SCHEMA = 1  # raised when a field changes its meaning or goes; fields may be added without


def to_json(reports: Sequence[Report]) -> str:
    """Return {"schema": 1, "conforms": bool, "reports": [...]}: each report's verdict, counts, environment and checks.

    JSON knows no infinity: the ratio of an error where none is allowed is null, as its `allowed` of 0 tells. A diagnosis's arrays
    are left out: the HTML page has them.
    """
    document = {
        "schema": SCHEMA,
        "conforms": bool(reports) and all(report.conforms for report in reports),
        "reports": [_report(report) for report in reports],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _report(report: Report) -> dict[str, Any]:
    return {
        "architecture": report.architecture,
        "candidate": report.candidate,
        "verdict": report.verdict,
        "sentence": report.sentence,
        "first_wrong_layer": report.first_wrong_layer,
        "arithmetic": report.arithmetic,
        "passed": len(report.of("passed")),
        "failed": len(report.of("failed")),
        "not_checkable": len(report.of("not checkable")),
        "expected_failures": len(report.of("expected failure")),
        "environment": _plain(report.environment),
        "checks": [_plain(dataclasses.asdict(check)) | {"status": report.outcome(check)} for check in report.checks],
        "expectations": [
            {"check": check, "reason": reason, "stale": report.stale.get(check)} for check, reason in report.reasons.items()
        ],
        "diagnoses": [_diagnosis(diagnosis) for diagnosis in report.diagnoses],
    }


def _diagnosis(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "layer": diagnosis.layer,
        "sentence": diagnosis.sentence,
        "mistake": diagnosis.best.mistake if diagnosis.best else None,
        "fix": diagnosis.best.fix if diagnosis.best else None,
        "confidence": _plain(diagnosis.confidence),
        "documented": _hypothesis(diagnosis.documented),
        "hypotheses": [_hypothesis(hypothesis) for hypothesis in diagnosis.hypotheses],
    }


def _hypothesis(hypothesis: Hypothesis) -> dict[str, Any]:
    found: dict[str, Any] = _plain({field.name: getattr(hypothesis, field.name) for field in dataclasses.fields(hypothesis)})
    return found | {"explains": hypothesis.explains}


def _plain(value: Any) -> Any:
    """Return the value in JSON's own words: what is not finite is null, what JSON has no word for is text."""
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [_plain(item) for item in value]
        case _ if hasattr(value, "items"):
            return {str(key): _plain(item) for key, item in value.items()}
        case _ if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:  # one of NumPy's numbers
            return _plain(value.item())
        case _:
            return str(value)


def write_json(path: Path, reports: Sequence[Report]) -> None:
    """Write the reports' JSON to the file, whole or not at all."""
    write_atomically(path, to_json(reports))
