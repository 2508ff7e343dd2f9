"""The conformance suite and its plugin, as pytest runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import alexnet_ref
from alexnet_ref.checks import Check, Status
from alexnet_ref.conformance.ids import check_ids
from alexnet_ref.report import Report
from tests.test_conformance_parametrize import PORT
from tests.wrong_ports import TF1

pytest_plugins = ["pytester"]

SUITE = ("-p", "alexnet_ref.plugin", "-p", "no:cacheprovider", "--pyargs", "alexnet_ref.conformance")
CANDIDATE = ("--candidate", "my_port:model", "--architecture", "tf1_graph")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Put a judge in `verify`'s place that gives each check the status that the port's `statuses` ask for; all others pass.

    Returns its calls. Checks that are "lost" are not made, those of "merged" layers neither; "more" are made besides.
    """
    calls: list[Any] = []

    def verify(candidate: Any, architecture: Any, *, seed: int, params: Any) -> Report:
        calls.append((architecture.name, seed, params is not None))
        ids = [*check_ids(architecture, known_weights=params is not None), *candidate.get("more", [])]
        statuses: dict[str, Status] = candidate.get("statuses", {})
        checks = [
            Check(id=check, layer=check.partition("[")[2][:-1] or None, status=statuses.get(check, "passed"), fact="because")
            for check in ids
            if check not in candidate.get("lost", []) and check.partition("[")[2][:-1] not in candidate.get("merged", [])
        ]
        return Report(candidate="my port", architecture=architecture.name, checks=tuple(checks))

    monkeypatch.setattr(sys.modules["alexnet_ref.verify"], "verify", verify)  # `alexnet_ref.verify` is the function
    return calls


def run(pytester: pytest.Pytester, model: dict[str, Any], *arguments: str) -> pytest.RunResult:
    """Return what the suite finds for a port that the judge of `judged` takes; the port is an attribute of a module."""
    name = f"port_{abs(hash(repr(model)))}"  # a module is imported once in a process
    pytester.makepyfile(**{name: f"model = {model!r}"})
    return pytester.runpytest_inprocess(*SUITE, "--candidate", f"{name}:model", "--architecture", "tf1_graph", *arguments)


def test_every_check_is_a_test_with_its_id(pytester: pytest.Pytester, judged: list[Any]) -> None:
    """There is a test of every check, named by its id, and all pass for a port that passes; it is judged once."""
    result = run(pytester, {}, "-v")
    result.assert_outcomes(passed=159 + 2)
    result.stdout.fnmatch_lines(["*test_conformance[[]lrn.probe[[]norm1[]][]] PASSED*"])
    assert judged == [("tf1_graph", 0, False)]


def test_one_concept_is_selected_by_its_word(pytester: pytest.Pytester, judged: list[Any]) -> None:
    """`-k lrn` selects the checks of LRN."""
    lrn = sum(check.startswith("lrn.") for check in check_ids(TF1))
    run(pytester, {}, "-k", "lrn", "--seed", "7").assert_outcomes(passed=lrn, deselected=159 + 2 - lrn)
    assert judged == [("tf1_graph", 7, False)]


def test_collecting_judges_nothing(pytester: pytest.Pytester, judged: list[Any]) -> None:
    """`--collect-only` lists the tests and judges nothing."""
    result = run(pytester, {}, "--collect-only", "-q")
    result.stdout.fnmatch_lines(["*test_conformance[[]conv.exact[[]conv1[]][]]"])
    assert judged == []


@pytest.mark.usefixtures("judged")
def test_outcomes_are_pytests_own(pytester: pytest.Pytester) -> None:
    """What failed fails with its fact; what could not be checked is skipped; expected failures xfail, and are strict."""
    statuses = {
        "lrn.probe[norm1]": "failed",
        "lrn.bias[norm1]": "failed",
        "pool.exact[pool1]": "not checkable",
    }
    pytester.makefile(
        ".toml",
        expected="""
        ["lrn.bias[norm1]"]
        reason = "known to its maintainers"
        ["conv.exact[conv1]"]
        reason = "no longer true"
        ["lrn.probe[norm9]"]
        reason = "mistyped"
        """,
    )
    result = run(pytester, {"statuses": statuses}, "--expected", "expected.toml", "-rxs")
    result.assert_outcomes(failed=3, skipped=1, xfailed=1, passed=159 + 2 - 5)
    result.stdout.fnmatch_lines(["lrn.probe[[]norm1[]]: because"])
    result.stdout.fnmatch_lines(["conv.exact[[]conv1[]]: stale: it was expected to fail (no longer true), and passed"])
    result.stdout.fnmatch_lines(["*stale: lrn.probe[[]norm9[]] never ran*"])
    result.stdout.fnmatch_lines(["XFAIL*lrn.bias[[]norm1[]]*known to its maintainers"])
    assert result.ret == 1


