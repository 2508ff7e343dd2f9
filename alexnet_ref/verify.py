"""`verify`: every check, run against a candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, Arithmetic
from alexnet_ref.candidates import as_candidate
from alexnet_ref.checks import CHECKS, Check, CheckFunction, Material
from alexnet_ref.devices import describe_host
from alexnet_ref.diagnosis.diagnose import diagnose
from alexnet_ref.mnist import SAMPLE_HOLD_OUT, load, prepare
from alexnet_ref.report import Report
from reference import Architecture, InvalidInput, Params, as_architecture
from reference.forward import as_input, as_params


def verify(
    candidate: Any,
    architecture: Architecture | str,
    *,
    images: NDArray[np.floating] | None = None,
    seed: int = 0,
    batch_size: int = 16,
    arithmetic: Arithmetic = FLOAT32,
    checks: Sequence[CheckFunction] = CHECKS,
    params: Params | None = None,
    names: Mapping[str, str] | None = None,
    diagnosis: bool = True,
    on_check: Callable[[Check], None] = lambda _: None,
) -> Report:
    """Judge a candidate: a Keras, ONNX or PyTorch model, a function of images (`alexnet_ref.candidates.as_candidate`).

    `images` (N, *input_shape), 0 … 1, default to `batch_size` real digits that the package ships, and pass the network in
    batches of that size. `arithmetic` is what the candidate computes in. `params`: the weights that it should have, where they
    are known. `names`: {document's layer: step of the port that ends it}, where order does not tell. `diagnosis`: whether to
    name the mistakes of a port that does not conform. `checks` are made in their order, and `on_check` sees each as it is made.
    A port that does not conform never raises: it fails checks. InvalidInput: what cannot be judged at all.
    """
    architecture = as_architecture(architecture)
    if params is not None:
        as_params(architecture, params, np.float32)  # refused before anything is computed
    candidate = as_candidate(candidate, architecture, names, params)
    if params is None:  # a function that takes weights is judged by those that it is called with
        params = getattr(getattr(candidate, "port", None), "given", None)
    if batch_size < 1:
        raise InvalidInput("batch size is out of range", expected="at least 1", received=str(batch_size))
    if images is None:
        images = digits(architecture, None, batch_size)
    images = as_input(architecture, images, np.float32)
    material = Material(images=images, seed=seed, batch_size=batch_size, arithmetic=arithmetic, params=params)
    made: list[Check] = []
    for function in checks:
        for check in function(candidate, candidate.architecture, material):
            made.append(check)
            on_check(check)
    wrong = diagnosis and any(check.status == "failed" for check in made)
    return Report(
        candidate=candidate.name,
        architecture=architecture.name,
        checks=tuple(made),
        diagnoses=diagnose(candidate, made, material) if wrong else (),
        environment={
            "alexnet-ref": version("alexnet-ref"),
            **describe_host(),
            **candidate.environment(),
            "arithmetic": arithmetic.name,
            "images": len(images),
            "seed": seed,
        },
    )


def digits(architecture: Architecture, data: str | Path | None, count: int) -> NDArray[np.float32]:
    """Return the first `count` test digits of `data` (None: the shipped sample) as the architecture's document prepares them."""
    mnist = load(data)
    available = len(mnist.test_images)
    if not 1 <= count <= available:
        raise InvalidInput(
            "there are not that many digits", where=mnist.origin, expected=f"1 to {available}", received=str(count)
        )
    return prepare(architecture, mnist, hold_out=SAMPLE_HOLD_OUT).x_test[:count]
