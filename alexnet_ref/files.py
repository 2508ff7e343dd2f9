"""Files written whole or not at all: a temporary neighbour, fsync, rename, fsync of the directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from reference import InvalidInput

HINT = "What was there before is unchanged. Make room, or name a place that you may write to"


def write_atomically(path: Path, text: str) -> None:
    """Write the text to the file as UTF-8; InvalidInput, and nothing half-written, where that fails.

    The process's number is in the neighbour's name: two processes that write one file both write it whole, the later one last.
    """
    with replacing(path, mark=str(os.getpid())) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextlib.contextmanager
def replacing(path: Path, *, mark: str = "partial", hint: str = HINT) -> Iterator[Path]:
    """Yield the path of a temporary neighbour for the block to write; then it takes the file's place.

    If anything goes wrong, the file is what it was before; an error of the operating system is InvalidInput. The neighbour's
    name keeps the ending (Keras goes by it). With one `mark` for all writes a killed process leaves one neighbour behind at
    most, which the next write removes; then one process alone may write to the folder.
    """
    temporary = path.with_name(f".{mark}.{path.name}")
    try:
        try:
            yield temporary
            sync(temporary)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):  # a folder that has become read-only: the first error is the one to report
                temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)
    except OSError as error:
        raise unwritable(path, error, hint) from None


def sync(path: Path) -> None:
    """Wait until the file, or the folder's list of names, has reached the disk."""
    if path.is_dir() and os.name != "posix":  # Windows opens no folders; its renames are journalled
        return
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError, hint: str = HINT) -> InvalidInput:
    """Return the one-line form of what the operating system said about writing a file."""
    return InvalidInput("cannot be written", where=str(path), received=error.strerror or str(error), hint=hint)
