"""The documents' claims: each verdict against a ledger typed by hand, each quote in its document, each decision able to fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_ref.claims import CLAIMS, Claim, Evidence, Finding, dropout, layers, lrn
from alexnet_ref.claims.ledger import QUICK, changed, decide, ledger_json, ledger_markdown, recorded, updated
from alexnet_ref.mnist import load
from reference import ARCHITECTURES, LRN, Architecture, Conv, Dropout, InvalidInput, ReLU
from reference.contradictions import CONTRADICTIONS

TEXTS = {"keras_sequential": "alexnet-with-tensorflow.txt", "tf1_graph": "alexnet-in-tensorflow.txt"}
DOCS = Path(__file__).parents[1] / "docs" / "claims.md"
SAMPLE = load()
BY_ID = {claim.id: claim for claim in CLAIMS}


def words(text: str) -> list[str]:
    """Return the words of a list that is easier to read without quotation marks."""
    return text.split()


# The ledger, typed by hand. What is not named here needs a run or a clock, and has no verdict that is the same everywhere.
CONTRADICTED = words("""
cites_lenet initials_of_the_challenge input_28_or_32 lrn_before_relu divided_by_sum_of_squares summary_of_the_listing
validation_above_98 one_epoch_enough_printed reshape_conv3
""")
CORRECTED = words("""
first_five_layers filters_3_and_4 layers_for_filters half_of_the_neurons divided_by_dropout_probability
added_layer_adds_params time_of_epoch_1 dropout_prevents_overfitting_printed two_map_to_10 dropout_is_keep_probability
lsize_is_radius iterations_are_samples two_scalings_of_255
""")
HOLDS = words("""
cites_krizhevsky cites_imagenet cites_chellapilla cites_raina cites_relu mnist_28 grey_repeated padded_and_scaled
resized_at_first_layer interpolated_bilinearly overkill filters_1 filters_5 flattened_tensor two_hidden_of_4096 softmax_of_10
uses_relu relu_no_exponentiation relu_unbounded relu_vanishing_gradient relu_dying lrn_same_pixel lrn_balances_neighbours
lrn_stops_blowing_up fraction_set_to_zero mean_is_kept no_dropout_in_tests listing_resizing listing_conv2d listing_conv2d_1
listing_conv2d_2_and_3 listing_conv2d_4 listing_pool listing_dense listing_dropout listing_dense_2 row_resizing row_conv2d
row_lambda row_activation row_max_pooling2d row_conv2d_1 row_lambda_1 row_activation_1 row_max_pooling2d_1 row_conv2d_2
row_activation_2 row_conv2d_3 row_activation_3 row_conv2d_4 row_activation_4 row_flatten row_dense row_dropout row_dense_1
row_dropout_1 row_dense_2 summary_order total_params steps_per_epoch test_steps keras_batch_size keras_loss epochs_40
val_accuracy_1_whole val_accuracy_2_whole val_accuracy_40_whole time_of_epoch_2 time_of_epoch_40 loss_decreases_printed
test_accuracy_whole time_of_test test_accuracy_sentence returned_floats mnist_28_tf1 n_input reshaped_input one_hot
first_256_test_images three_convolutions each_followed_by two_of_1024 output_is_logits starts_standard_normal
evaluated_without_dropout conv1_kernel conv1_bias conv2_kernel conv2_bias conv3_kernel conv3_bias fc1_kernel fc1_bias
fc2_kernel fc2_bias out_kernel out_bias conv_helper fc1_relu fc2_relu pool1 pool2 pool3
norm_numbers alpha_over_window learning_rate batch_size
tf1_loss
""")
TENSORFLOW = words("""
keras_summary trainable_params non_trainable_params lambda_defaults compiled_with_adam no_dropout_in_tests_tensorflow
adam_optimizer keep_prob_tensorflow lsize_is_radius_tensorflow
""")
MNIST = ["last_2000_validate", "n_classes"]
LEDGER: dict[str, str] = {
    **dict.fromkeys(HOLDS, "holds"),
    **dict.fromkeys(CORRECTED, "holds with a correction"),
    **dict.fromkeys(CONTRADICTED, "contradicted"),
    **dict.fromkeys(TENSORFLOW + MNIST, "holds"),
}
NOTHING = [claim for claim in CLAIMS if claim.needs == "nothing"]


def named(claims: list[Claim]) -> pytest.MarkDecorator:
    """Return the claims as test parameters that bear their ids."""
    return pytest.mark.parametrize("claim", claims, ids=lambda claim: claim.id)


def evidence(claim: Claim, architecture: Architecture | None = None, **given: Any) -> Evidence:
    """Return the claim's own network, or another in its place, with the shipped sample."""
    return Evidence(architecture=architecture or ARCHITECTURES[claim.architecture], **{"mnist": SAMPLE, **given})


