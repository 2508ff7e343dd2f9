"""Options, profiles and fixtures that the tests and the benchmarks share."""

from __future__ import annotations

import gc
import importlib.util
import os
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import reference
from alexnet_ref.memory import keep_pages

THOROUGH_EXAMPLES = 1000
# TensorFlow's first call takes seconds, so no example has a deadline. `ci` is Hypothesis's own, derandomized.
hypothesis.settings.register_profile("default", deadline=None, max_examples=10)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=THOROUGH_EXAMPLES)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer what a run may demand, and where the files are that the repository does not hold."""
    group = parser.getgroup("alexnet-ref")
    group.addoption("--require-tf", action="store_true", help="fail, rather than skip, where TensorFlow is missing")
    group.addoption("--require-gpu", action="store_true", help="fail, rather than skip, where a GPU is missing")
    group.addoption("--slow", action="store_true", help="run the tests that take long as well, as tox does")
    group.addoption("--mnist", type=Path, metavar="DIR", help="folder with the four full MNIST files")
    group.addoption("--documents", type=Path, metavar="DIR", help="folder with the two documents' texts")


def pytest_configure(config: pytest.Config) -> None:
    """Run benchmarks once and untimed, unless the run is about benchmarks: so they cannot rot, and cost little."""
    named = config.args_source is not pytest.Config.ArgsSource.TESTPATHS  # by the user, not by pyproject.toml
    asked = named and any("benchmarks" in Path(argument.split("::")[0]).parts for argument in config.args)
    if not asked and not config.option.benchmark_only and not config.option.benchmark_enable:
        config.option.benchmark_disable = True
    if config.option.benchmark_disable:
        keep_pages()  # what is timed has its memory as anybody's process has it
    if not config.getoption("--hypothesis-profile", None):
        hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what takes long unless --slow, and what needs TensorFlow where there is none, unless --require-tf."""
    if not config.getoption("--slow"):
        long = pytest.mark.skip(reason="takes long: pass --slow")
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(long)
    if importlib.util.find_spec("tensorflow") or config.getoption("--require-tf"):
        return
    missing = pytest.mark.skip(reason="TensorFlow is not installed: pip install 'alexnet-ref[tensorflow]'")
    for item in items:
        if item.get_closest_marker("tf"):
            item.add_marker(missing)


def pytest_collection_finish() -> None:
    """Leave thousands of tests and modules, which live as long as the run, out of every garbage collection."""
    gc.freeze()


@pytest.fixture(scope="session")
def full_mnist(pytestconfig: pytest.Config) -> Path:
    """Return the folder with the four full MNIST files; the test is skipped where --mnist names none."""
    folder: Path | None = pytestconfig.getoption("--mnist")
    if folder is None:
        pytest.skip("needs the full MNIST: pass --mnist=DIR")
    return folder


@pytest.fixture(scope="session")
def documents(pytestconfig: pytest.Config) -> Path:
    """Return the folder with the documents' texts; the test is skipped where --documents names none."""
    folder: Path | None = pytestconfig.getoption("--documents")
    if folder is None:
        pytest.skip("needs the two documents' texts: pass --documents=DIR")
    return folder


@pytest.fixture(scope="session")
def thorough() -> bool:
    """Return whether this is the thorough environment (`--hypothesis-profile=thorough`), which has hours."""
    return hypothesis.settings().max_examples >= THOROUGH_EXAMPLES


@pytest.fixture(params=list(reference.ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> reference.Architecture:
    """Return each documented architecture in turn."""
    return reference.ARCHITECTURES[request.param]


@pytest.fixture(scope="session")
def gpu(pytestconfig: pytest.Config) -> Any:
    """Return TensorFlow's first GPU; without one the test is skipped, or fails under --require-gpu."""
    tf = pytest.importorskip("tensorflow")
    gpus = tf.config.list_logical_devices("GPU")
    if not gpus:
        report = pytest.fail if pytestconfig.getoption("--require-gpu") else pytest.skip
        report("needs a GPU: TensorFlow sees none")
    return gpus[0]
