"""From hypotheses to a diagnosis: which of them are shown, and the document as the one to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.step import Framework
from alexnet_ref.diagnosis.diagnosis import Array, Diagnosis, Evidence, Hypothesis

SHOWN = 5  # hypotheses of each layer
CLEARLY = 4  # times nearer than another: residuals of explanations differ by less, as in hypotheses.ranked


def explained(
    layer: str | None, documented: Hypothesis, found: Sequence[Hypothesis], fix: str, evidence: Evidence | None
) -> Diagnosis:
    """Return the diagnosis: the hypotheses that are nearer than the document, those that explain it with the line to write."""
    better = [h for h in found if h.residual < documented.residual or h.explains]
    if documented.explains:  # what shows is smaller than what is allowed here: only what is clearly nearer says anything
        better = [h for h in better if h.residual <= documented.residual / CLEARLY]
    fitted = next((h.fitted for h in better if h.fitted and h.explains), {})  # the numbers, beside the words of the catalogue
    shown = [h for place, h in enumerate(better) if h.explains or place < SHOWN]
    better = [replace(h, fix=fix, fitted=h.fitted or fitted) if h.explains else h for h in shown]
    return Diagnosis(layer=layer, documented=documented, hypotheses=tuple(better), evidence=evidence)


def the_document(received: Array, expected: Array, slack: float) -> Hypothesis:
    """Return the document as a hypothesis about what was received."""
    if received.shape != expected.shape:
        words = f"the document's layer, whose output has the shape {expected.shape[1:]}, not {received.shape[1:]}"
        return Hypothesis(mistake="none", words=words, ratio=float("inf"), residual=1.0)
    with np.errstate(invalid="ignore"):
        error = np.abs(received - expected)
    size = float(np.sqrt(np.mean(received**2))) or 1.0
    ratio, residual = float(error.max()) / (slack * size), float(np.sqrt(np.mean(error**2))) / size
    finite = np.isfinite(ratio)
    return Hypothesis(
        mistake="none",
        words="the document's layer",
        ratio=ratio if finite else float("inf"),
        residual=residual if finite else 1.0,
    )


def unanswered(words: str) -> Hypothesis:
    """Return the document as a hypothesis about what gave nothing to compare."""
    return Hypothesis(mistake="none", words=words, ratio=float("inf"), residual=1.0)


def framework(candidate: Candidate) -> Framework:
    """Return the framework in whose words a fix is given."""
    name: Framework = getattr(getattr(candidate, "port", None), "framework", "")
    return name
