"""Files and pictures written whole or not at all: a temporary neighbour, fsync, rename, fsync of the directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from reference import InvalidInput


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary neighbour for the block to write; then it takes the file's place.

    If anything goes wrong, the file is what it was before; an error of the operating system is InvalidInput. The neighbour's
    name is fixed and keeps the ending (Keras goes by it), so that killed runs leave one behind at most, and the next write
    removes it. One process at a time may write to a folder: `locked` sees to that.
    """
    temporary = path.with_name(f".partial.{path.name}")
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
        raise unwritable(path, error) from None


def sync(path: Path) -> None:
    """Wait until the file, or the folder's list of names, has reached the disk."""
    if path.is_dir() and os.name != "posix":  # Windows opens no folders; its renames are journalled
        return
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> InvalidInput:
    """Return the one-line form of what the operating system said about writing a file."""
    return InvalidInput(
        "cannot be written",
        where=str(path),
        received=error.strerror or str(error),
        hint="What was there before is unchanged. Make room, or give a folder that you may write to, then run it with --resume",
    )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep the folder for this process while the block runs; InvalidInput where another one trains into it.

    The operating system lets go of the lock when the process ends, however it ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("wb") as file:
            _lock(file.fileno(), folder)
            yield
    except OSError as error:  # the block's own file errors are InvalidInput already
        raise unwritable(folder, error) from None


def _lock(descriptor: int, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not POSIX: two runs in one folder are then the user's to avoid
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InvalidInput("another run is training into this folder", where=str(folder), hint="Give another --out") from None
