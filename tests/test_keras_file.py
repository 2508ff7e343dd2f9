"""A .keras file from a stranger: what Keras writes is accepted, everything else is refused before Keras sees it."""

from __future__ import annotations

import copy
import json
import os
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from alexnet_ref.candidates.keras_config import CONFIG_MOST, DEPTH_MOST, parse
from alexnet_ref.candidates.keras_file import check_keras_file
from reference import InvalidInput
from tests.keras_archives import HDF5, LAYER, OURS, members, model, write


def refusal(path: Path) -> str:
    """Return the refusal of a file, which must be one printable line."""
    with pytest.raises(InvalidInput) as caught:
        check_keras_file(path)
    line = str(caught.value).replace(str(path), "FILE")
    assert line.isprintable(), line
    return line


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_keras_writes_is_accepted(tmp_path: Path, method: int) -> None:
    """Layers, initializers and policies of Keras, and our own LRN, pass, compressed or not."""
    check_keras_file(write(tmp_path / "model.keras", members(), method))


def odd(**changes: Any) -> dict[str, Any]:
    """Return the dense layer with some keys changed."""
    return {**copy.deepcopy(LAYER), **changes}


CODE = {"class_name": "__lambda__", "config": {"value": ["4wEAAAA=", None, None]}}
LIKE_OURS = {**OURS, "module": "os"}
HOSTILE = {
    "lambda layer": (odd(class_name="Lambda"), "holds a Lambda layer"),
    "lambda bytecode": (odd(config={"activation": CODE}), "holds a Lambda layer"),
    "function by name": (
        odd(config={"fn": {"module": "keras.utils", "class_name": "function", "config": "get_file"}}),
        "names a function that would be looked up",
    ),
    "foreign module": (odd(module="os", class_name="system"), "from outside Keras"),
    "foreign module under our name": (LIKE_OURS, "from outside Keras"),
    "registered in another package": (odd(registered_name="alexnet_ref>LocalResponseNormalization"), "registered as"),
    "a graph from a file": (odd(class_name="TFSMLayer"), "names a class that no port consists of"),
    "a vocabulary from a file": (odd(class_name="StringLookup"), "names a class that no port consists of"),
    "a loop with functions": (odd(module="keras.src.ops.core", class_name="Map"), "names a class that no port consists of"),
    "a type specification": (odd(class_name="__typespec__", module="os"), "from outside Keras"),
    "a class by no text": (odd(class_name=["Dense"]), "no readable way"),
    "a class without a module": ({"class_name": "Dense", "config": {}}, "names a class that no port consists of"),
    "hidden in a list in an argument": (odd(config={"x": [[{"y": odd(class_name="Lambda")}]]}), "holds a Lambda layer"),
    "a terabyte kernel": (odd(config={"units": 2**30}), "describes too many weights"),
    "an escape sequence": (odd(class_name="\x1b[2J\u202eDense"), "\\x1b[2J\\u202eDense"),
}  # fmt: skip


@pytest.mark.parametrize(("layer", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_config_is_refused(tmp_path: Path, layer: dict[str, Any], words: str) -> None:
    """Whatever would run code, import a module, read a file or take all memory is refused with its reason."""
    line = refusal(write(tmp_path / "model.keras", members(LAYER, layer)))
    assert words in line
    assert line.startswith("FILE: config.json")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.weights.h5": None}, "missing: model.weights.h5"),
        ({"model.weights.h5": b"PK\3\4" + bytes(100)}, "no HDF5 file"),
        ({"assets/vocabulary.txt": b"x"}, "unknown: assets/vocabulary.txt"),
        ({"../evil": b"x"}, "unknown: ../evil"),
        ({"\x1b]0;evil\x07": b"x"}, "unknown: \\x1b]0;evil\\x07"),
        ({"config.json": b"{"}, "config.json: is no JSON"),
        ({"config.json": b"[]"}, "is no JSON object; received list"),
        ({"config.json": b"\xff\xfe"}, "is no JSON"),
        ({"config.json": b'{"a": NaN}'}, "NaN is no JSON number"),
        ({"config.json": b'{"a": ' + b"9" * 5000 + b"}"}, "is no JSON"),
        ({"config.json": b"[" * 100_000}, f"at most {DEPTH_MOST} levels"),
        ({"config.json": b'{"a": "' + b"[" * CONFIG_MOST + b'"}'}, "is too large"),
        ({"metadata.json": b"{}"}, "names no version of Keras"),
    ],
)
def test_other_members_are_refused(tmp_path: Path, changes: dict[str, bytes | None], words: str) -> None:
    """Missing, unknown, damaged and exaggerated members are refused, each by name."""
    content = {name: data for name, data in (members() | changes).items() if data is not None}
    assert words in refusal(write(tmp_path / "model.keras", content))


