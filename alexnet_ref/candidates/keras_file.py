"""A .keras archive from a stranger, checked before Keras sees it. Needs neither Keras nor TensorFlow.

A .keras file is a zip archive of metadata.json, config.json and model.weights.h5. What is in the last one is for `hdf5`.
"""

from __future__ import annotations

from pathlib import Path

from alexnet_ref.candidates.archive import check_intact, check_names, open_archive, read_member
from alexnet_ref.candidates.keras_config import CONFIG_MOST, check_config, parse
from alexnet_ref.printable import printable
from reference.errors import InvalidInput

FILE_MOST = 1 << 30  # bytes: the larger network with Adam's two slots, all in float64, takes half of that
METADATA_MOST = 1 << 16
WEIGHTS = "model.weights.h5"
MEMBERS = {"metadata.json", "config.json", WEIGHTS}
SIGNATURE = b"\x89HDF\r\n\x1a\n"


def check_keras_file(path: Path) -> None:
    """Refuse whatever is not exactly a model that Keras 3 saved, and every model that could do more than compute.

    InvalidInput, and nothing else: the members and their sizes, the config's depth, size and classes, the weights' checksum.
    """
    with open_archive(path, most_bytes=FILE_MOST, most_members=8) as archive:
        hint = "Expected is what model.save writes; for a vocabulary or other assets a port of an AlexNet has no use"
        check_names(archive, path, MEMBERS, hint)
        metadata = parse(read_member(archive, path, "metadata.json", METADATA_MOST), f"{path}: metadata.json", most=METADATA_MOST)
        if not isinstance(metadata.get("keras_version"), str):
            received = printable(metadata.get("keras_version"))
            raise InvalidInput("names no version of Keras", where=f"{path}: metadata.json", received=received)
        config = parse(read_member(archive, path, "config.json", CONFIG_MOST), f"{path}: config.json")
        check_config(config, f"{path}: config.json")
        if check_intact(archive, path, WEIGHTS, FILE_MOST)[:8] != SIGNATURE:
            raise InvalidInput("is no HDF5 file", where=f"{path}: {WEIGHTS}", expected="weights as Keras writes them")


def read_weights(path: Path) -> bytes:
    """Return the HDF5 file of a checked archive."""
    with open_archive(path, most_bytes=FILE_MOST, most_members=8) as archive:
        return read_member(archive, path, WEIGHTS, FILE_MOST)
