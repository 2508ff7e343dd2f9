"""The real digits: every source is read exactly or refused in one line, and the pipelines equal the documents' code."""

from __future__ import annotations

import errno
import gzip
import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ref.mnist import (
    SAMPLE_HOLD_OUT,
    draw_sample,
    hold_out_first,
    hold_out_last,
    keras_sequential_images,
    load,
    one_hot,
    prepare,
    tf1_graph_images,
)
from alexnet_ref.mnist.idx import read_idx
from alexnet_ref.mnist.npz import ARCHIVE_MOST
from alexnet_ref.mnist.parts import PARTS, X_TEST, X_TRAIN, Y_TEST, Y_TRAIN, Part
from reference.architectures import ARCHITECTURES
from reference.errors import InvalidInput
from reference.layers import Architecture, ReLU

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = Path(__file__).parents[1] / "alexnet_ref" / "data" / "mnist_sample.npz"
MIB = 2**20


# ---- Well-formed sources, made by hand ---------------------------------------------------------------------------------


def idx_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Write the IDX format as its publishers describe it: 0, 0, 8 (unsigned byte), axes; big-endian sizes; the bytes."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def few_digits() -> dict[str, np.ndarray[Any, Any]]:
    """Five training and three test digits; no two images are equal, nor is any equal to its transpose."""
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (5, 28, 28), dtype=np.uint8),
        "y_train": np.array([3, 1, 4, 1, 5], np.uint8),
        "x_test": rng.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        "y_test": np.array([9, 2, 6], np.uint8),
    }


NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the four IDX files of a few digits."""
    for key, array in few_digits().items():
        (tmp_path / NAMES[key]).write_bytes(idx_bytes(array))
    return tmp_path


def refusal(source: str | Path) -> InvalidInput:
    """Return the refusal of a source, which must be InvalidInput and one line."""
    with pytest.raises(InvalidInput) as caught:
        load(source)
    assert "\n" not in str(caught.value)
    return caught.value


def assert_holds(source: str | Path, digits: dict[str, np.ndarray[Any, Any]]) -> None:
    """Assert that a source is read as exactly these arrays, read-only, and as a subset."""
    mnist = load(source)
    received = (mnist.train_images, mnist.train_labels, mnist.test_images, mnist.test_labels)
    for array, expected in zip(received, digits.values(), strict=True):
        assert (array.dtype, array.shape) == (np.dtype(np.uint8), expected.shape)
        assert array.tobytes() == expected.tobytes()
        assert not array.flags.writeable
    assert not mnist.complete
    assert "subset" in mnist.origin


# ---- Sources that are accepted -----------------------------------------------------------------------------------------


def test_raw_idx_files_are_read(folder: Path) -> None:
    """Four uncompressed IDX files of a few digits are read byte for byte, and called a subset."""
    assert_holds(folder, few_digits())
    assert_holds(str(folder), few_digits())


@pytest.mark.parametrize("spelling", ["{}.gz", "dotted", "dotted.gz"])
def test_usual_spellings_are_read(tmp_path: Path, spelling: str) -> None:
    """Gzip-compressed files and the spelling with a dot are read as well."""
    for key, array in few_digits().items():
        name = NAMES[key].replace("-idx", ".idx") if "dotted" in spelling else NAMES[key]
        compressed = spelling.endswith(".gz")
        data = gzip.compress(idx_bytes(array)) if compressed else idx_bytes(array)
        (tmp_path / (name + ".gz" * compressed)).write_bytes(data)
    assert_holds(tmp_path, few_digits())


def test_symbolic_links_are_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A folder of links to the files is as good as the files."""
    links = tmp_path_factory.mktemp("links")
    for name in NAMES.values():
        (links / name).symlink_to(folder / name)
    assert_holds(links, few_digits())


def test_regular_file_comes_before_directory_of_equal_name(folder: Path) -> None:
    """Archives that unpack each file into a directory of its name leave a dotted file beside it, which is read."""
    content = (folder / NAMES["x_train"]).read_bytes()
    (folder / NAMES["x_train"]).unlink()
    (folder / NAMES["x_train"]).mkdir()
    (folder / "train-images.idx3-ubyte").write_bytes(content)
    assert_holds(folder, few_digits())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_is_read(tmp_path: Path, save: Callable[..., None]) -> None:
    """An archive in Keras's layout is read, whatever further members it has."""
    save(tmp_path / "mnist.npz", **few_digits(), more=np.array([object()]))
    assert_holds(tmp_path / "mnist.npz", few_digits())