def test_there_are_enough_claims() -> None:
    """At least 60 claims, their ids unique, and each known contradiction among them."""
    assert len(CLAIMS) == len(BY_ID) >= 60
    assert {entry.id for entry in CONTRADICTIONS} == {claim.contradiction for claim in CLAIMS} - {None}
    assert {claim.id for claim in CLAIMS if claim.needs in {"nothing", "tensorflow", "mnist"}} == set(LEDGER)


@named(NOTHING)
def test_verdict(claim: Claim) -> None:
    """The verdict is the one typed by hand, and something was found."""
    finding = claim.find(evidence(claim))
    assert finding.verdict == LEDGER[claim.id], finding.measured
    assert finding.measured


@pytest.mark.tf
@named([BY_ID[id_] for id_ in TENSORFLOW])
def test_verdict_tensorflow(claim: Claim) -> None:
    """The verdict of what TensorFlow must be asked is the one typed by hand."""
    finding = claim.find(evidence(claim))
    assert finding.verdict == LEDGER[claim.id], finding.measured


@pytest.mark.mnist
@named([BY_ID[id_] for id_ in MNIST])
def test_verdict_mnist(claim: Claim, full_mnist: Path) -> None:
    """The verdict on all of MNIST is the one typed by hand."""
    assert claim.find(evidence(claim, mnist=load(full_mnist))).verdict == LEDGER[claim.id]


@named([BY_ID[id_] for id_ in MNIST])
def test_a_sample_is_not_mnist(claim: Claim) -> None:
    """What is said of all digits is not decided on a sample."""
    assert claim.find(evidence(claim)).verdict == "not checkable here"


@named(list(CLAIMS))
def test_quotes_stand_in_the_document(claim: Claim, documents: Path) -> None:
    """Every quote stands in its document, character for character."""
    text = (documents / TEXTS[claim.architecture]).read_text(encoding="utf-8")
    assert [quote for quote in claim.quotes if quote not in text] == []
    assert claim.place


