"""What became of one wrong port, and of many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# "equivalent": proved to show at no input, and not rejected. "missed": not rejected, though it is not. "refused": the framework
# cannot build it. "not judged": a training step does not show it, or the judge says that it cannot judge it.
# "error": the judge itself failed.
Fate = Literal["rejected", "missed", "equivalent", "refused", "not judged", "error"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One mistake in one framework. `named`: the hypotheses of the first diagnosis that explain every element, best first."""

    mistake: str  # the catalogue's id
    family: str
    layer: str | None
    architecture: str
    framework: str
    fate: Fate
    why: str = ""  # of what is refused, not judged, or an error
    equivalent: str = ""  # why it computes what the document does, where it does; "rejected" is then what it says of itself
    check: str = ""  # the first that failed
    wrong_layer: str = ""  # the first that is wrong by itself
    named: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # the first choices of the other diagnoses
    tie: str = ""  # why the first name is the mistake's own class, where it is not its own id
    seconds: float = 0.0

    @property
    def first(self) -> bool:
        """Whether the first choice is the mistake, or one that cannot be told from it."""
        return bool(self.tie) or self.named[:1] == (self.mistake,)

    @property
    def within_three(self) -> bool:
        """Whether it is among the first three hypotheses of the first diagnosis, or the first of another diagnosis."""
        return self.first or self.mistake in self.named[:3] or self.mistake in self.others


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts over some outcomes. What is refused or not judged is no mutant of that framework."""

    mutants: int  # judged and not proved equivalent
    rejected: int
    first: int
    within_three: int
    equivalent: int
    refused: int
    not_judged: int
    errors: int

    @property
    def share(self) -> float:
        """The part of the mutants that are named rightly as first choice; 1 where there are none."""
        return self.first / self.mutants if self.mutants else 1.0


def tally(found: Iterable[Outcome]) -> Tally:
    """Count what became of the mistakes."""
    found = list(found)
    mutants = [each for each in found if each.fate in ("rejected", "missed", "error") and not each.equivalent]
    return Tally(
        mutants=len(mutants),
        rejected=sum(each.fate == "rejected" for each in mutants),
        first=sum(each.fate == "rejected" and each.first for each in mutants),
        within_three=sum(each.fate == "rejected" and each.within_three for each in mutants),
        equivalent=sum(bool(each.equivalent) for each in found),
        refused=sum(each.fate == "refused" for each in found),
        not_judged=sum(each.fate == "not judged" for each in found),
        errors=sum(each.fate == "error" for each in found),
    )
