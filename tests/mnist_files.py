"""MNIST sources made by hand, and what is asserted of them."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import strategies as st

from alexnet_ref.mnist import (
    load,
)
from reference.errors import InvalidInput

if TYPE_CHECKING:
    pass


SAMPLE = Path(__file__).parents[1] / "alexnet_ref" / "data" / "mnist_sample.npz"


MIB = 2**20


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


IMAGES, LABELS = idx_bytes(few_digits()["x_train"]), idx_bytes(few_digits()["y_train"])


def refusal_within(source: Path, most: int) -> str:
    """Return the text of the refusal, and assert that Python allocated at most so many bytes for it."""
    tracemalloc.start()
    try:
        error = refusal(source)
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    return str(error)


def npy_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Return the array as an .npy file."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def write_npz(path: Path, method: int = zipfile.ZIP_DEFLATED, **replaced: bytes | None) -> Path:
    """Write a good archive in which the named members are replaced, or left out (None)."""
    members = {key: npy_bytes(array) for key, array in few_digits().items()} | replaced
    with zipfile.ZipFile(path, "w", method) as archive:
        for key, content in members.items():
            if content is not None:
                archive.writestr(f"{key}.npy", content)
    return path


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
