"""The verdict on one candidate against one architecture, and the checks that it rests on."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import Any, Literal

from alexnet_ref.arithmetic import ARITHMETICS
from alexnet_ref.checks import Check, Status
from alexnet_ref.diagnosis import Diagnosis
from alexnet_ref.expected import Expectation

Verdict = Literal["conforms", "does not conform", "could not be checked"]
# What became of a check: a failure that was expected, with its reason, is told apart from all others.
Outcome = Status | Literal["expected failure"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was checked, what was found. `environment` says on what machine, with which versions and settings."""

    candidate: str
    architecture: str
    checks: tuple[Check, ...]
    diagnoses: tuple[Diagnosis, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    expectations: tuple[Expectation, ...] = ()  # failures that are known; entries about other networks are ignored

    def outcome(self, check: Check) -> Outcome:
        """Return the check's status, or that its failure was expected."""
        return "expected failure" if check.status == "failed" and check.id in self.reasons else check.status

    def of(self, outcome: Outcome) -> list[Check]:
        """Return the checks of this outcome: "failed" are those whose failure nobody expected."""
        return [check for check in self.checks if self.outcome(check) == outcome]

    @property
    def reasons(self) -> dict[str, str]:
        """{check that is expected to fail: why}, as far as the entries concern this network."""
        layers = {check.layer for check in self.checks}
        return {entry.check: entry.reason for entry in self.expectations if entry.concerns(self.architecture, layers)}

    @property
    def stale(self) -> dict[str, str]:
        """{check that was expected to fail: "passed" or "never ran"}. What could not be checked may still fail."""
        ran = {check.id: check.status for check in self.checks}
        found = {check: ran.get(check, "never ran") for check in self.reasons}
        return {check: status for check, status in found.items() if status in ("passed", "never ran")}

    @property
    def verdict(self) -> Verdict:
        """One failure is enough; without any, a port conforms if each of its layers was compared with the oracle."""
        if self.of("failed"):
            return "does not conform"
        return "conforms" if self.of("passed") and not self.uncompared else "could not be checked"

    @property
    def uncompared(self) -> list[str]:
        """The layers of which no number was compared: not by themselves, not with the layer behind, not at the result.

        What is the identity in inference, or moves numbers alone, is seen in its neighbours.
        """
        kinds = _kinds(self.checks)
        last = next(reversed(kinds), None)
        if last is None or "end_to_end" in kinds[last]:
            return []
        found: list[str] = []
        unseen: list[str] = []  # layers that the next one's comparison may include
        for layer, passed in kinds.items():
            if "isolated" in passed:
                unseen = []
            elif not passed.difference(_FACTS) and not _is_carried(self.checks, layer):
                unseen.append(layer)
                continue
            found, unseen = [*found, *unseen], []
        return [*found, *unseen]

    @property
    def conforms(self) -> bool:
        """Whether every check that could be made passed, and at least one could."""
        return self.verdict == "conforms"

    @property
    def arithmetic(self) -> str | None:
        """The sharpest arithmetic that every layer's errors are consistent with; None where none was inferred."""
        names = [arithmetic.name for arithmetic in ARITHMETICS]
        inferred = [check.arithmetic for check in self.checks if check.arithmetic is not None]
        return max(inferred, key=names.index) if inferred else None

    @property
    def _scope(self) -> str:
        """Which comparisons with the oracle the verdict rests on: each layer on its own, the whole network, or both."""
        kinds = {check.kind for check in self.checks if check.status != "not checkable"}
        words = {"isolated": "isolated", "end_to_end": "end to end"}
        used = [word for kind, word in words.items() if kind in kinds]
        return f", {' and '.join(used)}" if used else ""

    @property
    def first_wrong_layer(self) -> str | None:
        """The first layer, in the document's order, that is wrong on its own: an error that it inherits does not count."""
        order = list(dict.fromkeys(check.layer for check in self.checks if check.layer))
        wrong = {check.layer for check in self.of("failed") if check.kind != "end_to_end"}
        return next((layer for layer in order if layer in wrong), None)

    @property
    def sentence(self) -> str:
        """The verdict in one line: how many checks ran, were expected to fail, could not be made and why."""
        passed, failed, skipped = self.of("passed"), self.of("failed"), self.of("not checkable")
        expected = len(self.of("expected failure"))
        ran = len(passed) + len(failed) + expected
        but = f" but for {_count(expected, 'expected failure')}" if expected and self.conforms else ""
        line = f"{self.architecture}: {self.verdict}{but}: {len(passed)} of {ran} checks passed{self._scope}"
        if failed:
            layer = self.first_wrong_layer
            line += f"; first wrong layer: {layer}" if layer else f"; first: {failed[0].id}"
        if expected:
            line += f"; {expected} failed as expected"
        if stale := self.stale:
            (check, why), others = next(iter(stale.items())), len(stale) - 1
            more = f" (and {others} more)" if others else ""
            line += f"; {_count(len(stale), 'stale expectation')}: {check} {why}{more}"
        if (uncompared := self.uncompared) and not failed:
            line += f"; nothing was compared of {', '.join(uncompared)}: --params names a file with the weights it should have"
        if self.arithmetic:
            line += f"; consistent with {self.arithmetic}"
        if skipped:
            reasons = collections.Counter(check.fact for check in skipped)
            (reason, _), others = reasons.most_common(1)[0], len(reasons) - 1
            more = f" (and {others} more reason{'s' if others > 1 else ''})" if others else ""
            line += f"; {len(skipped)} not checkable, because {reason}{more}"
        return line


# Kinds of checks that compare what a port says, not what it computes.
_FACTS = {"shape", "params", "hyperparameters", "present", "before", "after", "weights", "unseen", "order"}


def _kinds(checks: tuple[Check, ...]) -> dict[str, set[str]]:
    """Return {layer: kinds of its checks that passed, or failed as expected}, in the document's order."""
    asked = [check for check in checks if check.kind not in ("unseen", "order")]  # of a layer, not of the port
    kinds: dict[str, set[str]] = {check.layer: set() for check in asked if check.layer}
    for check in asked:
        if check.layer and check.status != "not checkable":
            kinds[check.layer].add(check.kind)
    return kinds


def _is_carried(checks: tuple[Check, ...], layer: str) -> bool:
    """Tell whether the layer is a dropout or a flattening, which needs no comparison of its own."""
    return any(check.layer == layer and check.id.startswith(("dropout.", "flatten.")) for check in checks)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