# How each decision is seen to change. Misquoted: the last integer of the first quote, plus one.
PLUS_ONE = words("""
mnist_28 resized_at_first_layer interpolated_bilinearly filters_1 filters_3_and_4 filters_5 layers_for_filters
flattened_tensor two_hidden_of_4096 listing_resizing total_params test_steps steps_per_epoch keras_batch_size mnist_28_tf1
reshaped_input batch_size first_256_test_images three_convolutions epochs_40
""") + [id_ for id_ in HOLDS if re.match(r"row_|conv\d_|fc\d_(kernel|bias)|pool\d$", id_)]
MISQUOTED: dict[str, tuple[int, str, str]] = {  # which quote, what, by what
    "cites_krizhevsky": (0, "[1]", "[2]"),
    "cites_lenet": (0, "[5]", "[6]"),
    "cites_imagenet": (0, "[2]", "[7]"),
    "cites_chellapilla": (0, "[3]", "[4]"),
    "cites_raina": (0, "[4]", "[3]"),
    "cites_relu": (0, "[5]", "[6]"),
    "initials_of_the_challenge": (0, "ILSRVC", "ILSVRC"),
    "input_28_or_32": (0, "28 x 28 x 3", "32 x 32 x 3"),
    "grey_repeated": (0, "3 times", "2 times"),
    "padded_and_scaled": (0, "/255", "/256"),
    "first_five_layers": (0, "five", "three"),
    "softmax_of_10": (0, "10 classes", "11 classes"),
    "listing_conv2d": (0, "96, 11", "96, 13"),
    "listing_conv2d_1": (0, "strides=4", "strides=2"),
    "listing_conv2d_2_and_3": (0, "384", "256"),
    "listing_conv2d_4": (0, "same", "valid"),
    "listing_pool": (0, "(3", "(2"),
    "listing_dense": (0, "relu", "tanh"),
    "listing_dropout": (0, "0.5", "0.4"),
    "listing_dense_2": (0, "softmax", "relu"),
    "summary_order": (1, "resizing (", "resizing_1 ("),
    "summary_of_the_listing": (8, "model.add(", "model.add(model.add(model.add(model.add(model.add("),
    "divided_by_dropout_probability": (0, "0.5", "0.8"),
    "time_of_epoch_1": (0, "111s", "50s"),
    "time_of_epoch_2": (0, "114ms", "112ms"),
    "time_of_epoch_40": (0, "907/907", "870/870"),
    "time_of_test": (0, "7ms", "9ms"),
    "keras_loss": (0, "sparse_", ""),
    "val_accuracy_1_whole": (0, "0.9665", "0.9666"),
    "val_accuracy_2_whole": (0, "0.9845", "0.9846"),
    "val_accuracy_40_whole": (0, "0.9930", "0.9932"),
    "test_accuracy_whole": (0, "0.9879000186920166", "0.9879099726676941"),
    "test_accuracy_sentence": (0, "98.79%", "98.97%"),
    "returned_floats": (0, "0.9879000186920166", "0.9879"),
    "loss_decreases_printed": (3, "loss: 0.0051", "loss: 0.2"),
    "validation_above_98": (0, "98%", "96%"),
    "one_epoch_enough_printed": (1, "98%", "96%"),
    "dropout_prevents_overfitting_printed": (1, "val_loss: 0.1677", "val_loss: 0.0077"),
    "n_input": (0, "784", "785"),
    "one_hot": (0, "True", "False"),
    "two_of_1024": (0, "1024", "1025"),
    "two_map_to_10": (0, "10-class", "11-class"),
    "dropout_is_keep_probability": (0, "0.8", "0.2"),
    "evaluated_without_dropout": (0, "1.}", "0.9}"),
    "conv_helper": (1, "SAME", "VALID"),
    "norm_numbers": (0, "0.75", "0.5"),
    "alpha_over_window": (0, "9.0", "4.0"),
    "lsize_is_radius": (0, "lsize=4", "lsize=9"),
    "reshape_conv3": (0, "conv3", "drop3"),
    "fc1_relu": (0, "relu", "tanh"),
    "fc2_relu": (0, "relu", "tanh"),
    "learning_rate": (0, "0.001", "0.01"),
    "tf1_loss": (0, "softmax", "sigmoid"),
    "out_kernel": (0, "[1024, 10]", "[1024, 11]"),
    "out_bias": (0, "n_classes", "11"),
}


def plus_one(quote: str) -> str:
    """Return the quote with its last integer raised by one, commas between thousands or not."""
    *_, last = re.finditer(r"\d+(?:,\d{3})*", quote)
    return quote[: last.start()] + str(int(last[0].replace(",", "")) + 1) + quote[last.end() :]


def swapped(architecture: Architecture, name: str, **fields: Any) -> Architecture:
    """Return the network with these fields of one layer changed."""
    changed_layers = (replace(layer, **fields) if layer.name == name else layer for layer in architecture.layers)
    return replace(architecture, layers=tuple(changed_layers))


def without(kind: type) -> Callable[[Architecture], Architecture]:
    """Return the mistake of leaving out all layers of a kind."""
    return lambda a: replace(a, layers=tuple(layer for layer in a.layers if not isinstance(layer, kind)))


def lrn_with(**fields: Any) -> Callable[[Architecture], Architecture]:
    """Return the mistake of other LRN numbers."""
    return lambda a: replace(a, layers=tuple(replace(x, **fields) if isinstance(x, LRN) else x for x in a.layers))


