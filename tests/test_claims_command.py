"""`alexnet-ref claims` as a person types it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from alexnet_ref.claims import Finding, command, ledger_markdown, recorded
from alexnet_ref.claims.ledger import Entry
from alexnet_ref.claims.run import Trained, read_run
from alexnet_ref.cli import OneLineErrors
from tests.test_claims_run import KERAS_ROWS, write_run, write_tf1

GROUP = OneLineErrors(commands={"claims": command.claims})  # as `alexnet-ref` holds it


def run(*arguments: str) -> Result:
    """Return what the command does in this process."""
    return CliRunner().invoke(GROUP, ["claims", *arguments])


def test_as_recorded_exits_with_zero() -> None:
    """On an unchanged repository the quick claims are as recorded; every claim has a row."""
    result = run()
    assert result.exit_code == 0, result.output
    assert "conv2d_1" in result.output
    assert "relu_cheap" in result.output


def test_a_changed_verdict_exits_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict that is not the recorded one is named, and the exit code is 1."""
    ledger = {**recorded(), "mnist_28": Entry(finding=Finding(verdict="contradicted", measured="27×27"))}
    monkeypatch.setattr(command, "recorded", lambda: ledger)
    result = run()
    assert result.exit_code == 1
    assert "mnist_28: recorded as contradicted, now holds: 28×28" in result.output


def test_a_run_decides_more(tmp_path: Path) -> None:
    """With a run the training claims are decided, and written with machine and command, not with folders."""
    folder = write_run(tmp_path / "run", KERAS_ROWS)
    page, record = tmp_path / "claims.md", tmp_path / "recorded.json"
    result = run("--run", str(folder), "--markdown", str(page), "--record", str(record))
    assert result.exit_code in {0, 1}, result.output  # the repository's own run may have come to something else
    entry = json.loads(record.read_text(encoding="utf-8"))["val_accuracy_2"]
    assert entry["verdict"] == "holds"
    assert "`alexnet-ref claims --run DIR`" in entry["how"]
    assert str(tmp_path) not in page.read_text(encoding="utf-8")


def test_markdown_without_news_is_the_repository_s(tmp_path: Path) -> None:
    """The quick claims alone reproduce docs/claims.md, measured figures included."""
    assert run("--markdown", str(tmp_path / "claims.md")).exit_code == 0
    assert (tmp_path / "claims.md").read_text(encoding="utf-8") == ledger_markdown()


def test_runs_of_several_seeds_stand_in_one_table(tmp_path: Path) -> None:
    """Each run on all of MNIST has its line with its command, seeds their spread; a run on less has none."""
    first = write_run(tmp_path / "a", KERAS_ROWS, accuracy=0.9881)
    second = write_run(tmp_path / "b", KERAS_ROWS, accuracy=0.9123, configuration={"seed": 1})
    less = write_run(tmp_path / "c", KERAS_ROWS, accuracy=0.5432, configuration={"training digits": 300})
    bare = write_run(tmp_path / "d", KERAS_ROWS, accuracy=0.9321, without_lrn=True)
    runs = [argument for folder in (first, second, less) for argument in ("--run", str(folder))]
    page, record = tmp_path / "claims.md", tmp_path / "recorded.json"
    run(*runs, "--without-lrn", str(bare), "--markdown", str(page), "--record", str(record))
    text = page.read_text(encoding="utf-8")
    start = "| `alexnet-ref train keras_sequential --data keras --epochs 2"
    assert [line for line in text.splitlines() if line.startswith(start)] == [
        f"{start}` | 1,814 | 0.9850 (published: 0.9845) | 0.9881 | 0.9881 |",
        f"{start} --seed 1` | 1,814 | 0.9850 (published: 0.9845) | 0.9123 | 0.9123 |",
        f"{start} --without-lrn` | 1,814 | 0.9850 (published: 0.9845) | 0.9321 | 0.9321 |",
    ]
    assert "with 2 seeds, all test digits: 0.9123 … 0.9881, mean 0.9502, standard deviation 0.0536." in text
    assert "0.5432" not in text
    assert [Trained(**line) for line in json.loads(record.read_text(encoding="utf-8"))["training runs"]] == [
        read_run(folder).trained for folder in (first, second, bare)
    ]


def test_both_networks_are_compared_without_lrn(tmp_path: Path) -> None:
    """One run without LRN of each document decides the claim of each."""
    folders = {
        "--run": (write_run(tmp_path / "a", KERAS_ROWS), write_tf1(tmp_path / "b")),
        "--without-lrn": (
            write_tf1(tmp_path / "c", without_lrn=True),
            write_run(tmp_path / "d", KERAS_ROWS, without_lrn=True),
        ),
    }
    arguments = [word for option, of_option in folders.items() for folder in of_option for word in (option, str(folder))]
    record = tmp_path / "recorded.json"
    run(*arguments, "--record", str(record))
    entries = json.loads(record.read_text(encoding="utf-8"))
    assert entries["lrn_adds_no_accuracy"]["verdict"] == "holds"
    assert entries["lrn_improves_generalization"]["verdict"] == "contradicted"


def test_bad_input_ends_in_two(tmp_path: Path) -> None:
    """Bad input exits with 2 and one line."""
    for arguments, message in (
        (["--data", "missing.npz"], "missing.npz"),
        (["--run", str(tmp_path)], "metrics.json"),
        (["--without-lrn", str(tmp_path)], "metrics.json"),
        (["--run", "missing"], "does not exist"),
        (["--markdown", str(tmp_path / "missing" / "claims.md")], "cannot be written"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, arguments
        assert message in result.output
        assert "Traceback" not in result.output


def test_without_tensorflow_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """--all without TensorFlow exits with 2 and tells how to install it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # noqa: ARG005 - the name is TensorFlow's
    result = run("--all")
    assert result.exit_code == 2
    assert "pip install 'alexnet-ref[tensorflow]'" in result.output