def test_keras_download_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Keras's loader returns passes the same checks; Keras itself is replaced here."""
    d = few_digits()
    answer = ((d["x_train"], d["y_train"]), (d["x_test"], d["y_test"]))
    loader = SimpleNamespace(datasets=SimpleNamespace(mnist=SimpleNamespace(load_data=lambda: answer)))
    monkeypatch.setitem(sys.modules, "keras", loader)
    assert_holds("keras", few_digits())
    d["y_test"][1] = 10
    assert "Keras's download: y_test" in str(refusal("keras"))


# ---- The shipped sample ------------------------------------------------------------------------------------------------


def test_sample_has_thirty_of_each_class() -> None:
    """The shipped sample holds 300 training and 300 test digits, 30 of each class, in less than 150 kB."""
    mnist = load()
    for images, labels in ((mnist.train_images, mnist.train_labels), (mnist.test_images, mnist.test_labels)):
        assert images.shape == (300, 28, 28)
        assert np.bincount(labels, minlength=10).tolist() == [30] * 10
    assert mnist.train_labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]  # as MNIST begins
    assert not mnist.complete
    assert "sample" in mnist.origin
    assert SAMPLE.stat().st_size < 150_000


@pytest.mark.mnist
def test_sample_is_drawn_from_mnist(full_mnist: Path) -> None:
    """draw_sample makes the shipped sample from the full MNIST, array by array and byte by byte."""
    with np.load(SAMPLE, allow_pickle=False) as shipped:
        drawn = draw_sample(load(full_mnist))
        assert list(drawn) == list(shipped)
        for key, array in drawn.items():
            assert (array.dtype, array.shape) == (shipped[key].dtype, shipped[key].shape)
            assert array.tobytes() == shipped[key].tobytes()


@pytest.mark.mnist
def test_sample_indices_point_into_mnist(full_mnist: Path) -> None:
    """Each digit of the sample is the one at its index, and each index is among the class's first thirty."""
    full = load(full_mnist)
    with np.load(SAMPLE, allow_pickle=False) as shipped:
        for j, i in enumerate(shipped["train_index"]):
            assert (full.train_images[i] == shipped["x_train"][j]).all()
            assert full.train_labels[i] == shipped["y_train"][j]
            assert (full.train_labels[:i] == full.train_labels[i]).sum() < 30


def test_sample_of_too_few_is_refused() -> None:
    """A class with fewer digits than asked for is refused, not drawn short."""
    with pytest.raises(InvalidInput, match="too few"):
        draw_sample(load(), per_class=31)


# ---- The published checksums -------------------------------------------------------------------------------------------


