"""Detection power: a slice of the catalogue, built as ONNX files, is rejected and named; right ports are not rejected."""

from __future__ import annotations

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


def test_a_slice_of_the_catalogue_is_rejected_and_named() -> None:
    """Thirty mistakes of all families: every one that can be built and shown is rejected, and named as first choice."""
    found = list(outcomes("onnx", chosen(TF1, sample=30, seed=1)))
    shown = [outcome for outcome in found if outcome.fate in ("rejected", "missed")]
    assert len(shown) >= 20
    assert [outcome.mistake for outcome in shown if outcome.fate == "missed"] == []
    assert [outcome.mistake for outcome in shown if outcome.named[:1] != (outcome.mistake,) and not outcome.tie] == []


def test_a_port_without_mistake_would_be_missed() -> None:
    """What is judged right is counted as missed, not as rejected: a mistake that is none shows that the count can fail."""
    from dataclasses import replace

    from alexnet_ref.mistakes.mistake import documented

    harmless = replace(named(TF1, "lrn.alpha_over_window[norm1]"), network=documented(TF1))
    [outcome] = outcomes("onnx", [harmless])
    assert outcome.fate == "missed"


def test_the_command_writes_what_it_found(tmp_path: Path) -> None:
    """Two mistakes of one family: JSON and Markdown hold them, and the goals are met."""
    files = ["--json", str(tmp_path / "power.json"), "--markdown", str(tmp_path / "power.md")]
    few = ["--architecture", "tf1_graph", "--family", "padding", "--sample", "2", "--few-channels"]
    result = CliRunner().invoke(main, ["power", *few, *files])
    assert result.exit_code == 0, result.output
    outcomes_ = json.loads((tmp_path / "power.json").read_text(encoding="utf-8"))["outcomes"]
    assert [outcome["fate"] for outcome in outcomes_] == ["rejected"] * 2
    assert "| tf1_graph | onnx | padding | 2 | 2 | 2 |" in (tmp_path / "power.md").read_text(encoding="utf-8")
