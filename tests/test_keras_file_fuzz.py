"""Archives that nobody wrote by hand: the checker refuses them in a line, or they are a model of what it allows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ref.candidates.keras_config import check_config, parse
from alexnet_ref.candidates.keras_file import check_keras_file
from alexnet_ref.printable import printable
from reference import InvalidInput
from tests.keras_archives import members, write


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a good archive's bytes."""
    return write(tmp_path_factory.mktemp("good") / "model.keras", members()).read_bytes()


def accepted(path: Path, content: bytes) -> bool:
    """Tell whether the checker accepts the bytes; its refusal must be one printable line."""
    path.write_bytes(content)
    try:
        check_keras_file(path)
    except InvalidInput as error:
        line = str(error).replace(str(path), "")
    else:
        return True
    assert line.isprintable()
    return False


@given(content=st.binary(max_size=300))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """No random bytes are an archive."""
    assert not accepted(tmp_path_factory.getbasetemp() / "any.keras", content)


@given(cut=st.integers(0, 10**9))
def test_truncated_archive_is_refused(tmp_path_factory: pytest.TempPathFactory, good: bytes, cut: int) -> None:
    """No beginning of an archive is one."""
    assert not accepted(tmp_path_factory.getbasetemp() / "cut.keras", good[: cut % len(good)])


@given(position=st.integers(0, 10**9), flip=st.integers(1, 255), times=st.integers(1, 4))
def test_flipped_archive_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, good: bytes, position: int, flip: int, times: int
) -> None:
    """With some bytes changed an archive is refused, or its members are still what they were (dates, flags)."""
    content = bytearray(good)
    for i in range(times):
        content[(position * (i + 1) + 7 * i) % len(good)] ^= flip
    path = tmp_path_factory.getbasetemp() / "flipped.keras"
    if accepted(path, bytes(content)):
        import zipfile

        with zipfile.ZipFile(path) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == members()


@given(first=st.integers(0, 10**9), second=st.integers(0, 10**9), inserted=st.binary(max_size=40))
def test_spliced_archive_is_refused(
    tmp_path_factory: pytest.TempPathFactory, good: bytes, first: int, second: int, inserted: bytes
) -> None:
    """An archive whose middle is replaced is refused, unless that gives the same bytes again."""
    a, b = sorted((first % len(good), second % len(good)))
    content = good[:a] + inserted + good[b:]
    accepts = accepted(tmp_path_factory.getbasetemp() / "spliced.keras", content)
    assert not accepts or len(content) == len(good)


words = st.sampled_from(
    ["class_name", "module", "registered_name", "config", "Dense", "Lambda", "keras", "keras.layers", "os", "build_config"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | words | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=3), inner, max_size=5),
    max_leaves=20,
)


def lambdas(value: Any) -> bool:
    """Tell whether a class called Lambda stands anywhere."""
    if isinstance(value, dict):
        return value.get("class_name") == "Lambda" or any(map(lambdas, value.values()))
    return isinstance(value, list) and any(map(lambdas, value))


@given(config=st.dictionaries(words, values, max_size=5))
def test_any_config_is_refused_or_names_no_lambda(config: dict[str, Any]) -> None:
    """Whatever JSON says, it is refused in a line, or nothing in it is called Lambda; legacy or not."""
    for legacy in (False, True):
        try:
            found = parse(json.dumps(config).encode(), "here")
            check_config(found, "here", legacy=legacy)
        except InvalidInput as error:
            line = str(error)
        else:
            line = "" if not lambdas({key: value for key, value in found.items() if key != "compile_config"}) else "\n"
        assert line.isprintable()


@given(data=st.binary(max_size=60) | st.text(alphabet='[]{}",:0\\', max_size=60).map(str.encode))
def test_any_json_is_read_as_python_reads_it(data: bytes) -> None:
    """What is accepted as JSON is what Python's json makes of it."""
    try:
        found = parse(data, "here")
    except InvalidInput:
        return
    assert found == json.loads(data)


@given(text=st.text(), limit=st.integers(1, 50))
def test_printable_text_is_printable(text: str, limit: int) -> None:
    """No text keeps a control character or grows beyond the limit; what is printable and short stays as it is."""
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    if text.isprintable() and len(text) <= limit:
        assert shown == text
