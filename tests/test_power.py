"""Detection power: a slice of the catalogue, built as ONNX files, is rejected and named; right ports are not rejected."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import reference
from alexnet_ref.checks.facts import check_facts
from alexnet_ref.cli import main
from alexnet_ref.mistakes import named
from alexnet_ref.power.census import Census, as_json
from alexnet_ref.power.outcome import Outcome, tally
from alexnet_ref.power.run import chosen, outcomes
from alexnet_ref.tolerances.sharpness import Least
from tests.miniatures import MINIATURES

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'alexnet-ref[onnx]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'alexnet-ref[onnx]'")

KERAS, TF1 = MINIATURES["keras_sequential"], MINIATURES["tf1_graph"]


def slices(*rows: tuple[str, reference.Architecture, int], marks: Sequence[pytest.MarkDecorator] = ()) -> list[Any]:
    """Return the parameters (framework, network, so many mistakes)."""
    return [pytest.param(*row, id=f"{row[0]}-{row[1].name}", marks=marks) for row in rows]


SLICES = [
    *slices(("onnx", TF1, 14), ("onnx", KERAS, 10), ("torch", TF1, 4), marks=[pytest.mark.slow]),
    *slices(("keras", TF1, 6), ("keras", KERAS, 6), marks=[pytest.mark.slow, pytest.mark.tf]),
]


@pytest.mark.parametrize(("framework", "network", "sample"), SLICES)
def test_a_slice_of_the_catalogue_is_rejected_and_named(framework: str, network: reference.Architecture, sample: int) -> None:
    """Mistakes of as many families as there are: each that can be built and shown is rejected, and named as first choice.

    Without --slow one is, in the test of numbers that NumPy has not.
    """
    if framework == "torch":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    found = list(outcomes(framework, chosen(network, sample=sample, seed=1)))
    counts = tally(found)
    assert [each.mistake for each in found if each.fate in ("missed", "error")] == []
    assert [each.mistake for each in found if each.fate == "rejected" and not each.equivalent and not each.first] == []
    assert counts.mutants >= sample // 2


def test_a_judge_that_looks_at_less_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the checks of numbers are gone, what a model says of itself alone is judged: the slice shows a miss."""
    monkeypatch.setattr(importlib.import_module("alexnet_ref.power.run"), "QUICK", (check_facts,))
    monkeypatch.setattr(importlib.import_module("alexnet_ref.power.run"), "SLOW", ())
    [found] = outcomes("onnx", [named(TF1, "input.minus_one_to_one")])
    assert found.fate == "missed"


def test_numbers_that_numpy_has_not_are_judged() -> None:
    """A tensor of bfloat16 within an ONNX graph hinders no judgement: the steps around it are taken as one."""
    mistake = named(TF1, "precision.bfloat16_result[norm3]")
    [found] = outcomes("onnx", [mistake])
    assert (found.fate, found.named[:1]) == ("rejected", (mistake.id,))


@pytest.mark.slow  # a whole judgement, which stops nowhere
def test_a_port_without_mistake_would_be_missed() -> None:
    """What is judged right is counted as missed, not as rejected: a mistake that is none shows that the count can fail."""
    from dataclasses import replace

    from alexnet_ref.mistakes.mistake import documented

    harmless = replace(named(TF1, "lrn.alpha_over_window[norm1]"), network=documented(TF1))
    [outcome] = outcomes("onnx", [harmless])
    assert outcome.fate == "missed"


FEW = ["--architecture", "tf1_graph", "--family", "padding", "--sample", "2", "--few-channels"]
[BETA] = [mistake.id for mistake in chosen(TF1, family="lrn", sample=1)]
KNOWN = ["--architecture", "tf1_graph", "--family", "lrn", "--sample", "1", "--few-channels"]  # BETA's choice


def command(*options: str | Path) -> Result:
    """Run `alexnet-ref power`."""
    return CliRunner().invoke(main, ["power", *map(str, options)])


