"""The command line as a person types it: exit codes, messages, and no traceback."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import reference
from alexnet_ref import cli, verify_command
from tests.miniatures import MINIATURES


def run(*arguments: str) -> Result:
    """Return what the command does in this process."""
    return CliRunner().invoke(cli.main, list(arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "--architecture", "vgg"], "'vgg' is not one of 'keras_sequential', 'tf1_graph'"),
        (["verify", "--images", "0"], "0 is not in the range x>=1"),
        (["verify", "--images", "301"], "there are not that many digits; expected 1 to 300; received 301"),
        (["verify", "--batch-size", "none"], "'none' is not a valid integer"),
        (["verify", "--seed", "-1"], "-1 is not in the range x>=0"),
        (["verify", "--data", "missing.npz"], "missing.npz"),
        (["verify", "--json", "missing/report.json"], "no such folder"),
        (["summary", "vgg"], "'vgg' is not one of"),
        (["summary"], "Missing argument"),
        (["unknown"], "No such command"),
    ],
)
def test_bad_input_ends_in_two_without_a_traceback(arguments: list[str], message: str) -> None:
    """Bad input exits with 2 and says what was wrong, before TensorFlow is loaded."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_an_error_of_ours_is_one_line() -> None:
    """What the project itself refuses takes exactly one line on standard error, and standard output stays empty."""
    result = run("verify", "--data", "missing.npz")
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("alexnet-ref: ")
    assert result.stdout == ""


def test_without_tensorflow_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """`verify` without TensorFlow exits with 2 and tells how to install it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # noqa: ARG005 - the name is TensorFlow's
    result = run("verify")
    assert result.exit_code == 2
    assert "pip install 'alexnet-ref[tensorflow]'" in result.output


def test_version_and_help_need_no_tensorflow() -> None:
    """`--version` and `--help` exit with 0 and load neither TensorFlow nor Keras."""
    code = """
import sys
from alexnet_ref.cli import main
for option in ("--version", "--help"):
    try:
        main([option])
    except SystemExit as end:
        assert end.code == 0
    assert not {"tensorflow", "keras"} & set(sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - the code above
    assert "alexnet-ref" in result.stdout
    assert "verify" in result.stdout


@pytest.mark.parametrize("name", reference.ARCHITECTURES)
def test_summary_shows_every_layer(name: str) -> None:
    """`summary` has a row for every layer, and the totals that the documents state."""
    result = run("summary", name)
    assert result.exit_code == 0
    rows = [line.split()[0] for line in result.output.splitlines() if line.strip()]
    for layer in reference.ARCHITECTURES[name].layers:
        assert layer.name in rows
    assert {"keras_sequential": "21,622,154", "tf1_graph": "5,624,842"}[name] in result.output


def test_summary_counts_weights_that_never_see_data() -> None:
    """The first document's summary names the 1,966,080 weights, 9.1 %, that meet padding alone."""
    result = run("summary", "keras_sequential")
    assert "1,966,080 (9.1%)" in result.output
    assert "1,179,648" in result.output
    assert "786,432" in result.output


@pytest.mark.slow  # a whole judgement of a documented network
@pytest.mark.tf
def test_verify_conforms_and_writes_json(tmp_path: Path) -> None:
    """`verify` on the correct model exits with 0, ends with the verdict, and writes the whole report."""
    path = tmp_path / "report.json"
    result = run("verify", "--architecture", "tf1_graph", "--images", "2", "--json", str(path))
    assert result.exit_code == 0, result.output
    assert (
        result.output.strip().splitlines()[-1]
        == "tf1_graph: conforms: 155 of 155 checks passed, isolated and end to end; consistent with float32"
    )
    document = json.loads(path.read_text())
    assert document["conforms"] is True
    assert document["reports"][0]["environment"]["tf32"] is False
    assert len(document["reports"][0]["checks"]) == 155


@pytest.mark.tf
def test_verify_exits_with_one_for_a_wrong_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """`verify` on a wrong model exits with 1, names the first wrong layer, and shows what is wrong with it."""
    from tests import mutants

    monkeypatch.setattr(verify_command, "ARCHITECTURES", MINIATURES)
    monkeypatch.setattr(mutants, "NETWORKS", MINIATURES)
    mutant = mutants.MUTANTS["lrn_alpha_over_window"]
    monkeypatch.setattr("alexnet_ref.models.build_model", lambda *_: mutant.build())
    result = run("verify", "--architecture", "tf1_graph", "--images", "1")
    assert result.exit_code == 1, result.output
    assert "first wrong layer: norm1" in result.output.strip().splitlines()[-1]
    assert "alpha=0.00011111111111111112" in result.output


@pytest.mark.tf
def test_an_unknown_device_is_refused() -> None:
    """A device that TensorFlow does not have exits with 2 and lists those present."""
    result = run("verify", "--device", "GPU:7", "--images", "1")
    assert result.exit_code == 2
    assert "CPU:0" in result.output
