"""IDX files: whatever is wrong with one is refused in one line, and nothing else is ever raised."""

from __future__ import annotations

import errno
import gzip
import os
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.mnist_files import IMAGES, LABELS, MIB, NAMES, idx_bytes, refusal, refusal_within, write_npz

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("key", "content", "said"),
    [
        ("x_train", b"", "is empty"),
        ("x_train", IMAGES[:10], "ends before its header does"),
        ("y_train", LABELS[:3], "ends before its header does"),
        ("x_train", IMAGES[:-1], "is truncated"),
        ("y_train", LABELS[:-1], "is truncated"),
        ("x_train", IMAGES + b"\0", "is longer than its header says"),
        ("y_train", LABELS + b"\0", "is longer than its header says"),
        ("x_train", b"\0\0\x0d\3" + IMAGES[4:], "has the wrong magic number"),  # 0x0d: float32
        ("x_train", IMAGES[3::-1] + IMAGES[4:], "has the wrong magic number"),  # little-endian
        ("y_train", IMAGES, "received 0x00000803, a file of images"),
        ("x_train", LABELS, "received 0x00000801, a file of labels"),
        ("y_train", LABELS[:-1] + b"\x0a", "received 10 at index 4"),
        ("y_train", idx_bytes(np.array([1, 2, 3, 4], np.uint8)), "images and labels differ in number"),
        ("x_train", idx_bytes(np.zeros((5, 28, 27), np.uint8)), "received (5, 28, 27)"),
        ("x_train", idx_bytes(np.zeros((5, 32, 32), np.uint8)), "received (5, 32, 32)"),
        ("x_train", idx_bytes(np.zeros((0, 28, 28), np.uint8)), "received (0, 28, 28)"),
        ("y_train", idx_bytes(np.zeros(0, np.uint8)), "received (0,)"),
        ("x_train", b"\0\0\x08\3" + struct.pack(">III", 2**31, 28, 28), "received (2147483648, 28, 28)"),
        ("y_train", b"\0\0\x08\1" + struct.pack(">I", 2**32 - 1), "received (4294967295,)"),
        ("x_test", idx_bytes(np.zeros((10_001, 28, 28), np.uint8)), "received (10001, 28, 28)"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True], ids=["raw", "gz"])
def test_wrong_idx_file_is_refused(folder: Path, key: str, content: bytes, said: str, compressed: bool) -> None:
    """A file that is not exactly what its header and its name say is refused, naming the file and what is wrong."""
    path = folder / NAMES[key]
    path.unlink()
    if compressed:
        path = path.with_name(path.name + ".gz")
    path.write_bytes(gzip.compress(content) if compressed else content)
    error = str(refusal(folder))
    assert str(path) in error
    assert said in error


def test_missing_file_is_refused(folder: Path) -> None:
    """A folder without one of the four files is refused, and the names that would do are listed."""
    (folder / NAMES["y_test"]).unlink()
    error = str(refusal(folder))
    assert "has no t10k-labels" in error
    assert "t10k-labels-idx1-ubyte or t10k-labels.idx1-ubyte or t10k-labels-idx1-ubyte.gz" in error


def test_directory_in_place_of_a_file_is_refused(folder: Path) -> None:
    """A directory with a file's name is refused as one."""
    (folder / NAMES["y_test"]).unlink()
    (folder / NAMES["y_test"]).mkdir()
    assert "received a directory" in str(refusal(folder))


def test_broken_link_is_refused(folder: Path) -> None:
    """A link that leads nowhere is refused."""
    (folder / NAMES["y_test"]).unlink()
    (folder / NAMES["y_test"]).symlink_to(folder / "nowhere")
    assert "expected a regular file" in str(refusal(folder))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_is_refused(folder: Path) -> None:
    """A named pipe, which would block for ever, is refused."""
    (folder / NAMES["y_test"]).unlink()
    os.mkfifo(folder / NAMES["y_test"])
    assert "expected a regular file" in str(refusal(folder))
    assert "expected a regular file" in str(refusal(folder / NAMES["y_test"]))


@pytest.mark.parametrize(
    ("owner", "opener", "name"), [(Path, "open", ""), (Path, "is_file", ""), (zipfile, "ZipFile", "mnist.npz")]
)
def test_unreadable_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, owner: object, opener: str, name: str) -> None:
    """A file or folder without read permission is refused; it is taken away here in a way that root feels too."""
    write_npz(folder / "mnist.npz")

    def forbid(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(owner, opener, forbid)
    assert "Permission denied" in str(refusal(folder / name))


def test_missing_npz_is_refused(tmp_path: Path) -> None:
    """A path at which there is no archive is refused, naming the path."""
    error = str(refusal(tmp_path / "mnist.npz"))
    assert str(tmp_path / "mnist.npz") in error
    assert "expected a regular file" in error


@pytest.mark.parametrize("source", ["nowhere", "nowhere.npz", "a" * 5000, "nul\0byte", ""])
def test_path_to_nothing_is_refused(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path at which nothing lies, or nothing can lie, is refused."""
    monkeypatch.chdir(tmp_path)
    refusal(source)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (gzip.decompress, "is not intact gzip"),  # not gzip at all, in spite of its name
        (lambda data: data[:-9], "EOFError"),  # ends within the compressed data
        (lambda data: data[:-8] + bytes(8), "is not intact gzip"),  # checksum
        (lambda data: data[:12] + b"\xff" * 20 + data[32:], "cannot be read"),  # compressed data
        (lambda data: data + b"more", "is not intact gzip"),
    ],
)
def test_damaged_gzip_is_refused(folder: Path, damage: Callable[[bytes], bytes], said: str) -> None:
    """A .gz that is not intact gzip is refused, also when all its digits came out before the damage showed."""
    path = folder / (NAMES["x_train"] + ".gz")
    (folder / NAMES["x_train"]).unlink()
    path.write_bytes(damage(gzip.compress(IMAGES)))
    error = str(refusal(folder))
    assert str(path) in error
    assert said in error


def test_gzip_bomb_is_refused_in_little_memory(folder: Path) -> None:
    """64 MiB behind a header that announces five images are refused after five images."""
    (folder / NAMES["x_train"]).unlink()
    (folder / (NAMES["x_train"] + ".gz")).write_bytes(gzip.compress(IMAGES + bytes(64 * MIB), compresslevel=1))
    assert "is longer than its header says" in refusal_within(folder, 4 * MIB)
