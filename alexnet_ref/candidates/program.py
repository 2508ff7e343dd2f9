"""A program as a candidate: images in, outputs out, both as .npy. It is started without a shell, bounded in time and size."""

from __future__ import annotations

import contextlib
import io
import math
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.candidates.step import Array, Framework, NotCheckable, Step, Weights
from reference import Architecture, InvalidInput

INPUT, OUTPUT = "{input}", "{output}"  # in the command: the names of two .npy files
LARGEST = 2**30  # bytes of one output
WORDS = 4096  # bytes that are kept of what it says on standard error


class ProgramFailed(Exception):  # noqa: N818 - what happened, like NotCheckable
    """Raised for a program that does not answer as it should; the words say how."""


class ProgramPort:
    """A command that reads images (N, *input_shape) float32 and writes its result (N, …).

    The images come on standard input, or in a file whose name stands in the command for "{input}"; the result goes to standard
    output, or to the file whose name stands for "{output}". input_shape defaults to the document's (H, W, C).
    """

    framework: Framework = ""
    trains = False

    channels_first = False

    def __init__(
        self,
        command: Sequence[str],
        architecture: Architecture,
        *,
        name: str | None = None,
        input_shape: tuple[int, ...] | None = None,
        timeout: float = 600.0,
    ) -> None:
        """Run the command on two images, to see that it answers; InvalidInput where it does not. timeout: seconds of each run."""
        self.command = [str(word) for word in command]
        self.name = name or f"program {Path(self.command[0]).name}"
        self._form = tuple(input_shape or architecture.input_shape)
        self.input_shape: tuple[int | None, ...] | None = self._form
        self.timeout = timeout
        if math.prod(self._form) != math.prod(architecture.input_shape):
            raise InvalidInput(
                "input_shape does not hold one image", expected=str(architecture.input_shape), received=str(self._form)
            )
        self.channels_first = self._form != architecture.input_shape and len(self._form) == 3
        try:
            self._shape = self._called(np.zeros((2, *self._form), np.float32)).shape[1:]
        except (ProgramFailed, OSError) as error:
            raise InvalidInput("the program does not answer", where=self.name, received=str(error)) from None

    def environment(self) -> dict[str, Any]:
        """Return the command."""
        return {"command": self.command, "input": f"({', '.join(map(str, ('N', *self._form)))})", "timeout": self.timeout}

    def steps(self) -> list[Step]:
        """Return the whole program as one step."""
        return [Step(name="result", kind="program", means=None, output_shape=self._shape, params=None)]

    def weights(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Raise NotCheckable: a program shows none."""
        raise NotCheckable("a program shows no weights")

    def outputs(self, x: Array) -> list[Array]:
        """Return the program's result alone; ProgramFailed where it does not answer."""
        return [self._called(x)]

    def run(self, first: int, last: int, x: Array, weights: Weights, *, training: bool = False) -> Array:
        """Return the program's result; NotCheckable with weights of the judge's, and in training."""
        del first, last  # there is one step
        if training or weights:
            raise NotCheckable("a program shows no training" if training else "a program's weights cannot be set")
        return self._called(x)

    def _called(self, x: Array) -> Array:
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(x, np.float32), allow_pickle=False)
        with tempfile.TemporaryDirectory() as folder:
            files = {INPUT: Path(folder) / "input.npy", OUTPUT: Path(folder) / "output.npy"}
            command = [_filled(word, files) for word in self.command]
            by_file = {key: any(key in word for word in self.command) for key in files}
            if by_file[INPUT]:
                files[INPUT].write_bytes(buffer.getvalue())
            written = _run(command, b"" if by_file[INPUT] else buffer.getvalue(), self.timeout)
            if by_file[OUTPUT]:
                written = _read(files[OUTPUT])
        return parse_npy(written)


def _filled(word: str, files: dict[str, Path]) -> str:
    for key, path in files.items():
        word = word.replace(key, str(path))
    return word


def _run(command: Sequence[str], fed: bytes, timeout: float) -> bytes:
    """Return what the command writes to standard output; ProgramFailed: an exit code, too long, too much."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - the user's own command, word by word and without a shell
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - pipes, as asked for
        written: list[bytes] = []
        feeding = threading.Thread(target=_feed, args=(process.stdin, fed), daemon=True)
        reading = threading.Thread(target=lambda out: written.append(out.read(LARGEST + 1)), args=(process.stdout,), daemon=True)
        try:
            feeding.start()
            reading.start()
            reading.join(timeout)
            if reading.is_alive():
                raise ProgramFailed(f"no answer within {timeout:g} s")
            if len(written[0]) > LARGEST:
                raise ProgramFailed(f"more than {LARGEST:,} bytes")
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"not finished within {timeout:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it started
            process.wait()
            reading.join()
            feeding.join()
            process.stdout.close()
        if code:
            said.seek(max(said.seek(0, os.SEEK_END) - WORDS, 0))
            words = said.read().decode(errors="replace").strip().splitlines()
            raise ProgramFailed(f"exit code {code}" + (f": {words[-1]}" if words else ""))
        return written[0]


def _feed(pipe: Any, fed: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:  # a program need not read all it is given
        pipe.write(fed)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            written = file.read(LARGEST + 1)
    except OSError as error:
        raise ProgramFailed(f"no output file: {error.strerror}") from None
    if len(written) > LARGEST:
        raise ProgramFailed(f"more than {LARGEST:,} bytes")
    return written


def parse_npy(written: bytes) -> Array:
    """Return the array of a .npy file; ProgramFailed where it is none, holds objects, or promises more than there is."""
    file = io.BytesIO(written)
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(file)
        if dtype.kind not in "fiub" or math.prod(shape) * dtype.itemsize != len(written) - file.tell():
            raise ProgramFailed(f"a .npy of {dtype} {shape} in {len(written)} bytes")
        file.seek(0)
        return np.asarray(np.load(file, allow_pickle=False))
    except (ValueError, KeyError, EOFError, SyntaxError) as error:
        raise ProgramFailed(f"no .npy array: {(str(error) or type(error).__name__).splitlines()[0]}") from None
