"""The benchmarks' axes, the fixture that times and records, and the closing table."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reference
from alexnet_ref.devices import Facts, devices
from benchmarks.table import Kind, Record, closing_rows, render

RECORDS = pytest.StashKey[list[Record]]()
ABSENT = pytest.StashKey[dict[str, str]]()  # {device: why}

Timed = Callable[..., Any]


def pytest_configure(config: pytest.Config) -> None:
    """Begin with nothing measured."""
    config.stash[RECORDS], config.stash[ABSENT] = [], {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Spell every benchmark's id architecture-batch-dtype-device-implementation, as in keras_sequential-batch64-CPU:0-fast."""
    names = metafunc.fixturenames
    if "batch" not in names:
        return
    # The axis that is named last comes first in the id.
    metafunc.parametrize("architecture", list(reference.ARCHITECTURES), indirect=True)
    metafunc.parametrize("batch", [1, 64], ids=lambda batch: f"batch{batch}")
    if "dtype" in names:
        metafunc.parametrize("dtype", ["float32", "float64"], ids=lambda dtype: f"{dtype}-CPU")  # NumPy has no other device
    if "device" in names:
        gpu = pytest.mark.gpu
        spelled = [pytest.param(name, marks=gpu) if name.startswith("GPU") else name for name in _device_names(metafunc.config)]
        metafunc.parametrize("device", spelled, indirect=True)
    if "implementation" in names:
        metafunc.parametrize("implementation", ["documented", "fast", "fast-bfloat16"])


def _device_names(config: pytest.Config) -> list[str]:
    """Return the devices to run on, and GPU:0 if there is none, so that its absence is seen.

    Asking TensorFlow takes seconds: a run that times nothing does not, at collection.
    """
    timing = not config.option.benchmark_disable and importlib.util.find_spec("tensorflow") is not None
    names = devices() if timing else ["CPU:0"]
    return names if any(name.startswith("GPU") for name in names) else [*names, "GPU:0"]


@pytest.hookimpl(tryfirst=True)  # before the project's conftest skips what takes long
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where nothing is timed, the larger network and batch count as taking long, and what is built twice to be compared."""
    if not config.option.benchmark_disable:
        return
    for item in items:
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        large = params.get("architecture") == "keras_sequential" or params.get("batch") == 64
        twice = params.get("implementation", "documented") != "documented"
        if (large or twice) and item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def architecture(request: pytest.FixtureRequest) -> reference.Architecture:
    """Return each documented architecture in turn; here without params of its own, so that its name comes first in the id."""
    return reference.ARCHITECTURES[request.param]


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """Return the name of the device to run on; the benchmark is skipped without a GPU, or fails under --require-gpu."""
    name: str = request.param
    if name not in devices():
        request.config.stash[ABSENT][name] = "no GPU"
        request.getfixturevalue("gpu")  # skips or fails, with the reason
    return name


@pytest.fixture
def timed(request: pytest.FixtureRequest, benchmark: Any) -> Timed:
    """Return a function that times a step and returns the last step's result.

    Whoever calls it has warmed the step up, and the `listing` that a fast implementation's step is timed in turn with.
    pytest-benchmark's options set the rounds: about a second, and at least 5 rounds unless the test says otherwise. What the time
    depends on goes to the stored record, because the storage folder's name does not tell the device.
    """

    def run(
        step: Callable[[], Any],
        *,
        architecture: str,
        kind: Kind,
        batch: int,
        runner: str,
        facts: Facts,
        implementation: str = "documented",
        listing: Callable[[], Any] | None = None,
    ) -> Any:
        benchmark.group = f"{architecture} {kind} batch{batch}"
        benchmark.extra_info.update(
            facts, architecture=architecture, kind=kind, batch=batch, runner=runner, implementation=implementation
        )
        result = benchmark(step)
        if benchmark.stats is not None:  # None: this run does not time
            speedup = None if listing is None else in_turn(listing, step)
            benchmark.extra_info["speedup"] = speedup
            record = Record(
                case=(architecture, kind, batch),
                runner=runner,
                median=benchmark.stats.stats.median,
                implementation=implementation,
                speedup=speedup,
            )
            request.config.stash[RECORDS].append(record)
        return result

    return run


def in_turn(listing: Callable[[], Any], step: Callable[[], Any], rounds: int = 9) -> float:
    """Return the median ratio of two steps' times, taken in turn: a machine that others use slows both of a pair alike."""
    ratios = []
    for _ in range(rounds):
        start = time.perf_counter()
        listing()
        between = time.perf_counter()
        step()
        ratios.append((between - start) / (time.perf_counter() - between))
    return statistics.median(ratios)


@pytest.hookimpl(trylast=True)  # after pytest-benchmark's own tables
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the closing table, if anything was timed."""
    records, absent = config.stash[RECORDS], config.stash[ABSENT]
    if rows := closing_rows(records, absent):
        terminalreporter.section("closing table: median time of a step")
        # Wide enough for every row also where the output is no terminal: folded cells are hard to read.
        terminalreporter.write(render(rows, width=130))
