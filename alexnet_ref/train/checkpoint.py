"""A checkpoint is one file: everything that resuming to the bit needs, under a checksum; the two latest are kept.

    "ALEXNREF"  version  header size  header (JSON)  the arrays' bytes, little-endian  SHA-256 of all before it
     8 bytes     u32       u32

The header: {"generation", "configuration", "position", "history", "environment", "arrays": [[name, dtype, shape], …]}. Nothing is
unpickled, and nothing is allocated that the file's size and the network's own shapes have not confirmed.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.train.files import replacing
from reference.errors import InvalidInput

MAGIC, VERSION = b"ALEXNREF", 1
PREFIX = struct.Struct("<8sII")
DIGEST = hashlib.sha256().digest_size
HEADER_MOST = 1 << 24  # 16 MiB: a history of some ten thousand rows
DTYPES = ("<f4", "<i8")  # weights and slots; Adam's iteration
SLOTS = ("checkpoint-a.bin", "checkpoint-b.bin")  # written in turn: while one is replaced, the other is whole

Arrays = dict[str, NDArray[Any]]
Spec = list[tuple[str, str, tuple[int, ...]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """The state between two steps.

    configuration: what must be the same for the run to go on (architecture, batch size, seed, data …), by names for people.
    position: steps done, sums of the epoch so far, digest of the shuffled order, seconds. history: its rows.
    """

    configuration: dict[str, Any]
    position: dict[str, Any]
    history: list[dict[str, Any]]
    environment: dict[str, Any]
    arrays: Arrays
    generation: int = 0


class _DamagedError(Exception):
    """Why a file is not a whole checkpoint of this version."""


@dataclass(kw_only=True)
class Checkpoints:
    """The two files in a run's folder."""

    folder: Path
    notices: list[str] = field(default_factory=list)  # what a person should know about the last `load`
    _generation: int = 0

    @property
    def paths(self) -> list[Path]:
        """The files that are there."""
        return [path for slot in SLOTS if (path := self.folder / slot).exists()]

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write the checkpoint over the older of the two; InvalidInput, with both as they were, where that fails."""
        generation = self._generation + 1
        path = self.folder / SLOTS[generation % 2]
        with replacing(path) as temporary, temporary.open("wb") as file:
            _write(file, checkpoint, generation)
        self._generation = generation
        return path

    def load(self, configuration: dict[str, Any], arrays: Arrays) -> Checkpoint | None:
        """Return the newest whole checkpoint, None where there is no file.

        `arrays` are those of the network as it stands: names, element types and shapes must agree. A damaged file is passed
        over with a notice. InvalidInput: all are damaged, or the checkpoint is of another configuration.
        """
        self.notices.clear()
        whole: list[tuple[int, Path, dict[str, Any]]] = []
        damaged: list[str] = []
        for path in self.paths:
            try:
                header = _verify(path)
                whole.append((header["generation"], path, header))
            except (_DamagedError, OSError) as error:
                damaged.append(f"{path.name}: {error}")
        if damaged and not whole:
            raise InvalidInput(
                "no checkpoint is intact",
                where=str(self.folder),
                received="; ".join(damaged),
                hint="Give another --out to train from the beginning",
            )
        if not whole:
            return None
        generation, path, header = max(whole, key=lambda entry: entry[0])
        _check_configuration(path, configuration, header["configuration"])
        _check_arrays(path, spec(arrays), header["arrays"])
        self.notices += [f"{text}. Going on from the other one, {path.name}" for text in damaged]
        self._generation = generation
        found = _read_arrays(path, spec(arrays))
        keys = ("configuration", "position", "history", "environment")
        return Checkpoint(arrays=found, generation=generation, **{key: header[key] for key in keys})


def spec(arrays: Arrays) -> Spec:
    """Return [(name, element type, shape)]: what the header says about the bytes that follow it."""
    return [(name, array.dtype.newbyteorder("<").str, tuple(array.shape)) for name, array in arrays.items()]


def _bytes(entries: Spec) -> int:
    return sum(np.dtype(dtype).itemsize * math.prod(shape) for _, dtype, shape in entries)


def _write(file: IO[bytes], checkpoint: Checkpoint, generation: int) -> None:
    header = json.dumps(
        {
            "generation": generation,
            "configuration": checkpoint.configuration,
            "position": checkpoint.position,
            "history": checkpoint.history,
            "environment": checkpoint.environment,
            "arrays": spec(checkpoint.arrays),
        },
        allow_nan=False,
    ).encode()
    digest = hashlib.sha256()
    pieces: list[bytes | memoryview] = [PREFIX.pack(MAGIC, VERSION, len(header)), header]
    for piece in pieces + [_as_bytes(array) for array in checkpoint.arrays.values()]:
        digest.update(piece)
        file.write(piece)
    file.write(digest.digest())


def _as_bytes(array: NDArray[Any]) -> memoryview:
    """Return the array's numbers, little-endian, rows slowest, without copying them where they lie so already."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return little.reshape(-1).view(np.uint8).data


