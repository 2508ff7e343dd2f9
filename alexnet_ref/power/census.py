"""All that was found of how much the judge sees, and the file that keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_ref.power.outcome import Outcome
from alexnet_ref.tolerances.sharpness import Least
from reference import InvalidInput


@dataclasses.dataclass(frozen=True, kw_only=True)
class Census:
    """What became of each mistake and of right ports, and the least fault of each parameter that is found."""

    commands: Sequence[str]  # that made it, each to its end
    host: Mapping[str, Any]  # on what
    few_channels: bool
    found: Sequence[Outcome]
    right: Mapping[str, Sequence[str]]  # {network in framework: the verdicts on right ports}
    least: Mapping[str, Sequence[Least]]  # {network: the least fault of each parameter of its layers}


def as_json(census: Census) -> dict[str, Any]:
    """Return everything, to be written as JSON. A fault that is found at no size has the size null."""
    least = {
        network: [{**dataclasses.asdict(row), "size": row.size if row.found else None} for row in rows]
        for network, rows in census.least.items()
    }
    return {
        "commands": list(census.commands),
        "host": dict(census.host),
        "few_channels": census.few_channels,
        "right": {port: list(verdicts) for port, verdicts in census.right.items()},
        "outcomes": [dataclasses.asdict(each) for each in census.found],
        "least": least,
    }


def from_json(data: Any, where: str) -> Census:
    """Return what `as_json` was given; InvalidInput at `where` for anything else."""
    try:
        return Census(
            commands=list(data["commands"]),
            host=dict(data["host"]),
            few_channels=data["few_channels"],
            found=[_outcome(each) for each in data["outcomes"]],
            right=dict(data["right"]),
            least={network: [_least(row) for row in rows] for network, rows in data["least"].items()},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        received = f"{type(error).__name__}: {error}"
        raise InvalidInput("not what --json writes", where=where, received=received) from None


def _outcome(row: dict[str, Any]) -> Outcome:
    lists: dict[str, Any] = {name: tuple(row[name]) for name in ("named", "others")}
    return Outcome(**{**row, **lists})


def _least(row: dict[str, Any]) -> Least:
    return Least(**{**row, "size": float("inf") if row["size"] is None else float(row["size"])})
