"""Every deliberately wrong port is rejected, at the layer where it is wrong, by numbers and not by what Keras says of itself."""

from __future__ import annotations

import pytest

from alexnet_ref.checks import CHECKS
from alexnet_ref.checks.agreement import check_agreement
from alexnet_ref.checks.impulses import check_impulses
from alexnet_ref.verify import verify
from tests import mutants
from tests.miniatures import MINIATURES
from tests.mutants import MUTANTS, Mutant

pytestmark = pytest.mark.tf


# Each takes a second or two: without --slow, one of each concept, with few channels, of the smaller network where it has one.
SMALLER = sorted(MUTANTS, key=lambda name: MUTANTS[name].architecture != "tf1_graph")
FIRST = {next(name for name in SMALLER if name.startswith(concept)) for concept in {name.partition("_")[0] for name in MUTANTS}}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((name, "few channels") for name in MUTANTS if name in FIRST),
        *(pytest.param(name, "as documented", marks=pytest.mark.slow) for name in MUTANTS),
    ],
)
def test_mutant_is_rejected(name: str, size: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant does not conform, its own layer is the first wrong one, and the check meant for it is among those that fail."""
    mutant: Mutant = MUTANTS[name]
    if size == "few channels":
        monkeypatch.setattr(mutants, "NETWORKS", MINIATURES)
    if mutant.kind not in ("scaling", "kept", "independent"):
        request.getfixturevalue("few_masks")
    # Only precision needs real digits to show; probes reject the others without them, and without impulses: it saves time.
    slow = {check_impulses} if mutant.kind == "isolated" else {check_agreement, check_impulses}
    checks = [check for check in CHECKS if check not in slow]
    report = verify(mutant.build(), mutants.NETWORKS[mutant.architecture], batch_size=1, checks=checks, diagnosis=False)
    assert not report.conforms
    assert report.first_wrong_layer == mutant.layer
    assert mutant.kind in {check.kind for check in report.of("failed") if check.layer == mutant.layer}


def test_there_are_mutants_of_every_concept() -> None:
    """At least thirty mistakes are made, and each concept has some."""
    assert len(MUTANTS) >= 30
    concepts = {"resize", "conv", "lrn", "relu", "pool", "dropout", "flatten", "dense", "softmax"}
    assert concepts <= {name.partition("_")[0] for name in MUTANTS}


def test_every_check_function_is_counted() -> None:
    """The list of checks that `verify` runs is the one that these mutants try."""
    assert [function.__name__ for function in CHECKS] == [
        "check_facts",
        "check_weights",
        "check_probes",
        "check_products",
        "check_lrn",
        "check_impulses",
        "check_dropout",
        "check_training",
        "check_agreement",
        "check_output",
        "check_unseen",
    ]
