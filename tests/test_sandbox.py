"""A stranger's file is judged in a process of its own: limits hold, what comes back is checked, nothing else gets through."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ref.candidates import sandbox, wire
from alexnet_ref.candidates.sandbox import Limits, Options, judge_file
from alexnet_ref.checks import Check
from alexnet_ref.report import Report
from reference import ARCHITECTURES, LRN, InvalidInput, init_params
from tests.keras_archives import members, write

# Keras 3.15 saves by np.array(variable), whose __array__ lacks NumPy 2's `copy`.
SAVING = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
CHECK = Check(id="lrn.probe[norm1]", layer="norm1", status="failed", fact="off", error=1.0, allowed=0.0, ratio=math.inf)


def refusal(path: Path | str, **options: Any) -> str:
    """Return the refusal of a file, which must be one printable line."""
    with pytest.raises(InvalidInput) as caught:
        judge_file(str(path), "tf1_graph", **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_refusals_come_through(tmp_path: Path) -> None:
    """What the other process refuses is refused here, in the same line; a file that is not there, too."""
    hostile = members({"module": "keras.layers", "class_name": "Lambda", "config": {}, "registered_name": None})
    line = refusal(write(tmp_path / "model.keras", hostile))
    assert "holds a Lambda layer, whose code would run" in line
    assert "no such file" in refusal(tmp_path / "missing.keras")
    assert "legacy HDF5" in refusal(write(tmp_path / "model.h5", members()))


def test_own_code_is_not_judged_here() -> None:
    """An attribute of the user's own code is refused: it needs no sandbox, and gets none."""
    assert "is code of your own" in refusal("my_package.ports:model")


def test_time_and_memory_limits_hold(tmp_path: Path) -> None:
    """A process that takes longer than allowed is killed and one that needs more memory ends: one line each, no verdict."""
    path = write(tmp_path / "model.keras", members())
    assert "took too long to judge; expected at most 0.05 s" in refusal(path, limits=Limits(seconds=0.05))
    line = refusal(path, limits=Limits(memory=1 << 22)).replace(str(path), "")  # whose name speaks of memory as well
    assert "memory" in line


def answer(*lines: bytes) -> Any:
    """Return what the messages decide."""
    return sandbox._answer(io.BytesIO(b"".join(lines)), "FILE", Limits(), lambda _: None)


def test_reports_come_back_as_they_were() -> None:
    """A report with infinities, and the environment's plain values, arrives as it was sent."""
    report = Report(
        candidate="a port", architecture="tf1_graph", checks=(CHECK,), environment={"cores": 2, "tf32": False, "x": None}
    )
    assert answer(wire.dumps({"check": CHECK}), wire.dumps({"report": report})) == report


def test_arrays_come_back_to_the_bit() -> None:
    """An array, also with NaN in it, arrives as it was sent; one whose size is not its shape's is refused."""
    array = np.array([[1.5, np.nan, -0.0]], np.float32)
    sent = json.loads(wire.dumps(array))
    assert wire.loads(np.ndarray[Any, Any], sent).tobytes() == array.tobytes()
    for wrong in ({"shape": [2, 3]}, {"shape": [-1]}, {"dtype": "O"}, {"data": "?"}, {"shape": [1 << 62, 1 << 62]}):
        with pytest.raises(ValueError, match=r"array|base64|character"):
            wire.loads(np.ndarray[Any, Any], sent | wrong)


GOOD = json.loads(wire.dumps(CHECK))


@pytest.mark.parametrize(
    "line",
    [
        b"\x80\x04\x95.\n",  # a pickle
        b"[]\n",
        b"{}\n",
        b'{"verdict": "conforms"}\n',
        b'{"report": {"conforms": true}}\n',
        b'{"refused": {"what": "x", "traceback": "y"}}\n',
        b'{"check": ' + b"[" * 100_000 + b"\n",
        *(json.dumps({"check": GOOD | wrong}).encode() + b"\n" for wrong in (
            {"status": "fine"}, {"status": ["passed"]}, {"error": "1"}, {"error": True}, {"id": 3}, {"fact": None}, {"more": 1},
        )),
    ],
)  # fmt: skip
def test_other_messages_are_refused(line: bytes) -> None:
    """What is no message, or one with other fields, types or words than it must have, is refused; nothing is unpickled."""
    with pytest.raises(ValueError, match=r".") as caught:
        answer(line)
    assert not isinstance(caught.value, InvalidInput)


