"""What the command line names is loaded by its kind, or refused in a line that says what would be read."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_ref.candidates.load import is_attribute, load, suffix
from reference import ARCHITECTURES, InvalidInput, init_params

# Keras 3.15 saves by np.array(variable), whose __array__ lacks NumPy 2's `copy`.
SAVING = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
TF1 = ARCHITECTURES["tf1_graph"]


def refusal(spec: str) -> str:
    """Return the refusal of what the command line names, which must be one printable line."""
    with pytest.raises(InvalidInput) as caught:
        load(spec, TF1)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "attribute"),
    [
        ("ports:model", True),
        ("my.ports:Ports.right", True),
        ("model.keras", False),
        ("C:/model.onnx", False),
        ("ports:", False),
        (":model", False),
        ("a b:c", False),
        ("ports:model.onnx", True),
    ],
)
def test_attributes_are_told_from_files(spec: str, attribute: bool) -> None:
    """Only package.module:attribute, in Python's names, is code."""
    assert is_attribute(spec) is attribute


def test_a_file_of_that_name_is_a_file(here: Path) -> None:
    """Where a file is called like an attribute, the file is meant: nothing of that name is imported."""
    (here / "ports:model.onnx").write_text("x")
    assert not is_attribute("ports:model.onnx")


@pytest.mark.parametrize(("name", "kind"), [("a.KERAS", ".keras"), ("a.weights.h5", ".weights.h5"), ("a.h5", ".h5"), ("a", "")])
def test_the_suffix_tells_the_kind(name: str, kind: str) -> None:
    """Weights alone are told from a legacy model; large letters do not matter."""
    assert suffix(Path(name)) == kind


def test_other_inputs_are_refused(here: Path) -> None:
    """Nothing, an unknown kind, no kind, an empty folder, a null character and an endless name are refused in a line."""
    (here / "model.tflite").write_text("x")
    (here / "model").write_text("x")
    assert "no such file; expected .keras (a Keras model)" in refusal("missing.keras")
    assert "of a kind that is not read" in refusal("model.tflite")
    assert "a name without a suffix" in refusal("model")
    assert "a\\x00b.keras" in refusal("a\0b.keras")
    assert "cannot be read" in refusal("a" * 5000 + ".keras")
    assert "\\x1b" in refusal("\x1b[2J.keras")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions bind, which root is not")
def test_unreadable_files_are_refused(here: Path) -> None:
    """A file that may not be read is refused in a line."""
    (here / "model.keras").touch(mode=0o000)
    assert "Permission denied" in refusal("model.keras")


def test_legacy_models_are_refused_unless_asked_for(here: Path) -> None:
    """A .h5 model is refused with the reason and the way out, before it is opened."""
    (here / "model.h5").write_text("x")
    line = refusal("model.h5")
    assert "Keras has no safe mode" in line
    assert "--allow-h5" in line


CODE = """
class Port:
    def __init__(self, factor=2):
        self.factor = factor

    def __call__(self, x):
        return x

def build():
    return Port(3)

def needs(x):
    return x

def broken():
    raise RuntimeError("no weights\\nhere")

port = Port(5)
"""


def test_own_code_is_imported(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object is taken as it is, a function or class without arguments is called, one with arguments is not."""
    (here / "own_ports.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    assert [load(f"own_ports:{name}", TF1).factor for name in ("port", "Port", "build")] == [5, 2, 3]
    assert load("own_ports:needs", TF1)(7) == 7
    assert sys.path == before
    assert "one of" in refusal("own_ports:missing")
    assert "RuntimeError: no weights\\nhere" in refusal("own_ports:broken")
    assert "ModuleNotFoundError" in refusal("no_such_ports:model")
    (here / "bad_ports.py").write_text("import )")
    assert "SyntaxError" in refusal("bad_ports:model")


@pytest.mark.slow  # four models of the documents' sizes
@pytest.mark.tf
@SAVING
def test_weights_for_our_own_model_are_loaded(here: Path) -> None:
    """An .npz of params and a .weights.h5 become our model with these weights, to the bit; another network's are refused."""
    import alexnet_ref
    from alexnet_ref.train.results import write_params

    params = init_params(TF1, 3)
    write_params(here / "params.npz", params)
    alexnet_ref.build_model(TF1, params).save_weights(here / "own.weights.h5")
    for name in ("params.npz", "own.weights.h5"):
        weights = load(name, TF1).weights()
        assert all(
            np.array_equal(weights[layer][part], value) for layer, parts in params.items() for part, value in parts.items()
        )
    for name, words in (("params.npz", "other members"), ("own.weights.h5", "cannot be loaded by Keras")):
        with pytest.raises(InvalidInput, match=words) as caught:
            load(name, ARCHITECTURES["keras_sequential"])
        assert str(caught.value).isprintable()


@pytest.mark.tf
@SAVING
def test_models_are_loaded(here: Path) -> None:
    """A .keras file, a legacy one if asked for, and an attribute that is a Keras model become the same port."""
    import alexnet_ref

    model: Any = alexnet_ref.build_model(TF1)
    model.save(here / "model.keras")
    model.save(here / "model.h5")
    (here / "keras_ports.py").write_text("import alexnet_ref\ndef build():\n    return alexnet_ref.build_model('tf1_graph')\n")
    ports = [load("model.keras", TF1), load("model.h5", TF1, allow_h5=True), load("keras_ports:build", TF1)]
    for port in ports:
        assert [step.name for step in port.steps()] == [layer.name for layer in TF1.layers]
    assert ports[0].name == "model.keras (Keras)"
