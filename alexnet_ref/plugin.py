"""The pytest plugin: options for `pytest --pyargs alexnet_ref.conformance`, and nothing at all for any other run.

pytest imports this in every run of everybody who has installed the package. So it imports nothing heavy, and adds its options,
whose names others may want too, only where the conformance suite is asked for.
"""

from __future__ import annotations

import pytest

SUITE = "alexnet_ref.conformance"
_ASKED = pytest.StashKey[bool]()


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str], parser: pytest.Parser) -> None:
    """Add the options if the suite is among the arguments, as a module or as a path."""
    if not any(SUITE in argument.replace("/", ".").replace("\\", ".") for argument in args):
        return
    from reference import ARCHITECTURES

    early_config.stash[_ASKED] = True
    group = parser.getgroup("alexnet-ref conformance")
    group.addoption("--candidate", metavar="SPEC", help="the port: a file, or package.module:attribute")
    group.addoption("--architecture", choices=list(ARCHITECTURES), help="the document that it is held against")
    group.addoption("--params", metavar="FILE", help="the weights that it should have (.npz)")
    group.addoption("--expected", metavar="FILE", help="failures that are known, with their reasons (TOML)")
    group.addoption("--seed", type=int, default=0, metavar="N", help="for probes (default: 0)")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a run of the suite that names no port."""
    if config.stash.get(_ASKED, False) and not config.option.help:
        for option in ("--candidate", "--architecture"):
            if config.getoption(option) is None:
                raise pytest.UsageError(f"{SUITE} needs {option}")
