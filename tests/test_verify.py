"""`verify` on correct models: conforms, with every check counted; on what cannot be judged: says so."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alexnet_ref
import reference
from alexnet_ref.candidates import as_port
from alexnet_ref.candidates.paired import PairedCandidate
from alexnet_ref.checks import Check
from alexnet_ref.models import compile_model
from reference import Architecture, InvalidInput, init_params
from tests.miniatures import MINIATURES

pytestmark = pytest.mark.tf

KERAS, TF1 = MINIATURES["keras_sequential"], MINIATURES["tf1_graph"]  # few channels
DOCUMENTED = list(reference.ARCHITECTURES.values())
# Three facts, one probe and two comparisons on real digits for each layer; three more for each dropout and each sum of products;
# impulses for these and for a sum before a softmax; a mean for each LRN; order, total and weights. Of training: whether all is
# trained, the loss, a gradient for each layer but resizing, dropout and flattening, a step for each sum of products.
TRAINING = {"keras_sequential": 2 + 17 + 8, "tf1_graph": 2 + 12 + 6}
CHECKS_RUN = {
    "keras_sequential": 21 * 6 + 2 * 3 + 7 * 3 + 8 + 2 + 3 + TRAINING["keras_sequential"],
    "tf1_graph": 16 * 6 + 3 * 3 + 6 * 3 + 6 + 3 + 3 + TRAINING["tf1_graph"],
}
NOT_CHECKABLE = {
    "keras_sequential": ["conv.unseen[conv2d_3]", "conv.unseen[conv2d_4]", "flatten.order[flatten]"],
    "tf1_graph": [],
}


@pytest.fixture(scope="module")
def model() -> Callable[[Architecture], Any]:
    """Return what builds a model with the oracle's initial parameters, compiled, once."""

    @functools.cache
    def built(architecture: Architecture) -> Any:
        return compile_model(alexnet_ref.build_model(architecture, init_params(architecture, 1)), architecture)

    return built


@pytest.mark.parametrize(
    "architecture",
    [TF1, pytest.param(KERAS, marks=pytest.mark.slow), *(pytest.param(a, marks=pytest.mark.slow) for a in DOCUMENTED)],
    ids=["tf1_graph, few channels", "keras_sequential, few channels", *reference.ARCHITECTURES],
)
def test_documented_model_conforms(architecture: Architecture, model: Callable[[Architecture], Any]) -> None:
    """The model passes every check there is, and what no input can show is listed, not passed."""
    seen: list[Check] = []
    report = alexnet_ref.verify(model(architecture), architecture, batch_size=2, on_check=seen.append)
    assert report.conforms, [check for check in report.checks if check.status == "failed"]
    assert len(report.of("passed")) == CHECKS_RUN[architecture.name]
    assert [check.id for check in report.of("not checkable")] == NOT_CHECKABLE[architecture.name]
    assert tuple(seen) == report.checks
    assert len({check.id for check in report.checks}) == len(report.checks)


@pytest.mark.usefixtures("few_masks")
def test_verdict_does_not_depend_on_how_images_are_batched(model: Callable[[Architecture], Any]) -> None:
    """Five images in batches of two find the same checks, and the same verdict, as in one batch."""
    images = np.random.default_rng(0).random((5, 28, 28, 1))
    together, apart = (alexnet_ref.verify(model(TF1), TF1, images=images, batch_size=size) for size in (5, 2))
    assert together.conforms
    assert apart.conforms
    assert [check.id for check in together.checks] == [check.id for check in apart.checks]


@pytest.mark.usefixtures("few_masks")
def test_an_error_in_the_last_batch_is_found(model: Callable[[Architecture], Any]) -> None:
    """A port that errs on the last image alone does not conform."""

    class Forgetful(PairedCandidate):
        def outputs(self, x: Any) -> dict[str, Any]:
            outputs: dict[str, Any] = super().outputs(x)
            if len(x) == 1:
                outputs["fc2"] = outputs["fc2"] * np.float32(1.5)
            return outputs

    images = np.random.default_rng(0).random((5, 28, 28, 1))
    report = alexnet_ref.verify(Forgetful(as_port(model(TF1), TF1), TF1), TF1, images=images, batch_size=2)
    assert not report.conforms
    assert report.first_wrong_layer == "fc2"


