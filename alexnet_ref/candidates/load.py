"""From what the command line names to something that `verify` can judge.

`path` is a file or folder from anybody: load it only in the sandbox (`sandbox.judge_file`). `package.module:attribute` imports
the user's own code, which runs with all rights the user has.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any, Literal

from alexnet_ref.mnist.parts import unreadable
from alexnet_ref.printable import printable
from reference import Architecture, InvalidInput

Execution = Literal["eager", "function", "XLA"]

FOLDER = "a folder"
KINDS = {
    ".keras": "a Keras model",
    ".h5": "a legacy Keras model (if asked for)",
    ".weights.h5": "weights for our own model",
    ".npz": "the oracle's params for our own model",
    ".onnx": "an ONNX model",
    ".pt": "a PyTorch file",
    ".pth": "a PyTorch file",
    ".pt2": "a PyTorch exported program",
    FOLDER: "with a SavedModel in it",
}
ATTRIBUTE = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<attribute>[^\W\d]\w*(\.[^\W\d]\w*)*)")


def is_attribute(spec: str) -> bool:
    """Tell whether the text names an attribute of the user's own code: "package.module:attribute", and no file of that name."""
    return ATTRIBUTE.fullmatch(spec) is not None and not os.path.lexists(spec)


def load(spec: str, architecture: Architecture, *, allow_h5: bool = False, execution: Execution = "eager") -> Any:
    """Return what `verify` takes: a port, or the object that an attribute is. InvalidInput for whatever cannot be read.

    A file is read by its suffix (`KINDS`). An attribute that is a function or class which can be called without arguments is
    called. `execution` says how Keras models and SavedModels run.
    """
    if is_attribute(spec):
        return _load_attribute(spec, architecture, execution)
    path = Path(spec)
    try:
        folder = path.is_dir()
        present = path.exists()
    except (OSError, ValueError) as error:  # such as a name that is too long, or has a null character in it
        raise unreadable(Path(printable(spec)), error) from error
    kind = FOLDER if folder else suffix(path)
    if not present or kind not in KINDS:
        raise InvalidInput(
            "is of a kind that is not read" if present else "no such file",
            where=printable(spec),
            expected=", ".join(f"{name} ({what})" for name, what in KINDS.items()) + ", or package.module:attribute",
            received=(printable(kind) or "a name without a suffix") if present else None,
        )
    return _load_file(path, kind, architecture, allow_h5=allow_h5, execution=execution)


def suffix(path: Path) -> str:
    """Return the suffix that tells a file's kind, in small letters."""
    name = path.name.lower()
    return ".weights.h5" if name.endswith(".weights.h5") else path.suffix.lower()


def _load_file(path: Path, kind: str, architecture: Architecture, *, allow_h5: bool, execution: Execution) -> Any:
    match kind:
        case ".onnx":
            from alexnet_ref.candidates import onnx_file
            from alexnet_ref.candidates.onnx import OnnxPort

            return OnnxPort(onnx_file.read(path), architecture=architecture, name=f"{printable(path.name)} (ONNX)")
        case ".pt" | ".pth" | ".pt2":
            return _load_torch(path, architecture)
        case "a folder":
            from alexnet_ref.candidates.saved_model import load_saved_model

            return load_saved_model(path, execution=execution)
        case _:
            from alexnet_ref.candidates import keras_load

            return keras_load.load_keras(path, kind, architecture, allow_h5=allow_h5, execution=execution)


def _load_torch(path: Path, architecture: Architecture) -> Any:
    from alexnet_ref.candidates import torch_files
    from alexnet_ref.candidates.torch import TorchPort

    if torch_files.is_program(path):
        return TorchPort(torch_files.read_program(path), architecture, name=f"{printable(path.name)} (PyTorch)")
    torch_files.read_state_dict(path)  # refused in its own words where it is not even that
    hint = "Give the module as package.module:attribute, loaded with these weights, or save it with torch.export.save"
    raise InvalidInput("holds weights, and no network", where=printable(path), expected="an exported program", hint=hint)


def _load_attribute(spec: str, architecture: Architecture, execution: Execution) -> Any:
    module, _, attribute = spec.partition(":")
    found = _import(module, spec)
    for name in attribute.split("."):
        if not hasattr(found, name):
            names = [name for name in dir(found) if not name.startswith("_")]
            raise InvalidInput("has no such attribute", where=spec, expected=f"one of {', '.join(names[:20])}", received=name)
        found = getattr(found, name)
    if _can_be_called_bare(found):
        try:
            found = found()
        except Exception as error:
            raise _raised(spec, error) from error
    if any(kind.__module__.split(".")[0] == "keras" for kind in type(found).__mro__):
        from alexnet_ref.candidates.keras import KerasPort

        return KerasPort(found, architecture=architecture, execution=execution)
    return found


def _import(module: str, spec: str) -> Any:
    """Import the module, also from the current folder, as `python -m` would."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except InvalidInput:
        raise
    except Exception as error:  # the user's own code: whatever it raises is told in a line
        raise _raised(spec, error) from error
    finally:
        sys.path.remove(here)


def _can_be_called_bare(found: Any) -> bool:
    """Tell whether this builds a model: a function or class that needs no arguments."""
    if not (inspect.isfunction(found) or inspect.isclass(found)):
        return False
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):  # it needs some; it has no signature
        return False
    return True


def _raised(spec: str, error: Exception) -> InvalidInput:
    hint = "It is your own code: run it by itself to see where"
    return InvalidInput("cannot be imported", where=spec, received=printable(f"{type(error).__name__}: {error}", 400), hint=hint)
