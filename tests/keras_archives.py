"""Archives as Keras writes them, made by hand, and with mistakes and malice in them. Needs no TensorFlow."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

LAYER: dict[str, Any] = {
    "module": "keras.layers",
    "class_name": "Dense",
    "config": {
        "name": "dense",
        "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None},
        "units": 3,
        "activation": "relu",
        "kernel_initializer": {
            "module": "keras.initializers", "class_name": "GlorotUniform", "config": {"seed": None}, "registered_name": None,
        },
    },
    "registered_name": None,
    "build_config": {"input_shape": [None, 4]},
}  # fmt: skip
OURS: dict[str, Any] = {
    "module": "alexnet_ref.layers",
    "class_name": "LocalResponseNormalization",
    "config": {"name": "norm1"},
    "registered_name": "alexnet_ref>LocalResponseNormalization",
}
HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)


def model(*layers: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a Sequential of these layers."""
    config = {"name": "sequential", "layers": list(layers)}
    return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None, "compile_config": None}


def members(*layers: dict[str, Any]) -> dict[str, bytes]:
    """Return the members of a .keras file of these layers."""
    return {
        "metadata.json": b'{"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}',
        "config.json": json.dumps(model(*(layers or (LAYER, OURS)))).encode(),
        "model.weights.h5": HDF5,
    }


def write(path: Path, content: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    """Write the members to a zip archive."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, compress_type=method)
    return path
