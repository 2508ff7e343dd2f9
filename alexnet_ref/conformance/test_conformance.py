"""One test for each check; its id is the check's, so that `-k lrn` selects what a person means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alexnet_ref.printable import printable
from reference import ARCHITECTURES, InvalidInput

if TYPE_CHECKING:
    from alexnet_ref.report import Report

_REPORT = pytest.StashKey["Report"]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of every check that the document has; nothing is loaded or computed yet."""
    if "check" in metafunc.fixturenames:
        metafunc.parametrize("check", _ids(metafunc.config))


def test_conformance(check: str, report: Report) -> None:
    """The port gives what the document says."""
    from alexnet_ref.conformance.decide import decide
    from alexnet_ref.conformance.ids import unmade

    made = {made.id: made for made in report.checks}
    layer = check.partition("[")[2].removesuffix("]")
    if (unmade_rightly := unmade(check, made)) is not None:
        pytest.skip(printable(unmade_rightly.fact))
    if check not in made and layer and all(made.layer != layer for made in report.checks):
        pytest.skip("the port computes this layer in one step with another")
    if check not in made:
        pytest.fail(f"{check} never ran", pytrace=False)
    decide(made[check], report.reasons.get(check))


def test_every_check_is_a_test(report: Report, pytestconfig: pytest.Config) -> None:
    """No check was made that has no test of its own."""
    if unnamed := {check.id for check in report.checks} - set(_ids(pytestconfig)):
        pytest.fail(f"these have no test: {', '.join(sorted(unnamed))}", pytrace=False)


def test_expected_failures(report: Report) -> None:
    """Every failure that is expected names a check that there is."""
    missing = [check for check, why in report.stale.items() if why == "never ran"]
    if missing:
        pytest.fail(f"stale: {', '.join(map(printable, missing))} never ran", pytrace=False)


@pytest.fixture
def report(pytestconfig: pytest.Config) -> Report:
    """Return the candidate's report, made once in a run."""
    if pytestconfig.getoption("--candidate", None) is None:
        pytest.skip("no candidate: needs the plugin alexnet_ref.plugin and its --candidate")
    if _REPORT not in pytestconfig.stash:
        try:
            pytestconfig.stash[_REPORT] = _judge(pytestconfig)
        except InvalidInput as error:
            pytest.exit(f"could not be checked: {error}", returncode=2)
    return pytestconfig.stash[_REPORT]


def _judge(config: pytest.Config) -> Report:
    from dataclasses import replace

    from alexnet_ref.candidates.load import is_attribute, load
    from alexnet_ref.candidates.params_file import read_params
    from alexnet_ref.expected import read_expected
    from alexnet_ref.verify import verify

    spec, architecture = config.getoption("--candidate"), ARCHITECTURES[config.getoption("--architecture")]
    expected, params = config.getoption("--expected"), config.getoption("--params")
    entries = read_expected(Path(expected)) if expected else ()  # refused before anything is computed
    seed, weights = config.getoption("--seed"), read_params(Path(params), architecture) if params else None
    if is_attribute(spec):  # the user's own code
        report = verify(load(spec, architecture), architecture, seed=seed, params=weights)
    else:  # a file from anybody
        from alexnet_ref.candidates.sandbox import Options, judge_file

        report = judge_file(str(spec), architecture, options=Options(seed=seed, params=params and str(params)))
    return replace(report, expectations=entries)


def _ids(config: pytest.Config) -> list[str]:
    if config.getoption("--candidate", None) is None:
        return []
    from alexnet_ref.conformance.ids import check_ids

    architecture, params = ARCHITECTURES[config.getoption("--architecture")], config.getoption("--params")
    return list(check_ids(architecture, known_weights=params is not None))
