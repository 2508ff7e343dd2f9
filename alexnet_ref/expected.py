"""Failures that are known and accepted, each with its reason, in a TOML file.

    ["lrn.isolated[norm1]"]
    reason = "the runtime divides alpha by the window; reported to its maintainers"
    architecture = "tf1_graph"        # optional: without it, whichever network has such a check

A check that is expected to fail does not count against the port. An entry is stale where the check passes, or is not made.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_ref.printable import printable
from reference import ARCHITECTURES, InvalidInput

_KEYS = {"reason", "architecture"}


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One check that is expected to fail."""

    check: str  # its id, such as "lrn.isolated[norm1]"
    reason: str
    architecture: str | None = None

    def concerns(self, architecture: str, layers: set[str | None]) -> bool:
        """Whether it is about this network, given the layers of its report: not if only the other document has such a layer."""
        if self.architecture is not None:
            return self.architecture == architecture
        layer = self.check.partition("[")[2].removesuffix("]")
        others = (other for name, other in ARCHITECTURES.items() if name != architecture)
        return layer in layers or not any(layer == own.name for other in others for own in other.layers)


def read_expected(path: Path) -> tuple[Expectation, ...]:
    """Return the file's entries; InvalidInput where it cannot be read, or where an entry has no reason."""
    where = str(path)
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput("cannot be read", where=where, received=error.strerror) from None
    except UnicodeDecodeError:
        raise InvalidInput("this is no text", where=where, expected="TOML in UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput("this is no TOML", where=where, received=printable(str(error) or type(error).__name__)) from None
    return tuple(_expectation(check, entry, f"{where}: {printable(check)}") for check, entry in entries.items())


def _expectation(check: str, entry: Any, where: str) -> Expectation:
    if not isinstance(entry, dict):
        expected, hint = '["concept.kind[layer]"]', "Put the check's id in quotes and brackets, with its reason on the next line"
        raise InvalidInput("this is no entry", where=where, expected=expected, received=printable(repr(entry)), hint=hint)
    if strangers := sorted(set(entry) - _KEYS):
        keys = " and ".join(sorted(_KEYS))
        raise InvalidInput("no such key", where=where, expected=keys, received=printable(", ".join(strangers)))
    reason, architecture = entry.get("reason"), entry.get("architecture")
    if not isinstance(reason, str) or not reason.strip():
        received = printable(repr(reason))
        raise InvalidInput("an expected failure needs its reason", where=where, expected='reason = "…"', received=received)
    if architecture is not None and architecture not in list(ARCHITECTURES):  # a list, because the value may be of any type
        expected = "one of " + ", ".join(ARCHITECTURES)
        raise InvalidInput("no such architecture", where=where, expected=expected, received=printable(repr(architecture)))
    return Expectation(check=check, reason=reason.strip(), architecture=architecture)
