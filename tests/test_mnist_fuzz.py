"""Files that nobody wrote by hand: any bytes are read exactly or refused."""

from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ref.mnist import (
    load,
)
from alexnet_ref.mnist.idx import read_idx
from alexnet_ref.mnist.parts import PARTS, Part
from reference.errors import InvalidInput
from tests.mnist_files import assert_holds, few_digits, files, idx_bytes, refusal, write_npz

if TYPE_CHECKING:
    pass


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
