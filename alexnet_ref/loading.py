"""TensorFlow loaded for a command: once, quietly, and refused in a line where it is missing."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator

from rich.console import Console

from reference import InvalidInput


def import_tensorflow(console: Console) -> None:
    """Import TensorFlow, which takes seconds and greets on standard error; InvalidInput where it is missing."""
    if importlib.util.find_spec("tensorflow") is None:
        raise InvalidInput(
            "TensorFlow is not installed",
            where="alexnet-ref",
            hint="pip install 'alexnet-ref[tensorflow]' brings it",
        )
    with console.status("importing TensorFlow …"), _quiet_stderr():
        import keras
        import tensorflow as tf

        del keras, tf


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what libraries write to standard error while they load, and show it if loading fails."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
