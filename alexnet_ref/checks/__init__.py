"""The checks: plain functions (candidate, architecture, material) → checks, shared by library, command line and pytest."""

from collections.abc import Callable, Iterator

from alexnet_ref.candidates import Candidate
from alexnet_ref.checks.agreement import check_agreement
from alexnet_ref.checks.check import Check, Material, Status, concept
from alexnet_ref.checks.dropout import check_dropout
from alexnet_ref.checks.facts import check_facts
from alexnet_ref.checks.impulses import check_impulses
from alexnet_ref.checks.lrn import check_lrn
from alexnet_ref.checks.output import check_output
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.checks.products import check_products
from alexnet_ref.checks.training import check_training
from alexnet_ref.checks.unseen import check_unseen
from alexnet_ref.checks.weights import check_weights
from reference import Architecture

CheckFunction = Callable[[Candidate, Architecture, Material], Iterator[Check]]

CHECKS: tuple[CheckFunction, ...] = (
    check_facts,
    check_weights,
    check_probes,
    check_products,
    check_lrn,
    check_impulses,
    check_dropout,
    check_training,
    check_agreement,
    check_output,
    check_unseen,
)

__all__ = ["CHECKS", "Check", "CheckFunction", "Material", "Status", "concept"]
