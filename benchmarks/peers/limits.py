"""What the machine could do at best: a network's operations over its rate of products, its bytes over its memory's bandwidth."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference import Architecture, layer_shapes, multiply_adds, param_shapes, unseen_weights
from reference.shapes import layer_inputs

SIDE = 1536  # of the matrices multiplied: 7.2 GFLOP, and larger than a cache
FORCED = "OPENBLAS_CORETYPE"  # the variable that keeps OpenBLAS from choosing its kernels by the processor
STREAM = 1 << 28  # bytes read for the bandwidth: more than a last-level cache holds
REPEATS = 5


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What was measured with so many threads: the best of all repetitions."""

    threads: int
    products: dict[str, float]  # {library: FLOP/s of a float32 product of matrices}
    bandwidth: float  # bytes/s, reading

    @property
    def fastest(self) -> str:
        """The library with the fastest products."""
        return max(self.products, key=lambda name: self.products[name])

    def best(self, other: Rates) -> Rates:
        """Return the better of two measurements of one machine, each figure for itself."""
        names = [*self.products, *(name for name in other.products if name not in self.products)]
        products = {name: max(self.products.get(name, 0.0), other.products.get(name, 0.0)) for name in names}
        return Rates(threads=self.threads, products=products, bandwidth=max(self.bandwidth, other.bandwidth))


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the document's equations ask for, for a batch: padding counts as data, parameters are read once."""

    operations: int  # a multiplication and an addition are two
    bytes: int

    def limit(self, rates: Rates) -> float:
        """Return the seconds below which no machine of these rates does it as written."""
        return max(self.operations / rates.products[rates.fastest], self.bytes / rates.bandwidth)


def work(architecture: Architecture, batch: int) -> Work:
    """Return a forward pass's work in float32. Parameters that meet padding alone need not be read."""
    inputs = layer_inputs(architecture)
    products = sum(multiply_adds(layer, inputs[layer.name]) for layer in architecture.layers)
    parameters = sum(
        sum(map(math.prod, param_shapes(layer, inputs[layer.name]).values())) - unseen_weights(layer, inputs[layer.name])
        for layer in architecture.layers
    )
    values = math.prod(architecture.input_shape) + math.prod(layer_shapes(architecture)[architecture.layers[-1].name])
    return Work(operations=2 * products * batch, bytes=4 * (parameters + values * batch))


class LimitAnswers:
    """What a limits' process answers to any order: Rates, NumPy's by the name given."""

    def __init__(self, threads: int, name: str = "NumPy") -> None:
        self.threads, self.name = threads, name

    def __call__(self, _: object) -> Rates:
        """Measure once more."""
        products = {self.name: _product(_numpy_product())}
        if importlib.util.find_spec("torch"):
            products["PyTorch"] = _product(_torch_product(self.threads))
        return Rates(threads=self.threads, products=products, bandwidth=_bandwidth(self.threads))


def _product(run: Callable[[], object]) -> float:
    return 2 * SIDE**3 / _least(run)


def _numpy_product() -> Callable[[], object]:
    a, b = np.random.default_rng(0).standard_normal((2, SIDE, SIDE), np.float32)
    c = np.empty_like(a)
    return lambda: np.matmul(a, b, out=c)


def _torch_product(threads: int) -> Callable[[], object]:
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads)
    a, b = torch.randn(2, SIDE, SIDE)
    c = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=c)


def _bandwidth(threads: int) -> float:
    """Return bytes read in a second when each thread seeks the largest number of its part."""
    parts = np.array_split(np.ones(STREAM // 4, np.float32), threads)
    with ThreadPoolExecutor(threads) as pool:
        return STREAM / _least(lambda: list(pool.map(np.max, parts)))


def _least(run: Callable[[], object]) -> float:
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def blas() -> str:
    """Return the library that multiplies NumPy's matrices, its version, and the kernels that it chose for this processor."""
    config: Any = np.show_config(mode="dicts")
    library = config["Build Dependencies"]["blas"]
    text = f"{library['name']} {library['version']}"
    if name := _kernels():
        text += f" with its {name} kernels"
    forced = os.environ.get(FORCED)
    return text + (f", with {FORCED}={forced} set" if forced else "")


def _kernels() -> str:
    """Return OpenBLAS's name of its kernels; "" where it is another library."""
    try:
        library = ctypes.CDLL(importlib.import_module("numpy._core._multiarray_umath").__file__)
    except (ImportError, OSError):  # NumPy 1, or a system that does not find functions this way
        return ""
    for name in ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename", "openblas_get_corename"):
        if (ask := getattr(library, name, None)) is not None:
            ask.restype = ctypes.c_char_p
            return str(ask().decode())
    return ""
