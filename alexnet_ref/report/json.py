"""The report as JSON, for programs: a versioned schema with stable check ids."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexnet_ref.files import write_atomically
from alexnet_ref.report.report import Report

SCHEMA = 1  # raised when a field changes its meaning or goes; fields may be added without


def to_json(reports: Sequence[Report]) -> str:
    """Return {"schema": 1, "conforms": bool, "reports": [...]}: each report's verdict, counts, environment and checks.

    JSON knows no infinity: the ratio of an error where none is allowed is null, as its `allowed` of 0 tells.
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
        "first_wrong_layer": report.first_wrong_layer,
        "arithmetic": report.arithmetic,
        "passed": len(report.of("passed")),
        "failed": len(report.of("failed")),
        "not_checkable": len(report.of("not checkable")),
        "environment": report.environment,
        "checks": [{key: _finite(value) for key, value in dataclasses.asdict(check).items()} for check in report.checks],
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, reports: Sequence[Report]) -> None:
    """Write the reports' JSON to the file, whole or not at all."""
    write_atomically(path, to_json(reports))
