"""What importing costs: the oracle needs NumPy alone, and nothing loads TensorFlow before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Prints the top-level names of all that an import has loaded, standard library and start-up files left out.
PROBE = """
import sys
before = set(sys.modules)
{statement}
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(" ".join(sorted(loaded - sys.stdlib_module_names)))
"""


def loaded_by(statement: str) -> set[str]:
    """Return the packages outside the standard library that a fresh interpreter loads for the statement."""
    probe = PROBE.format(statement=statement)
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    return set(result.stdout.split())


def test_reference_imports_numpy_alone() -> None:
    """`import reference` loads itself and NumPy."""
    loaded = {name for name in loaded_by("import reference") if not name.startswith("_")}
    assert loaded <= {"numpy", "reference"}


MODULES = [
    "alexnet_ref",
    "alexnet_ref.cli",
    "alexnet_ref.checks",
    "alexnet_ref.models",
    "alexnet_ref.mnist",
    "alexnet_ref.devices",
    "alexnet_ref.claims.command",
    "alexnet_ref.mistakes",
    "alexnet_ref.mistakes.keras",
    "alexnet_ref.mistakes.torch",
    "alexnet_ref.mistakes.onnx",
    "alexnet_ref.tolerances",
    "alexnet_ref.tolerances.configurations",
    "alexnet_ref.tolerances.torch_ops",
    "alexnet_ref.tolerances.onnx_ops",
    "alexnet_ref.train.command",
    "tests.mutants",
]


def test_importing_the_tool_imports_no_framework() -> None:
    """No module loads TensorFlow, Keras, PyTorch, ONNX or JAX when it is imported: one process imports them all.

    That is the catalogue, the interpreter and what builds wrong ports too, and the measurements, whose configurations import.
    """
    loaded = loaded_by("import " + ", ".join(MODULES))
    assert not loaded & {"tensorflow", "keras", "torch", "onnx", "onnxruntime", "jax", "matplotlib"}
    assert "numpy" in loaded


def test_the_probe_sees_what_is_imported() -> None:
    """The probe itself: it reports a package that the statement loads."""
    assert "click" in loaded_by("import click")


@pytest.mark.tf
@pytest.mark.slow
def test_the_probe_sees_tensorflow() -> None:
    """The probe itself: it reports TensorFlow where it is loaded."""
    assert "tensorflow" in loaded_by("import alexnet_ref.layers")
