"""Files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from reference import InvalidInput


def write_atomically(path: Path, text: str) -> None:
    """Write the text to the file through a temporary neighbour; InvalidInput, and nothing half-written, where that fails."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)  # mkstemp's 0600 would hide the report from the user's own group
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidInput(
            "cannot be written", where=str(path), received=error.strerror, hint="Name a file in a folder that you may write to"
        ) from None
