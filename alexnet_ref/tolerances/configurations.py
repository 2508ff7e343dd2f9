"""The frameworks and environments that `soundness` runs in, each in an interpreter of its own.

`python -m alexnet_ref.tolerances.configurations` judges all that are installed and fails if one comparison does.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from alexnet_ref.tolerances.orders import ORDERS
from alexnet_ref.tolerances.soundness import Tally, soundness
from reference import ARCHITECTURES

SLOW = ("TensorFlow XLA", "JAX")  # they compile every layer of every network


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A framework and the environment that it is started in: threads and oneDNN are decided when TensorFlow is loaded."""

    name: str
    kind: str  # as `soundness.builder` takes it
    environment: Mapping[str, str] = field(default_factory=dict)
    module: str | None = None  # what must be installed


def _tensorflow(kind: str, *, onednn: bool, threads: int) -> Configuration:
    environment = {
        "TF_ENABLE_ONEDNN_OPTS": str(int(onednn)),
        "OMP_NUM_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    name = f"TensorFlow {kind}, oneDNN {'on' if onednn else 'off'}, {threads} thread{'s' if threads > 1 else ''}"
    return Configuration(name=name, kind=f"TensorFlow {kind}", environment=environment, module="tensorflow")


def _threads(kind: str, module: str, threads: int) -> Configuration:
    environment = {"OMP_NUM_THREADS": str(threads)}
    return Configuration(
        name=f"{kind}, {threads} thread{'s' if threads > 1 else ''}", kind=kind, environment=environment, module=module
    )


CONFIGURATIONS = (
    *(Configuration(name=f"NumPy {order.name}", kind=f"NumPy {order.name}") for order in ORDERS),
    Configuration(name="NumPy matrix product, 1 thread", kind="NumPy matrix product", environment={"OPENBLAS_NUM_THREADS": "1"}),
    Configuration(name="NumPy matrix product, 2 threads", kind="NumPy matrix product", environment={"OPENBLAS_NUM_THREADS": "2"}),
    *(_tensorflow("eager", onednn=onednn, threads=threads) for onednn in (True, False) for threads in (1, 2)),
    *(_tensorflow("function", onednn=onednn, threads=threads) for onednn, threads in ((True, 2), (False, 1))),
    *(_tensorflow("XLA", onednn=True, threads=threads) for threads in (1, 2)),
    *(_threads("PyTorch", "torch", threads) for threads in (1, 2)),
    Configuration(name="ONNX Runtime", kind="ONNX Runtime", module="onnxruntime"),
    Configuration(name="JAX", kind="JAX", module="jax"),
)


def installed() -> list[Configuration]:
    """Return the configurations whose framework is installed."""
    return [c for c in CONFIGURATIONS if c.module is None or importlib.util.find_spec(c.module)]


def in_its_environment(configuration: Configuration, *, seed: int, drawn: int, documented: Sequence[str]) -> Tally:
    """Judge one configuration in an interpreter of its own, started with its environment."""
    options = json.dumps({"kind": configuration.kind, "seed": seed, "drawn": drawn, "documented": list(documented)})
    result = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "alexnet_ref.tolerances.configurations", options],
        env={**os.environ, **configuration.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        return Tally(runs=1, failures=[f"{configuration.name}: did not finish: {result.stderr.strip()[-2000:]}"])
    return Tally(**json.loads(result.stdout.splitlines()[-1]))


def long_run(*, seed: int = 0, drawn: int = 100) -> Iterator[tuple[str, Tally]]:
    """Yield (configuration, tally) for all that are installed; a fifth of the random networks where each must be compiled.

    Each configuration draws networks, weights and inputs of its own.
    """
    for index, configuration in enumerate(CONFIGURATIONS):
        if configuration in installed():
            number = drawn // 5 if configuration.kind in SLOW else drawn
            first = seed + 1000 * index
            yield configuration.name, in_its_environment(configuration, seed=first, drawn=number, documented=tuple(ARCHITECTURES))


def _one(options: dict[str, Any]) -> None:
    """Judge one configuration in this interpreter, whose environment is already set, and print the tally."""
    if options["kind"].startswith("TensorFlow "):
        import tensorflow as tf

        threads = int(os.environ["OMP_NUM_THREADS"])
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if options["kind"] == "PyTorch":
        importlib.import_module("torch").set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    sys.stdout.write("\n" + json.dumps(asdict(soundness(**options))) + "\n")


def judge_all() -> int:
    """Judge all configurations, print what they say, and return the exit code: 1 if a comparison failed."""
    total = Tally()
    for name, tally in long_run():
        total.merge(tally)
        line = (
            f"{name}: {tally.runs} runs, {tally.comparisons:,} comparisons, {tally.tests:,} tests, {len(tally.failures)} failed"
        )
        sys.stdout.write("\n".join([line, *tally.failures]) + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"in all {total.comparisons:,} comparisons, {total.tests:,} tests, {len(total.failures)} failed\n")
    return 1 if total.failures else 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _one(json.loads(sys.argv[1]))
    else:
        sys.exit(judge_all())
