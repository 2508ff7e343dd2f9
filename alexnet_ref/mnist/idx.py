"""MNIST's own file format, IDX: a magic number, one big-endian 32-bit size per axis, then the bytes."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from alexnet_ref.mnist.parts import PARTS, Bytes, Part, Readable, check_file, read_exactly, unreadable
from reference.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path


def find_idx(folder: Path, part: Part) -> Path:
    """Return the part's file in the folder, under any of its usual names.

    Uncompressed files come first: download tools unpack beside the original. A regular file comes before a directory
    of the same name, which some archives unpack to. InvalidInput names the expected files when there is none.
    """
    dotted = f"{part.stem}.idx{part.ndim}-ubyte"  # the other common spelling
    names = (part.file_name, dotted, f"{part.file_name}.gz", f"{dotted}.gz")
    paths = [folder / name for name in names]
    for path in paths:
        if path.is_file():
            return path
    for path in paths:
        if os.path.lexists(path):  # a directory, a broken link: read_idx says what is wrong with it
            return path
    raise InvalidInput(
        f"has no {part.stem}",
        where=str(folder),
        expected=" or ".join(names),
        received="none of them",
        hint="Give the folder that holds MNIST's four files, or the path of a mnist.npz",
    )


def read_idx(path: Path, part: Part) -> Bytes:
    """Read one IDX file, gzip-compressed when its name ends in .gz, as the part's read-only uint8 array.

    InvalidInput, and nothing else, for whatever is not exactly such a file. At most the published array's size is
    allocated, whatever the header claims and however far a compressed file would expand.
    """
    where = str(path)
    try:
        check_file(path)
        with path.open("rb") as file:
            if path.suffix != ".gz":
                return _read_stream(file, part, where)
            with gzip.GzipFile(fileobj=file) as stream:
                return _read_stream(stream, part, where)
    except gzip.BadGzipFile as error:
        raise InvalidInput(
            "is not intact gzip",
            where=where,
            expected="a gzip file, as the name says",
            received=str(error),
            hint="Download it again; if it is uncompressed already, drop .gz from its name",
        ) from error
    except (OSError, EOFError, zlib.error) as error:  # all that files and gzip raise
        raise unreadable(path, error) from error


def _read_stream(stream: Readable, part: Part, where: str) -> Bytes:
    header = stream.read(4 * (1 + part.ndim))
    if header[:4] != part.magic and len(header) >= 4:
        raise InvalidInput(
            "has the wrong magic number",
            where=where,
            expected=f"0x{part.magic.hex()}, {_kind(part.magic)}",
            received=f"0x{header[:4].hex()}, {_kind(header[:4])}",
        )
    if len(header) < 4 * (1 + part.ndim):
        raise InvalidInput(
            "ends before its header does" if header else "is empty",
            where=where,
            expected=f"a header of {4 * (1 + part.ndim)} bytes",
            received=f"{len(header)} bytes",
            hint="Download it again",
        )
    shape = struct.unpack(f">{part.ndim}I", header[4:])
    part.check_shape(shape, where)
    return np.frombuffer(read_exactly(stream, math.prod(shape), where), np.uint8).reshape(shape)


def _kind(magic: bytes) -> str:
    kinds = {part.magic: part.stem.split("-")[1] for part in PARTS}  # "images" or "labels"
    return f"a file of {kinds[magic]}" if magic in kinds else "no MNIST file"
