"""`parametrize_with_checks`: a port's own test suite has every check as a test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref.checks import Check
from alexnet_ref.conformance.ids import check_ids
from alexnet_ref.expected import Expectation
from alexnet_ref.parametrize import parametrize_with_checks
from alexnet_ref.tolerances.implementation import Implementation
from alexnet_ref.verify import verify
from reference import LRN, Architecture, Conv, Dense, Flatten, InvalidInput, MaxPool, ReLU
from tests.wrong_ports import port

SMALL = Architecture(
    name="small",
    input_shape=(6, 5, 3),
    layers=(
        Conv(name="conv1", filters=4, kernel_size=(3, 2), strides=(1, 1), padding="SAME"),
        ReLU(name="relu1"),
        LRN(name="norm1", depth_radius=1, bias=1.0, alpha=0.5, beta=0.5),
        MaxPool(name="pool1", pool_size=(2, 2), strides=(2, 2), padding="VALID"),
        Flatten(name="flatten"),
        Dense(name="fc1", units=7, activation="softmax"),
    ),
)
IMAGES = np.random.default_rng(0).random((3, 6, 5, 3), np.float32)
GOOD, WRONG = port(SMALL), port(SMALL, wrong="norm1")
FAILING = ["lrn.probe[norm1]", "lrn.bias[norm1]", "lrn.isolated[norm1]", "lrn.end_to_end[norm1]"]


def cases(candidate: Any, **options: Any) -> dict[str, Any]:
    """Return {id: (candidate, check)} of the tests that the decorator makes."""
    mark = parametrize_with_checks([candidate], architecture=SMALL, images=IMAGES, **options).mark
    assert mark.args[0] == ("candidate", "check")
    return {str(case.id): case.values for case in mark.args[1]}


def outcome(candidate: Any, check: Any) -> str:
    """Return what becomes of one test."""
    try:
        check(candidate)
    except pytest.skip.Exception:
        return "skipped"
    except pytest.xfail.Exception:
        return "xfailed"
    except pytest.fail.Exception:
        return "failed"
    return "passed"


def test_there_is_a_test_for_every_check() -> None:
    """The tests are the checks that `verify` makes, by id and in order, and a correct port passes each that can be made."""
    report = verify(GOOD, SMALL, images=IMAGES)
    found = {name: outcome(*values) for name, values in cases(GOOD).items()}
    made = [check.id for check in report.checks]
    assert [check for check in found if check in made] == made
    unmade = {check for check in found if check not in made}  # of training, and of images where each layer can be fed
    assert {found[check] for check in unmade} == {"skipped"}
    assert {check.partition("[")[0].rpartition(".")[2] for check in unmade} == {"loss", "gradient", "step", "probe"}
    assert {name for name, words in found.items() if words == "passed"} == {check.id for check in report.of("passed")}
    assert "failed" not in found.values()


def test_a_mistake_fails_the_tests_that_see_it() -> None:
    """The tests that fail are the checks that fail in `verify`, the wrong layer's among them."""
    report = verify(WRONG, SMALL, images=IMAGES, diagnosis=False)
    failed = [name for name, values in cases(WRONG).items() if outcome(*values) == "failed"]
    assert failed == [check.id for check in report.of("failed")]
    assert set(FAILING) <= set(failed)


def test_what_is_expected_to_fail_is_expected() -> None:
    """A known failure is xfailed; one that passes fails, as stale; others fail as before."""
    found = cases(WRONG, expected={"lrn.probe[norm1]": "known", "conv.exact[conv1]": "wrong"})
    assert outcome(*found["lrn.probe[norm1]"]) == "xfailed"
    assert outcome(*found["lrn.bias[norm1]"]) == "failed"
    with pytest.raises(pytest.fail.Exception, match=r"conv.exact\[conv1\]: stale: it was expected to fail \(wrong\), and passed"):
        found["conv.exact[conv1]"][1](WRONG)
    entries = [Expectation(check="lrn.probe[norm1]", reason="of the other", architecture="tf1_graph")]
    assert outcome(*cases(WRONG, expected=entries)["lrn.probe[norm1]"]) == "failed"


