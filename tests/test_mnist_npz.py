"""Archives and downloads: whatever is wrong with one is refused in one line, in little memory, unpickled."""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from alexnet_ref.mnist.npz import ARCHIVE_MOST
from tests.mnist_files import IMAGES, MIB, few_digits, npy_bytes, refusal, refusal_within, write_npz

if TYPE_CHECKING:
    pass


def npy_header(header: str, version: tuple[int, int] = (1, 0)) -> bytes:
    """Return the start of an .npy file with any header."""
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(header)) + header.encode()


@pytest.mark.parametrize(
    ("x_train", "said"),
    [
        (None, "is missing from the archive"),
        (b"", "is no .npy array"),
        (b"no array", "is no .npy array"),
        (npy_header("{'descr': '|u1'", (1, 0)), "is no .npy array"),
        (npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (5, 28, 28), }\n", (9, 9)), "is no .npy array"),
        (npy_header("(" * 9_000), "is no .npy array"),
        (npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (2147483648, 28, 28), }\n"), "wrong shape"),
        (npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (-5, 28, 28), }\n"), "wrong shape"),
        (npy_header("{'descr': '|O', 'fortran_order': False, 'shape': (5, 28, 28), }\n"), "wrong element type"),
        (npy_bytes(few_digits()["x_train"].astype(np.float32)), "received float32"),
        (npy_bytes(np.asfortranarray(few_digits()["x_train"])), "received uint8 in Fortran order"),
        (npy_bytes(few_digits()["x_train"][..., np.newaxis]), "received (5, 28, 28, 1)"),
        (npy_bytes(few_digits()["x_train"].reshape(5, 784)), "received (5, 784)"),
        (npy_bytes(few_digits()["x_train"][:0]), "received (0, 28, 28)"),
        (npy_bytes(few_digits()["x_train"][:4]), "differ in number"),
        (npy_bytes(few_digits()["x_train"])[:-1], "is truncated"),
        (npy_bytes(few_digits()["x_train"]) + b"\0", "is longer than its header says"),
    ],
)
def test_wrong_npz_member_is_refused(tmp_path: Path, x_train: bytes | None, said: str) -> None:
    """An archive whose x_train is not a C-ordered uint8 array (N, 28, 28) is refused, naming the member."""
    error = str(refusal(write_npz(tmp_path / "mnist.npz", x_train=x_train)))
    assert "x_train" in error
    assert said in error


def test_wrong_labels_are_refused_in_npz(tmp_path: Path) -> None:
    """The labels of an archive are checked like those of a file, and are a list even if there is one."""
    path = write_npz(tmp_path / "mnist.npz", y_test=npy_bytes(np.array([9, 200, 6], np.uint8)))
    assert "received 200 at index 1" in str(refusal(path))
    path = write_npz(tmp_path / "mnist.npz", y_test=npy_bytes(np.array(9, np.uint8)))
    assert "y_test: has the wrong shape" in str(refusal(path))


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"no archive", IMAGES])
def test_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no zip archive is refused."""
    (tmp_path / "mnist.npz").write_bytes(content)
    assert "is not an intact .npz archive" in str(refusal(tmp_path / "mnist.npz"))


def test_pickle_is_refused_unopened(tmp_path: Path) -> None:
    """A member that NumPy would have to unpickle is refused by its header."""
    with_pickle: dict[str, Any] = few_digits() | {"x_test": np.array([print], dtype=object)}
    np.savez(tmp_path / "mnist.npz", **with_pickle)
    assert "received object" in str(refusal(tmp_path / "mnist.npz"))


def test_npz_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    """64 MiB in one member are refused by their size, before they are decompressed."""
    path = write_npz(tmp_path / "mnist.npz", x_train=npy_bytes(few_digits()["x_train"]) + bytes(64 * MIB))
    assert "is too large" in refusal_within(path, 4 * MIB)


def test_npz_bomb_with_a_lie_about_its_size_is_refused_in_little_memory(tmp_path: Path) -> None:
    """A member that expands beyond the size that the archive states for it is refused after that size."""
    honest = npy_bytes(few_digits()["x_train"])
    path = write_npz(tmp_path / "mnist.npz", x_train=honest + bytes(32 * MIB))
    real, lie = struct.pack("<I", len(honest) + 32 * MIB), struct.pack("<I", len(honest))
    assert path.read_bytes().count(real) == 2  # in the member's own header and in the archive's directory
    path.write_bytes(path.read_bytes().replace(real, lie))
    assert "is not an intact .npz archive" in refusal_within(path, 4 * MIB)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unbounded_compression_is_refused(tmp_path: Path, method: int) -> None:
    """Compression that Python's zipfile expands without limit is refused."""
    assert "is compressed by a method" in str(refusal(write_npz(tmp_path / "mnist.npz", method)))


def test_too_large_archive_is_refused(tmp_path: Path) -> None:
    """A file larger than MNIST could be is refused before it is opened."""
    with (tmp_path / "mnist.npz").open("wb") as file:
        file.truncate(ARCHIVE_MOST + 1)  # sparse: takes no room
    assert "is too large" in str(refusal(tmp_path / "mnist.npz"))


def test_missing_keras_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Keras, its download is refused with the command that installs it."""
    monkeypatch.setitem(sys.modules, "keras", None)
    assert "pip install 'alexnet-ref[tensorflow]'" in str(refusal("keras"))


def test_failed_download_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network, Keras's bare Exception becomes one line that names the other sources."""

    def fail() -> None:
        raise Exception("URL fetch failure on https://example.org: None -- [Errno -3]\nTemporary failure")

    loader = SimpleNamespace(datasets=SimpleNamespace(mnist=SimpleNamespace(load_data=fail)))
    monkeypatch.setitem(sys.modules, "keras", loader)
    error = str(refusal("keras"))
    assert "URL fetch failure" in error
    assert "give the path of a mnist.npz" in error


@pytest.mark.parametrize("wrong", [np.zeros((5, 28, 28), np.int64), None, np.zeros((5, 784), np.uint8)])
def test_strange_download_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: object) -> None:
    """Arrays from Keras of another type or shape are refused."""
    d = few_digits()
    answer = ((wrong, d["y_train"]), (d["x_test"], d["y_test"]))
    loader = SimpleNamespace(datasets=SimpleNamespace(mnist=SimpleNamespace(load_data=lambda: answer)))
    monkeypatch.setitem(sys.modules, "keras", loader)
    assert "Keras's download: x_train" in str(refusal("keras"))