def lrn_last(architecture: Architecture) -> Architecture:
    """Return the network with every LRN behind its ReLU."""
    order = list(architecture.layers)
    for i, layer in enumerate(architecture.layers):
        if isinstance(layer, LRN):
            order[i], order[i + 1] = order[i + 1], order[i]
    return replace(architecture, layers=tuple(order))


NETWORKS: dict[str, Callable[[Architecture], Architecture]] = {
    "overkill": lambda a: replace(a, layers=a.layers[:11]),  # no convolution of a 1×1 image
    "lrn_before_relu": lrn_last,
    "uses_relu": lambda a: swapped(a, "dense", activation="softmax"),
    "relu_no_exponentiation": lambda a: swapped(a, "dense", activation="softmax"),
    "relu_unbounded": lambda a: swapped(without(ReLU)(a), "dense", activation="softmax"),
    "relu_vanishing_gradient": lambda a: swapped(a, "dense", activation="softmax"),
    "relu_dying": lambda a: swapped(without(ReLU)(a), "dense", activation="softmax"),
    "divided_by_sum_of_squares": lrn_with(bias=5e-324, alpha=1.0, beta=1.0),  # a bias that no sum notices
    "lrn_balances_neighbours": lrn_with(alpha=0.0),
    "starts_standard_normal": lambda a: replace(a, recipe=replace(a.recipe, kernel_initializer="glorot_uniform")),
    "iterations_are_samples": lambda a: replace(a, recipe=replace(a.recipe, batch_size=1)),
    "lrn_stops_blowing_up": lrn_with(beta=0.25),
    "half_of_the_neurons": lambda a: swapped(a, "dropout", rate=0.4),
    "fraction_set_to_zero": lambda a: swapped(a, "dropout", rate=0.0),
    "mean_is_kept": lambda a: swapped(a, "dropout", rate=0.0),
    "no_dropout_in_tests": without(Dropout),
    "added_layer_adds_params": lambda a: replace(a, layers=a.layers[:1]),
    "each_followed_by": without(LRN),
    "output_is_logits": lambda a: swapped(a, "out", activation="softmax"),
}


@named([claim for claim in NOTHING if claim.id in {*PLUS_ONE, *MISQUOTED}])
def test_a_misquotation_changes_the_verdict(claim: Claim) -> None:
    """With another number or word in its quote, the claim comes to another verdict."""
    which, what, by = MISQUOTED[claim.id] if claim.id in MISQUOTED else (0, claim.quotes[0], plus_one(claim.quotes[0]))
    assert what in claim.quotes[which]
    quotes = list(claim.quotes)
    quotes[which] = quotes[which].replace(what, by, 1)
    finding = replace(claim, quotes=tuple(quotes)).find(evidence(claim))
    assert finding.verdict != LEDGER[claim.id], finding.measured


@named([BY_ID[id_] for id_ in NETWORKS])
def test_another_network_changes_the_verdict(claim: Claim) -> None:
    """Held against a network with a mistake, the claim comes to another verdict."""
    wrong = NETWORKS[claim.id](ARCHITECTURES[claim.architecture])
    assert claim.find(evidence(claim, wrong)).verdict != LEDGER[claim.id]


# A wrong operation in the place of the oracle's, for claims about what an operation does.
OPERATIONS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "mean_is_kept": (dropout, lambda layer, _, x, mask=None: x if mask is None else x * mask / (2 * layer.rate + 1)),
    "fraction_set_to_zero": (dropout, lambda *_, mask=None: np.where(mask, 1.0, 0.1)),
    "no_dropout_in_tests": (dropout, lambda layer, _, x, mask=None: x * (1 - layer.rate) if mask is None else x),
    "lrn_same_pixel": (lrn, lambda _, __, x: x / (1 + (x**2).sum(axis=(1, 2, 3), keepdims=True))),
    "lrn_balances_neighbours": (lrn, lambda _, __, x: x / (1 + (x**2).sum(axis=-1, keepdims=True)) ** 0.5),
    "softmax_of_10": (layers, lambda _, x: np.exp(x)),
}


