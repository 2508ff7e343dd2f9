"""The four kinds of source: a folder of IDX files, a mnist.npz, Keras's download, and the sample shipped here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.mnist.idx import find_idx, read_idx
from alexnet_ref.mnist.npz import read_npz
from alexnet_ref.mnist.parts import PARTS, X_TEST, X_TRAIN, Y_TEST, Y_TRAIN, Bytes, Part, unreadable
from reference.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, eq=False)
class Mnist:
    """Digits in the order of their source: images (N, 28, 28) and labels (N,), uint8, white 255 on black 0, read-only."""

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    origin: str  # which source, for a person to read
    complete: bool  # all 70,000 digits, each of the four published checksums verified


def load(source: str | Path | None = None) -> Mnist:
    """Load MNIST: None is the shipped sample, "keras" is Keras's download, else the path of a folder or of a mnist.npz.

    An array of the published size must have the published checksum. A smaller set is accepted as a subset, with
    complete=False and saying so in `origin`. A folder that is called keras is "./keras". Everything that is wrong with
    a source is InvalidInput.
    """
    if source is None:
        return _load_sample()
    if source == "keras":
        return _load_keras()
    path = Path(source)
    try:
        folder = path.is_dir()
    except OSError as error:  # such as a name that is too long, or a parent folder that may not be entered
        raise unreadable(path, error) from error
    return _load_folder(path) if folder else _load_npz(path)


def _load_sample() -> Mnist:
    with resources.as_file(resources.files("alexnet_ref") / "data" / "mnist_sample.npz") as path:
        arrays = read_npz(path)
        return _assemble(arrays, {part: f"{path}: {part.key}" for part in PARTS}, "the sample shipped with alexnet-ref")


def _load_folder(folder: Path) -> Mnist:
    try:
        paths = {part: find_idx(folder, part) for part in PARTS}
    except OSError as error:  # a folder that may not be entered
        raise unreadable(folder, error) from error
    arrays = {part.key: read_idx(path, part) for part, path in paths.items()}
    return _assemble(arrays, {part: str(path) for part, path in paths.items()}, f"the IDX files in {folder}")


def _load_npz(path: Path) -> Mnist:
    return _assemble(read_npz(path), {part: f"{path}: {part.key}" for part in PARTS}, str(path))


def _load_keras() -> Mnist:
    try:
        keras = importlib.import_module("keras")  # not at the top: it brings TensorFlow, and takes seconds
    except ImportError as error:
        raise InvalidInput(
            "Keras cannot be imported",
            where="MNIST source 'keras'",
            received=str(error),
            hint="Run: pip install 'alexnet-ref[tensorflow]'",
        ) from error
    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise InvalidInput(
            "Keras could not download MNIST",
            where="MNIST source 'keras'",
            expected="a network connection, or an earlier download in Keras's cache",
            received=f"{type(error).__name__}: {error}",
            hint="Without a network, give the path of a mnist.npz or of a folder with the four IDX files",
        ) from error
    where = {part: f"Keras's download: {part.key}" for part in PARTS}
    received = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    arrays = {part.key: _checked(received[part.key], part, where[part]) for part in PARTS}
    return _assemble(arrays, where, "Keras's download")


def _checked(array: Any, part: Part, where: str) -> Bytes:
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        received = str(getattr(array, "dtype", type(array).__name__))
        raise InvalidInput("has the wrong element type", where=where, expected="uint8", received=received)
    part.check_shape(array.shape, where)
    view: Bytes = array.view()
    view.flags.writeable = False
    return view


def _assemble(arrays: Mapping[str, Bytes], where: Mapping[Part, str], source: str) -> Mnist:
    """Check what concerns the values and the parts together; the shapes were checked before they were read."""
    for part in PARTS:
        part.check_values(arrays[part.key], where[part])
    for images, labels in ((X_TRAIN, Y_TRAIN), (X_TEST, Y_TEST)):
        counts = len(arrays[images.key]), len(arrays[labels.key])
        if counts[0] != counts[1]:
            raise InvalidInput(
                "images and labels differ in number",
                where=where[labels],
                expected=f"{counts[0]} labels, one for each of the images of {where[images]}",
                received=f"{counts[1]}",
            )
    published = [part.check_published(arrays[part.key], where[part]) for part in PARTS]  # in a subset too, every part is checked
    complete = all(published)
    return Mnist(
        train_images=arrays["x_train"],
        train_labels=arrays["y_train"],
        test_images=arrays["x_test"],
        test_labels=arrays["y_test"],
        origin=_origin(source, len(arrays["x_train"]), len(arrays["x_test"]), complete=complete),
        complete=complete,
    )


def _origin(source: str, train: int, test: int, *, complete: bool) -> str:
    if complete:
        return f"{source}: all of MNIST, checksums verified"
    return f"{source}: a subset of {train} training and {test} test digits; the published checksums cover full sets only"
