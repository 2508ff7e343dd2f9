"""ONNX files and bytes read as what they are: a stranger's."""

from __future__ import annotations

import stat
import warnings
from pathlib import Path
from typing import NoReturn

import onnx
from google.protobuf.message import DecodeError

from alexnet_ref.candidates.onnx_limits import check_limits
from alexnet_ref.printable import printable
from reference import InvalidInput

# The documents' weights have 86 MB; protobuf itself ends at 2 GiB. A message takes a multiple of its bytes once it is read.
BYTES = 512 * 2**20


def read(source: str | Path | bytes) -> onnx.ModelProto:
    """Return the model in a file, or in its bytes; no other file is ever opened. InvalidInput for whatever is none.

    What the numbers in it would make a runtime do is for the caller to confine: run a stranger's model in another process, with
    limits to its memory and time. Only what is known beforehand is refused here (`check_limits`), and by `OnnxPort`.
    """
    where = "bytes" if isinstance(source, bytes) else printable(source)
    data = source if isinstance(source, bytes) else _contents(Path(source), where)
    if len(data) > BYTES:
        _too_large(where, len(data))
    if not data:
        raise InvalidInput("is empty", where=where, expected="an ONNX model")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # protobuf's Python implementation warns of data that it leaves out
            model = onnx.ModelProto.FromString(data)
        check_limits(model)
        onnx.checker.check_model(data)
    except InvalidInput as error:
        raise error.at(where) from None
    except (DecodeError, UnicodeDecodeError, RuntimeWarning, onnx.checker.ValidationError) as error:
        received = printable(next(iter(str(error).strip().splitlines()), type(error).__name__))
        raise InvalidInput("is no valid ONNX model", where=where, received=received) from None
    except MemoryError:
        raise InvalidInput("does not fit into memory", where=where, received=f"{len(data):,} bytes") from None
    return model


def _contents(path: Path, where: str) -> bytes:
    """Return the file's bytes; a folder, a device or a pipe, which might never end, is not opened."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput("is no file", where=where, expected="an ONNX file")
        if status.st_size > BYTES:
            _too_large(where, status.st_size)
        with path.open("rb") as file:
            return file.read(BYTES + 1)
    except ValueError as error:  # InvalidInput, or a NUL in the name
        raise error if isinstance(error, InvalidInput) else InvalidInput("is no file name", where=where) from None
    except OSError as error:
        raise InvalidInput("cannot be read", where=where, received=printable(error.strerror or error)) from None


def _too_large(where: str, size: int) -> NoReturn:
    raise InvalidInput("is too large", where=where, expected=f"at most {BYTES:,} bytes", received=f"{size:,}")
