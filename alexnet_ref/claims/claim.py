"""What a claim is: a sentence of a document, what it takes to check it, and the function that decides it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from alexnet_ref.claims.clock import Timed, Work, time_pair
from alexnet_ref.mnist import Mnist
from reference import Architecture, InvalidInput
from reference.contradictions import CONTRADICTIONS

Verdict = Literal["holds", "contradicted", "holds with a correction", "not checkable here"]
Needs = Literal["nothing", "tensorflow", "mnist", "training", "timing"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a claim came to: the verdict, and the value that it rests on, in words."""

    verdict: Verdict
    measured: str

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise InvalidInput("this is no verdict", expected=" or ".join(VERDICTS), received=repr(self.verdict))


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """All that a claim may be held against. Tests hand in wrong ones, to see the verdict change."""

    architecture: Architecture  # the network of the claim's document
    mnist: Mnist  # the shipped sample, or all of MNIST
    run: Path | None = None  # the folder of a training run of this architecture
    seeds: tuple[Path, ...] = ()  # of further ones, with other seeds
    other_run: Path | None = None  # of one without LRN
    time: Callable[[Work, Work], Timed] = time_pair


Quotes = tuple[str, ...]
Decide = Callable[[Quotes, Evidence], Finding]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One checkable statement. `decide` reads the numbers out of the quotes, so that nothing is typed twice."""

    id: str
    architecture: str  # whose document it stands in
    place: str  # where there
    quotes: Quotes  # the document's own characters, the claim first, then what belongs to it
    decide: Decide
    needs: Needs = "nothing"
    contradiction: str | None = None  # the id of the entry in reference.contradictions that is about the same place

    def find(self, evidence: Evidence) -> Finding:
        """Decide the claim; InvalidInput, naming it, where the evidence cannot be used."""
        if evidence.architecture.name != self.architecture:
            raise InvalidInput(
                "is about another architecture", where=self.id, expected=self.architecture, received=evidence.architecture.name
            )
        try:
            return self.decide(self.quotes, evidence)
        except InvalidInput as error:
            raise error.at(f"claim {self.id!r}") from None


def holds_if(fact: bool, measured: str) -> Finding:
    """Return "holds" or "contradicted"."""
    return Finding(verdict="holds" if fact else "contradicted", measured=measured)


def corrected(measured: str) -> Finding:
    """Return "holds with a correction"; `measured` says which."""
    return Finding(verdict="holds with a correction", measured=measured)


def not_checkable(reason: str) -> Finding:
    """Return "not checkable here", and why."""
    return Finding(verdict="not checkable here", measured=reason)


def read(pattern: str, quote: str) -> tuple[str, ...]:
    """Return the groups that the pattern finds in the quote; InvalidInput where the quote does not say such a thing."""
    if match := re.search(pattern, quote):
        return match.groups()
    raise InvalidInput("the quote does not say it", expected=f"text like {pattern}", received=repr(quote))


def read_ints(pattern: str, quote: str) -> tuple[int, ...]:
    """Return the groups as integers; commas between thousands are allowed."""
    return tuple(int(group.replace(",", "")) for group in read(pattern, quote))


def product(words: str) -> int:
    """Return what "4*4*256" comes to."""
    value = 1
    for factor in words.split("*"):
        value *= int(factor)
    return value


def times(numbers: Any) -> str:
    """Return "56×56×96"."""
    return "×".join(map(str, numbers))


keras_claim = partial(Claim, architecture="keras_sequential")
tf1_claim = partial(Claim, architecture="tf1_graph")


def contradicted_claim(id: str, *, place: str, decide: Decide) -> Claim:  # noqa: A002 - the field's own name
    """Return the claim that a known contradiction is about, with its quotes."""
    entry = next(entry for entry in CONTRADICTIONS if entry.id == id)
    return Claim(id=id, architecture=entry.architecture, place=place, quotes=entry.quotes, decide=decide, contradiction=id)
