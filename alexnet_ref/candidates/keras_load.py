"""Keras's files loaded, after their checks. Imports TensorFlow only when the checks are passed; call it in the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_ref.candidates import hdf5
from alexnet_ref.candidates.keras_file import check_keras_file, read_weights
from alexnet_ref.candidates.params_file import read_params
from alexnet_ref.printable import printable
from reference import Architecture, InvalidInput

if TYPE_CHECKING:
    from alexnet_ref.candidates.keras import KerasPort
    from alexnet_ref.candidates.load import Execution


def load_keras(path: Path, kind: str, architecture: Architecture, *, allow_h5: bool, execution: Execution) -> KerasPort:
    """Return the port in a .keras, .h5, .weights.h5 or .npz file; InvalidInput for whatever Keras would not load safely."""
    match kind:
        case ".keras":
            check_keras_file(path)
            hdf5.check_hdf5(read_weights(path), str(path))
            model = _loaded(path)
        case ".h5":
            model = _legacy(path, allow_h5=allow_h5)
        case ".weights.h5":
            hdf5.check_hdf5(hdf5.read_hdf5(path), str(path))
            model = _with_weights(path, architecture)
        case _:
            params = read_params(path, architecture)
            from alexnet_ref.models import build_model

            model = build_model(architecture, params)
    from alexnet_ref.candidates.keras import KerasPort

    return KerasPort(model, architecture=architecture, name=f"{printable(path.name)} (Keras)", execution=execution)


def _legacy(path: Path, *, allow_h5: bool) -> Any:
    if not allow_h5:
        raise InvalidInput(
            "is a legacy HDF5 model, which is read only if asked for",
            where=str(path),
            expected="a .keras file",
            received="a format without checksums, for whose classes and functions Keras has no safe mode",
            hint="Convert it with model.save('NAME.keras'), or ask for it: --allow-h5",
        )
    data = hdf5.read_hdf5(path)
    hdf5.check_hdf5(data, str(path))
    hdf5.check_legacy_model(data, str(path))
    return _loaded(path)


def _loaded(path: Path) -> Any:
    import keras

    from alexnet_ref import layers

    del layers  # imported because it registers our LRN
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except MemoryError:
        raise  # no fault of the file's format: the sandbox says what it means
    except Exception as error:  # Keras closes no list of what a wrong config or wrong weights raise
        raise _refused(path, error) from error


def _with_weights(path: Path, architecture: Architecture) -> Any:
    from alexnet_ref.models import build_model

    model = build_model(architecture)
    try:
        model.load_weights(path)
    except Exception as error:  # as above
        raise _refused(path, error, f"Expected are the weights of alexnet_ref.build_model({architecture.name!r})") from error
    return model


def _refused(path: Path, error: Exception, hint: str | None = None) -> InvalidInput:
    received = printable(" ".join(f"{type(error).__name__}: {error}".split()), 300)
    return InvalidInput("cannot be loaded by Keras", where=str(path), received=received, hint=hint)
