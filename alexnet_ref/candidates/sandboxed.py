"""The process in which a stranger's file is loaded and judged. Run as a script by `sandbox`; nothing imports it.

Until its limits stand it imports the standard library alone: a process that has threads cannot leave its network, and memory is
to be limited before NumPy takes any. It reads a job from standard input, one line of JSON and then the images' bytes, and
writes messages, one line of JSON each, to what was its standard output.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import sys
from typing import IO, Any

JOB_MOST = 1 << 20
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
# What Python code is refused, by the names of its audit events (PEP 578): the network, other processes, changes to files outside
# the one folder that it is given: TensorFlow does not start without a place for temporary files.
REFUSED = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "pty.",
    "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.kill",
    "shutil.", "ftplib.", "smtplib.", "urllib.", "http.", "webbrowser.",
)  # fmt: skip
ON_PATHS = ("os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")  # allowed in that folder
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> None:
    """Do the job, and say what came of it: "report", "refused", "memory" or "crashed"."""
    messages = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print is no message
    job = json.loads(sys.stdin.buffer.readline(JOB_MOST))
    limit(job["limits"])
    leave_network()
    sys.addaudithook(functools.partial(refuse, job["folder"] + os.sep))
    try:
        _judge(job, messages)
    except MemoryError:
        messages.write(b'{"memory": true}\n')
    except Exception as error:  # noqa: BLE001 - whatever a stranger's file made a library raise
        messages.write(_told(error))
    messages.flush()
    os._exit(0)  # frameworks' threads and destructors have nothing left to do


def limit(limits: dict[str, Any]) -> None:
    """Set what the operating system enforces, where it can (not on Windows)."""
    try:
        import resource
    except ImportError:
        return
    for name, most in (("DATA", "memory"), ("CPU", "cpu_seconds"), ("FSIZE", "file_bytes")):
        _, hard = resource.getrlimit(kind := getattr(resource, f"RLIMIT_{name}"))
        wanted = int(limits[most])
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # Processor time: SIGXCPU, which tells why, at the first limit; SIGKILL, which cannot be held off, at the second.
        last = allowed + 5 if name == "CPU" and hard == resource.RLIM_INFINITY else allowed
        resource.setrlimit(kind, (allowed, last))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def leave_network() -> bool:
    """Move into a network of one's own without any connection, where the system permits it (Linux); return whether it did."""
    flags = CLONE_NEWNET if getattr(os, "geteuid", lambda: -1)() == 0 else CLONE_NEWUSER | CLONE_NEWNET
    try:
        return bool(ctypes.CDLL(None, use_errno=True).unshare(flags) == 0)
    except (OSError, AttributeError, TypeError):  # no such function here
        return False


def refuse(folder: str, event: str, arguments: tuple[Any, ...]) -> None:
    """Raise PermissionError for what judging a model needs none of: an audit hook, which cannot be taken out again."""
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & WRITING and path != os.devnull and not _within(folder, path):
            raise PermissionError(f"writing {path!r} is not allowed while a stranger's file is judged")
    elif event.startswith(REFUSED) and not (event in ON_PATHS and _within(folder, arguments[0])):
        raise PermissionError(f"{event} is not allowed while a stranger's file is judged")


def _within(folder: str, path: Any) -> bool:
    """Tell whether the path lies in the folder; links that lead out of it cannot be made."""
    if not isinstance(path, (str, bytes)):
        return False
    return os.path.abspath(os.fsdecode(path)).startswith(folder)  # noqa: PTH100 - resolve() would open, and call this again


def _judge(job: dict[str, Any], messages: IO[bytes]) -> None:
    import contextlib

    import numpy as np

    from alexnet_ref.arithmetic import DECLARABLE, TF32
    from alexnet_ref.candidates import wire
    from alexnet_ref.candidates.load import load
    from alexnet_ref.candidates.params_file import read_params
    from alexnet_ref.memory import keep_pages
    from alexnet_ref.verify import verify
    from reference import ARCHITECTURES

    keep_pages()
    architecture = ARCHITECTURES[job["architecture"]]
    images = None
    if job["images"] is not None:
        size = 4 * int(np.prod(job["images"]))
        images = np.frombuffer(sys.stdin.buffer.read(size), np.float32).reshape(job["images"])
    arithmetic = next(candidate for candidate in DECLARABLE if candidate.name == job["arithmetic"])
    params = read_params(job["params"], architecture) if job["params"] else None
    port = load(job["file"], architecture, allow_h5=job["allow_h5"], execution=job["execution"])
    settings: Any = contextlib.nullcontext()
    if "tensorflow" in sys.modules:
        from alexnet_ref import devices

        settings = devices.settings(device=job["device"], tf32=arithmetic == TF32, deterministic=False)
    with settings:
        report = verify(
            port,
            architecture,
            images=images,
            seed=job["seed"],
            batch_size=job["batch_size"],
            arithmetic=arithmetic,
            params=params,
            names=job["names"],
            diagnosis=job["diagnosis"],
            on_check=lambda check: _write(messages, wire.dumps({"check": check})),
        )
    _write(messages, wire.dumps({"report": report}))


def _write(messages: IO[bytes], line: bytes) -> None:
    view = memoryview(line)
    while view:
        view = view[messages.write(view) :]


def _told(error: Exception) -> bytes:
    from alexnet_ref.candidates import wire
    from reference import InvalidInput

    if isinstance(error, InvalidInput):
        fields = {name: getattr(error, name) for name in ("what", "where", "expected", "received", "hint")}
        return wire.dumps({"refused": {name: None if value is None else str(value) for name, value in fields.items()}})
    lines = str(error).strip().splitlines() or ["no message"]
    if "bad_alloc" in str(error) or "ResourceExhausted" in type(error).__name__:  # how frameworks say MemoryError
        return wire.dumps({"memory": True})
    return wire.dumps({"crashed": f"{type(error).__name__}: {lines[0]}"})


if __name__ == "__main__":
    main()
