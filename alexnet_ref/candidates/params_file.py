"""The oracle's params in an .npz, as `alexnet-ref train` writes them: "layer/part" arrays. Read without trust, as `mnist.npz`."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.candidates.archive import check_names, member, open_archive
from alexnet_ref.mnist.npz import NPY_HEADER_MOST
from alexnet_ref.mnist.parts import read_exactly
from alexnet_ref.printable import printable
from reference import Architecture, InvalidInput, as_architecture, check_params
from reference.params import all_param_shapes

DTYPES = ("<f2", "<f4", "<f8")
FILE_MOST = 1 << 30  # bytes, of which no more is read than the network's own shapes take
MEMBERS_MOST = 100  # another network's params are refused by their names, not by their number


def read_params(path: Path | str, architecture: Architecture | str) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return exactly this architecture's params, float32; nothing is unpickled, and nothing else is allocated.

    InvalidInput, and nothing else: other names or shapes than the architecture's, numbers that are not finite or no floats.
    """
    path, architecture = Path(path), as_architecture(architecture)
    shapes = {f"{layer}/{part}": s for layer, parts in all_param_shapes(architecture).items() for part, s in parts.items()}
    params: dict[str, dict[str, NDArray[np.float32]]] = {}
    with open_archive(path, most_bytes=FILE_MOST, most_members=MEMBERS_MOST) as archive:
        hint = f"Expected are {', '.join(list(shapes)[:2])} … of {architecture.name}"
        check_names(archive, path, {f"{name}.npy" for name in shapes}, hint)
        for name, shape in shapes.items():
            layer, _, part = name.partition("/")
            params.setdefault(layer, {})[part] = _read(archive, path, name, shape)
    check_params(architecture, params)
    return params


def _read(archive: zipfile.ZipFile, path: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    where, most = f"{path}: {name}", 8 * math.prod(shape) + NPY_HEADER_MOST
    with member(archive, path, f"{name}.npy", most) as stream:
        dtype = _read_header(stream, shape, where)
        numbers = np.frombuffer(read_exactly(stream, dtype.itemsize * math.prod(shape), where), dtype)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused as such
        return numbers.reshape(shape).astype(np.float32)


def _read_header(stream: IO[bytes], shape: tuple[int, ...], where: str) -> np.dtype[np.floating]:
    try:
        if (version := np.lib.format.read_magic(stream)) != (1, 0):
            raise ValueError(f"format version {version}")
        received, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=NPY_HEADER_MOST)
    except Exception as error:  # NumPy's parser of headers lets errors of tokenizer and decoder through
        said = printable(error)
        raise InvalidInput("is no .npy array", where=where, expected="a version 1.0 header", received=said) from error
    if received != shape:
        raise InvalidInput("wrong shape", where=where, expected=str(shape), received=printable(received))
    if dtype.str not in DTYPES or fortran_order:
        order = "Fortran" if fortran_order else "C"
        raise InvalidInput(
            "has the wrong element type or order",
            where=where,
            expected="float16, float32 or float64 in C order",
            received=printable(f"{dtype} in {order} order"),
        )
    return dtype
