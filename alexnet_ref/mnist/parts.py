"""MNIST's four arrays: what its publishers state about each, and the checks that every source must pass."""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from reference.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

Bytes = NDArray[np.uint8]


class Readable(Protocol):
    """An open binary file, compressed or not."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of the four arrays, uint8: images (N, 28, 28) or labels (N,), N of 1 to `most`."""

    key: str  # Keras's name for it, in mnist.npz
    stem: str  # its publishers' name for it, in front of "-idx3-ubyte" or "-idx1-ubyte"
    item_shape: tuple[int, ...]
    most: int  # the published number of digits; more than these is not MNIST
    md5: str  # of the published, uncompressed IDX file

    @property
    def ndim(self) -> int:
        """The number of axes: 3 for images, 1 for labels."""
        return 1 + len(self.item_shape)

    @property
    def file_name(self) -> str:
        """The published file's name, uncompressed."""
        return f"{self.stem}-idx{self.ndim}-ubyte"

    @property
    def magic(self) -> bytes:
        """The four bytes that an IDX file begins with: two zeros, 8 for unsigned bytes, the number of axes."""
        return bytes([0, 0, 8, self.ndim])

    @property
    def most_bytes(self) -> int:
        """The size in bytes of the published array."""
        return self.most * math.prod(self.item_shape)

    def check_shape(self, shape: tuple[int, ...], where: str) -> None:
        """Refuse a shape that a header claims, before anything of that size is allocated."""
        if len(shape) != self.ndim or shape[1:] != self.item_shape or not 1 <= shape[0] <= self.most:
            axes = ", ".join(map(str, ("N", *self.item_shape)))
            raise InvalidInput(
                "has the wrong shape",
                where=where,
                expected=f"({axes}{',' if self.ndim == 1 else ''}) with N of 1 to {self.most}",
                received=str(shape),
            )

    def check_values(self, array: Bytes, where: str) -> None:
        """Refuse labels that name no digit; every grey level is legal."""
        if self.ndim == 1 and array.max() > 9:
            raise InvalidInput(
                "holds a label that is no digit",
                where=where,
                expected="labels 0 to 9",
                received=f"{array.max()} at index {array.argmax()}",
            )

    def idx_md5(self, array: Bytes) -> str:
        """Return the MD5 of the array as an IDX file, so that one checksum serves every kind of source."""
        header = self.magic + struct.pack(f">{self.ndim}I", *array.shape)
        digest = hashlib.md5(header, usedforsecurity=False)
        digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def check_published(self, array: Bytes, where: str) -> bool:
        """Tell whether this is the published array; refuse one of the published size that is not."""
        if len(array) < self.most:
            return False
        if (received := self.idx_md5(array)) != self.md5:
            raise InvalidInput(
                f"has MNIST's {self.most} entries, but is not MNIST",
                where=where,
                expected=f"MD5 {self.md5} of the uncompressed {self.file_name}",
                received=received,
                hint="Download it again; a set of your own must be smaller",
            )
        return True


X_TRAIN = Part(
    key="x_train",
    stem="train-images",
    item_shape=(28, 28),
    most=60_000,
    md5="6bbc9ace898e44ae57da46a324031adb",
)
Y_TRAIN = Part(
    key="y_train",
    stem="train-labels",
    item_shape=(),
    most=60_000,
    md5="a25bea736e30d166cdddb491f175f624",
)
X_TEST = Part(
    key="x_test",
    stem="t10k-images",
    item_shape=(28, 28),
    most=10_000,
    md5="2646ac647ad5339dbf082846283269ea",
)
Y_TEST = Part(
    key="y_test",
    stem="t10k-labels",
    item_shape=(),
    most=10_000,
    md5="27ae3e4e09519cfbb04c329615203637",
)
PARTS = (X_TRAIN, Y_TRAIN, X_TEST, Y_TEST)


def read_exactly(stream: Readable, size: int, where: str) -> bytes:
    """Read the `size` bytes that a header has announced, and refuse a stream with fewer or more.

    One byte more is asked for, so that excess shows and a decompressor checks its own checksum at the end; what lies
    beyond is never decompressed.
    """
    data = stream.read(size + 1)
    if len(data) < size:
        raise InvalidInput(
            "is truncated",
            where=where,
            expected=f"{size} bytes after the header",
            received=f"{len(data)}",
            hint="Download it again",
        )
    if len(data) > size:
        raise InvalidInput(
            "is longer than its header says", where=where, expected=f"{size} bytes after the header", received="more"
        )
    return data


def check_file(path: Path) -> None:
    """Refuse what is not a regular file, or a link to one: a pipe would block, a device would never end."""
    if not path.is_file():
        raise InvalidInput(
            "cannot be read",
            where=str(path),
            expected="a regular file",
            received="a directory" if path.is_dir() else "none, or something that is not a regular file",
        )


def unreadable(path: Path, error: BaseException) -> InvalidInput:
    """Return the one-line form of what the operating system or a decompressor said about a file."""
    return InvalidInput(
        "cannot be read",
        where=str(path),
        expected="an intact file with read permission",
        received=f"{type(error).__name__}: {error}",
    )
