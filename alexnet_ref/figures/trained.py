"""A network as a finished run left it, as it started, and a few real digits to put through it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.candidates.params_file import read_params
from alexnet_ref.claims.run import read_run
from alexnet_ref.mnist import keras_sequential_images, load, tf1_graph_images
from reference import ARCHITECTURES, InvalidInput, init_params

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from alexnet_ref.mnist.parts import Bytes
    from reference import Architecture, Params

    Array = NDArray[np.float64]

DIGITS = 32  # of the shipped test digits, over which figures are averaged; the first of them is drawn
PIPELINES: dict[str, Callable[[Bytes], NDArray[np.float32]]] = {
    "keras_sequential": keras_sequential_images,
    "tf1_graph": tf1_graph_images,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What the pictures are drawn from."""

    architecture: Architecture
    params: Params  # after training
    start: Params  # before: the same seed
    facts: dict[str, Any]  # how it was trained, and how well it does


@dataclass(frozen=True, kw_only=True, eq=False)
class Digits:
    """Test digits that the package ships, so that everybody has them."""

    raw: Bytes  # (N, 28, 28)
    labels: Bytes  # (N,)

    def prepared(self, architecture: Architecture) -> NDArray[np.float32]:
        """Return them as the document feeds them."""
        return PIPELINES[architecture.name](self.raw)


def read_trained(folder: Path) -> Trained:
    """Read the folder that `alexnet-ref train` filled; InvalidInput for whatever is none."""
    run = read_run(folder)
    if run.without_lrn:
        raise InvalidInput("is another network than the document's", where=str(folder), received="a run --without-lrn")
    architecture = ARCHITECTURES[run.architecture]
    params = read_params(folder / "params.npz", architecture)
    facts = {
        "steps": run.steps,
        "rows": [run.rows[0], run.rows[-1]],
        "test_accuracy": run.test_accuracy,
        "documented": run.documented,
        **_configuration(folder),
    }
    return Trained(architecture=architecture, params=params, start=init_params(architecture, facts["seed"]), facts=facts)


def _configuration(folder: Path) -> dict[str, Any]:
    """Return how the run was configured, and where; `read_run` has read the same file without complaint."""
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    try:
        configuration, environment = metrics["configuration"], metrics["environment"]
        return {
            "seed": int(configuration["seed"]),
            "batch_size": int(configuration["batch size"]),
            "training_digits": int(configuration["training digits"]),
            "epochs": float(metrics["epochs"]),
            "test_digits": int(metrics["test_all"]["digits"]),
            "first_test_accuracy": float(metrics["test"]["accuracy"]),  # on as many as the document tests on
            "first_test_digits": int(metrics["test"]["digits"]),
            "machine": f"{environment['device_name']}, {environment['platform']}, TensorFlow {environment['tensorflow']}",
        }
    except (KeyError, TypeError, ValueError) as error:
        received = f"{type(error).__name__}: {error}"
        raise InvalidInput("is not what `alexnet-ref train` writes", where=str(path), received=received) from None


def shipped_digits(count: int = DIGITS) -> Digits:
    """Return the first of the shipped test digits, in MNIST's order."""
    mnist = load(None)
    return Digits(raw=mnist.test_images[:count], labels=mnist.test_labels[:count])
