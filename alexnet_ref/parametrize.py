"""Checks as tests: `parametrize_with_checks`, for a port's own test suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alexnet_ref.candidates import as_candidate
from alexnet_ref.checks import Check, CheckFunction
from alexnet_ref.conformance.decide import decide
from alexnet_ref.conformance.ids import check_ids, unmade
from alexnet_ref.expected import Expectation
from alexnet_ref.verify import verify
from reference import Architecture, InvalidInput, as_architecture

if TYPE_CHECKING:
    import pytest


@dataclass(kw_only=True, eq=False)
class Judged:
    """One candidate and what was found so far: a check function is run when the first of its checks is asked for, and once."""

    candidate: Any
    architecture: Architecture
    options: Mapping[str, Any]  # of `verify`
    expectations: tuple[Expectation, ...] = ()
    made: dict[CheckFunction, dict[str, Check]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Pair the candidate's steps with the layers, on which the ids depend: a port may merge an activation into its layer."""
        self.paired = as_candidate(self.candidate, self.architecture, self.options.get("names"))
        self.ids = check_ids(self.paired.architecture, known_weights=self.options.get("params") is not None)

    @property
    def reasons(self) -> dict[str, str]:
        """{check that is expected to fail: why}."""
        layers: set[str | None] = {layer.name for layer in self.paired.architecture.layers}
        return {e.check: e.reason for e in self.expectations if e.concerns(self.architecture.name, layers)}

    def result(self, check: str) -> Check:
        """Return what became of the check. AssertionError where its function made others than it named: none may be lost."""
        function = self.ids[check]
        if function not in self.made:
            options = {key: value for key, value in self.options.items() if key != "names"}
            report = verify(self.paired, self.architecture, checks=[function], diagnosis=False, **options)
            self.made[function] = {check.id: check for check in report.checks}
        if unnamed := sorted(set(self.made[function]) - set(self.ids)):
            raise AssertionError(f"{function.__name__} made checks that no test was made of: {', '.join(unnamed)}")
        if (unmade_rightly := unmade(check, self.made[function])) is not None:
            return unmade_rightly
        if check not in self.made[function]:
            raise AssertionError(f"{function.__name__} never made this check")
        return self.made[function][check]


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedCheck:
    """One check as a test: call it with the candidate."""

    id: str
    judged: Judged

    def __call__(self, candidate: Any) -> None:
        """Make the check. The test fails if it fails, or passes where it should fail; what cannot be checked is skipped."""
        own = self.judged
        if candidate is not own.candidate:  # not the one that it was made for: judged anew
            own = Judged(candidate=candidate, architecture=own.architecture, options=own.options, expectations=own.expectations)
        decide(own.result(self.id), own.reasons.get(self.id))


def parametrize_with_checks(
    candidates: Sequence[Any],
    *,
    architecture: Architecture | str | None = None,
    expected: Sequence[Expectation] | Mapping[str, str] = (),
    **options: Any,
) -> pytest.MarkDecorator:
    """Return a decorator that makes one test of every check of every candidate, for a port's own test suite:

        @alexnet_ref.parametrize_with_checks([model], architecture="tf1_graph")
        def test_my_port(candidate, check):
            check(candidate)

    The tests' ids are the checks': `pytest -k lrn`. A candidate is whatever `verify` judges, or (candidate, architecture) where
    they differ. `expected`: {check id: reason} or `read_expected(path)`, failures that are known. `options` are `verify`'s: seed,
    images, batch_size, arithmetic, params, names. What cannot be checked is skipped, what is expected to fail is xfailed, and
    fails if it passes. Nothing is computed before the first test runs, and nothing twice.
    InvalidInput: no candidate, no architecture, an expected failure that is no check's.
    """  # noqa: D400 - the example belongs to the sentence
    import pytest

    entries = [Expectation(check=k, reason=v) for k, v in expected.items()] if isinstance(expected, Mapping) else list(expected)
    cases = []
    for place, given in enumerate(candidates):
        candidate, network = given if isinstance(given, tuple) else (given, architecture)
        where = f"candidates[{place}]"
        if network is None:
            raise InvalidInput("a candidate needs its architecture", where=where, expected="(candidate, name)")
        judged = Judged(candidate=candidate, architecture=as_architecture(network), options=options, expectations=tuple(entries))
        if strangers := [check for check in judged.reasons if check not in judged.ids]:
            hint = "Ids are as `verify` prints them"
            raise InvalidInput("no such check", where=f"{where}: expected", received=strangers[0], hint=hint)
        # Where there is one candidate, its name would be noise in every id.
        prefix = f"{place}-{judged.architecture.name}-" if len(candidates) > 1 else ""
        cases += [pytest.param(candidate, NamedCheck(id=check, judged=judged), id=prefix + check) for check in judged.ids]
    if not cases:
        raise InvalidInput("there is no candidate, and so nothing to test", where="candidates")
    return pytest.mark.parametrize(("candidate", "check"), cases)
