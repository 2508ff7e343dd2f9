"""Two pieces of work timed against each other, in turns, and the rule by which one counts as faster."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Work = Callable[[], object]
ROUNDS, SHORT_ROUNDS, SHORT = 20, 100, 0.01  # more rounds where one takes less than so many seconds
CHANCE = 0.01  # of calling one faster where both take the same time


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Seconds of each round, the two pieces of work in turns."""

    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def wins(self) -> int:
        """The rounds in which the first was faster."""
        return sum(a < b for a, b in zip(self.first, self.second, strict=True))

    @property
    def order(self) -> int:
        """−1: the first is faster; 1: the second; 0: undecided.

        The rule: the faster one wins so many rounds as two equal ones would bring about with a probability of at most CHANCE
        (the sign test: 17 of 20, 64 of 100). Rounds are compared one by one: whatever else the machine does slows down both.
        """
        least = least_wins(len(self.first))
        return -1 if self.wins >= least else 1 if len(self.first) - self.wins >= least else 0

    def words(self, first: str, second: str) -> str:
        """Return the medians, the quartiles and the wins, for a person."""
        parts = []
        for name, seconds in ((first, self.first), (second, self.second)):
            low, middle, high = np.percentile(1000 * np.array(seconds), [25, 50, 75])
            parts.append(f"{name} {middle:.3g} ms (quartiles {low:.3g} … {high:.3g})")
        return f"{parts[0]}, {parts[1]}; the former is faster in {self.wins} of {len(self.first)} rounds"


def least_wins(rounds: int) -> int:
    """Return how many of the rounds decide: P(that many or more wins, on either side) ≤ CHANCE, each win a fair coin's."""
    tail, wins = 0, rounds + 1
    while wins > 0 and 2 * (tail + math.comb(rounds, wins - 1)) <= CHANCE * 2**rounds:
        wins -= 1
        tail += math.comb(rounds, wins)
    return wins


def time_pair(first: Work, second: Work) -> Timed:
    """Time both, after a round that does not count; every other round in the opposite order, so that neither gains by it."""
    first()
    second()  # the first calls compile, and are left out
    begin = time.perf_counter()
    first()
    second()
    rounds = SHORT_ROUNDS if time.perf_counter() - begin < 2 * SHORT else ROUNDS
    seconds: dict[int, list[float]] = {0: [], 1: []}
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 else (1, 0):
            begin = time.perf_counter()
            (first, second)[which]()
            seconds[which].append(time.perf_counter() - begin)
    return Timed(first=tuple(seconds[0]), second=tuple(seconds[1]))
