"""Params from an .npz of anybody's: exactly the architecture's are read, everything else is refused before it takes memory."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ref.candidates.params_file import read_params
from alexnet_ref.train.results import write_params
from reference import InvalidInput
from tests.miniatures import MINIATURES, material

TF1 = MINIATURES["tf1_graph"]
PARAMS, _ = material(TF1)


def refusal(path: Path) -> str:
    """Return the refusal of a file, which must be one printable line."""
    with pytest.raises(InvalidInput) as caught:
        read_params(path, TF1)
    assert str(caught.value).replace(str(path), "").isprintable()
    return str(caught.value)


def changed(path: Path, **members: Any) -> Path:
    """Write params with some arrays replaced (`layer__part`), or left out (None)."""
    arrays = {f"{layer}/{part}": array for layer, parts in PARAMS.items() for part, array in parts.items()}
    replaced: dict[str, Any] = arrays | {name.replace("__", "/"): array for name, array in members.items()}
    np.savez(path, **{name: array for name, array in replaced.items() if array is not None})
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_params_come_back_to_the_bit(tmp_path: Path, save: Any) -> None:
    """What `alexnet-ref train` writes, and NumPy's compressed form of it, is read as it was."""
    path = tmp_path / "params.npz"
    write_params(path, PARAMS)
    with np.load(path) as archive:
        save(path, **dict(archive))
    read = read_params(path, TF1)
    for layer, parts in PARAMS.items():
        for part, array in parts.items():
            assert read[layer][part].dtype == np.float32
            assert np.array_equal(read[layer][part], array)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"conv1__kernel": None}, "missing: conv1/kernel.npy"),
        ({"conv9__kernel": np.zeros(3)}, "unknown: conv9/kernel.npy"),
        ({"conv1__kernel": PARAMS["conv1"]["kernel"][..., :-1]}, "wrong shape"),
        ({"conv1__bias": np.zeros(22, np.int32)}, "wrong element type"),
        ({"conv1__bias": np.zeros(22, ">f4")}, "wrong element type"),
        ({"conv1__bias": np.full(22, 1e300)}, "values are not finite"),
        ({"conv1__bias": np.full(22, np.nan, np.float32)}, "values are not finite"),
        ({"conv1__bias": np.array([object()] * 22)}, "wrong element type"),
        ({"fc1__kernel": np.asfortranarray(PARAMS["fc1"]["kernel"])}, "in Fortran order"),
    ],
)
def test_other_params_are_refused(tmp_path: Path, members: dict[str, Any], words: str) -> None:
    """Other names, shapes, types and values are refused by name; objects are not unpickled."""
    assert words in refusal(changed(tmp_path / "params.npz", **members))


def test_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    """A member that expands to 64 MiB is refused before it does."""
    path = tmp_path / "params.npz"
    changed(path, conv1__kernel=None)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("conv1/kernel.npy", "w") as member:
        for _ in range(64):
            member.write(bytes(1 << 20))
    tracemalloc.start()
    assert "is too large" in refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@given(position=st.integers(0, 10**9), flip=st.integers(1, 255), cut=st.booleans())
def test_damaged_params_are_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, position: int, flip: int, cut: bool
) -> None:
    """With one byte changed, or its end cut off, a file is refused, or still holds the same numbers."""
    path = changed(tmp_path_factory.getbasetemp() / "damaged.npz")
    content = bytearray(path.read_bytes())
    position %= len(content)
    content[position] ^= flip
    path.write_bytes(content[:position] if cut else content)
    try:
        read = read_params(path, TF1)
    except InvalidInput:
        return
    assert all(np.array_equal(read[layer][part], array) for layer, parts in PARAMS.items() for part, array in parts.items())


@given(data=st.binary(max_size=200))
def test_any_member_is_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever bytes stand in an array's place, they are refused."""
    path = changed(tmp_path_factory.getbasetemp() / "member.npz", conv1__bias=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("conv1/bias.npy", io.BytesIO(data).getvalue())
    refusal(path)
