"""Detection power: a slice of the catalogue, built as ONNX files, is rejected and named; right ports are not rejected."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import reference
from alexnet_ref.cli import main
from alexnet_ref.mistakes import named
from alexnet_ref.power.miniature import miniature
from alexnet_ref.power.run import chosen, outcomes

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'alexnet-ref[onnx]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'alexnet-ref[onnx]'")

TF1 = miniature(reference.ARCHITECTURES["tf1_graph"])


@pytest.mark.parametrize(("sample", "least"), [(8, 6), pytest.param(30, 20, marks=pytest.mark.slow)])
def test_a_slice_of_the_catalogue_is_rejected_and_named(sample: int, least: int) -> None:
    """Mistakes of as many families as there are: each that can be built and shown is rejected, and named as first choice."""
    found = list(outcomes("onnx", chosen(TF1, sample=sample, seed=1)))
    shown = [outcome for outcome in found if outcome.fate in ("rejected", "missed")]
    assert len(shown) >= least
    assert [outcome.mistake for outcome in shown if outcome.fate == "missed"] == []
    assert [outcome.mistake for outcome in shown if outcome.named[:1] != (outcome.mistake,) and not outcome.tie] == []


def test_a_port_without_mistake_would_be_missed() -> None:
    """What is judged right is counted as missed, not as rejected: a mistake that is none shows that the count can fail."""
    from dataclasses import replace

    from alexnet_ref.mistakes.mistake import documented

    harmless = replace(named(TF1, "lrn.alpha_over_window[norm1]"), network=documented(TF1))
    [outcome] = outcomes("onnx", [harmless])
    assert outcome.fate == "missed"


def test_the_command_writes_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mistakes of one family: JSON and Markdown hold them, and the goals are met."""
    monkeypatch.setattr(importlib.import_module("alexnet_ref.power.command"), "RIGHT_SEEDS", 1)  # of right ports, judged as well
    files = ["--json", str(tmp_path / "power.json"), "--markdown", str(tmp_path / "power.md")]
    few = ["--architecture", "tf1_graph", "--family", "padding", "--sample", "2", "--few-channels"]
    result = CliRunner().invoke(main, ["power", *few, *files])
    assert result.exit_code == 0, result.output
    outcomes_ = json.loads((tmp_path / "power.json").read_text(encoding="utf-8"))["outcomes"]
    assert [outcome["fate"] for outcome in outcomes_] == ["rejected"] * 2
    assert "| tf1_graph | onnx | padding | 2 | 2 | 2 |" in (tmp_path / "power.md").read_text(encoding="utf-8")
