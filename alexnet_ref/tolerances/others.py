"""Other people's constants, as data: where each stands, and how it is applied. The only round numbers in this repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Constants:
    """|received − expected| ≤ absolute + relative·|expected|, at every element; "either": within one of the two."""

    name: str
    absolute: float
    relative: float
    rule: Literal["sum", "either"] = "sum"
    source: str  # the file that says so

    def accepts(self, received: Array, expected: Array) -> bool:
        """Tell whether these constants call the two arrays equal."""
        if received.shape != expected.shape or not np.isfinite(received).all():
            return False
        error, size = np.abs(received.astype(np.float64) - expected), np.abs(expected)
        if self.rule == "either":
            return bool(((error <= self.absolute) | (error <= self.relative * size)).all())
        return bool((error <= self.absolute + self.relative * size).all())


OTHERS = (
    Constants(
        name="torch.testing.assert_close", absolute=1e-5, relative=1.3e-6, source="pytorch 2.13, torch/testing/_comparison.py"
    ),
    Constants(
        name="Keras TestCase.assertAllClose", absolute=1e-6, relative=1e-6, source="keras 3.15, keras/src/testing/test_case.py"
    ),
    Constants(name="ONNX backend tests", absolute=1e-7, relative=1e-3, source="onnx 1.23, onnx/backend/test/loader/__init__.py"),
    Constants(
        name="ONNX Runtime OpTester",
        absolute=1e-5,
        relative=1e-4,
        source="onnxruntime, onnxruntime/test/providers/checkers.cc, DefaultTolerance<float>",
    ),
    Constants(
        name="Polygraphy CompareFunc.simple",
        absolute=1e-5,
        relative=1e-5,
        rule="either",
        source="TensorRT, tools/Polygraphy/polygraphy/comparator/compare.py, check_error_stat elemwise",
    ),
    Constants(
        name="TensorFlow's test of LRN",
        absolute=1e-4,
        relative=0.0,
        source="tensorflow, tensorflow/python/kernel_tests/nn_ops/lrn_op_test.py, _RunAndVerify",
    ),
)