@pytest.mark.usefixtures("judged")
def test_no_check_is_lost(pytester: pytest.Pytester) -> None:
    """A check that never ran fails, one that has no test is told; a layer that the port merged into another is skipped."""
    lost = run(pytester, {"lost": ["lrn.probe[norm1]"]}, "-k", "lrn.probe")
    lost.assert_outcomes(failed=1, passed=2, deselected=159 + 2 - 3)
    more = run(pytester, {"more": ["lrn.colour[norm1]"]}, "-k", "lrn.probe or every_check")
    more.assert_outcomes(failed=1, passed=3, deselected=159 + 2 - 4)
    more.stdout.fnmatch_lines(["*test_every_check_is_a_test*"])
    merged = sum(check.endswith("[pool1]") for check in check_ids(TF1))
    run(pytester, {"merged": ["pool1"]}).assert_outcomes(skipped=merged, passed=159 + 2 - merged)


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("--architecture", "tf1_graph"), "*alexnet_ref.conformance needs --candidate", 4),
        (("--candidate", "a:b"), "*alexnet_ref.conformance needs --architecture", 4),
        (("--candidate", "a:b", "--architecture", "vgg"), "*invalid choice: 'vgg'*", 4),
        (("--candidate", "no_such_module:b", "--architecture", "tf1_graph"), "*could not be checked: no_such_module:b:*", 2),
        pytest.param(
            (*CANDIDATE, "--expected", "missing.toml"),
            "*could not be checked: missing.toml: cannot be read*",
            2,
            marks=pytest.mark.slow,
        ),
        pytest.param((*CANDIDATE, "--params", "missing.npz"), "*could not be checked: *missing.npz*", 2, marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_judged_is_said(pytester: pytest.Pytester, arguments: tuple[str, ...], message: str, code: int) -> None:
    """A missing or wrong option is a usage error; a port that cannot be judged ends the run with 2."""
    result = pytester.runpytest_inprocess(*SUITE, *arguments)
    assert result.ret == code
    (result.stdout if code == 2 else result.stderr).fnmatch_lines([message])


def test_without_the_suite_there_are_no_options(pytester: pytest.Pytester) -> None:
    """A run of something else knows none of the options, and a conftest may have options of the same names."""
    pytester.makepyfile("def test_own(pytestconfig): assert pytestconfig.getoption('--seed', None) in (None, '3')")
    plugin = ("-p", "alexnet_ref.plugin", "-p", "no:cacheprovider")
    assert pytester.runpytest_inprocess(*plugin, "--candidate", "x").ret == 4
    pytester.runpytest_inprocess(*plugin).assert_outcomes(passed=1)
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--seed'); parser.addoption('--candidate')")
    pytester.runpytest_inprocess(*plugin, "--seed", "3").assert_outcomes(passed=1)


def test_the_suite_without_its_plugin_is_skipped(pytester: pytest.Pytester) -> None:
    """Collected without a candidate - by a run over everything - the suite skips, and says why."""
    result = pytester.runpytest_inprocess("-p", "no:alexnet_ref.plugin", "--pyargs", "alexnet_ref.conformance", "-rs")
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["*no candidate*"])


def test_a_ports_own_suite_has_the_checks(pytester: pytest.Pytester) -> None:
    """`parametrize_with_checks` in a test file: ids are the checks', `-k` selects, failures and reasons are pytest's."""
    pytester.makepyfile(test_port=PORT)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-k", "lrn and norm1", "-v")
    result.assert_outcomes(failed=3, xfailed=1, passed=3, skipped=1, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(["*test_my_port[[]lrn.probe[[]norm1[]][]] FAILED*"])


def test_the_plugin_loads_nothing_heavy() -> None:
    """The plugin's own file imports pytest alone: it is loaded in every pytest run of whoever installed the package."""
    path = Path(alexnet_ref.__file__).with_name("plugin.py")
    statement = f"import runpy, sys; runpy.run_path({str(path)!r}); print('numpy' in sys.modules, 'reference' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True)  # noqa: S603 - our words
    assert result.stdout.split() == ["False", "False"]


REAL = """
from tests.wrong_ports import TF1, port
good = port(TF1)
wrong = port(TF1, wrong="norm2")
"""


@pytest.mark.slow
def test_a_real_port_is_judged(pytester: pytest.Pytester) -> None:
    """A correct NumPy port passes the whole suite; one whose second LRN is wrong fails at that layer first."""
    pytester.makepyfile(real_ports=REAL)
    pytester.syspathinsert(Path(__file__).parents[1])
    good = pytester.runpytest_subprocess(*SUITE, "--candidate", "real_ports:good", "--architecture", "tf1_graph")
    good.assert_outcomes(passed=135 + 2, skipped=24)  # a function of images cannot be trained
    wrong = pytester.runpytest_subprocess(*SUITE, "--candidate", "real_ports:wrong", "--architecture", "tf1_graph", "-k", "probe")
    wrong.assert_outcomes(failed=1, passed=8, skipped=4, deselected=148)
    wrong.stdout.fnmatch_lines(["FAILED*test_conformance[[]lrn.probe[[]norm2[]][]]*"])
