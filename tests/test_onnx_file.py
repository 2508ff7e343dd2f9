"""ONNX files from strangers: whatever the bytes are, a port or one line, and no other file, endless work or traceback."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reference import InvalidInput

onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'alexnet-ref[onnx]'")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'alexnet-ref[onnx]'")

from alexnet_ref.candidates import onnx_file, onnx_limits  # noqa: E402 - after the skips
from alexnet_ref.candidates.onnx import OnnxPort  # noqa: E402
from alexnet_ref.candidates.onnx_file import read  # noqa: E402
from tests.onnx_models import (  # noqa: E402
    TINY,
    TINY_IMAGES,
    add_tensors,
    node,
    replace_nodes,
    set_attribute,
    set_input,
    tensor,
    tiny,
)
from tests.onnx_mutations import mutate  # noqa: E402

make = onnx.helper.make_node
VALID = tiny()[0].SerializeToString()
X = np.ascontiguousarray(TINY_IMAGES.transpose(0, 3, 1, 2))


def refusal(data: bytes) -> str | None:
    """Return the line in which the bytes are refused, None where they are a port; nothing but InvalidInput is raised."""
    try:
        OnnxPort(read(data), architecture=TINY)
    except InvalidInput as error:
        line = str(error)
        assert line.isprintable(), repr(line)
        return line
    return None


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Bytes and file give the same port, and its outputs are numbers."""
    (tmp_path / "port.onnx").write_bytes(VALID)
    ports = [OnnxPort(read(source)) for source in (VALID, tmp_path / "port.onnx", str(tmp_path / "port.onnx"))]
    results = [port.outputs(X)[-1] for port in ports]
    assert all(np.array_equal(results[0], result) for result in results)
    assert np.isfinite(results[0]).all()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Missing, a folder, empty, another format, unreadable, a pipe that nobody writes to, a name with a NUL: one line each."""
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "text.onnx").write_text("a model")
    os.mkfifo(tmp_path / "pipe.onnx")
    words = {
        "none.onnx": "No such file",
        "": "is no file",
        "empty.onnx": "is empty",
        "text.onnx": "no valid ONNX model",
        "pipe.onnx": "no file",
    }
    for name, word in words.items():
        with pytest.raises(InvalidInput, match=word):
            read(tmp_path / name)
    with pytest.raises(InvalidInput, match="no file name"):
        read("a\0b")
    if os.geteuid() != 0:  # root reads everything
        (tmp_path / "text.onnx").chmod(0)
        with pytest.raises(InvalidInput, match="Permission denied"):
            read(tmp_path / "text.onnx")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit a file is refused by its size, before a byte of it is read, and bytes by their length."""
    with (tmp_path / "large.onnx").open("wb") as file:
        file.truncate(onnx_file.BYTES + 1)  # a hole: no disk is needed
    with pytest.raises(InvalidInput, match=r"too large; expected at most 536,870,912 bytes; received 536,870,913"):
        read(tmp_path / "large.onnx")
    monkeypatch.setattr(onnx_file, "BYTES", len(VALID) - 1)
    with pytest.raises(InvalidInput, match="is too large"):
        read(VALID)