@pytest.mark.mnist
def test_full_mnist_is_complete(full_mnist: Path) -> None:
    """The four published files are recognised by their checksums, and begin as MNIST does."""
    mnist = load(full_mnist)
    assert mnist.complete
    assert "checksums verified" in mnist.origin
    assert (mnist.train_images.shape, mnist.test_images.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert mnist.test_labels[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.mnist
def test_full_npz_is_complete_and_one_changed_pixel_is_refused(full_mnist: Path, tmp_path: Path) -> None:
    """The same checksums recognise MNIST in an .npz, and refuse it after one grey level is off by one."""
    mnist = load(full_mnist)
    arrays: dict[str, Any] = {"y_train": mnist.train_labels, "x_test": mnist.test_images, "y_test": mnist.test_labels}
    np.savez(tmp_path / "mnist.npz", x_train=mnist.train_images, **arrays)
    assert load(tmp_path / "mnist.npz").complete
    changed = mnist.train_images.copy()
    changed[59_999, 14, 14] ^= 1
    np.savez(tmp_path / "mnist.npz", x_train=changed, **arrays)
    assert "but is not MNIST" in str(refusal(tmp_path / "mnist.npz"))


@pytest.mark.mnist
def test_full_test_set_with_few_training_digits_is_a_subset(full_mnist: Path, tmp_path: Path) -> None:
    """One verified half does not make MNIST complete."""
    mnist, few = load(full_mnist), few_digits()
    few |= {"x_test": mnist.test_images, "y_test": mnist.test_labels}
    for key, array in few.items():
        (tmp_path / NAMES[key]).write_bytes(idx_bytes(array))
    assert_holds(tmp_path, few)


@pytest.mark.parametrize("part", [Y_TRAIN, X_TEST, Y_TEST], ids=lambda part: part.key)
def test_published_size_without_published_checksum_is_refused(folder: Path, part: Part) -> None:
    """Files of MNIST's full size that are not MNIST are refused, with the file, the checksum expected and received."""
    count = part.most
    pair = (X_TRAIN, Y_TRAIN) if part is Y_TRAIN else (X_TEST, Y_TEST)
    for p in pair:
        (folder / NAMES[p.key]).write_bytes(idx_bytes(np.zeros((count, *p.item_shape), np.uint8)))
    error = str(refusal(folder))
    assert NAMES[pair[0].key] in error
    assert f"expected MD5 {pair[0].md5}" in error
    with pytest.raises(InvalidInput, match=part.md5):
        part.check_published(np.zeros((count, *part.item_shape), np.uint8), "here")


def test_checksums_are_the_published_ones() -> None:
    """The table of sizes and checksums is the one that MNIST's distributors print."""
    assert [(p.file_name, 4 + 4 * p.ndim + p.most_bytes, p.md5) for p in PARTS] == [
        ("train-images-idx3-ubyte", 47_040_016, "6bbc9ace898e44ae57da46a324031adb"),
        ("train-labels-idx1-ubyte", 60_008, "a25bea736e30d166cdddb491f175f624"),
        ("t10k-images-idx3-ubyte", 7_840_016, "2646ac647ad5339dbf082846283269ea"),
        ("t10k-labels-idx1-ubyte", 10_008, "27ae3e4e09519cfbb04c329615203637"),
    ]


# ---- IDX files that are refused ----------------------------------------------------------------------------------------

IMAGES, LABELS = idx_bytes(few_digits()["x_train"]), idx_bytes(few_digits()["y_train"])


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


def refusal_within(source: Path, most: int) -> str:
    """Return the text of the refusal, and assert that Python allocated at most so many bytes for it."""
    tracemalloc.start()
    try:
        error = refusal(source)
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    return str(error)


# ---- Archives that are refused -----------------------------------------------------------------------------------------


def npy_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Return the array as an .npy file."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy_header(header: str, version: tuple[int, int] = (1, 0)) -> bytes:
    """Return the start of an .npy file with any header."""
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(header)) + header.encode()


def write_npz(path: Path, method: int = zipfile.ZIP_DEFLATED, **replaced: bytes | None) -> Path:
    """Write a good archive in which the named members are replaced, or left out (None)."""
    members = {key: npy_bytes(array) for key, array in few_digits().items()} | replaced
    with zipfile.ZipFile(path, "w", method) as archive:
        for key, content in members.items():
            if content is not None:
                archive.writestr(f"{key}.npy", content)
    return path


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


# ---- Files that nobody wrote by hand -----------------------------------------------------------------------------------

# Sizes near the legal ones, so that headers are often right in all places but one.
headers = st.tuples(
    st.sampled_from([b"\0\0\x08\1", b"\0\0\x08\3", b"\0\0\x08\2", b"\0\0\x0d\3"]),
    st.lists(st.sampled_from([0, 1, 2, 27, 28, 60_001, 2**31]), max_size=4).map(lambda n: struct.pack(f">{len(n)}I", *n)),
).map(b"".join)
good_files = st.integers(1, 3).flatmap(
    lambda n: st.sampled_from([idx_bytes(np.full((n, 28, 28), 7 * n, np.uint8)), idx_bytes(np.full(n, 7 * n, np.uint8))])
)
files = st.one_of(
    st.binary(max_size=60), st.builds(bytes.__add__, headers, st.binary(max_size=60)), good_files,
    st.builds(bytes.__add__, good_files, st.binary(max_size=2)),
)  # fmt: skip


@given(content=files, part=st.sampled_from(PARTS), compressed=st.booleans())
def test_any_bytes_are_read_exactly_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, part: Part, compressed: bool
) -> None:
    """Whatever the bytes, the IDX reader refuses them or returns the array that writes the very same bytes."""
    path = tmp_path_factory.getbasetemp() / ("any.gz" if compressed else "any")
    path.write_bytes(gzip.compress(content, 1) if compressed else content)
    try:
        array = read_idx(path, part)
    except InvalidInput:
        return
    assert idx_bytes(array) == content
    assert array.shape[1:] == part.item_shape


