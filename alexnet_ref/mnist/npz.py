"""MNIST in Keras's layout: a mnist.npz with x_train, y_train, x_test, y_test. An .npz is a zip archive of .npy files.

NumPy's own loader allocates what a member's header claims, and offers unpickling; a member is read here only after its
size, its compression and its header have been checked.
"""

from __future__ import annotations

import math
import zipfile
from typing import IO, TYPE_CHECKING

import numpy as np

from alexnet_ref.mnist.parts import PARTS, Bytes, Part, check_file, read_exactly, unreadable
from reference.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

NPY_HEADER_MOST = 10_000  # bytes; NumPy's own limit (max_header_size)
# zipfile reads an archive's whole directory into memory: a file may be as large as the four arrays uncompressed, and a
# tenth more for further members and the directory.
ARCHIVE_MOST = sum(part.most_bytes for part in PARTS) * 11 // 10
# zipfile bounds what these two decompress to; bzip2 and LZMA it expands without limit.
BOUNDED_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_npz(path: Path) -> dict[str, Bytes]:
    """Read the four arrays of a mnist.npz, read-only, by Keras's names; further members are left alone.

    InvalidInput, and nothing else, for whatever is not such an archive.
    """
    try:
        check_file(path)
        if (size := path.stat().st_size) > ARCHIVE_MOST:
            raise InvalidInput("is too large", where=str(path), expected=f"at most {ARCHIVE_MOST} bytes", received=str(size))
        with zipfile.ZipFile(path) as archive:
            return {part.key: _read_member(archive, part, f"{path}: {part.key}") for part in PARTS}
    except InvalidInput:
        raise
    except zipfile.BadZipFile as error:
        raise InvalidInput(
            "is not an intact .npz archive",
            where=str(path),
            expected="a mnist.npz",
            received=str(error),
            hint="Download it again; for IDX files give the folder that holds all four",
        ) from error
    except Exception as error:  # zipfile closes no list of what a damaged archive raises
        raise unreadable(path, error) from error


def _read_member(archive: zipfile.ZipFile, part: Part, where: str) -> Bytes:
    name = f"{part.key}.npy"
    if name not in archive.namelist():
        raise InvalidInput(
            "is missing from the archive",
            where=where,
            expected=", ".join(p.key for p in PARTS),
            received=", ".join(sorted(archive.namelist())[:8]) or "no member",
        )
    info = archive.getinfo(name)
    if info.file_size > part.most_bytes + NPY_HEADER_MOST:
        raise InvalidInput(
            "is too large",
            where=where,
            expected=f"at most {part.most_bytes + NPY_HEADER_MOST} bytes",
            received=str(info.file_size),
        )
    if info.compress_type not in BOUNDED_METHODS:
        raise InvalidInput(
            "is compressed by a method that is not read",
            where=where,
            expected="stored or deflated, as numpy.savez and numpy.savez_compressed write",
            received=f"zip method {info.compress_type}",
        )
    with archive.open(info) as stream:
        shape = _read_header(stream, part, where)
        return np.frombuffer(read_exactly(stream, math.prod(shape), where), np.uint8).reshape(shape)


def _read_header(stream: IO[bytes], part: Part, where: str) -> tuple[int, ...]:
    try:
        if (version := np.lib.format.read_magic(stream)) != (1, 0):
            raise ValueError(f"format version {version}")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=NPY_HEADER_MOST)
    except Exception as error:  # NumPy's parser of headers lets errors of tokenizer and decoder through
        raise InvalidInput("is no .npy array", where=where, expected="a version 1.0 header", received=str(error)) from error
    if dtype != np.uint8 or fortran_order:
        raise InvalidInput(
            "has the wrong element type or order",
            where=where,
            expected="uint8 in C order",
            received=f"{dtype} in {'Fortran' if fortran_order else 'C'} order",
        )
    part.check_shape(shape, where)
    return shape
