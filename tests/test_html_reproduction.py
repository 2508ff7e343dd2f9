"""The script and .npz of the page: they reproduce a failure with NumPy alone, for every layer of both documents."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import reference
from alexnet_ref import bounds
from alexnet_ref.arithmetic import FLOAT64
from alexnet_ref.diagnosis import Evidence
from alexnet_ref.report import reproduction
from alexnet_ref.report.equations import equation
from alexnet_ref.report.html import to_html
from alexnet_ref.report.reproduction import CAP, Reproduction, reproduce
from reference import Conv
from reference.shapes import layer_inputs
from tests.miniatures import MINIATURES
from tests.test_html import Page, diagnosed
from tests.wrong_ports import TF1, diagnosis_of, evidence_for

NETWORKS = {f"{name}, few channels": architecture for name, architecture in MINIATURES.items()} | dict(reference.ARCHITECTURES)
LAYERS = [
    pytest.param(name, layer.name, marks=[] if "few" in name else pytest.mark.slow)
    for name, network in NETWORKS.items()
    for layer in network.layers
]
NAN = float("nan")


def run(made: Reproduction, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what a fresh Python does with the two files, with NumPy and nothing of ours on its path."""
    (folder / f"{made.name}.npz").write_bytes(made.archive)
    (folder / f"{made.name}.py").write_text(made.script, encoding="utf-8")
    command = [sys.executable, "-W", "error", "-I", f"{made.name}.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own words


def made_of(architecture: str, layer: str, evidence: Evidence) -> Reproduction:
    """Return the reproduction of this evidence, which there must be."""
    made = reproduce(architecture, diagnosis_of(layer, evidence))
    assert made is not None
    return made


@pytest.mark.parametrize(("architecture", "name"), LAYERS)
def test_the_printed_equation_is_the_layers(architecture: str, name: str) -> None:
    """The lines that the script prints compute what the oracle computes, for every layer of both documents."""
    layer = NETWORKS[architecture][name]
    shape = layer_inputs(NETWORKS[architecture])[name]
    evidence = evidence_for(layer, shape, images=1)
    scope: dict[str, object] = {"np": np}
    exec(equation(layer, shape), scope)  # noqa: S102 - our own words, which the script's reader will run
    params = {part: value.astype(np.float64) for part, value in evidence.params.items()}
    again = scope["layer"](evidence.x.astype(np.float64), params)  # type: ignore[operator]  # the function just made
    # The two may round differently: within float64's own allowance, and far from float32's.
    assert again.shape == evidence.expected.shape
    assert (np.abs(again - evidence.expected) <= bounds.allowed(layer, params, evidence.x.astype(np.float64), FLOAT64)).all()


SHOWN = ["norm1", *(pytest.param(name, marks=pytest.mark.slow) for name in ("conv1", "pool1", "drop1", "flatten", "fc1", "out"))]


@pytest.mark.parametrize("name", SHOWN)
def test_the_script_shows_the_failure(tmp_path: Path, name: str) -> None:
    """Run with NumPy alone, the script finds the failure and ends in 1."""
    evidence = evidence_for(TF1[name], layer_inputs(TF1)[name])
    made = made_of("tf1_graph", name, evidence)
    result = run(made, tmp_path)
    assert result.stderr == ""
    assert result.returncode == 1
    assert re.search(r"^[1-9]\d* of \d+ elements differ", result.stdout, re.MULTILINE)
    assert "this equation and the stored expected values: " in result.stdout


def test_the_script_is_no_alarm_by_itself(tmp_path: Path) -> None:
    """Where nothing is wrong the script ends in 0."""
    result = run(made_of("tf1_graph", "norm1", evidence_for(TF1["norm1"], (14, 14, 64), factor=1.0)), tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1].startswith("0 of 12544 elements differ")


def test_what_is_no_number_is_wrong(tmp_path: Path) -> None:
    """A NaN among what was received is found, by the script as well."""
    evidence = evidence_for(TF1["norm1"], (3, 4, 5), factor=1.0)
    evidence.received[1, 2, 1, 3] = NAN
    made = made_of("tf1_graph", "norm1", evidence)
    assert made.part == "image 1 of 0 to 1"
    result = run(made, tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    assert "received nan at (0, 2, 1, 3)" in result.stdout


@pytest.mark.parametrize(
    ("name", "part"),
    [
        pytest.param("conv2d", "filters", marks=pytest.mark.slow),
        pytest.param("lambda", "rows", marks=pytest.mark.slow),
        pytest.param("activation", "channels", marks=pytest.mark.slow),
        ("max_pooling2d", "channels"),
        pytest.param("dense", "units", marks=pytest.mark.slow),
        pytest.param("activation_1", "", marks=pytest.mark.slow),
        pytest.param("dense_2", "", marks=pytest.mark.slow),
    ],
)
def test_large_layers_are_cut_around_the_worst(tmp_path: Path, name: str, part: str) -> None:
    """The archive holds at most CAP bytes of numbers, the worst element among them, and the cut reproduces the failure."""
    network = reference.ARCHITECTURES["keras_sequential"]
    evidence = evidence_for(network[name], layer_inputs(network)[name], images=1, factor=1.0)
    last = tuple(n - 1 for n in evidence.expected.shape)
    evidence.received[last] += 1
    made = made_of("keras_sequential", name, evidence)
    arrays = np.load(io.BytesIO(made.archive), allow_pickle=False)
    assert sum(arrays[key].nbytes for key in arrays.files) <= CAP
    assert (f", {part} " in made.part) if part else "," not in made.part
    error = np.abs(arrays["received"] - arrays["expected"])
    assert tuple(int(i) for i in np.unravel_index(error.argmax(), error.shape)) == tuple(n - 1 for n in error.shape)
    result = run(made, tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    assert "this equation" in result.stdout


def test_an_equation_that_does_not_fit_is_not_printed(tmp_path: Path) -> None:
    """Where `expected` is not the documented layer's result, the script has no equation, and still shows the failure."""
    evidence = evidence_for(TF1["norm1"], (3, 4, 5))
    fused = dataclasses.replace(evidence, expected=np.maximum(evidence.expected, 0), received=evidence.received + 1)
    for architecture, layer, given in (
        ("tf1_graph", "norm1", fused),
        ("drawn", "norm1", evidence),
        ("tf1_graph", "norm9", evidence),
    ):
        made = made_of(architecture, layer, given)
        assert "def layer" not in made.script
        assert run(made, tmp_path).returncode == 1


def test_an_activation_that_the_port_merged_is_printed() -> None:
    """Where the port computes a layer with its activation in one step, the equation has that activation."""
    layer = reference.ARCHITECTURES["keras_sequential"]["conv2d_2"]
    assert isinstance(layer, Conv)
    merged = dataclasses.replace(layer, activation="relu")
    assert "np.maximum(y, 0)" in made_of("keras_sequential", "conv2d_2", evidence_for(merged, (3, 3, 256))).script
    assert "np.maximum(y, 0)" not in made_of("keras_sequential", "conv2d_2", evidence_for(layer, (3, 3, 256))).script


def test_nothing_is_offered_without_numbers_or_beyond_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """No evidence, other shapes, or numbers that no cut makes small enough: no files."""
    evidence = evidence_for(TF1["norm1"], (3, 4, 5))
    assert reproduce("tf1_graph", diagnosis_of("norm1")) is None
    other = dataclasses.replace(evidence, received=evidence.received[:, :2])
    assert reproduce("tf1_graph", diagnosis_of("norm1", other)) is None
    monkeypatch.setattr(reproduction, "CAP", 100)
    assert reproduce("tf1_graph", diagnosis_of("norm1", evidence)) is None


def test_strange_names_make_plain_files(tmp_path: Path) -> None:
    """A layer's name and a diagnosis's words cannot leave their comment, nor the folder."""
    evil = '../x"""\nimport os; os.abort()\r#\x00'
    diagnosis = diagnosis_of(evil, evidence_for(TF1["norm1"], (3, 4, 5)), fix=evil)
    made = reproduce("tf1_graph", diagnosis)
    assert made is not None
    assert re.fullmatch(r"reproduce_[A-Za-z0-9_-]+", made.name)
    result = run(made, tmp_path)
    assert (result.returncode, result.stderr) == (1, "")


def test_the_page_offers_both_files(tmp_path: Path) -> None:
    """What the page's two links hold, saved into a folder, reproduces the failure; the shown script is the one that is linked."""
    page = Page(to_html([diagnosed()]))
    for link in page.of("a"):
        (tmp_path / str(link["download"])).write_bytes(base64.b64decode(str(link["href"]).partition(",")[2]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reproduce_norm1.npz", "reproduce_norm1.py"]
    script = (tmp_path / "reproduce_norm1.py").read_text(encoding="utf-8")
    assert script in page.text
    command = [sys.executable, "-I", "reproduce_norm1.py"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1  # noqa: S603 - our own words


def test_the_script_imports_numpy_alone() -> None:
    """No script imports anything of this tool."""
    script = made_of("tf1_graph", "norm1", evidence_for(TF1["norm1"], (3, 4, 5))).script
    assert re.findall(r"^\s*(?:import|from)\s+(\w+)", script, re.MULTILINE) == ["sys", "numpy"]