@given(position=st.integers(0, 10**9), flip=st.integers(1, 255), cut=st.booleans())
def test_damaged_archive_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, position: int, flip: int, cut: bool
) -> None:
    """An archive with one byte changed, or with its end cut off, is refused, or still gives the same digits."""
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    content = bytearray(write_npz(path).read_bytes())
    position %= len(content)
    content[position] ^= flip
    path.write_bytes(content[:position] if cut else content)
    try:
        load(path)
    except InvalidInput:
        return
    assert_holds(path, few_digits())


@given(header=st.text(max_size=80) | st.from_regex(r"\A\{'descr': .{0,9}, 'fortran_order': .{0,5}, 'shape': .{0,9}\}"))
def test_any_array_header_is_refused(tmp_path_factory: pytest.TempPathFactory, header: str) -> None:
    """Whatever an archive's array header says, a member without any data is refused."""
    encoded = header.encode()
    content = b"\x93NUMPY\1\0" + struct.pack("<H", len(encoded)) + encoded
    refusal(write_npz(tmp_path_factory.getbasetemp() / "header.npz", x_train=content))


# ---- The documents' pipelines ------------------------------------------------------------------------------------------


def all_levels() -> np.ndarray[Any, Any]:
    """Two images in which all 256 grey levels occur, unequal to their transposes."""
    return np.arange(2 * 28 * 28, dtype=np.int64).reshape(2, 28, 28).astype(np.uint8)


def test_keras_sequential_images_follow_the_definition() -> None:
    """Each element is the grey level two pixels up and left, over 255 rounded once; the border is black."""
    images = all_levels()
    received = keras_sequential_images(images)
    assert (received.dtype, received.shape) == (np.dtype(np.float32), (2, 32, 32, 3))
    for n, i, j, c in np.ndindex(2, 32, 32, 3):
        inside = 2 <= i < 30 and 2 <= j < 30
        # A quotient of two integers below 2**24, rounded to float64 and then to float32, is the correctly rounded one.
        expected = np.float32(int(images[n, i - 2, j - 2]) / 255) if inside else np.float32(0)
        assert received[n, i, j, c] == expected


@pytest.mark.tf
def test_keras_sequential_images_equal_the_documents_code() -> None:
    """The document's own lines, run by TensorFlow, give the same bits for every grey level and for the sample."""
    import tensorflow as tf

    for images in (all_levels(), load().train_images):
        x_train = tf.pad(images, [[0, 0], [2, 2], [2, 2]]) / 255
        x_train = tf.expand_dims(x_train, axis=3, name=None)
        x_train = tf.repeat(x_train, 3, axis=3)
        received = keras_sequential_images(images)
        assert (received.dtype, received.shape) == (x_train.numpy().dtype, x_train.shape)
        assert (received.view(np.uint32) == x_train.numpy().view(np.uint32)).all()


def test_tf1_graph_images_follow_the_definition() -> None:
    """Element 28·i + j is the grey level at (i, j) times float32(1/255), the product rounded to float32."""
    images = all_levels()
    received = tf1_graph_images(images)
    assert (received.dtype, received.shape) == (np.dtype(np.float32), (2, 784))
    factor = float(np.float32(1 / 255))
    for n, i, j in np.ndindex(2, 28, 28):
        # An 8-bit times a 24-bit integer is exact in float64: the only rounding is the last.
        assert received[n, 28 * i + j] == np.float32(int(images[n, i, j]) * factor)
    assert (received.min(), received.max()) == (0, 1)


