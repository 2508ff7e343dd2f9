"""A run's folder: one run at a time writes there, each file whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from alexnet_ref import files
from reference import InvalidInput

HINT = "What was there before is unchanged. Make room, or give a folder that you may write to, then run it with --resume"


def replacing(path: Path) -> contextlib.AbstractContextManager[Path]:
    """Yield a temporary neighbour that takes the file's place after the block (`alexnet_ref.files.replacing`).

    Its name is fixed, so that killed runs leave one behind at most: `locked` sees to it that one process alone writes here.
    """
    return files.replacing(path, hint=HINT)


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
        raise files.unwritable(folder, error, HINT) from None


def _lock(descriptor: int, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not POSIX: two runs in one folder are then the user's to avoid
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InvalidInput("another run is training into this folder", where=str(folder), hint="Give another --out") from None
