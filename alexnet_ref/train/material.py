"""What a run trains on, and what must be the same for it to be resumed."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from alexnet_ref.mnist import SAMPLE_HOLD_OUT, Images, Prepared, load, prepare
from reference import LRN
from reference.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from alexnet_ref.train.schedule import Schedule
    from reference import Architecture

DEAD_DIGITS = 256  # held-out digits on which tf1_graph's dead units are counted at every displayed step
LARGEST_HOLD_OUT = 5000  # tf1_graph's; sets not larger than that hold out as few digits as the shipped sample


def load_digits(architecture: Architecture, data: str | Path | None, limit: int | None) -> tuple[Prepared, str, list[str]]:
    """Return the digits as the document prepares and splits them, where they come from, and what a person should know of that."""
    mnist = load(data)
    small = len(mnist.train_images) <= LARGEST_HOLD_OUT
    prepared = prepare(architecture, mnist, hold_out=SAMPLE_HOLD_OUT if small else None)
    available = len(prepared.x_train)
    if limit is not None and not 1 <= limit <= available:
        raise InvalidInput(
            "there are not that many training digits",
            where="limit",
            expected=f"1 to {available}",
            received=str(limit),
            hint="This is the shipped sample: --data names the full MNIST" if data is None else None,
        )
    x = Images(raw=prepared.x_train.raw[:limit], pipeline=prepared.x_train.pipeline)
    prepared = dataclasses.replace(prepared, x_train=x, y_train=prepared.y_train[:limit])
    notices = []
    if data is None:
        notices.append(
            f"NOT the documented data: training on the shipped sample, {len(x)} digits, which shows that it runs and no more; "
            "--data names the full MNIST"
        )
    elif not mnist.complete:
        notices.append(f"NOT the documented data: {mnist.origin}")
    if limit is not None:
        notices.append(f"training on the first {limit} of {available} training digits alone")
    if architecture.recipe.kernel_initializer == "standard_normal":
        notices.append("every weight starts from a standard normal, as documented: losses begin in the hundreds of thousands")
    return prepared, mnist.origin, notices


def without_lrn(architecture: Architecture) -> Architecture:
    """Return the network without its LRN layers: another network by its digest, the same in all else."""
    return dataclasses.replace(architecture, layers=tuple(layer for layer in architecture.layers if not isinstance(layer, LRN)))


def configuration(architecture: Architecture, prepared: Prepared, schedule: Schedule) -> dict[str, Any]:
    """Return what decides every bit of the result, by names for people. The number of epochs does not: more may follow."""
    return {
        "architecture": architecture.name,
        "network": _network_digest(architecture),
        "batch size": schedule.batch_size,
        "seed": schedule.seed,
        "training digits": schedule.digits,
        "data": _data_digest(prepared),
    }


def _network_digest(architecture: Architecture) -> str:
    """Digest of the layers' hyperparameters and the recipe; a corrected quotation changes no network."""
    layers = [dataclasses.replace(layer, place="", quotes=()) for layer in architecture.layers]
    return hashlib.sha256(repr((architecture.input_shape, layers, architecture.recipe)).encode()).hexdigest()[:16]


def _data_digest(prepared: Prepared) -> str:
    digest = hashlib.sha256()
    for images, labels in (
        (prepared.x_train, prepared.y_train),
        (prepared.x_val, prepared.y_val),
        (prepared.x_test, prepared.y_test),
    ):
        for array in (images.raw, labels):
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
