"""Digits from every source: read exactly, the shipped sample drawn from MNIST, checksums the published ones."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from alexnet_ref.mnist import (
    draw_sample,
    load,
)
from alexnet_ref.mnist.parts import PARTS, X_TEST, X_TRAIN, Y_TEST, Y_TRAIN, Part
from reference.errors import InvalidInput
from tests.mnist_files import NAMES, SAMPLE, assert_holds, few_digits, idx_bytes, refusal

if TYPE_CHECKING:
    from collections.abc import Callable


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


@pytest.mark.parametrize("part", [pytest.param(Y_TRAIN, marks=pytest.mark.slow), X_TEST, Y_TEST], ids=lambda part: part.key)
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