def test_text_from_the_process_is_made_printable() -> None:
    """Control characters in a fact, and a fact without an end, do not reach the terminal."""
    seen: list[Check] = []
    wild = dataclasses.replace(CHECK, fact="\x1b[2J" + "x" * 100_000)
    sandbox._answer(io.BytesIO(wire.dumps({"check": wild})), "FILE", Limits(), seen.append)
    assert seen[0].fact.startswith("\\x1b[2J")
    assert len(seen[0].fact) == wire.TEXT_MOST


@given(
    data=st.binary(max_size=100)
    | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_any_message_decides_nothing(data: bytes) -> None:
    """Whatever bytes arrive, they are no report."""
    try:
        found = answer(data.replace(b"\n", b"") + b"\n")
    except ValueError:
        return
    assert not isinstance(found, Report)


HOOK = """
import functools, importlib.util, os, shutil, socket, subprocess, sys, urllib.request
specification = importlib.util.spec_from_file_location("sandboxed", sys.argv[1])
sandboxed = importlib.util.module_from_spec(specification)
specification.loader.exec_module(sandboxed)
folder, outside = sys.argv[2], sys.argv[3]
left = sandboxed.leave_network()
devices = [line.split(":")[0].strip() for line in open("/proc/net/dev").read().splitlines()[2:]] if left else ["lo"]
sys.addaudithook(functools.partial(sandboxed.refuse, os.path.join(folder, "")))
actions = {
    "socket": lambda: socket.socket(), "lookup": lambda: socket.getaddrinfo("localhost", 80),
    "fetch": lambda: urllib.request.urlopen("http://localhost"), "process": lambda: subprocess.run(["true"]),
    "system": lambda: os.system("true"), "fork": lambda: os.fork(), "write": lambda: open(outside + "/new", "w"),
    "append": lambda: open(outside + "/kept", "a"), "low": lambda: os.open(outside + "/new", os.O_WRONLY | os.O_CREAT),
    "climb": lambda: open(folder + "/../escaped", "w"), "remove": lambda: os.remove(outside + "/kept"),
    "rename": lambda: os.rename(outside + "/kept", folder + "/x"), "link": lambda: os.symlink(outside, folder + "/link"),
    "folder": lambda: os.mkdir(outside + "/new"), "tree": lambda: shutil.rmtree(outside), "kill": lambda: os.kill(os.getpid(), 0),
}
through = []
for name, action in actions.items():
    try:
        action()
        through.append(name)
    except PermissionError:
        pass
with open(folder + "/own", "w") as file:
    file.write("x")
print(through, devices)
"""


def test_python_code_is_refused_the_world(tmp_path: Path) -> None:
    """Sockets, processes, and every change to files outside one folder raise; writing into that folder does not."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "kept").write_text("x")
    script = Path(sandbox.__file__).with_name("sandboxed.py")
    command = [sys.executable, "-c", HOOK, str(script), str(folder), str(outside)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own script
    assert run.stdout == "[] ['lo']\n", run.stdout + run.stderr
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["folder", "own", "outside", "kept"]


SPY = """
import os, resource, socket
found = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[0] for name in ("DATA", "CPU", "FSIZE", "CORE")}
for name, action in (("socket", socket.socket), ("file", lambda: open("/tmp/alexnet-ref-spy", "w")), ("fork", os.fork)):
    try:
        found[name] = str(action())
    except PermissionError:
        found[name] = "refused"
