"""HDF5 files from strangers: what points outside itself, or claims what it does not hold, is refused before Keras reads it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_ref.candidates import hdf5
from reference import InvalidInput
from tests.keras_archives import LAYER, model

pytestmark = pytest.mark.tf  # h5py comes with Keras


def made(change: Callable[[Any], None] = lambda _: None) -> bytes:
    """Return an HDF5 file of a kernel and a bias, changed."""
    import h5py

    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        file["layers/dense/vars/0"] = np.ones((4, 3), np.float32)
        file["layers/dense/vars/1"] = np.ones(3, np.float32)
        change(file)
    return data.getvalue()


def refusal(data: bytes) -> str:
    """Return the refusal of a file, which must be one printable line."""
    with pytest.raises(InvalidInput) as caught:
        hdf5.check_hdf5(data, "FILE")
    assert str(caught.value).isprintable()
    return str(caught.value)


def external_link(file: Any) -> None:
    """Point to an array in another file."""
    import h5py

    file["layers/x"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_link(file: Any) -> None:
    """Point to another path."""
    import h5py

    file["layers/x"] = h5py.SoftLink("/layers/dense")


def virtual(file: Any) -> None:
    """Make an array out of another file's."""
    import h5py

    layout = h5py.VirtualLayout((4,), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("layers/x", layout)


HOSTILE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "external link": (external_link, "points elsewhere"),
    "soft link": (soft_link, "points elsewhere"),
    "virtual": (virtual, "outside the file"),
    "external storage": (
        lambda file: file.create_dataset("x", (64,), "u1", external=[("/etc/passwd", 0, 64)]),
        "outside the file",
    ),
    "circle": (lambda file: file.__setitem__("layers/dense/again", file["layers"]), "within itself"),
    "compressed": (lambda file: file.create_dataset("x", (1 << 10,), "f4", compression="gzip"), "is compressed"),
    "a terabyte unwritten": (lambda file: file.create_dataset("x", (1 << 40,), "f4", chunks=(1 << 20,)), "claims more"),
    "text": (lambda file: file.__setitem__("x", "text"), "is no array of numbers"),
    "objects": (lambda file: file.create_dataset("x", (3,), "S9"), "is no array of numbers"),
    "attributes": (lambda file: [file.attrs.__setitem__(str(i), i) for i in range(65)], "too many attributes"),
    "an escape sequence": (lambda file: file.__setitem__("\x1b[2Jx", "text"), "\\x1b[2Jx"),
}


def test_what_keras_writes_is_accepted() -> None:
    """Groups, attributes and plain arrays pass."""
    hdf5.check_hdf5(made(lambda file: file.attrs.__setitem__("name", "model")), "FILE")


@pytest.mark.parametrize(("change", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_structure_is_refused(change: Callable[[Any], Any], words: str) -> None:
    """Links, storage elsewhere, circles, compression, exaggeration and other types are refused by name."""
    assert words in refusal(made(change))


def test_what_is_no_hdf5_is_refused() -> None:
    """Other bytes and a truncated file are refused in a line."""
    for data in (b"", b"\x89HDF\r\n\x1a\n", made()[:300]):
        assert "is no intact HDF5 file" in refusal(data)


def test_legacy_config_is_checked() -> None:
    """A legacy model's config passes without modules, and is refused with a Lambda, or without a config."""

    def with_config(*layers: dict[str, Any]) -> bytes:
        return made(lambda file: file.attrs.__setitem__("model_config", json.dumps(model(*layers))))

    old = {"class_name": "Dense", "config": {"units": 3, "kernel_initializer": {"class_name": "GlorotUniform", "config": {}}}}
    hdf5.check_legacy_model(with_config(LAYER, old), "FILE")
    with pytest.raises(InvalidInput, match="holds a Lambda layer"):
        hdf5.check_legacy_model(with_config(old, {"class_name": "Lambda", "config": {}}), "FILE")
    with pytest.raises(InvalidInput, match="holds no model"):
        hdf5.check_legacy_model(made(), "FILE")


FUZZ = """
import random, sys
from alexnet_ref.candidates.hdf5 import check_hdf5
from reference import InvalidInput
good, rng, counts = open(sys.argv[1], "rb").read(), random.Random(0), {}
for _ in range(400):
    data = bytearray(good)
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(len(data))] = rng.choice([0, 1, 255, rng.randrange(256)])
    if rng.random() < 0.2:
        data = data[: rng.randrange(len(data))]
    try:
        check_hdf5(bytes(data), "FILE")
        outcome = "accepted"
    except InvalidInput as error:
        outcome = "refused"
        assert str(error).isprintable()
    counts[outcome] = counts.get(outcome, 0) + 1
print(counts)
"""


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    """Four hundred damaged files end in a line or are accepted, in a process of their own; none ends it or makes it hang."""
    (tmp_path / "good.h5").write_bytes(made())
    command = [sys.executable, "-c", FUZZ, str(tmp_path / "good.h5")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)  # noqa: S603 - our own script
    assert run.returncode == 0, run.stderr
    assert "refused" in run.stdout