def test_pipelines_scale_differently_in_the_last_bit() -> None:
    """The quotient of one document and the product of the other differ for 126 of the 256 levels, by one unit."""
    levels = np.zeros((1, 28, 28), np.uint8)
    levels.reshape(-1)[:256] = np.arange(256)
    quotient = keras_sequential_images(levels)[:, 2:30, 2:30, 0].reshape(-1)[:256]
    product = tf1_graph_images(levels)[0, :256]
    distance = np.abs(quotient.view(np.int32) - product.view(np.int32))
    assert np.count_nonzero(distance) == 126
    assert distance.max() == 1


def test_one_hot_follows_the_definition() -> None:
    """Row n has a 1 at label n and 0 elsewhere, in float32."""
    labels = np.array([3, 0, 9, 9, 1], np.uint8)
    received = one_hot(labels)
    assert (received.dtype, received.shape) == (np.dtype(np.float32), (5, 10))
    for n, k in np.ndindex(5, 10):
        assert received[n, k] == (1 if labels[n] == k else 0)


@pytest.mark.parametrize("labels", [np.array([10]), np.array([-1]), np.array([1.0]), np.zeros((2, 10), np.uint8)])
def test_one_hot_refuses_what_are_no_labels(labels: np.ndarray[Any, Any]) -> None:
    """Numbers that are no digits, and labels that are one-hot already, are refused."""
    with pytest.raises(InvalidInput):
        one_hot(labels)


@pytest.mark.parametrize("pipeline", [keras_sequential_images, tf1_graph_images])
@pytest.mark.parametrize(
    "images", [np.zeros((2, 28, 28), np.float32), np.zeros((2, 784), np.uint8), np.zeros((28, 28), np.uint8)]
)
def test_pipelines_refuse_what_is_not_mnist(
    pipeline: Callable[[np.ndarray[Any, Any]], object], images: np.ndarray[Any, Any]
) -> None:
    """Images that are scaled already, flattened, or single are refused."""
    with pytest.raises(InvalidInput, match=r"expected uint8 \(N, 28, 28\)"):
        pipeline(images)


def test_hold_outs_take_the_documented_ends() -> None:
    """keras_sequential holds out the last digits and tf1_graph the first; nothing is lost and nothing moves."""
    images, labels = few_digits()["x_train"], few_digits()["y_train"]
    x, y, x_val, y_val = hold_out_last(images, labels, 2)
    assert (y.tolist(), y_val.tolist()) == ([3, 1, 4], [1, 5])
    assert (np.concatenate([x, x_val]) == images).all()
    x, y, x_val, y_val = hold_out_first(images, labels, 2)
    assert (y_val.tolist(), y.tolist()) == ([3, 1], [4, 1, 5])
    assert (np.concatenate([x_val, x]) == images).all()


def test_hold_outs_default_to_the_documented_numbers() -> None:
    """2,000 are held out for keras_sequential, and 5,000 for tf1_graph."""
    images, labels = np.zeros((5001, 28, 28), np.uint8), np.zeros(5001, np.uint8)
    assert [len(part) for part in hold_out_last(images, labels)] == [3001, 3001, 2000, 2000]
    assert [len(part) for part in hold_out_first(images, labels)] == [1, 1, 5000, 5000]


@pytest.mark.parametrize("hold_out", [hold_out_last, hold_out_first])
@pytest.mark.parametrize("count", [-1, 0, 5, 6])
def test_hold_outs_refuse_to_leave_nothing(hold_out: Callable[..., object], count: int) -> None:
    """A number that leaves no digit to train on, or holds out none, is refused."""
    with pytest.raises(InvalidInput, match="expected 1 to 4"):
        hold_out(few_digits()["x_train"], few_digits()["y_train"], count)