@pytest.mark.slow  # a right port and two mistakes
def test_the_command_writes_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON and Markdown hold what became of two mistakes, the goals are met; what was written is not judged again."""
    monkeypatch.setattr(importlib.import_module("alexnet_ref.power.command"), "RIGHT_SEEDS", 1)  # of right ports, judged as well
    file, page, again = (tmp_path / name for name in ("power.json", "power.md", "again.md"))
    result = command(*FEW, "--no-faults", "--json", file, "--markdown", page)
    assert result.exit_code == 0, result.output
    outcomes_ = json.loads(file.read_text(encoding="utf-8"))["outcomes"]
    assert [outcome["fate"] for outcome in outcomes_] == ["rejected"] * 2
    assert "| tf1_graph | onnx | padding | 2 | 2 | 2 |" in page.read_text(encoding="utf-8")
    monkeypatch.setattr(importlib.import_module("alexnet_ref.power.run"), "verify", None)  # no port can be judged now
    assert command(*FEW, "--no-faults", "--from", file, "--markdown", again).exit_code == 0
    assert again.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


def test_runs_are_joined(tmp_path: Path) -> None:
    """A page of what two runs found names both commands, and counts the mistakes of both."""
    file, page = tmp_path / "other.json", tmp_path / "power.md"
    file.write_text(json.dumps(as_json(census(outcome(framework="torch"), outcome()))), encoding="utf-8")
    assert command(*KNOWN, "--no-faults", "--from", file, "--markdown", page).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert "Made by `alexnet-ref power` and `alexnet-ref power --architecture tf1_graph --family lrn --sample 1" in text
    assert "| tf1_graph | torch | lrn | 1 | 1 | 1 |" in text
    assert "| tf1_graph | onnx | lrn | 1 | 1 | 1 |" in text


def test_what_is_known_is_kept_from_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is stopped has lost nothing of what it was given, and has kept what it has found."""
    file = tmp_path / "power.json"
    last = chosen(TF1, family="lrn")[-1]
    file.write_text(json.dumps(as_json(census(outcome(mistake=last.id)))), encoding="utf-8")
    judged = [outcome(mistake=chosen(TF1, family="lrn")[0].id)]
    monkeypatch.setattr(importlib.import_module("alexnet_ref.power.run"), "outcomes", lambda *_: [judged.pop()])
    lrn = ["--architecture", "tf1_graph", "--family", "lrn", "--few-channels"]
    assert isinstance(command(*lrn, "--from", file, "--json", file).exception, IndexError)  # at the second
    kept = json.loads(file.read_text(encoding="utf-8"))["outcomes"]
    assert [each["mistake"] for each in kept] == [chosen(TF1, family="lrn")[0].id, last.id]


def census(*found: Outcome, right: Sequence[str] = (), least: Sequence[Least] = ()) -> Census:
    """Return what a run of few channels may have found."""
    rights, leasts = {"tf1_graph in onnx": right}, {"tf1_graph": least}
    return Census(commands=["alexnet-ref power"], host={}, few_channels=True, found=found, right=rights, least=leasts)


def outcome(**details: Any) -> Outcome:
    """Return what became of BETA."""
    known = {"mistake": BETA, "family": "lrn", "layer": "norm1", "architecture": "tf1_graph"}
    return Outcome(**{**known, "framework": "onnx", "fate": "rejected", "named": (BETA,), **details})


POWERLESS = {
    "missed": census(outcome(fate="missed", named=())),
    "an error": census(outcome(fate="error", why="ValueError", named=())),
    "unnamed": census(outcome(named=("lrn.other[norm1]",))),
    "a right port rejected": census(outcome(), right=["conforms", "does not conform"]),
}


@pytest.mark.parametrize("why", POWERLESS)
def test_the_command_fails_where_power_drops(why: str, tmp_path: Path) -> None:
    """Exit code 1, where a mutant is missed, too few are named, the judge fails, or a right port is rejected; else 0."""
    for case, code in ((POWERLESS[why], 1), (census(outcome(), right=["conforms"]), 0)):
        (tmp_path / "power.json").write_text(json.dumps(as_json(case)), encoding="utf-8")
        assert command(*KNOWN, "--no-faults", "--from", tmp_path / "power.json").exit_code == code


def test_the_least_faults_are_told(tmp_path: Path) -> None:
    """On screen, and on the page: each parameter's, and that one is not found at any size."""
    seen = Least(layer="norm1", concept="lrn", parameter="alpha", size=2.0**-18, check="bias")
    unseen = Least(layer="drop1", concept="dropout", parameter="scale", size=math.inf, check="none")
    file, page = tmp_path / "power.json", tmp_path / "power.md"
    file.write_text(json.dumps(as_json(census(outcome(), least=[seen, unseen]))), encoding="utf-8")
    printed = command(*KNOWN, "--from", file, "--markdown", page).output
    assert "3.8e-06" in printed
    text = page.read_text(encoding="utf-8")
    assert "| tf1_graph | norm1 | alpha | 3.8e-06 | bias |" in text
    assert "| tf1_graph | drop1 | scale | none is found | none |" in text


@pytest.mark.parametrize("content", ["", "[]", '{"outcomes": [{}]}', '{"outcomes": [{"mistake": 1}], "least": {}}'])
def test_what_the_command_did_not_write_is_refused(content: str, tmp_path: Path) -> None:
    """Exit code 2 and one line, whatever the file holds."""
    (tmp_path / "power.json").write_text(content, encoding="utf-8")
    result = command(*KNOWN, "--from", tmp_path / "power.json")
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1


def test_other_networks_outcomes_are_refused(tmp_path: Path) -> None:
    """What was found with few channels says nothing of the documented networks."""
    (tmp_path / "power.json").write_text(json.dumps(as_json(census(outcome()))), encoding="utf-8")
    result = command(*(option for option in KNOWN if option != "--few-channels"), "--from", tmp_path / "power.json")
    assert result.exit_code == 2
    assert "other networks were judged" in result.output