def test_nothing_is_computed_twice_or_before_it_is_asked_for() -> None:
    """Making the tests computes nothing; each check function runs once, however many of its tests run."""
    calls: list[str] = []

    class Counting(Implementation):
        def outputs(self, x: Any) -> dict[str, Any]:
            calls.append("outputs")
            return super().outputs(x)

        def layer(self, name: str, *rest: Any, **others: Any) -> Any:
            calls.append(name)
            return super().layer(name, *rest, **others)

    counting = Counting(name="counting", architecture=SMALL, weights=GOOD.weights, run=GOOD.run)
    found = cases(counting)
    assert calls == []
    for name in ("lrn.isolated[norm1]", "conv.end_to_end[conv1]", "pool.isolated[pool1]"):
        assert outcome(*found[name]) == "passed"
    assert calls == ["outputs"]


def test_a_check_judges_the_candidate_that_it_is_called_with() -> None:
    """A test that hands in another port than the one in the list judges that one."""
    check = cases(GOOD)["lrn.probe[norm1]"][1]
    assert outcome(WRONG, check) == "failed"
    assert outcome(GOOD, check) == "passed"


def test_several_candidates_are_told_apart() -> None:
    """With several candidates the ids say which, and each is held against its own architecture."""
    other = Architecture(name="other", input_shape=(6, 5, 3), layers=(ReLU(name="relu1"),))
    mark = parametrize_with_checks([GOOD, (port(other), other)], architecture=SMALL, images=IMAGES).mark
    names = [str(case.id) for case in mark.args[1]]
    assert "0-small-lrn.probe[norm1]" in names
    assert "1-other-relu.exact[relu1]" in names
    assert len(set(names)) == len(names)


def test_what_cannot_be_tested_is_refused() -> None:
    """No candidate, a candidate without architecture, and an expected failure that is no check's are refused at once."""
    with pytest.raises(InvalidInput, match="there is no candidate"):
        parametrize_with_checks([], architecture=SMALL)
    with pytest.raises(InvalidInput, match=r"candidates\[0\]: a candidate needs its architecture"):
        parametrize_with_checks([GOOD])
    with pytest.raises(InvalidInput, match=r"no such check; received lrn.probe\[norm9\]"):
        cases(GOOD, expected={"lrn.probe[norm9]": "mistyped"})
    with pytest.raises(InvalidInput, match="cannot be judged"):
        parametrize_with_checks([3], architecture=SMALL)


def test_no_check_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check function that makes a check more, or less, than it names fails its tests, and none passes by silence."""

    def made(extra: int) -> Any:
        def function(candidate: Any, *_: Any) -> Iterator[Check]:
            count = 1 if candidate.name == "silent" else 1 + extra
            for number in range(count):
                yield Check(id=f"network.made{number}[x]", layer=None, status="passed", fact="")

        return function

    for extra, words in ((1, "made checks that no test was made of: network.made1"), (-1, "never made this check")):
        monkeypatch.setattr("alexnet_ref.conformance.ids.CHECKS", (made(extra),))
        [(candidate, check)] = [tuple(values) for values in cases(GOOD).values()]
        with pytest.raises(AssertionError, match=words):
            check(candidate)


@pytest.mark.parametrize(
    ("name", "known", "count"),
    [("keras_sequential", False, 200), ("keras_sequential", True, 208), ("tf1_graph", False, 159), ("tf1_graph", True, 165)],
)
def test_ids_are_known_without_computing(name: str, known: bool, count: int) -> None:
    """Both documents' ids are found without any candidate; known weights add a check for each layer with some."""
    ids = check_ids(reference.ARCHITECTURES[name], known_weights=known)
    assert len(ids) == count
    assert sum(".weights[" in check for check in ids) == {"keras_sequential": 8, "tf1_graph": 6}[name] * known


PORT = """
from alexnet_ref.parametrize import parametrize_with_checks
from tests.test_conformance_parametrize import SMALL, WRONG, IMAGES

@parametrize_with_checks([WRONG], architecture=SMALL, images=IMAGES, expected={"lrn.bias[norm1]": "known"})
def test_my_port(candidate, check):
    check(candidate)
"""
