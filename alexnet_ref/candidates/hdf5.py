"""An HDF5 file from a stranger, checked before Keras reads it. Opening it runs the HDF5 library: in the sandbox only.

HDF5 can point outside itself (external links, external storage, virtual datasets) and can claim what it does not hold. What
Keras writes is groups and plain arrays, each stored whole.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from alexnet_ref.candidates.keras_config import CONFIG_MOST, check_config, parse
from alexnet_ref.candidates.keras_file import FILE_MOST
from alexnet_ref.mnist.parts import check_file, unreadable
from alexnet_ref.printable import printable
from reference.errors import InvalidInput

OBJECTS_MOST = 20_000
ATTRIBUTES_MOST = 64  # of an object


def check_hdf5(data: bytes, where: str) -> None:
    """Refuse an HDF5 file that is anything but groups and arrays of numbers, all stored in it."""
    try:
        import h5py

        with h5py.File(io.BytesIO(data), "r") as file:
            _check(file, len(data), where)
    except InvalidInput:
        raise
    except Exception as error:  # h5py turns what the HDF5 library finds wrong into errors of every kind
        received = printable(f"{type(error).__name__}: {error}")
        raise InvalidInput("is no intact HDF5 file", where=where, received=received) from error


def read_hdf5(path: Path) -> bytes:
    """Return the file's bytes; InvalidInput where it is no regular file, or too large."""
    try:
        check_file(path)
        if (size := path.stat().st_size) > FILE_MOST:
            raise InvalidInput("is too large", where=str(path), expected=f"at most {FILE_MOST} bytes", received=str(size))
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def check_legacy_model(data: bytes, where: str) -> None:
    """Refuse a legacy .h5 model whose config, kept in an attribute, names what no port consists of."""
    import h5py

    with h5py.File(io.BytesIO(data), "r") as file:
        config = file.attrs.get("model_config")
    if isinstance(config, str):
        config = config.encode()
    if not isinstance(config, bytes):
        hint = "A file of weights alone is called NAME.weights.h5"
        raise InvalidInput("holds no model", where=where, expected="an attribute model_config", hint=hint)
    check_config(parse(config, f"{where}: model_config", most=CONFIG_MOST), f"{where}: model_config", legacy=True)


def _check(file: Any, size: int, where: str) -> None:
    import h5py

    seen: set[int] = set()
    total, stack = 0, [file]
    while stack:
        group = stack.pop()
        if len(group) > OBJECTS_MOST:
            raise InvalidInput("holds too many objects", where=where, expected=f"at most {OBJECTS_MOST}")
        _check_attributes(group, where)
        for name in group:
            place = f"{where}: {printable(group.name)}/{printable(name)}"
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise InvalidInput("points elsewhere", where=place, expected="an array or a group", received=type(link).__name__)
            value = group[name]
            address = h5py.h5o.get_info(value.id).addr
            if address in seen:
                raise InvalidInput("holds an object twice, or within itself", where=place)
            seen.add(address)
            if len(seen) > OBJECTS_MOST:
                raise InvalidInput("holds too many objects", where=where, expected=f"at most {OBJECTS_MOST}")
            if isinstance(value, h5py.Group):
                stack.append(value)
                continue
            total += _check_dataset(value, place)
            if total > size:  # everything is stored plainly: more than the file has is a lie
                raise InvalidInput("claims more than the file holds", where=place, expected=f"at most {size} bytes")


def _check_attributes(value: Any, where: str) -> None:
    if len(value.attrs) > ATTRIBUTES_MOST:
        raise InvalidInput("has too many attributes", where=f"{where}: {printable(value.name)}")


def _check_dataset(value: Any, place: str) -> int:
    """Return the array's size in bytes."""
    import h5py

    if not isinstance(value, h5py.Dataset) or value.dtype.kind not in "fiub" or value.dtype.itemsize > 8:
        raise InvalidInput(
            "is no array of numbers", where=place, received=printable(getattr(value, "dtype", type(value).__name__))
        )
    creation = value.id.get_create_plist()
    if value.external or value.is_virtual:
        raise InvalidInput("keeps its numbers outside the file", where=place, expected="an array stored in the file")
    if creation.get_nfilters():
        raise InvalidInput("is compressed", where=place, expected="an array stored plainly, as Keras writes it")
    _check_attributes(value, place)
    return int(value.nbytes)
