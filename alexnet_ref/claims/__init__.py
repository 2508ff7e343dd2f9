"""The checkable statements of the two documents, each with the function that decides it. TensorFlow is not imported.

findings = decide(mnist=load())     # {claim id: Finding(verdict, measured)}
"""

from alexnet_ref.claims.catalogue import CLAIMS
from alexnet_ref.claims.claim import Claim, Evidence, Finding, Needs, Verdict
from alexnet_ref.claims.ledger import decide, ledger_markdown, recorded
from alexnet_ref.claims.table import claims_table

__all__ = [
    "CLAIMS",
    "Claim",
    "Evidence",
    "Finding",
    "Needs",
    "Verdict",
    "claims_table",
    "decide",
    "ledger_markdown",
    "recorded",
]
