"""PyTorch's files, read without running anything that they contain: weights (.pt, .pth) and exported programs (.pt2).

A program's file is not made for strangers' hands: torch.export.load unpickles what the file asks it to unpickle, and lets SymPy
evaluate its formulas. So everything that could carry code is refused before it is called: pickles, compiled libraries, objects,
functions that are no operators, and formulas that are more than sums and products of sizes. The guards that a program carries, as
Python source, are never made (`torch_trace.from_program`). What remains is still better read in a sandbox.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from alexnet_ref.mnist.parts import check_file
from reference import InvalidInput

LARGEST = 2**30  # bytes of a file: twelve times the greater of the two documents' networks
MEMBERS = 10_000
_END = 98  # bytes: zip64's end of the directory, its locator, the plain end
_FORMULA = re.compile(
    r"(Symbol\('[a-z]{1,3}\d+'(, (positive|integer|nonnegative)=(True|False))*\)|Integer|Add|Mul|Pow|Max|Min|Mod|-?\d+|[(), ])*"
)
_OPERATOR = re.compile(r"torch\.ops\.(aten|prim|prims)\.\w+\.\w+|_operator\.\w+|math\.\w+|torch\.sym_\w+")
_PLAIN = re.compile(
    r"[^/]+/(models/[^/]+\.json|data/(weights|constants)/[^/]+|data/sample_inputs/[^/]+\.pt|archive_format|archive_version"
    r"|version|byteorder|\.data/[^/]+|\.format_version|extra/[^/]*)"
)


def read_state_dict(path: Path | str) -> dict[str, Any]:
    """Return {name: tensor} of a file that torch.save wrote; InvalidInput where it is none, too large, or holds objects."""
    path = Path(path)
    with _opened(path) as archive:
        if any("/code/" in name for name in archive.namelist()):
            raise _refused(path, "a TorchScript program")
    loaded = _unpickled(path, path.read_bytes())
    if isinstance(loaded, dict) and set(loaded) == {"state_dict"}:  # as training scripts wrap it
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise _refused(path, f"a {type(loaded).__name__} that is no state_dict")
    return {str(name): value for name, value in loaded.items()}


def load_state_dict(module: Any, path: Path | str) -> None:
    """Set the module's weights from the file; InvalidInput, with the module untouched, where names or shapes do not fit."""
    loaded, own = read_state_dict(path), module.state_dict()
    for name in sorted(own.keys() | loaded.keys()):
        shapes = [tuple(tensors[name].shape) if name in tensors else None for tensors in (own, loaded)]
        if shapes[0] != shapes[1]:
            expected, received = ("nothing" if shape is None else f"shape {shape}" for shape in shapes)
            raise InvalidInput("the weights do not fit the module", where=f"{path}: {name}", expected=expected, received=received)
    module.load_state_dict(loaded)


def is_program(path: Path) -> bool:
    """Tell whether the file holds an exported program."""
    with _opened(path) as archive:
        return any(re.fullmatch(r"[^/]+/models/[^/]+\.json", name) for name in archive.namelist())


def read_program(path: Path | str) -> Any:
    """Return the torch.export.ExportedProgram of a file that torch.export.save wrote; InvalidInput where it could carry code."""
    path = Path(path)
    with _opened(path) as archive:
        for name in archive.namelist():
            if not _PLAIN.fullmatch(name):
                raise InvalidInput("holds what no exported program needs", where=str(path), received=ascii(name[:80]))
            if name.endswith(".json"):
                _check_json(path, name, json.loads(archive.read(name)))
            if name.endswith(".pt"):
                _unpickled(path, archive.read(name))
    try:
        with quiet():
            return torch.export.load(io.BytesIO(path.read_bytes()))
    except Exception as error:  # noqa: BLE001 - it closes no list of what a damaged program raises
        raise _refused(path, _said(error)) from None


def _check_json(path: Path, name: str, value: Any) -> None:
    """Refuse what would be unpickled or evaluated."""
    if isinstance(value, dict):
        objects = ("custom_obj", "opaque_obj", "script_obj")
        pickled = value.get("use_pickle") or str(value.get("path_name", "")).startswith(objects)
        if pickled or not _FORMULA.fullmatch(str(value.get("expr_str", ""))):
            received = "a pickled object" if pickled else f"the formula {str(value['expr_str'])[:80]!a}"
            raise InvalidInput("could run code while it is read", where=f"{path}: {name!a}", received=received)
        if {"target", "inputs", "outputs"} <= value.keys() and not _OPERATOR.fullmatch(str(value["target"])):
            received = ascii(str(value["target"])[:80])
            raise InvalidInput("calls what is no operator", where=f"{path}: {name!a}", expected="aten", received=received)
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_json(path, name, part)


def _unpickled(path: Path, data: bytes) -> Any:
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - what a damaged or hostile pickle makes it raise has no end
        raise _refused(path, "something else than tensors: objects, or damaged") from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive if its end says that directory and members are of a bearable size; InvalidInput for what is none."""
    try:
        check_file(path)
        _check_end(path)
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > LARGEST:
                raise _too_large(path, size)
            if len(set(archive.namelist())) != len(archive.namelist()):
                raise _refused(path, "a member that is there twice")
            yield archive
    except InvalidInput:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile closes no list of what a damaged archive raises
        raise _refused(path, _said(error)) from None


def _check_end(path: Path) -> None:
    """Refuse an archive whose directory is large, before zipfile reads it whole. PyTorch ends archives as zip64 has it."""
    size = path.stat().st_size
    if size > LARGEST:
        raise _too_large(path, size)
    with path.open("rb") as file:
        file.seek(max(size - _END, 0))
        tail = file.read(_END)
    plain = tail[-22:]
    if len(plain) < 22 or not plain.startswith(b"PK\5\6") or plain[20:] != b"\0\0":
        raise _refused(path, "no zip archive, or a truncated one")
    directory = int.from_bytes(plain[12:16], "little")
    if tail[-42:-38] == b"PK\6\7":  # zip64: its own end lies right before
        if tail[:4] != b"PK\6\6" or int.from_bytes(tail[-34:-26], "little") != size - _END:
            raise _refused(path, "no plain zip archive")
        directory = int.from_bytes(tail[40:48], "little")
    if directory > MEMBERS * 512:
        raise _refused(path, f"a directory of {directory:,} bytes")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]!a}"


def _too_large(path: Path, size: int) -> InvalidInput:
    return InvalidInput("is too large", where=str(path), expected=f"at most {LARGEST:,} bytes, unpacked", received=f"{size:,}")


def _refused(path: Path, received: str) -> InvalidInput:
    return InvalidInput(
        "cannot be used",
        where=str(path),
        expected="weights written by torch.save(module.state_dict(), …), or a program written by torch.export.save",
        received=received,
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what torch.export prints and logs at length of what it raises anyway."""
    names = [name for name in ("torch", *logging.root.manager.loggerDict) if name.partition(".")[0] == "torch"]
    loggers = [logging.getLogger(name) for name in names]
    speaking = [logger for logger in loggers if not logger.disabled]
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            for logger in speaking:
                logger.disabled = True
            yield
        finally:
            for logger in speaking:
                logger.disabled = False
