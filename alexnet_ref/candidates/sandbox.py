"""A stranger's file judged in a process of its own, started afresh, with limits; what it reports comes back as checked JSON.

What this is: memory, processor time, wall time and the size of written files are limited by the operating system; Python code is
refused the network, other processes and all writing (audit hook); where Linux permits it, the process has no network at all.
What it is not: a wall against code that runs natively. A file that could make a library run such code could write a false
report. Therefore files are checked before they are loaded, and what would run code is refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.candidates import wire
from alexnet_ref.candidates.load import Execution, is_attribute
from alexnet_ref.checks import Check
from alexnet_ref.printable import printable
from alexnet_ref.report import Report
from reference import Architecture, InvalidInput, as_architecture
from reference.forward import as_input

LINE_MOST = 1 << 28  # bytes of a message: a report with the arrays that show a failure
MESSAGES_MOST = 10_000  # the documents' networks have some 300 checks
# Of the environment, the process sees what programs and frameworks are configured by, and no keys or tokens.
ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_", "TMP", "TEMP", "TZ", "LD_LIBRARY_PATH", "PYTHON", "VIRTUAL_ENV", "SYSTEMROOT",
               "TF_", "XLA_", "CUDA", "NVIDIA", "KERAS_", "OMP_", "MKL_", "OPENBLAS_", "ONNX", "TORCH", "PYTORCH")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What judging one file may take."""

    seconds: float = 900.0  # by the clock
    cpu_seconds: int = 3600  # of all processors together
    memory: int = 8 << 30  # bytes of data (RLIMIT_DATA: what the frameworks map without using it is not counted)
    file_bytes: int = 1 << 20  # of any file that it writes, into a temporary folder of its own


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the file is judged; see `verify` and `load`."""

    seed: int = 0
    batch_size: int = 16
    arithmetic: str = "float32"
    execution: Execution = "eager"
    device: str | None = None
    allow_h5: bool = False
    params: str | None = None  # an .npz with the weights that the port should have
    names: Mapping[str, str] | None = None
    diagnosis: bool = True


def judge_file(
    spec: str,
    architecture: Architecture | str,
    *,
    images: NDArray[np.floating] | None = None,
    options: Options = Options(),
    limits: Limits = Limits(),
    on_check: Callable[[Check], None] = lambda _: None,
) -> Report:
    """Load and judge a file or folder in a process of its own; `on_check` sees each check as it is made there.

    `architecture` is one of the documents'. InvalidInput, one line, for whatever cannot be read or judged within the limits.
    Imports no framework here, and none there but the file's own.
    """
    architecture = as_architecture(architecture)
    if is_attribute(spec):
        raise InvalidInput("is code of your own, no file", where=spec, hint="Judge it with load and verify, without a sandbox")
    job = {"file": spec, "architecture": architecture.name, "limits": asdict(limits), "images": None, **asdict(options)}
    data = b""
    if images is not None:
        x = as_input(architecture, images, np.float32)
        job["images"], data = list(x.shape), x.astype(np.float32).tobytes()
    with tempfile.TemporaryDirectory(prefix="alexnet-ref-") as folder:
        job["folder"] = folder
        return _run(json.dumps(job).encode() + b"\n" + data, printable(spec), folder, limits, on_check)


def _run(job: bytes, where: str, folder: str, limits: Limits, on_check: Callable[[Check], None]) -> Report:
    late = threading.Event()
    with _process(folder) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limits.seconds, end)
        timer.daemon = True
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # it ended before it had read all
                stdin.write(job)
            answer = _answer(process.stdout, where, limits, on_check)
        except ValueError as error:
            raise InvalidInput("the judging process sent what is no report", where=where, received=printable(error)) from None
        finally:
            timer.cancel()
    if isinstance(answer, Report):
        return answer
    raise answer or _ended(where, process.returncode, limits, late=late.is_set())


@contextlib.contextmanager
def _process(folder: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the judging process, and see to it that it ends with the block, whatever happens."""
    environment = {key: value for key, value in os.environ.items() if key.upper().startswith(ENVIRONMENT)}
    package = str(Path(__file__).parents[2])  # where this very package lies, installed or not
    paths = [package, *filter(None, [environment.get("PYTHONPATH")])]
    environment |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["TMPDIR"] = folder
    process = subprocess.Popen(  # noqa: S603 - this interpreter, our own script
        [sys.executable, "-P", str(Path(__file__).with_name("sandboxed.py"))],  # -P: not the folder where the file may lie
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)  # it has said all it had to say, and is about to end by itself
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _answer(stream: IO[bytes], where: str, limits: Limits, on_check: Callable[[Check], None]) -> Report | InvalidInput | None:
    """Read messages until one decides; None where the process ends without a word. ValueError: it is no message."""
    for _ in range(MESSAGES_MOST):
        line = stream.readline(LINE_MOST)
        if not line.endswith(b"\n"):
            return None  # cut off, unless it is longer than any message may be
        [(kind, content)] = _message(line).items()
        match kind:
            case "check":
                on_check(wire.loads(Check, content))
            case "report":
                report: Report = wire.loads(Report, content)
                return report
            case "refused":
                facts = wire.loads(dict[str, str | None], content)
                if set(facts) != {"what", "where", "expected", "received", "hint"}:
                    raise ValueError("a refusal without its facts")
                return InvalidInput(facts.pop("what") or "cannot be judged", **facts)
            case "memory":
                hint = "The documents' own networks take less than a quarter of that"
                expected = f"at most {limits.memory / 2**30:g} GiB"
                return InvalidInput("needs too much memory to be judged", where=where, expected=expected, hint=hint)
            case "crashed":
                return InvalidInput("cannot be judged", where=where, received=wire.loads(str, content))
            case _:
                raise ValueError(f"a message of no known kind: {printable(kind)}")
    raise ValueError(f"more than {MESSAGES_MOST} messages")


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except RecursionError:
        raise ValueError("a message that is nested too deeply") from None
    if not isinstance(message, dict) or len(message) != 1:
        raise ValueError("no message")
    return message


def _ended(where: str, code: int, limits: Limits, *, late: bool) -> InvalidInput:
    """Return why the process ended without a word."""
    if late:
        return InvalidInput("took too long to judge", where=where, expected=f"at most {limits.seconds:g} s")
    if code == -getattr(signal, "SIGXCPU", 0):
        return InvalidInput("took too much processor time", where=where, expected=f"at most {limits.cpu_seconds} s")
    name = signal.Signals(-code).name if code < 0 and -code in set(signal.Signals) else f"exit code {code}"
    gib = f"{limits.memory / 2**30:g} GiB"
    return InvalidInput(
        "the judging process ended without a verdict",
        where=where,
        received=f"{name}, which may mean that the file is damaged, or that it needed more than {gib} of memory",
    )