@pytest.mark.parametrize("hold_out", [hold_out_last, hold_out_first])
def test_hold_outs_refuse_unequal_numbers(hold_out: Callable[..., object]) -> None:
    """Images without labels, or labels without images, are refused."""
    with pytest.raises(InvalidInput, match="differ in number"):
        hold_out(few_digits()["x_train"], few_digits()["y_test"], 1)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_prepare_refuses_the_documented_number_for_the_sample(name: str) -> None:
    """The sample is smaller than both validation sets: the refusal says which number suits it."""
    with pytest.raises(InvalidInput, match=f"hold_out={SAMPLE_HOLD_OUT}"):
        prepare(ARCHITECTURES[name], load())


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_prepare_delivers_what_the_network_is_fed(name: str) -> None:
    """Slices and index arrays give images of the architecture's fed shape, in float32, with a label each."""
    architecture, mnist = ARCHITECTURES[name], load()
    p = prepare(architecture, mnist, hold_out=SAMPLE_HOLD_OUT)
    assert [len(p.x_train), len(p.x_val), len(p.x_test)] == [240, 60, 300]
    assert [len(p.y_train), len(p.y_val), len(p.y_test)] == [240, 60, 300]
    assert p.x_test[:7].shape == (7, *architecture.fed_shape)
    assert p.x_test[:7].dtype == np.float32
    assert (p.x_test[np.array([6, 2])] == p.x_test[:7][[6, 2]]).all()
    assert (p.x_val[:] == p.x_val.pipeline(p.x_val.raw)).all()


def test_prepare_follows_keras_sequential() -> None:
    """keras_sequential: the last digits validate, the labels stay digits, the images are those of its pipeline."""
    mnist = load()
    p = prepare(ARCHITECTURES["keras_sequential"], mnist, hold_out=60)
    assert (p.x_val[:] == keras_sequential_images(mnist.train_images[240:])).all()
    assert (p.x_test[:9] == keras_sequential_images(mnist.test_images[:9])).all()
    for received, expected in (
        (p.y_train, mnist.train_labels[:240]),
        (p.y_val, mnist.train_labels[240:]),
        (p.y_test, mnist.test_labels),
    ):
        assert received.dtype == np.uint8
        assert received.tolist() == expected.tolist()


def test_prepare_follows_tf1_graph() -> None:
    """tf1_graph: the first digits validate, the labels are one-hot, the images are those of its pipeline."""
    mnist = load()
    p = prepare(ARCHITECTURES["tf1_graph"], mnist, hold_out=60)
    assert (p.x_val[:] == tf1_graph_images(mnist.train_images[:60])).all()
    assert (p.x_train[:9] == tf1_graph_images(mnist.train_images[60:69])).all()
    for received, expected in (
        (p.y_train, mnist.train_labels[60:]),
        (p.y_val, mnist.train_labels[:60]),
        (p.y_test, mnist.test_labels),
    ):
        assert received.dtype == np.float32
        assert received.argmax(axis=1).tolist() == expected.tolist()


@pytest.mark.mnist
def test_prepare_splits_the_full_mnist_as_documented(full_mnist: Path) -> None:
    """58,000 and 2,000 for keras_sequential (907 batches of 64), 55,000 and 5,000 for tf1_graph, 10,000 test digits."""
    mnist = load(full_mnist)
    sizes = {name: prepare(a, mnist) for name, a in ARCHITECTURES.items()}
    assert {name: (len(p.x_train), len(p.x_val), len(p.x_test)) for name, p in sizes.items()} == {
        "keras_sequential": (58_000, 2_000, 10_000),
        "tf1_graph": (55_000, 5_000, 10_000),
    }
    assert -(-58_000 // 64) == 907  # the document's progress bar


def test_prepare_refuses_an_undocumented_architecture() -> None:
    """An architecture that neither document describes has no documented pipeline."""
    other = Architecture(name="other", input_shape=(28, 28, 1), layers=(ReLU(name="relu"),))
    with pytest.raises(InvalidInput, match="architecture 'other'"):
        prepare(other, load())


def test_tensorflow_is_not_imported() -> None:
    """Loading and preparing the sample imports neither TensorFlow nor Keras."""
    code = (
        "import sys; from alexnet_ref.mnist import load, prepare; from reference.architectures import ARCHITECTURES;"
        "[prepare(a, load(), hold_out=60).x_train[:2] for a in ARCHITECTURES.values()];"
        "sys.exit(str({'tensorflow', 'keras'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr.strip() == ""