def _verify(path: Path) -> dict[str, Any]:
    """Return the header of a file whose checksum is right and whose sizes agree; _DamagedError says what is wrong."""
    with path.open("rb") as file:
        size = path.stat().st_size
        prefix = file.read(PREFIX.size)
        if len(prefix) < PREFIX.size:
            raise _DamagedError(f"is truncated: {size} bytes")
        magic, version, header_size = PREFIX.unpack(prefix)
        if magic != MAGIC:
            raise _DamagedError(f"is no checkpoint: it begins with 0x{magic.hex()}")
        if version != VERSION:
            raise _DamagedError(f"has format version {version}; this program reads {VERSION}")
        if header_size > min(HEADER_MOST, size - PREFIX.size - DIGEST):
            raise _DamagedError(f"is damaged: it claims a header of {header_size} bytes, in a file of {size}")
        header = file.read(header_size)
        digest = hashlib.sha256(prefix + header)
        left = size - PREFIX.size - header_size - DIGEST
        while left > 0 and (piece := file.read(min(left, 1 << 20))):
            digest.update(piece)
            left -= len(piece)
        if file.read() != digest.digest():
            raise _DamagedError("is damaged: its SHA-256 is wrong")
    found = _parse(header)
    expected = PREFIX.size + header_size + _bytes(found["arrays"]) + DIGEST
    if size != expected:
        raise _DamagedError(f"is damaged: it has {size} bytes, and its header describes {expected}")
    return found


def _parse(header: bytes) -> dict[str, Any]:
    """Return the header's entries, of the right types; a right checksum alone does not make them so."""
    kinds = {"generation": int, "configuration": dict, "position": dict, "history": list, "environment": dict, "arrays": list}
    try:
        found = json.loads(header)
        if any(type(found[key]) is not kind for key, kind in kinds.items()):
            raise _DamagedError("is damaged: its header has entries of the wrong type")
        found["arrays"] = [(str(name), str(dtype), tuple(shape)) for name, dtype, shape in found["arrays"]]
        sizes = [n for _, _, shape in found["arrays"] for n in shape]
        if any(type(n) is not int or n < 0 for n in sizes) or any(dtype not in DTYPES for _, dtype, _ in found["arrays"]):
            raise _DamagedError("is damaged: its header describes impossible arrays")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _DamagedError(f"is damaged: its header cannot be read ({type(error).__name__})") from None
    else:
        return dict(found)


def _check_configuration(path: Path, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    differences = [
        f"{key}: {theirs.get(key, 'nothing')} there, {ours.get(key, 'nothing')} here"
        for key in dict.fromkeys([*ours, *theirs])
        if ours.get(key) != theirs.get(key)
    ]
    if differences:
        raise InvalidInput(
            "this checkpoint is of another configuration",
            where=str(path),
            received="; ".join(differences),
            hint="Resume with the same options and data, or give another --out",
        )


def _check_arrays(path: Path, ours: Spec, theirs: Spec) -> None:
    for mine, other in zip(ours, theirs, strict=False):
        if mine != other:
            raise InvalidInput("the arrays are not this network's", where=str(path), expected=str(mine), received=str(other))
    if len(ours) != len(theirs):
        raise InvalidInput("the arrays are not this network's", where=str(path), expected=len(ours), received=len(theirs))


def _read_arrays(path: Path, entries: Spec) -> Arrays:
    arrays = {}
    with path.open("rb") as file:
        _, _, header_size = PREFIX.unpack(file.read(PREFIX.size))
        file.seek(header_size, 1)
        for name, dtype, shape in entries:
            flat = np.fromfile(file, dtype, math.prod(shape))
            arrays[name] = flat.reshape(shape).astype(np.dtype(dtype).newbyteorder("="), copy=False)
    return arrays