@named([BY_ID[id_] for id_ in OPERATIONS])
def test_another_operation_changes_the_verdict(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held against an operation with a mistake, the claim comes to another verdict."""
    module, wrong = OPERATIONS[claim.id]
    monkeypatch.setattr(module, "activate" if module is layers else "apply", wrong)
    assert claim.find(evidence(claim)).verdict != LEDGER[claim.id]


def test_scalings_can_be_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pipelines that scale alike turn the correction into a claim that holds, two that do not at all into a contradiction."""
    from alexnet_ref.claims import data

    claim = BY_ID["two_scalings_of_255"]
    monkeypatch.setattr(data, "tf1_graph_images", lambda x: x.reshape(len(x), -1) / np.float32(255))
    assert claim.find(evidence(claim)).verdict == "holds"
    monkeypatch.setattr(data, "tf1_graph_images", lambda x: x.reshape(len(x), -1) / np.float32(256))
    assert claim.find(evidence(claim)).verdict == "contradicted"


def test_every_quick_decision_is_seen_to_change() -> None:
    """No claim that needs nothing is without a misquotation, a network or an operation that changes its verdict."""
    seen = {*PLUS_ONE, *MISQUOTED, *NETWORKS, *OPERATIONS, "two_scalings_of_255"}
    assert {claim.id for claim in NOTHING} == seen


WRONG_FIELDS: dict[str, dict[str, Any]] = {
    "Resize": {"height": 223, "width": 223},
    "Conv": {"filters": 7, "kernel_size": (3, 2), "strides": (3, 5)},
    "LRN": {"depth_radius": 6, "bias": 2.0, "alpha": 0.5, "beta": 0.6},
    "MaxPool": {"pool_size": (2, 3), "strides": (2, 1)},
    "Dropout": {"rate": 0.3},
    "Dense": {"units": 11, "activation": "softmax"},
}
# TensorFlow's defaults are not stated in keras_sequential: TensorFlow is asked (lambda_defaults).
UNSTATED = {("keras_sequential", field) for field in ("depth_radius", "bias", "alpha", "beta")}
MISTAKES = [
    (name, layer.name, field, value)
    for name, architecture in ARCHITECTURES.items()
    for layer in architecture.layers
    for field, value in WRONG_FIELDS.get(type(layer).__name__, {}).items()
    if (name, field) not in UNSTATED and getattr(layer, field) != value
]


@pytest.mark.parametrize(("name", "layer", "field", "value"), MISTAKES)
def test_every_hyperparameter_is_claimed(name: str, layer: str, field: str, value: Any) -> None:
    """With any one hyperparameter of any layer changed, some claim comes to another verdict."""
    wrong = swapped(ARCHITECTURES[name], layer, **{field: value})
    for claim in NOTHING:
        if claim.architecture == name and claim.id != "starts_standard_normal":  # which takes longer, and sees none of these
            try:
                finding = claim.find(evidence(claim, wrong))
            except InvalidInput:  # nothing fits through such a network
                return
            if finding.verdict != LEDGER[claim.id]:
                return
    pytest.fail(f"no claim notices {layer}.{field} = {value}")


@pytest.mark.tf
@pytest.mark.parametrize(
    ("id_", "mistake"),
    [
        ("lambda_defaults", lrn_with(alpha=0.5)),
        ("keras_summary", lambda a: swapped(a, "conv2d", filters=95)),
        ("trainable_params", lambda a: swapped(a, "dense_2", units=11)),
        ("keep_prob_tensorflow", lambda a: swapped(a, "drop1", rate=0.8)),
        ("lsize_is_radius_tensorflow", lrn_with(depth_radius=2)),
        ("no_dropout_in_tests_tensorflow", without(Dropout)),
        ("compiled_with_adam", lambda a: replace(a, recipe=replace(a.recipe, learning_rate=0.01))),
        ("adam_optimizer", lambda a: replace(a, recipe=replace(a.recipe, learning_rate=0.01))),
    ],
)
def test_tensorflow_decisions_can_fail(id_: str, mistake: Callable[[Architecture], Architecture]) -> None:
    """Held against a network with a mistake, what TensorFlow is asked comes to another verdict."""
    claim = BY_ID[id_]
    assert claim.find(evidence(claim, mistake(ARCHITECTURES[claim.architecture]))).verdict == "contradicted"


@pytest.mark.tf
def test_non_trainable_decision_can_fail() -> None:
    """Another number of parameters that are not trained is contradicted."""
    claim = replace(BY_ID["non_trainable_params"], quotes=("Non-trainable params: 2",))
    assert claim.find(evidence(claim)).verdict == "contradicted"


def test_a_claim_refuses_the_other_network() -> None:
    """A claim about one document is not decided on the other's network."""
    with pytest.raises(InvalidInput, match="mnist_28: is about another architecture; expected keras_sequential"):
        BY_ID["mnist_28"].find(evidence(BY_ID["mnist_28"], ARCHITECTURES["tf1_graph"]))


def test_a_verdict_is_one_of_four() -> None:
    """A finding with any other word is refused."""
    with pytest.raises(InvalidInput, match="expected holds or contradicted or"):
        Finding(verdict="true", measured="")  # type: ignore[arg-type]  # what is tested


def test_the_repository_s_ledger_is_what_is_found() -> None:
    """recorded.json has every claim, and for those that need nothing exactly what is found now."""
    ledger = recorded()
    assert list(ledger) == [claim.id for claim in CLAIMS]
    findings = decide(["nothing"], mnist=SAMPLE)
    assert {id_: ledger[id_].finding for id_ in findings} == findings
    assert {id_: ledger[id_].finding.verdict for id_ in LEDGER} == LEDGER
    assert changed(decide(QUICK, mnist=SAMPLE), ledger) == []


def test_the_page_is_up_to_date() -> None:
    """docs/claims.md is what the generator makes of recorded.json: else run `alexnet-ref claims --markdown docs/claims.md`."""
    assert DOCS.read_text(encoding="utf-8") == ledger_markdown()


def test_measured_figures_name_their_machine() -> None:
    """What was timed or trained says where and by which command; nothing else does."""
    ledger = recorded()
    for claim in CLAIMS:
        decided = ledger[claim.id].finding.verdict != "not checkable here"
        assert bool(ledger[claim.id].how) == (claim.needs in {"timing", "training"} and decided)


def test_changes_are_seen() -> None:
    """A verdict that is not the recorded one is a change; one that nobody could decide is none."""
    ledger = recorded()
    wrong = {
        "mnist_28": Finding(verdict="contradicted", measured=""),
        "n_input": Finding(verdict="not checkable here", measured=""),
    }
    assert changed(wrong, ledger) == ["mnist_28"]
    assert changed(wrong, {}) == ["mnist_28"]


def test_the_ledger_keeps_what_it_knows() -> None:
    """Findings replace what was recorded, undecided ones do not, and the JSON reads back."""
    findings = {
        "mnist_28": Finding(verdict="contradicted", measured="27×27"),
        "n_input": Finding(verdict="not checkable here", measured="why"),
        "relu_cheap": Finding(verdict="holds", measured="fast"),
    }
    new = updated(recorded(), findings, "alexnet-ref claims --all")
    assert new["mnist_28"].finding == findings["mnist_28"]
    assert new["n_input"].finding.verdict == "holds"
    assert "`alexnet-ref claims --all`" in new["relu_cheap"].how
    assert '"27×27"' in ledger_json(new)
    assert "| `mnist_28` | `MNIST images are 28 x 28` | **contradicted** | 27×27 |" in ledger_markdown(new)


def test_convolutions_are_found() -> None:
    """The helper that finds convolutions finds those of both networks."""
    assert [len(layers.convs(architecture)) for architecture in ARCHITECTURES.values()] == [5, 3]
    assert all(isinstance(conv, Conv) for conv in layers.convs(ARCHITECTURES["tf1_graph"]))
