"""The oracle's forward pass, beside TensorFlow's inference step (test_inference_step.py) and the same networks elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from alexnet_ref.bounds import FLOAT32, FLOAT64
from alexnet_ref.devices import describe_host
from benchmarks import others
from benchmarks.conftest import Timed
from benchmarks.material import check_result, digits, params
from reference import Architecture, Params, forward, predict

Build = Callable[[Architecture, Params], others.Runner]

# pytest-benchmark's 5 rounds would make the slowest, at seconds a pass, most of the run.
pytestmark = pytest.mark.benchmark(min_rounds=3)


def test_numpy_forward(architecture: Architecture, batch: int, dtype: str, timed: Timed) -> None:
    """predict's result has the dtype asked for, and does not depend on the images that it shares a batch with."""
    images, _ = digits(architecture, batch)
    weights, number = params(architecture.name), np.dtype(dtype).type
    arithmetic = FLOAT32 if dtype == "float32" else FLOAT64
    facts = {**describe_host(), "dtype": dtype}
    result = timed(
        lambda: predict(architecture, weights, images, number),
        architecture=architecture.name,
        kind="inference",
        batch=batch,
        runner=f"NumPy {dtype}",
        facts=facts,
    )
    assert result.dtype == number
    check_result(result, architecture, images, arithmetic)


def test_numpy_every_output(architecture: Architecture, batch: int, timed: Timed) -> None:
    """forward, which keeps every layer's output, ends in the same result."""
    images, _ = digits(architecture, batch)
    weights, last = params(architecture.name), architecture.layers[-1].name
    result = timed(
        lambda: forward(architecture, weights, images, np.float32)[last],
        architecture=architecture.name,
        kind="inference",
        batch=batch,
        runner="NumPy float32, every output",
        facts={**describe_host(), "dtype": "float32"},
    )
    check_result(result, architecture, images, FLOAT32)


@pytest.mark.parametrize(
    ("runner", "module", "build"),
    [("PyTorch", "torch", others.pytorch), ("ONNX Runtime", "onnxruntime", others.onnx_runtime)],
    ids=["torch", "onnxruntime"],
)
def test_other_forward(*, architecture: Architecture, batch: int, runner: str, module: str, build: Build, timed: Timed) -> None:
    """The network in another framework gives the oracle's result: what is timed is the same work."""
    pytest.importorskip(module, reason=f"{module} is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    images, _ = digits(architecture, batch)
    run = build(architecture, params(architecture.name))
    check_result(run(images), architecture, images, FLOAT32)
    result = timed(
        lambda: run(images),
        architecture=architecture.name,
        kind="inference",
        batch=batch,
        runner=runner,
        facts={**describe_host(), "dtype": "float32"},
    )
    check_result(result, architecture, images, FLOAT32)


@pytest.mark.slow
def test_onnx_reference_forward(architecture: Architecture, batch: int, timed: Timed) -> None:
    """ONNX's evaluator gives a result of the right shape: no more can be asked, for its LRN normalises the wrong channels."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    if batch > 1:
        pytest.skip("the evaluator takes as long for every image as for the first: tens of seconds a batch")
    images, _ = digits(architecture, batch)
    run = others.onnx_reference(architecture, params(architecture.name))
    result = timed(
        lambda: run(images),
        architecture=architecture.name,
        kind="inference",
        batch=batch,
        runner="ONNX reference evaluator",
        facts={**describe_host(), "dtype": "float32"},
    )
    assert result.shape == (batch, 10)
