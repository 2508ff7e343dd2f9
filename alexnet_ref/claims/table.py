"""The claims as a table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from alexnet_ref.claims.catalogue import CLAIMS
from alexnet_ref.claims.claim import Finding, Verdict
from alexnet_ref.claims.ledger import Entry

_STYLE: dict[Verdict, str] = {
    "holds": "green",
    "contradicted": "bold red",
    "holds with a correction": "yellow",
    "not checkable here": "dim",
}
MOST = 72  # characters of a quote


def claims_table(architecture: str, findings: Mapping[str, Finding], ledger: Mapping[str, Entry]) -> Table:
    """Return one row for each claim of the document; what was not decided now shows what the ledger says, marked."""
    table = Table(title=f"{architecture}: what its document claims", title_justify="left")
    table.add_column("claim", no_wrap=True)
    for heading in ("the document says", "verdict", "found"):
        table.add_column(heading)
    for claim in CLAIMS:
        if claim.architecture != architecture:
            continue
        finding, note = findings.get(claim.id), ""
        if finding is None or (finding.verdict == "not checkable here" and claim.id in ledger):
            finding, note = ledger[claim.id].finding, " (recorded)"
        quote = claim.quotes[0] if len(claim.quotes[0]) <= MOST else claim.quotes[0][: MOST - 1] + "…"
        verdict = Text(finding.verdict + note, style=_STYLE[finding.verdict])
        table.add_row(Text(claim.id), Text(quote), verdict, Text(finding.measured))
    return table
