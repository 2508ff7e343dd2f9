"""No false alarm: implementations that are correct, judged by the very checks of `verify`, on inputs of every kind.

A run is one implementation on one network with one draw of weights and inputs. Its comparisons are the arrays that it returns:
each layer's output on the inputs, on the designed probe and, where products are summed, on the random probe. Its tests are the
checks that judge them: a layer's output is held against the oracle fed the same input, and end to end; a random probe's errors
are judged by their maximum, their mean and their variance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from alexnet_ref.arithmetic import FLOAT32, WINOGRAD, Arithmetic
from alexnet_ref.candidates import Candidate
from alexnet_ref.checks import CheckFunction
from alexnet_ref.checks.agreement import check_agreement
from alexnet_ref.checks.check import Check, Material
from alexnet_ref.checks.impulses import check_impulses
from alexnet_ref.checks.lrn import check_lrn
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.checks.products import check_products
from alexnet_ref.tolerances.drawn import DATA, Data, draw_images, draw_network, draw_weights, without_misplaced
from alexnet_ref.tolerances.implementation import Implementation, LayerFunction, oracle_in_float32
from alexnet_ref.tolerances.orders import ORDERS, in_order
from reference import ARCHITECTURES, Architecture, Params

if TYPE_CHECKING:
    from alexnet_ref.candidates.keras import Execution

Build = Callable[[Architecture, Params], Candidate]

CHECKS: tuple[CheckFunction, ...] = (check_agreement, check_probes, check_products, check_lrn)
# Two checks judge one array: end to end that of isolated, bias and variance that of the products' probe.
SHARED = ("end_to_end", "bias", "variance")


@dataclass(kw_only=True)
class Tally:
    """What has been judged, and how close to the allowance the closest came."""

    runs: int = 0
    comparisons: int = 0
    tests: int = 0
    failures: list[str] = field(default_factory=list)
    closest: dict[str, float] = field(default_factory=dict)  # {kind of check: greatest error/allowed}

    def add(self, checks: Sequence[Check], where: str) -> None:
        """Count one run."""
        self.runs += 1
        for check in checks:
            if check.status == "not checkable" or check.layer is None:
                continue
            self.tests += 1
            self.comparisons += check.kind not in SHARED
            if check.ratio is not None and check.kind != "exact":
                self.closest[check.kind] = max(self.closest.get(check.kind, 0.0), check.ratio)
            if check.status == "failed":
                self.failures.append(f"{where}: {check.id}: {check.fact}")

    def merge(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.runs, self.comparisons, self.tests = (
            self.runs + other.runs,
            self.comparisons + other.comparisons,
            self.tests + other.tests,
        )
        self.failures += other.failures
        for kind, ratio in other.closest.items():
            self.closest[kind] = max(self.closest.get(kind, 0.0), ratio)


def builder(kind: str) -> Build:
    """Return the function that makes an implementation of this kind; the framework is imported here."""
    if kind.startswith("TensorFlow "):
        from alexnet_ref.tolerances.keras_runs import keras_run

        execution = cast("Execution", kind.removeprefix("TensorFlow "))
        return lambda architecture, params: keras_run(execution, architecture, params)
    run = _layer_function(kind)
    return lambda architecture, params: Implementation(name=kind, architecture=architecture, weights=params, run=run)


def _layer_function(kind: str) -> LayerFunction:
    match kind:
        case "NumPy matrix product":
            return oracle_in_float32
        case "PyTorch":
            from alexnet_ref.tolerances.torch_ops import torch_layers

            return torch_layers()
        case "ONNX Runtime":
            from alexnet_ref.tolerances.onnx_ops import onnx_layers

            return onnx_layers()
        case "JAX":
            from alexnet_ref.tolerances.jax_ops import jax_layers

            return jax_layers()
        case _:
            return in_order(next(order for order in ORDERS if kind == f"NumPy {order.name}"))


def judged(
    build: Build,
    architecture: Architecture,
    data: Data,
    seed: int,
    *,
    count: int = 2,
    arithmetic: Arithmetic = FLOAT32,
    checks: Sequence[CheckFunction] = CHECKS,
) -> Iterator[Check]:
    """Draw weights and inputs, build the implementation and judge it, as `verify` does."""
    rng = np.random.default_rng([seed, DATA.index(data)])
    params = draw_weights(architecture, data, rng)
    images = draw_images(architecture, data, count, rng)
    candidate = build(architecture, params)
    material = Material(images=images, seed=int(rng.integers(2**31)), batch_size=count, arithmetic=arithmetic)
    for function in checks:
        yield from function(candidate, architecture, material)


def soundness(kind: str, *, seed: int = 0, drawn: int = 40, documented: Sequence[str] = tuple(ARCHITECTURES)) -> Tally:
    """Judge one implementation: each documented network on every kind of data, and `drawn` random networks.

    Impulses are for the random networks: 4,096 sums of 4,096 products each, written out in NumPy, would take minutes.
    """
    build, tally = builder(kind), Tally()
    arithmetic = WINOGRAD if kind == "NumPy winograd" else FLOAT32
    fitting = without_misplaced if kind == "TensorFlow XLA" else _as_it_is
    for name in documented:
        for data in DATA:
            checks = judged(build, fitting(ARCHITECTURES[name]), data, seed, arithmetic=arithmetic)
            tally.add(list(checks), f"{kind}, {name}, {data}, seed {seed}")
    for number in range(seed, seed + drawn):
        data = DATA[number % len(DATA)]
        architecture = fitting(draw_network(np.random.default_rng([number, 7])))
        every = (*CHECKS, check_impulses)
        checks = judged(build, architecture, data, number, count=3, arithmetic=arithmetic, checks=every)
        tally.add(list(checks), f"{kind}, drawn network, {data}, seed {number}")
    return tally


def _as_it_is(architecture: Architecture) -> Architecture:
    return architecture
