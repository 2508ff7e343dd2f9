"""`alexnet-ref verify CANDIDATE`: a file in a process of its own, own code here; verdict, diagnosis, files, and bad input."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import reference
from alexnet_ref import verify_command
from alexnet_ref.cli import main
from alexnet_ref.power.miniature import miniature

# The network with few channels: it takes a tenth of the time.
PORT = """
import numpy as np
import reference
from alexnet_ref.power.miniature import miniature

architecture = miniature(reference.ARCHITECTURES["tf1_graph"])
params = reference.init_params(architecture, seed=1)

def right(x):
    return reference.predict(architecture, params, x.reshape(-1, 784), np.float32)
"""
# Its result alone is held against two thousand pairs of mistakes, none of which explains it.
WRONG = """
import numpy as np
import reference
from alexnet_ref.power.miniature import miniature

architecture = miniature(reference.ARCHITECTURES["tf1_graph"])
params = reference.init_params(architecture, seed=1)

def wrong(x):
    return reference.predict(architecture, params, x.reshape(-1, 784), np.float32) * np.float32(1.01)
"""


def run(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(main, ["verify", *arguments])


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a module of the user's own, as the current one."""
    (tmp_path / "own_port.py").write_text(PORT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_params(folder: Path, architecture: reference.Architecture) -> None:
    """Write the weights that the port should have, beside it."""
    import numpy as np

    params = reference.init_params(architecture, seed=1)
    np.savez(folder / "params.npz", **{f"{layer}/{part}": a for layer, parts in params.items() for part, a in parts.items()})  # type: ignore[arg-type]  # NumPy's stub takes the names for allow_pickle


def test_own_code_is_judged_by_its_output(port: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of images conforms with the weights that it should have, and what it does not show is not checkable."""
    few = miniature(reference.ARCHITECTURES["tf1_graph"])
    monkeypatch.setattr(verify_command, "ARCHITECTURES", {"tf1_graph": few})
    write_params(port, few)
    result = run("own_port:right", "--architecture", "tf1_graph", "--params", "params.npz", "--images", "2", "--json", "r.json")
    assert result.exit_code == 0, result.output
    assert "conforms" in result.output
    report = json.loads((port / "r.json").read_text(encoding="utf-8"))["reports"][0]
    assert report["failed"] == 0
    assert report["not_checkable"] > 50
    passed = {check["id"] for check in report["checks"] if check["status"] == "passed"}
    assert "dense.end_to_end[out]" in passed


@pytest.mark.slow  # some two thousand pairs of mistakes
def test_a_wrong_result_is_seen_and_written(port: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One per cent too much does not conform; JUnit and HTML are written, and the diagnosis is printed."""
    few = miniature(reference.ARCHITECTURES["tf1_graph"])
    monkeypatch.setattr(verify_command, "ARCHITECTURES", {"tf1_graph": few})
    write_params(port, few)
    (port / "wrong_port.py").write_text(WRONG, encoding="utf-8")
    files = ["--junit", "r.xml", "--html", "r.html"]
    result = run("wrong_port:wrong", "--architecture", "tf1_graph", "--params", "params.npz", "--images", "2", *files)
    assert result.exit_code == 1, result.output
    assert "no mistake of the catalogue explains it" in result.output
    assert "does not conform" in result.output.strip().splitlines()[-1]
    failures = ET.parse(port / "r.xml").getroot().iter("failure")  # noqa: S314 - we wrote it
    assert any("differ by more than allowed" in (failure.get("message") or "") for failure in failures)
    assert "does not conform" in (port / "r.html").read_text(encoding="utf-8")


@pytest.mark.slow  # two whole judgements of a documented network, each in its own process
def test_an_onnx_file_is_judged_in_a_process_of_its_own(port: Path) -> None:
    """An exported network conforms; with LRN's alpha divided once more it does not, and the mistake is named."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'alexnet-ref[onnx]'")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'alexnet-ref[onnx]'")
    exported = CliRunner().invoke(main, ["export", "tf1_graph", "--out", "right.onnx"])
    assert exported.exit_code == 0, exported.output
    result = run("right.onnx", "--architecture", "tf1_graph", "--images", "1")
    assert result.exit_code == 0, result.output

    model = onnx.load(port / "right.onnx")
    node = next(node for node in model.graph.node if node.op_type == "LRN")
    next(attribute for attribute in node.attribute if attribute.name == "alpha").f /= 9
    onnx.save(model, port / "wrong.onnx")
    result = run("wrong.onnx", "--architecture", "tf1_graph", "--images", "1")
    assert result.exit_code == 1, result.output
    assert "norm1: divides alpha by the window" in result.output
    assert "LRN with size=9, alpha=0.001, beta=0.75, bias=1" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.onnx", "--architecture", "tf1_graph"], "no such file"),
        (["own_port:right"], "of which document is it a port?"),
        (["own_port:missing", "--architecture", "tf1_graph"], "has no such attribute"),
        (["no_module:right", "--architecture", "tf1_graph"], "cannot be imported"),
        (["own_port:right", "--architecture", "tf1_graph", "--name", "conv1"], "is no pair of names"),
        (["own_port:right", "--architecture", "tf1_graph", "--params", "own_port.py"], "own_port.py"),
        (["own_port:right", "--architecture", "tf1_graph", "--expected", "own_port.py"], "own_port.py"),
        (["own_port:right", "--architecture", "tf1_graph", "--html", "missing/r.html"], "no such folder"),
    ],
)
def test_bad_input_ends_in_one_line(port: Path, arguments: list[str], message: str) -> None:
    """Bad input exits with 2 and one line, and writes nothing."""
    before = sorted(port.iterdir())
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert [path for path in sorted(port.iterdir()) if path.name != "__pycache__"] == before