def test_brackets_in_text_are_no_depth() -> None:
    """Brackets within a string, also behind an escaped quote, do not count as nesting."""
    assert parse(json.dumps({"a": '"' + "[" * 500}).encode(), "here") == {"a": '"' + "[" * 500}


def test_zip_bomb_is_refused_quickly_and_small(tmp_path: Path) -> None:
    """A member of ten gigabytes, and one that lies about its size, are refused in little time and memory."""
    path = tmp_path / "model.keras"
    content = members() | {"model.weights.h5": HDF5 + bytes(40 << 20)}
    write(path, content, zipfile.ZIP_DEFLATED)
    honest = path.read_bytes()
    entry = honest.rindex(b"PK\1\2")
    tracemalloc.start()
    started = time.monotonic()
    path.write_bytes(honest[: entry + 24] + struct.pack("<I", 3_900_000_000) + honest[entry + 28 :])
    assert "is too large" in refusal(path)
    path.write_bytes(honest[: entry + 24] + struct.pack("<I", 50) + honest[entry + 28 :])
    assert "CRC" in refusal(path)
    assert time.monotonic() - started < 5
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(honest) + (20 << 20)


def test_directories_that_lie_are_refused(tmp_path: Path) -> None:
    """Too many members, a comment, bytes in front or behind, and a member twice are refused before zipfile reads them all."""
    path = tmp_path / "model.keras"
    good = write(path, members()).read_bytes()
    for wrong, words in (
        (good[:-2] + b"\3\0abc", "intact zip"),
        (good + b"x", "very end"),
        (b"x" + good, "nothing else"),
        (good[:-14] + struct.pack("<2H", 60_000, 60_000) + good[-10:], "too many members"),
    ):
        path.write_bytes(wrong)
        assert words in refusal(path)
    write(path, members())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", b"{}")
    assert "holds a member twice; received config.json" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unbounded_compression_is_refused(tmp_path: Path, method: int) -> None:
    """bzip2 and LZMA, which zipfile expands without limit, are refused."""
    assert "by a method that is not read" in refusal(write(tmp_path / "model.keras", members(), method))


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    """One flipped bit in the weights is found by the archive's checksum."""
    path = write(tmp_path / "model.keras", members())
    content = bytearray(path.read_bytes())
    content[content.index(HDF5) + 50] ^= 1
    path.write_bytes(content)
    assert "Bad CRC-32" in refusal(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Nothing, an empty file, a folder, a pipe and other formats are refused in a line."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("hello, I am a text of more than twenty-two letters")
    for name, words in (
        ("missing", "a regular file"),
        ("pipe", "a regular file"),
        ("empty", "an empty file"),
        ("text", "intact zip"),
    ):
        assert words in refusal(tmp_path / name)
    assert "received a directory" in refusal(tmp_path)


def test_operations_of_functional_models_are_accepted(tmp_path: Path) -> None:
    """Operations, symbolic tensors, slices and constants, as a functional model's config has them, pass."""
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "dtype": "float32", "keras_history": ["a", 0, 0]}}
    operation = {
        "module": "keras.src.ops.numpy", "class_name": "GetItem", "config": {"name": "get_item"}, "registered_name": "GetItem",
        "inbound_nodes": [{"args": [tensor, {"class_name": "__slice__", "config": {"start": 0, "stop": 8, "step": None}}]}],
    }  # fmt: skip
    constant = odd(config={"value": {"class_name": "__numpy__", "config": {"value": [1.0, 2.0], "dtype": "float32"}}})
    check_keras_file(write(tmp_path / "model.keras", members(LAYER, operation, constant)))
    assert model(operation)["config"]["layers"] == [operation]