found["network"] = os.readlink("/proc/self/ns/net")
raise SystemExit(f"FOUND {found}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux, whose limits and networks it looks at")
def test_the_judging_process_stands_under_its_limits(tmp_path: Path) -> None:
    """Whatever is imported for the judging, here a spy in NumPy's place, finds limits set, the world refused, no network."""
    (tmp_path / "numpy.py").write_text(SPY)
    limits = {"memory": 1 << 29, "cpu_seconds": 77, "file_bytes": 4242}
    script = Path(sandbox.__file__).with_name("sandboxed.py")
    run = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-P", str(script)],
        input=json.dumps({"limits": limits, "folder": str(tmp_path)}) + "\n",
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = ast.literal_eval(run.stderr.partition("FOUND ")[2].strip())
    network = found.pop("network")
    assert found == {
        "DATA": 1 << 29, "CPU": 77, "FSIZE": 4242, "CORE": 0, "socket": "refused", "file": "refused", "fork": "refused",
    }  # fmt: skip
    may = subprocess.run([sys.executable, "-c", MAY_LEAVE, str(script)], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - the same
    assert (network != os.readlink("/proc/self/ns/net")) == (may.stdout == "True\n")  # noqa: PTH115 - no path, but a name in brackets


MAY_LEAVE = "import runpy, sys; print(runpy.run_path(sys.argv[1], run_name='spy')['leave_network']())"


def test_the_judging_process_imports_only_what_the_file_needs() -> None:
    """Neither this side of the sandbox nor the refusal of a Keras file imports a framework."""
    code = (
        "import sys; from alexnet_ref.candidates import sandbox, load, keras_load; "
        "print([m for m in ('tensorflow', 'keras', 'torch', 'onnx', 'h5py') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - ours
    assert run.stdout == "[]\n"


@pytest.mark.tf
@pytest.mark.slow
@SAVING
def test_a_right_file_conforms_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    """A .keras file is judged check by check, nothing is written beside it, and a mistake is found at its layer."""
    import alexnet_ref

    tf1 = ARCHITECTURES["tf1_graph"]
    flat = {x.name: dataclasses.replace(x, beta=0.5) for x in tf1.layers if isinstance(x, LRN) and x.name == "norm2"}
    wrong = dataclasses.replace(tf1, layers=tuple(flat.get(x.name, x) for x in tf1.layers))
    reports = {}
    for name, architecture in (("right", tf1), ("wrong", wrong)):
        alexnet_ref.build_model(architecture, init_params(tf1, 0)).save(tmp_path / f"{name}.keras")
        seen: list[Check] = []
        options = Options(batch_size=2)
        reports[name] = judge_file(str(tmp_path / f"{name}.keras"), "tf1_graph", options=options, on_check=seen.append)
        assert tuple(seen) == reports[name].checks
    assert reports["right"].conforms
    assert reports["wrong"].first_wrong_layer == "norm2"
    assert reports["wrong"].diagnoses[0].layer == "norm2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["right.keras", "wrong.keras"]


@pytest.mark.tf
@pytest.mark.slow
@SAVING
def test_processor_time_is_limited(tmp_path: Path) -> None:
    """A file whose judging takes more processor time than allowed ends in a line."""
    import alexnet_ref

    alexnet_ref.build_model("tf1_graph").save(tmp_path / "model.keras")
    line = refusal(tmp_path / "model.keras", limits=Limits(cpu_seconds=5))
    assert "took too much processor time; expected at most 5 s" in line


@pytest.mark.tf
@pytest.mark.slow
@SAVING
def test_an_absurd_model_ends_in_a_line(tmp_path: Path) -> None:
    """A model that asks for more memory than there is, without saying so in its config's shapes, is refused or not conforming."""
    import keras

    x = keras.Input((28, 28, 1))
    y = keras.layers.Resizing(200_000, 200_000)(x)
    keras.Model(x, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(y))).save(tmp_path / "model.keras")
    try:
        report = judge_file(str(tmp_path / "model.keras"), "tf1_graph", limits=Limits(seconds=100, memory=4 << 30))
    except InvalidInput as error:
        line = str(error)
    else:
        line = "" if not report.conforms else "\n"
    assert line.isprintable()


@pytest.mark.tf
@pytest.mark.slow
@SAVING
@pytest.mark.parametrize("seed", range(4))
def test_a_file_with_damaged_weights_ends_in_a_line_or_a_verdict(tmp_path: Path, seed: int) -> None:
    """Bytes changed inside the HDF5 member, its checksum made right again, end in a line or in a verdict."""
    import zipfile

    import alexnet_ref

    path = tmp_path / "model.keras"
    alexnet_ref.build_model("tf1_graph").save(path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    weights, rng = bytearray(content["model.weights.h5"]), np.random.default_rng(seed)
    for position in rng.integers(0, 40_000, 3):  # groups and headers stand before the first megabyte
        weights[position] ^= int(rng.integers(1, 256))
    write(path, content | {"model.weights.h5": bytes(weights)})
    try:
        judge_file(str(path), "tf1_graph", options=Options(batch_size=1), limits=Limits(seconds=200))
    except InvalidInput as error:
        assert str(error).isprintable()  # noqa: PT017 - a verdict is allowed as well