def test_external_data_are_refused(tmp_path: Path) -> None:
    """A tensor whose data lie in another file is refused, wherever the file is and whatever is in it."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(4 * 320))
    for location in (str(secret), "secret", "../../etc/passwd", ""):
        model, _ = tiny()
        found = tensor(model, "fc1/kernel")
        found.ClearField("raw_data")
        found.data_location = onnx.TensorProto.EXTERNAL
        found.external_data.add(key="location", value=location)
        (tmp_path / "port.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(InvalidInput, match="external data are not read"):
            read(tmp_path / "port.onnx")


def test_external_data_of_a_constant_node_are_refused() -> None:
    """The tensor of a Constant node is held to the same."""
    model, _ = tiny()
    found = tensor(model, "fc1/bias")
    found.external_data.add(key="location", value="/etc/passwd")
    replace_nodes(model, "conv", [make("Constant", [], ["unused"], value=found), node(model, "conv")])
    with pytest.raises(InvalidInput, match="external data are not read"):
        read(model.SerializeToString())


def _branch() -> Any:
    graph = onnx.helper.make_graph([make("Relu", ["drop"], ["y"])], "branch", [], [onnx.ValueInfoProto(name="y")])
    return make("If", ["yes"], ["flat"], then_branch=graph, else_branch=graph)


def _function(model: Any) -> None:
    model.functions.append(onnx.helper.make_function("own", "F", ["x"], ["y"], [make("Relu", ["x"], ["y"])], model.opset_import))


def _many_nodes(model: Any) -> None:
    model.graph.node.extend(make("Identity", ["drop"], [f"more{i}"]) for i in range(onnx_limits.NODES))


def _bomb(kind: str, *inputs: str, **attributes: Any) -> Callable[[Any], None]:
    """Put a node between drop and the rest that makes a huge tensor of it; its first element alone goes on."""

    def change(model: Any) -> None:
        add_tensors(
            model,
            {
                "sizes": np.array([1, 1, 100_000, 1_000_000], np.int64),
                "widths": np.array([0, 0, 10**9, 0, 0, 0, 0, 0], np.int64),
                "scales": np.array([1, 1, 1e5, 1e5], np.float32),
                "none": np.array([], np.float32),
                "axes": np.array([2, 3], np.int64),
            },
        )
        replace_nodes(
            model,
            "drop",
            [
                make("ReduceMax", ["norm"], ["seed"], axes=[2, 3]),
                make(kind, list(inputs), ["huge"], **attributes),
                make("ReduceMax", ["huge"], ["one"], axes=[2, 3]),
                make("Add", ["norm", "one"], ["drop"], name="drop"),
            ],
        )

    return change


def _doubled(model: Any) -> None:
    doubled = [make("Concat", [f"d{i}"] * 2, [f"d{i + 1}"], axis=2) for i in range(40)]
    replace_nodes(
        model, "drop", [make("Identity", ["norm"], ["d0"]), *doubled, make("ReduceMax", ["d40"], ["drop"], axes=[2, 3])]
    )


def _rename(model: Any, name: bytes) -> bytes:
    return bytes(model.SerializeToString().replace(b"fc2/", name))


HOSTILE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "If": ("graphs within the graph", lambda m: m.graph.node.append(_branch())),
    "functions": ("functions and training graphs", _function),
    "training graph": ("functions and training graphs", lambda m: m.training_info.add()),
    "unknown domain": ("operators from elsewhere", lambda m: setattr(node(m, "fc2"), "domain", "evil.example")),
    "loads a library's context": (
        "operators from elsewhere",
        lambda m: m.graph.node.append(make("EPContext", ["out"], ["z"], domain="com.microsoft")),
    ),
    "operator set of the future": ("this operator set", lambda m: setattr(m.opset_import[0], "version", 10**6)),
    "operator set of the past": ("this operator set", lambda m: setattr(m.opset_import[0], "version", 6)),
    "operator set twice": ("named twice", lambda m: m.opset_import.add(domain="ai.onnx", version=16)),
    "many nodes": ("so many nodes", _many_nodes),
    "long attribute": ("so long an attribute", lambda m: set_attribute(m, "conv", "pads", [0] * (onnx_limits.NUMBERS + 1))),
    "long name": ("so long a name", lambda m: setattr(m.graph.node[0], "name", "x" * 10**6)),
    "negative size": ("such a shape", lambda m: tensor(m, "fc1/bias").dims.__setitem__(0, -8)),
    "more numbers than bytes": ("do not fit its shape", lambda m: tensor(m, "fc1/bias").dims.__setitem__(0, 2**40)),
    "sizes whose product is small modulo 2**64": (
        "do not fit its shape",
        lambda m: tensor(m, "fc1/bias").dims.extend([2**32, 2**32]),
    ),
    "strings": ("tensor of this type", lambda m: setattr(tensor(m, "fc1/bias"), "data_type", onnx.TensorProto.STRING)),
    "sparse": ("sparse initialisers", lambda m: m.graph.sparse_initializer.add()),
    "two inputs": ("other than one input", lambda m: m.graph.input.append(onnx.helper.make_tensor_value_info("more", 1, [1]))),
    "an image of no size": (
        "no batch of images",
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[2], "dim_value", 0),
    ),
    "whole numbers": ("no images of 0", lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 6)),
    "a huge batch": (
        "too large to be judged",
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 2**40),
    ),
    "a huge image": (
        "too large to be judged",
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[2], "dim_value", 2**40),
    ),
    "a huge convolution": ("too large to be judged", lambda m: set_attribute(m, "conv", "pads", [10**6] * 4)),
    "Expand": ("too large to be judged", _bomb("Expand", "seed", "sizes")),
    "Tile": ("too large to be judged", _bomb("Tile", "norm", "sizes")),
    "Pad": ("too large to be judged", _bomb("Pad", "norm", "widths")),
    "ConstantOfShape": ("too large to be judged", _bomb("ConstantOfShape", "sizes")),
    "Resize": ("too large to be judged", _bomb("Resize", "norm", "none", "scales")),
    "Concat": ("too large to be judged", _doubled),
    "a cycle": ("not there yet|no valid ONNX model", lambda m: set_input(m, "conv", 0, "out")),
    "no output": ("no valid ONNX model|no result", lambda m: m.graph.ClearField("output")),
    "an output from nowhere": ("no valid ONNX model|no result", lambda m: setattr(m.graph.output[0], "name", "elsewhere")),
    "constant": ("does not depend on the input", lambda m: set_input(m, "out/softmax", 0, "out/bias")),
}


@pytest.mark.parametrize(("words", "change"), HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_models_are_refused(words: str, change: Callable[[Any], Any]) -> None:
    """Each is refused in its own line before anything of it is computed."""
    model, _ = tiny()
    change(model)
    with pytest.raises(InvalidInput, match=words):
        OnnxPort(read(model.SerializeToString()), architecture=TINY)


def test_names_are_escaped() -> None:
    """Control characters in names reach neither the steps' names nor the port's, nor a refusal; what is no UTF-8 is refused."""
    data = _rename(tiny()[0], b"fc2\x1b")
    port = OnnxPort(read(data))
    assert all((step.name + step.kind + port.name).isprintable() for step in port.steps())
    assert r"fc2\x1brelu" in [step.name for step in port.steps()]
    with pytest.raises(InvalidInput, match="a name that is no text"):
        read(_rename(tiny()[0], b"fc2\xff"))


# ---- Fuzz ----------------------------------------------------------------------------------------------------------------


@given(st.integers(0, len(VALID) - 1))
def test_cut_off_files_are_refused(length: int) -> None:
    """No beginning of a valid file is a model."""
    assert refusal(VALID[:length])


@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_are_a_port_or_a_line(changes: list[tuple[int, int]]) -> None:
    """A valid file with some bytes changed is a port, or refused in a line."""
    data = bytearray(VALID)
    for place, value in changes:
        data[place] = value
    refusal(bytes(data))


def _structure() -> list[int]:
    """Return the places of all bytes that are no weight's: there, a change is likely to change what the model means."""
    places = set(range(len(VALID)))
    for initializer in tiny()[0].graph.initializer:
        start = VALID.index(initializer.raw_data)
        places -= set(range(start, start + len(initializer.raw_data)))
    return sorted(places)


