"""The oracle's forward pass, beside TensorFlow's inference step."""

from __future__ import annotations

import numpy as np
import pytest

from alexnet_ref.bounds import FLOAT32, FLOAT64
from alexnet_ref.devices import describe_host
from benchmarks.conftest import Timed
from benchmarks.material import check_result, digits, params
from reference import Architecture, predict

# pytest-benchmark's 5 rounds would make NumPy, at seconds a pass, most of the run.
pytestmark = pytest.mark.benchmark(min_rounds=3)


def test_numpy_forward(architecture: Architecture, batch: int, dtype: str, timed: Timed) -> None:
    """The result has the dtype asked for, and does not depend on the images that it shares a batch with."""
    images, _ = digits(architecture, batch)
    weights = params(architecture.name)
    number = np.dtype(dtype).type
    predict(architecture, weights, images[:1], number)  # the matrix library starts its threads
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
    check_result(result, architecture, images, FLOAT32 if dtype == "float32" else FLOAT64)
