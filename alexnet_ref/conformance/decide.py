"""What a check's outcome means for a test."""

from __future__ import annotations

from alexnet_ref.checks import Check
from alexnet_ref.printable import printable

LONGEST = 1000  # characters of one text


def decide(check: Check, reason: str | None) -> None:
    """Return where the check passed, and fail the test where it failed. `reason`: why it is expected to fail, if it is.

    What cannot be checked is skipped, an expected failure xfailed; one that passes is stale, and fails.
    """
    import pytest

    match check.status:
        case "not checkable":
            pytest.skip(printable(check.fact, LONGEST))
        case "failed" if reason is not None:
            pytest.xfail(printable(reason, LONGEST))
        case "failed":
            pytest.fail(f"{check.id}: {printable(check.fact, LONGEST)}{_numbers(check)}", pytrace=False)
        case "passed" if reason is not None:
            pytest.fail(f"{check.id}: stale: it was expected to fail ({printable(reason, LONGEST)}), and passed", pytrace=False)
        case "passed":
            return


def _numbers(check: Check) -> str:
    return "" if check.ratio is None else f" (error {check.error:.3g}, allowed {check.allowed:.3g}, ratio {check.ratio:.3g})"
