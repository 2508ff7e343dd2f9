"""Programs as candidates: fed and read by .npy, started without a shell, and held to limits of time and size."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref.candidates import NotCheckable, as_candidate
from alexnet_ref.candidates import program as module
from alexnet_ref.candidates.program import ProgramFailed, ProgramPort, parse_npy
from alexnet_ref.checks.agreement import check_agreement
from alexnet_ref.checks.facts import check_facts
from alexnet_ref.checks.output import check_output
from alexnet_ref.verify import verify
from reference import LRN, Architecture, Conv, Dense, Flatten, InvalidInput, Params

SMALL = Architecture(
    name="small",
    input_shape=(6, 5, 1),
    layers=(
        Conv(name="conv", filters=4, kernel_size=(3, 3), padding="SAME", activation="relu"),
        LRN(name="norm", depth_radius=1, bias=1.0, alpha=0.5, beta=0.75),
        Flatten(name="flatten"),
        Dense(name="out", units=3),
    ),
)
PARAMS: Params = reference.init_params(SMALL, 1)
IMAGES = np.random.default_rng(0).random((3, *SMALL.input_shape), np.float32)

# What every program below begins with: the network's first layer by loops would do, but the oracle in float32 is at hand.
HEAD = """
import io, os, sys, numpy as np
import reference, json
from reference import LRN, Architecture, Conv, Dense, Flatten
layers = (Conv(name="conv", filters=4, kernel_size=(3, 3), padding="SAME", activation="relu"),
          LRN(name="norm", depth_radius=1, bias=1.0, alpha=ALPHA, beta=0.75), Flatten(name="flatten"), Dense(name="out", units=3))
network = Architecture(name="small", input_shape=(6, 5, 1), layers=layers)
params = {n: {k: np.array(v, np.float32) for k, v in p.items()} for n, p in json.load(open(PARAMS)).items()}
run = lambda x: reference.predict(network, params, x.reshape(-1, 6, 5, 1), np.float32)
"""


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Return the function that writes a program and returns the command that starts it."""
    weights = tmp_path / "weights.json"
    weights.write_text(json.dumps({n: {k: v.tolist() for k, v in p.items()} for n, p in PARAMS.items()}))

    def write(body: str, *arguments: str, head: bool = True, alpha: float = 0.5) -> list[str]:
        path = tmp_path / "port; touch gone.py"  # a name that a shell would take apart
        begin = HEAD.replace("ALPHA", str(alpha)).replace("PARAMS", repr(str(weights))) if head else "import io, os, sys, time\n"
        path.write_text(begin + body)
        return [sys.executable, str(path), *arguments]

    return write


# np.save asks its file where it stands, which a pipe may not answer: the bytes are made first.
PIPED = (
    "y = io.BytesIO()\n"
    "np.save(y, run(np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)))\n"
    "sys.stdout.buffer.write(y.getvalue())"
)
CHECKS = [check_facts, check_agreement, check_output]


@pytest.mark.slow  # starts some twenty processes
def test_program_on_pipes_conforms(written: Any) -> None:
    """Images on standard input, the result on standard output: judged from end to end, on real and on designed images."""
    report = verify(ProgramPort(written(PIPED), SMALL), SMALL, images=IMAGES, checks=CHECKS, diagnosis=False, params=PARAMS)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]
    assert {"dense.end_to_end[out]", "network.probe[corners]"} <= {check.id for check in report.of("passed")}


@pytest.mark.slow
def test_program_on_files_conforms(written: Any) -> None:
    """With {input} and {output} in the command, files are used; here each with the form of images that the program wants."""
    command = written("np.save(sys.argv[2], run(np.load(sys.argv[1])))", "{input}", "{output}")
    port = ProgramPort(command, SMALL, input_shape=(30,))
    assert verify(port, SMALL, images=IMAGES, checks=CHECKS, diagnosis=False, params=PARAMS).conforms


@pytest.mark.slow
def test_wrong_program_is_rejected(written: Any) -> None:
    """A program whose LRN divides alpha by its window does not conform."""
    report = verify(
        ProgramPort(written(PIPED, alpha=0.5 / 3), SMALL), SMALL, images=IMAGES, checks=CHECKS, diagnosis=False, params=PARAMS
    )
    assert {"dense.end_to_end[out]", "network.probe[signed]"} <= {check.id for check in report.of("failed")}