STRUCTURE = _structure()


@given(st.lists(st.tuples(st.sampled_from(STRUCTURE), st.integers(0, 7)), min_size=1, max_size=4))
def test_flipped_bits_of_the_structure_are_a_port_or_a_line(flips: list[tuple[int, int]]) -> None:
    """A valid file with bits flipped in its nodes, names and shapes is a port, or refused in a line."""
    data = bytearray(VALID)
    for place, bit in flips:
        data[place] ^= 1 << bit
    refusal(bytes(data))


@given(st.integers(0, len(VALID)), st.integers(0, len(VALID)), st.integers(0, len(VALID)))
def test_spliced_files_are_a_port_or_a_line(a: int, b: int, place: int) -> None:
    """A valid file with a part of itself put in anywhere is a port, or refused in a line."""
    refusal(VALID[:place] + VALID[min(a, b) : max(a, b)] + VALID[place:])


@given(st.integers(0, 2**32 - 1))
def test_changed_models_are_a_port_or_a_line(seed: int) -> None:
    """A model with other operators, attributes, inputs, tensors and versions is a port, or refused in a line."""
    model, _ = tiny()
    mutate(model, seed)
    refusal(model.SerializeToString())


@given(st.binary(max_size=200))
@example(b"\x08\x08")  # an IR version, and no graph
@example(b"PK\x03\x04" + bytes(60))
def test_any_bytes_are_refused(data: bytes) -> None:
    """Bytes of chance are no model."""
    assert refusal(data)
