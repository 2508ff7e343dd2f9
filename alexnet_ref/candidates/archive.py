"""Zip archives from strangers, opened only after their end has been read: zipfile reads a whole directory into memory unasked."""

from __future__ import annotations

import contextlib
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from alexnet_ref.mnist.parts import check_file, unreadable
from alexnet_ref.printable import printable
from reference.errors import InvalidInput

END = struct.Struct("<4s4H2IH")  # the end of the central directory: magic, disks, entries here and in all, size, offset, comment
DIRECTORY_ENTRY_MOST = 512  # bytes: 46, a short name and zip64's extra field
# zipfile bounds what these two decompress to by the declared size; bzip2 and LZMA it expands without limit.
BOUNDED_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextlib.contextmanager
def open_archive(path: Path, *, most_bytes: int, most_members: int) -> Iterator[zipfile.ZipFile]:
    """Open an archive of at most so many bytes and members, each with its own name, none encrypted.

    InvalidInput, and nothing else, for whatever is no such archive, also where the block finds a member damaged.
    """
    try:
        check_file(path)
        _check_end(path, most_bytes, most_members)
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
            yield archive
    except InvalidInput:
        raise
    except zipfile.BadZipFile as error:
        raise InvalidInput("is not an intact zip archive", where=str(path), received=printable(error)) from None
    except Exception as error:  # zipfile closes no list of what a damaged archive raises
        raise unreadable(path, error) from error


def _check_end(path: Path, most_bytes: int, most_members: int) -> None:
    """Refuse an archive by its last bytes: they say how large its directory is, and nothing may follow them."""
    where, size = str(path), path.stat().st_size
    if size > most_bytes:
        raise InvalidInput("is too large", where=where, expected=f"at most {most_bytes} bytes", received=str(size))
    with path.open("rb") as file:
        file.seek(max(size - END.size - 20, 0))
        tail = file.read(END.size + 20)
    if len(tail) < END.size or not tail[-END.size :].startswith(b"PK\5\6"):
        raise InvalidInput(
            "is not an intact zip archive",
            where=where,
            expected="a zip archive's directory at its very end",
            received="an empty file" if size == 0 else "something else: it is truncated, or of another format",
        )
    _, *_, entries, directory, offset, comment = END.unpack(tail[-END.size :])
    zip64 = tail[: -END.size].startswith(b"PK\6\7")
    if comment or zip64 or offset + directory + END.size != size:
        raise InvalidInput(
            "is no plain zip archive",
            where=where,
            expected="members, their directory, and nothing else",
            received="a comment, zip64 sizes, or bytes that belong to neither",
        )
    if entries > most_members or directory > entries * DIRECTORY_ENTRY_MOST:
        raise InvalidInput(
            "has too many members",
            where=where,
            expected=f"at most {most_members}, described in {DIRECTORY_ENTRY_MOST} bytes each",
            received=f"{entries}, in {directory} bytes",
        )


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    names = archive.namelist()
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInput("holds a member twice", where=str(path), received=printable(twice[0]))
    for info in archive.infolist():
        if info.flag_bits & 1:
            raise InvalidInput("is encrypted", where=f"{path}: {printable(info.filename)}")
        if info.compress_type not in BOUNDED_METHODS:
            raise InvalidInput(
                "is compressed by a method that is not read",
                where=f"{path}: {printable(info.filename)}",
                expected="stored or deflated",
                received=f"zip method {info.compress_type}",
            )


def check_names(archive: zipfile.ZipFile, path: Path, expected: set[str], hint: str | None = None) -> None:
    """Refuse an archive whose members are not exactly these."""
    received = set(archive.namelist())
    if received == expected:
        return
    missing, unknown = sorted(expected - received), sorted(map(printable, received - expected))
    raise InvalidInput(
        "has other members than expected",
        where=str(path),
        received=f"missing: {', '.join(missing[:8]) or 'none'}; unknown: {', '.join(unknown[:8]) or 'none'}",
        hint=hint,
    )


def read_member(archive: zipfile.ZipFile, path: Path, name: str, most_bytes: int) -> bytes:
    """Return a member whole; InvalidInput where it declares, or turns out to have, another size."""
    with member(archive, path, name, most_bytes) as stream:
        data = stream.read()
    if len(data) != archive.getinfo(name).file_size:
        raise InvalidInput("is truncated", where=f"{path}: {name}")
    return data


@contextlib.contextmanager
def member(archive: zipfile.ZipFile, path: Path, name: str, most_bytes: int) -> Iterator[IO[bytes]]:
    """Open a member that declares at most so many bytes; no more than it declares is ever decompressed."""
    size = archive.getinfo(name).file_size
    if size > most_bytes:
        raise InvalidInput("is too large", where=f"{path}: {name}", expected=f"at most {most_bytes} bytes", received=str(size))
    with archive.open(name) as stream:
        yield stream


def check_intact(archive: zipfile.ZipFile, path: Path, name: str, most_bytes: int) -> bytes:
    """Decompress a member piece by piece, so that its checksum is compared; return its first bytes."""
    size, first = 0, b""
    with member(archive, path, name, most_bytes) as stream:
        while piece := stream.read(1 << 20):
            first = first or piece[:16]
            size += len(piece)
    if size != archive.getinfo(name).file_size:
        raise InvalidInput("is truncated", where=f"{path}: {name}")
    return first