@pytest.mark.usefixtures("few_masks")
def test_probing_leaves_the_weights_alone(model: Callable[[Architecture], Any]) -> None:
    """After a verification the model's weights are bit for bit what they were."""
    probed = model(TF1)
    before = [weight.numpy().copy() for weight in probed.trainable_variables]
    alexnet_ref.verify(probed, TF1, batch_size=1)
    assert all(np.array_equal(old, new.numpy()) for old, new in zip(before, probed.trainable_variables, strict=True))


@pytest.mark.usefixtures("few_masks")
def test_the_other_architecture_is_rejected(model: Callable[[Architecture], Any]) -> None:
    """A model of one document does not conform to the other, and says why instead of raising."""
    report = alexnet_ref.verify(model(TF1), KERAS, batch_size=1, diagnosis=False)
    assert not report.conforms
    assert "network.weights" in {check.id for check in report.of("failed")}


@pytest.mark.usefixtures("few_masks")
def test_a_port_that_raises_is_rejected(model: Callable[[Architecture], Any]) -> None:
    """Whatever a port raises becomes failed checks with its words."""

    class Broken(PairedCandidate):
        def outputs(self, x: Any) -> dict[str, Any]:
            raise RuntimeError(f"out of memory for {x.shape}\nmore words")

        def layer(self, name: str, *_: Any, **__: Any) -> Any:
            raise KeyError(name)

    report = alexnet_ref.verify(Broken(as_port(model(TF1), TF1), TF1), TF1, batch_size=1)
    facts = {check.id: check.fact for check in report.of("failed")}
    assert facts["conv.isolated[conv1]"] == "raised RuntimeError: out of memory for (1, 28, 28, 1)"
    assert facts["dropout.kept[drop1]"] == "raised KeyError: 'drop1'"
    assert facts["conv.exact[conv1]"] == "raised KeyError: 'conv1'"


@pytest.mark.usefixtures("few_masks")
def test_a_layer_that_is_missing_is_reported() -> None:
    """Without its LRN layers the second model does not conform, and the missing layers' checks are not counted as passed."""
    without = dataclasses.replace(TF1, layers=tuple(layer for layer in TF1.layers if not isinstance(layer, reference.LRN)))
    report = alexnet_ref.verify(alexnet_ref.build_model(without), TF1, batch_size=1)
    assert not report.conforms
    statuses = {check.status for check in report.checks if check.layer == "norm1"}
    assert statuses == {"not checkable", "failed"}
    assert [check.id for check in report.of("failed") if check.layer == "norm1"] == ["lrn.present[norm1]"]
    assert report.first_wrong_layer == "norm1"
    assert next(check for check in report.checks if check.id == "network.order").status == "failed"


@pytest.mark.usefixtures("few_masks")
def test_weights_that_are_not_finite_are_not_judged_by_numbers() -> None:
    """NaN among the weights is said, and nothing that needs them passes."""
    model = alexnet_ref.build_model(TF1)
    bias = model.get_layer("fc1").bias
    bias.assign(np.full(bias.shape, np.nan, np.float32))
    report = alexnet_ref.verify(model, TF1, batch_size=1)
    assert not any(check.status == "passed" for check in report.checks if check.kind in ("isolated", "end_to_end"))
    assert not report.conforms
    assert [check.id for check in report.of("failed")] == ["network.weights"]


@pytest.mark.parametrize("candidate", [None, 3, "model.onnx", object()])
def test_what_is_no_candidate_is_refused(candidate: Any) -> None:
    """What cannot be judged at all is refused in one line."""
    with pytest.raises(InvalidInput, match="cannot be judged"):
        alexnet_ref.verify(candidate, "tf1_graph")


def test_unknown_architecture_and_bad_images_are_refused(model: Callable[[Architecture], Any]) -> None:
    """An unknown name, integer images, wrong shapes and too many digits are refused before anything is computed."""
    right = model(TF1)
    with pytest.raises(InvalidInput, match="no such architecture"):
        alexnet_ref.verify(right, "alexnet")
    with pytest.raises(InvalidInput, match="Divide by 255"):
        alexnet_ref.verify(right, "tf1_graph", images=np.zeros((1, 784), np.uint8))
    with pytest.raises(InvalidInput, match="wrong shape"):
        alexnet_ref.verify(right, "tf1_graph", images=np.zeros((1, 783)))
    with pytest.raises(InvalidInput, match="not that many digits"):
        alexnet_ref.verify(right, "tf1_graph", batch_size=301)
    with pytest.raises(InvalidInput, match="batch size"):
        alexnet_ref.verify(right, "tf1_graph", batch_size=0)
