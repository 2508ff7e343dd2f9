"""The report as one page that needs nothing but a browser: no script, no font, no picture from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from alexnet_ref.diagnosis import Diagnosis
from alexnet_ref.files import write_atomically
from alexnet_ref.printable import printable
from alexnet_ref.report import charts, pictures
from alexnet_ref.report.pictures import Picture, uri
from alexnet_ref.report.report import Report
from alexnet_ref.report.reproduction import CAP, ratios, reproduce
from alexnet_ref.report.table import in_layer_order, numbers

LONGEST = 2000  # characters of one text of a stranger's


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the page shows of one diagnosis."""

    diagnosis: Diagnosis
    bars: list[charts.Bar]
    beyond: int
    elements: int
    which: str
    pictures: list[Picture]
    files: dict[str, Any] | None  # {"name", "script", "part", "npz", "py"}: text, and the two downloads as data: URIs


def to_html(reports: Sequence[Report]) -> str:
    """Return the page. Every text that it is given is escaped twice over: what is not visible, and what HTML would understand."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alexnet_ref.report", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = printable  # names: what is longer tells nothing more
    return environment.get_template("report.html.j2").render(
        reports=reports,
        conforms=bool(reports) and all(report.conforms for report in reports),
        views=[_view(report) for report in reports],
        signs=charts.SIGNS,
        numbers=numbers,
        have_pictures=pictures.available(),
        cap=CAP // 2**20,
        style=Markup((resources.files("alexnet_ref.report") / "templates" / "report.css").read_text("utf-8")),  # noqa: S704 - ours
    )


def _visible(value: Any) -> Any:
    """Return what a template prints: numbers and our own markup as they are, every other text on one visible line."""
    return value if isinstance(value, (Markup, int, float)) else printable(value, LONGEST)


def _view(report: Report) -> dict[str, Any]:
    shown, taken = [], False
    for diagnosis in report.diagnoses:
        shown.append(_shown(report.architecture, diagnosis, files=not taken))
        taken = taken or shown[-1].files is not None
    return {
        "cells": charts.strip(report),
        "checks": list(in_layer_order(report)),
        "shown": shown,
        "evidence": any(diagnosis.evidence is not None for diagnosis in report.diagnoses),
    }


def _shown(architecture: str, diagnosis: Diagnosis, *, files: bool) -> Shown:
    """Return the drawings; the files of the first wrong layer alone, because what follows it may only inherit."""
    evidence = diagnosis.evidence
    if evidence is None or evidence.received.shape != evidence.expected.shape:
        return Shown(diagnosis=diagnosis, bars=[], beyond=0, elements=0, which="", pictures=[], files=None)
    which, maps = pictures.pictures(evidence) if pictures.available() else ("", [])
    return Shown(
        diagnosis=diagnosis,
        bars=charts.histogram(evidence),
        beyond=int((ratios(evidence) > 1).sum()),
        elements=evidence.expected.size,
        which=which,
        pictures=[_trusted(picture) for picture in maps],
        files=_files(architecture, diagnosis) if files else None,
    )


def _trusted(picture: Picture) -> Any:
    """Return the picture with its URIs, which are ours, as markup: they are longer than any text of a stranger's may be."""
    return {**vars(picture), "image": Markup(picture.image), "bar": Markup(picture.bar)}  # noqa: S704 - base64


def _files(architecture: str, diagnosis: Diagnosis) -> dict[str, Any] | None:
    reproduction = reproduce(architecture, diagnosis)
    if reproduction is None:
        return None
    return {
        "name": reproduction.name,
        "part": reproduction.part,
        "script": Markup(escape(reproduction.script)),  # noqa: S704 - of several lines, and escaped here
        "py": Markup(uri("text/x-python", reproduction.script.encode())),  # noqa: S704 - base64
        "npz": Markup(uri("application/octet-stream", reproduction.archive)),  # noqa: S704 - base64
    }


def write_html(path: Path, reports: Sequence[Report]) -> None:
    """Write the page to the file, whole or not at all."""
    write_atomically(path, to_html(reports))