def test_nothing_of_a_program_is_guessed(written: Any) -> None:
    """Weights, training and layers of its own are not checkable."""
    port = ProgramPort(written(PIPED), SMALL)
    with pytest.raises(NotCheckable):
        port.weights()
    with pytest.raises(NotCheckable, match="training"):
        port.run(0, 0, IMAGES, {}, training=True)
    with pytest.raises(NotCheckable, match="weights"):
        port.run(0, 0, IMAGES, {"out": {"kernel": IMAGES}})
    assert set(as_candidate(port, SMALL).hidden) == {"conv", "norm", "flatten"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.stderr.write('no weights\\n'); sys.exit(3)", "exit code 3: no weights"),
        ("print('hello')", "no .npy array"),
        ("pass", "no .npy array"),
        ("os.kill(os.getpid(), 9)", "exit code -9"),
    ],
    ids=["exit code", "text", "nothing", "killed"],
)
def test_program_that_does_not_answer_is_refused(body: str, words: str, written: Any) -> None:
    """What it said is told in the one line."""
    with pytest.raises(InvalidInput, match=words):
        ProgramPort(written(body, head=False), SMALL)


@pytest.mark.slow  # waits
def test_program_that_takes_too_long_is_ended_with_what_it_started(written: Any, tmp_path: Path) -> None:
    """After the time is over nothing of it runs on, not even a child that keeps its output open."""
    mark = tmp_path / "mark"
    child = f"import time, pathlib; time.sleep(1.5); pathlib.Path({str(mark)!r}).touch()"
    body = f"import subprocess; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    start = time.monotonic()
    with pytest.raises(InvalidInput, match=r"no answer within 0\.5 s"):
        ProgramPort(written(body, head=False), SMALL, timeout=0.5)
    assert time.monotonic() - start < 30
    time.sleep(1.5)
    assert not mark.exists()


@pytest.mark.parametrize("arguments", [(), ("{output}",)], ids=["pipe", "file"])
def test_program_that_writes_too_much_is_ended(arguments: Any, written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is read than the limit."""
    monkeypatch.setattr(module, "LARGEST", 1000)
    where = "open(sys.argv[1], 'wb')" if arguments else "sys.stdout.buffer"
    with pytest.raises(InvalidInput, match="more than 1,000 bytes"):
        ProgramPort(written(f"{where}.write(b'x' * 100000)", *arguments, head=False), SMALL)


def test_program_that_is_not_there_is_refused() -> None:
    """A command that cannot be started is refused in a line, and so is a form that holds no image."""
    with pytest.raises(InvalidInput, match="does not answer"):
        ProgramPort(["./no-such-program"], SMALL)
    with pytest.raises(InvalidInput, match="input_shape"):
        ProgramPort(["true"], SMALL, input_shape=(31,))


@pytest.mark.slow
def test_program_that_fails_later_does_not_conform(written: Any) -> None:
    """A program that cannot take the designed images fails their checks, with its words."""
    body = PIPED.replace("np.save(y, run(", "x = ").replace("allow_pickle=False)))", "allow_pickle=False)")
    body = body.replace("sys.stdout", "assert x.min() >= 0, 'negative'\nnp.save(y, run(x))\nsys.stdout")
    report = verify(ProgramPort(written(body), SMALL), SMALL, images=IMAGES, checks=CHECKS, diagnosis=False, params=PARAMS)
    failed = {check.id: check.fact for check in report.of("failed")}
    assert set(failed) == {"network.probe[signed]"}
    assert "AssertionError: negative" in failed["network.probe[signed]"]


def _npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def test_hostile_arrays_are_refused() -> None:
    """Pickled objects, a header that promises a terabyte, a cut file, and bytes that follow are no arrays."""
    good = _npy(np.ones((2, 3), np.float32))
    assert parse_npy(good).shape == (2, 3)
    promising = good.replace(b"(2, 3)", b"(2**38, 3)".ljust(6))
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f4", "fortran_order": False, "shape": (2**38, 1)})
    for bad in (
        _npy(np.array([print], object), allow_pickle=True),
        promising,
        huge.getvalue(),
        good[:-1],
        good + b"x",
        good[:20],
        b"",
        b"PK\x03\x04",
    ):
        with pytest.raises(ProgramFailed):
            parse_npy(bad)
