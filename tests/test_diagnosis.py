"""The diagnosis says which mistake a port makes: its name, its numbers, how to put it right; and nothing of a right port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref.arithmetic import FLOAT32, FLOAT64
from alexnet_ref.candidates.step import Array, Framework
from alexnet_ref.checks.agreement import check_agreement
from alexnet_ref.checks.dropout import check_dropout
from alexnet_ref.checks.facts import check_facts
from alexnet_ref.checks.output import check_output
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.checks.weights import check_weights
from alexnet_ref.compare import assert_within, compare
from alexnet_ref.diagnosis.dropout import Calls, explanations
from alexnet_ref.diagnosis.fix import right_line
from alexnet_ref.diagnosis.order import throughout
from alexnet_ref.diagnosis.output import together
from alexnet_ref.mistakes import Mistake, named, right, run_network
from alexnet_ref.mistakes.catalogue import mistakes
from alexnet_ref.mistakes.mistake import replaced
from alexnet_ref.mistakes.parts import Affine, Pointwise
from alexnet_ref.power.miniature import miniature
from alexnet_ref.report import Report
from alexnet_ref.tolerances.faults import faults
from alexnet_ref.tolerances.sharpness import least
from alexnet_ref.verify import verify
from reference import LRN, Conv, Dense, Dropout, Flatten, Layer, MaxPool, init_params
from reference.shapes import layer_inputs
from tests.numpy_port import NumpyPort

pytestmark = pytest.mark.usefixtures("few_masks")  # the mistakes here are far greater than what more masks would show

TF1 = miniature(reference.ARCHITECTURES["tf1_graph"])
KERAS = miniature(reference.ARCHITECTURES["keras_sequential"])
# One layer of each kind, for what needs no documented size.
TINY = reference.Architecture(
    name="tiny",
    input_shape=(8, 7, 3),
    layers=(
        Conv(name="conv", filters=6, kernel_size=(3, 3), strides=(1, 1), padding="SAME", activation="relu"),
        MaxPool(name="pool", pool_size=(2, 2), strides=(2, 2), padding="SAME"),
        LRN(name="norm", depth_radius=2, bias=1.0, alpha=0.01, beta=0.75),
        Dropout(name="drop", rate=0.2),
        Flatten(name="flatten"),
        Dense(name="dense", units=5),
    ),
)
PARAMS = {network.name: init_params(network, 2) for network in (TF1, KERAS, TINY)}
CHECKS = (check_facts, check_weights, check_probes, check_dropout, check_agreement)


def judged(port: Any, architecture: reference.Architecture = TF1) -> Report:
    """Return the report on a port, its intended weights given, of two digits."""
    images = np.random.default_rng(0).random((2, *architecture.input_shape)).astype(np.float32)
    return verify(port, architecture, images=images, batch_size=2, params=PARAMS[architecture.name], checks=CHECKS)


def of_mistake(mistake: Mistake | str, port: Callable[..., NumpyPort] = NumpyPort) -> Report:
    """Return the report on a NumPy port with this mistake, of tf1_graph where it is a name."""
    mistake = named(TF1, mistake) if isinstance(mistake, str) else mistake
    return judged(port(mistake, PARAMS[mistake.architecture.name]), mistake.architecture)


def odd(layer: str, *parts: Any) -> Mistake:
    """Return a port of the tiny network with a mistake that the catalogue does not hold."""
    return replace(right(TINY), id="odd", network=replaced(TINY, TINY[layer], parts), shows="inference", equivalent="")


# ---- Names ---------------------------------------------------------------------------------------------------------------

NAMED = [
    "padding.none[conv1]",
    "kernels.mirrored[conv2]",
    "lrn.alpha_over_window[norm1]",
    "lrn.over_rows[norm2]",
    "pooling.average[pool1]",
    "activations.leaky_relu[conv1]",
    "bias.missing[conv2]",
    "flatten.channels_first[flatten]",
    "softmax.log[out]",
    "precision.bfloat16_result[conv2]",
    "precision.bfloat16_network",
    "layout.mirrored[conv3]",
    "order.doubled[norm1]",
    "order.after_norm1[pool1]",
    "input.minus_one_to_one",
]


@pytest.mark.parametrize("mistake", [pytest.param(name, marks=[] if name in NAMED[3::4] else pytest.mark.slow) for name in NAMED])
def test_names(mistake: str) -> None:
    """A port with one mistake is said to have that mistake, before all others."""
    diagnosis = of_mistake(mistake).diagnoses[0]
    assert diagnosis.best is not None
    assert diagnosis.best.mistake == mistake


@pytest.mark.parametrize("architecture", [TF1, pytest.param(KERAS, marks=pytest.mark.slow)], ids=lambda network: network.name)
def test_right(architecture: reference.Architecture) -> None:
    """A right port conforms and has no diagnosis."""
    report = judged(NumpyPort(right(architecture), PARAMS[architecture.name]), architecture)
    assert report.conforms
    assert report.diagnoses == ()


DROPOUT = ["keep_for_rate", "not_scaled", "at_inference", "never", "same_mask_always", "gaussian", "whole_channels"]


@pytest.mark.parametrize("word", [DROPOUT[0], *(pytest.param(word, marks=pytest.mark.slow) for word in DROPOUT[1:])])
def test_dropout(word: str) -> None:
    """A mistake that random masks hide is named by what repeated calls have in common."""
    diagnosis = of_mistake(f"dropout.{word}[drop2]").diagnoses[0]
    assert diagnosis.layer == "drop2"
    assert diagnosis.best is not None
    assert diagnosis.best.mistake == f"dropout.{word}[drop2]"


def test_masks_are_explained_by_the_layers_own_mistakes() -> None:
    """A mistake that leaves the layer as documented is no explanation of its masks, and takes no time."""
    layer, x = TF1["drop2"], np.ones((2, 3, 3, 4), np.float32)
    assert isinstance(layer, Dropout)
    _, found = explanations(layer, mistakes(TF1), Calls(x=x, inferred=x, trained=(x, x)))
    assert all("drop2" in hypothesis.mistake for hypothesis in found)


def test_two_layers() -> None:
    """Two mistakes in different layers are both named, the first layer's first."""
    both = together(named(TF1, "lrn.beta_one[norm1]"), named(TF1, "pooling.average[pool2]"))
    assert both is not None
    names = [diagnosis.best and diagnosis.best.mistake for diagnosis in of_mistake(both).diagnoses]
    assert names == ["lrn.beta_one[norm1]", "pooling.average[pool2]"]


def test_two_layers_are_not_all() -> None:
    """Two layers whose results are in float16 are named each, not as a network in float16: its other layers are right."""
    both = together(named(TF1, "precision.float16_result[conv1]"), named(TF1, "precision.float16_result[conv2]"))
    assert both is not None
    names = [diagnosis.best and diagnosis.best.mistake for diagnosis in of_mistake(both).diagnoses]
    assert names == ["precision.float16_result[conv1]", "precision.float16_result[conv2]"]


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        pytest.param("order.after_norm1[pool1]", "pool1, pool2, pool3: normalises before pooling", marks=pytest.mark.slow),
        ("order.missing[norm1]", "norm1, norm2, norm3: has no such layer"),
    ],
)
def test_the_same_mistake_in_every_block(first: str, sentence: str) -> None:
    """Blocks are written once and used thrice: what is wrong in all of them is one mistake, named with every place."""
    [mistake] = [mistake for mistake in throughout(mistakes(TF1)) if mistake.id.startswith(first)]
    diagnosis = of_mistake(mistake).diagnoses[0]
    assert diagnosis.best is not None
    assert diagnosis.best.mistake == mistake.id
    assert diagnosis.sentence.startswith(sentence)


@pytest.mark.slow  # some two thousand pairs of mistakes
def test_black_box() -> None:
    """Two mistakes are named together where the port shows nothing but its result."""
    both = together(named(TF1, "lrn.switched_off[norm1]"), named(TF1, "bias.missing[fc1]"))
    assert both is not None
    params = PARAMS[TF1.name]
    checks = (check_facts, check_agreement, check_output)
    report = verify(
        lambda x: list(run_network(both, params, x).values())[-1].astype(np.float32),
        TF1,
        images=np.random.default_rng(0).random((2, *TF1.input_shape)).astype(np.float32),
        params=params,
        checks=checks,
    )
    best = report.diagnoses[0].best
    assert best is not None
    found = {_class(name) for name in best.mistake.split(" + ")}
    assert found == {"no norm1", "bias.missing[fc1]"}


def _class(name: str) -> str:
    return "no norm1" if name in ("lrn.switched_off[norm1]", "order.missing[norm1]") else name


# ---- Numbers -------------------------------------------------------------------------------------------------------------


def test_alpha_fitted() -> None:
    """The alpha of a port that divides it by the window is fitted as closely as the least fault of alpha that is found."""
    best = of_mistake("lrn.alpha_over_window[norm1]").diagnoses[0].best
    assert best is not None
    norm, shape = TF1["norm1"], layer_inputs(TF1)["norm1"]
    fault = next(fault for fault in faults(norm, shape) if fault.parameter == "alpha")
    wrong = 0.001 / 81
    assert abs(best.fitted["alpha"] / wrong - 1) <= least(norm, shape, fault).size
    assert f"{best.fitted['alpha']:.4e}" == "1.2346e-05"


@pytest.mark.parametrize(("name", "value"), [("alpha", 3e-4), ("beta", 0.6), ("bias", 1.7)])
def test_unnamed_number(name: str, value: float) -> None:
    """A number of LRN that no mistake of the catalogue has is fitted, and called by its value."""
    norm = TINY["norm"]
    assert isinstance(norm, LRN)
    best = of_mistake(odd("norm", replace(norm, **{name: value}))).diagnoses[0].best  # type: ignore[arg-type]  # a number
    assert best is not None
    assert best.mistake == f"fit.{name}[norm]"
    assert set(best.fitted) == {name}
    shape = layer_inputs(TINY)["norm"]
    fault = next(fault for fault in faults(norm, shape) if fault.parameter == name)
    assert abs(best.fitted[name] / value - 1) <= least(norm, shape, fault).size


def test_scale_fitted() -> None:
    """A layer whose result is three times what it should be is said to be so."""

    class Port(NumpyPort):
        def step(self, place: int, x: Array, weights: Mapping[str, Array], *, training: bool = False) -> Array:
            y = super().step(place, x, weights, training=training)
            return y * np.float32(3) if self.chain[place][0].kind == "LRN" else y

    best = of_mistake(right(TINY), Port).diagnoses[0].best
    assert best is not None
    assert best.mistake == "fit.scale[norm]"
    assert abs(best.fitted["scale"] / 3 - 1) <= 64 * FLOAT32.u  # fewer roundings than that in each element


# ---- What puts it right --------------------------------------------------------------------------------------------------

LINES: dict[Framework, str] = {
    "torch": "torch.nn.LocalResponseNorm(size=9, alpha=0.001, beta=0.75, k=1)",
    "onnx": "LRN with size=9, alpha=0.001, beta=0.75, bias=1",
    "keras": "tf.nn.local_response_normalization(x, depth_radius=4, bias=1, alpha=0.0001111111111, beta=0.75)",
}


@pytest.mark.parametrize("framework", LINES)
def test_fix(framework: Framework) -> None:
    """The best hypothesis carries the right line, in the port's own framework and in its meaning of alpha."""

    class Port(NumpyPort):
        pass

    Port.framework = framework
    best = of_mistake("lrn.alpha_over_window[norm1]", Port).diagnoses[0].best
    assert best is not None
    assert best.fix == f"Write it as {LINES[framework]}."


OTHERWISE = {
    "input.minus_one_to_one": "Feed it the document's images",
    "precision.float16_result[conv1]": "Compute it in float32",
}


@pytest.mark.parametrize("mistake", OTHERWISE)
def test_fix_of_what_is_not_how_the_layer_is_written(mistake: str) -> None:
    """Other images, or coarser numbers, are not put right by writing the layer, which is right, again."""

    class Port(NumpyPort):
        framework: Framework = "torch"

    best = of_mistake(mistake, Port).diagnoses[0].best
    assert best is not None
    assert best.fix.startswith(OTHERWISE[mistake])


@pytest.mark.parametrize("framework", LINES)
@pytest.mark.parametrize("layer", [*TF1.layers, *KERAS.layers], ids=lambda layer: layer.name)
def test_fix_of_every_layer(framework: Framework, layer: Layer) -> None:
    """Every layer has a right line in every framework, and none where the framework is unknown."""
    shape = layer_inputs(TF1 if layer in TF1.layers else KERAS)[layer.name]
    assert right_line(layer, shape, framework).startswith("Write it as ")
    assert right_line(layer, shape, "") == ""


def test_same_padding_in_torch() -> None:
    """SAME padding that is not symmetric is written before the convolution in PyTorch: 3 before, 4 after."""
    line = right_line(KERAS["conv2d"], layer_inputs(KERAS)["conv2d"], "torch")
    assert "F.pad(x, (3, 4, 3, 4)) before nn.Conv2d(3, 26, (11, 11), stride=(4, 4))" in line


# ---- Where the catalogue ends --------------------------------------------------------------------------------------------


def test_smallest_input() -> None:
    """Where nothing explains a layer, the evidence is an input with few numbers that are not 0, and it still fails."""

    class Port(NumpyPort):
        def step(self, place: int, x: Array, weights: Mapping[str, Array], *, training: bool = False) -> Array:
            y = super().step(place, x, weights, training=training)
            return np.where(y > 0, np.cos(y), y).astype(np.float32) if self.chain[place][0].kind == "LRN" else y

    diagnosis = of_mistake(right(TINY), Port).diagnoses[0]
    assert diagnosis.layer == "norm"
    assert diagnosis.best is None
    assert "no mistake of the catalogue explains it" in diagnosis.sentence
    evidence = diagnosis.evidence
    assert evidence is not None
    assert np.count_nonzero(evidence.x) == 1
    assert f"0 but for {evidence.x.sum():.6g} at " in diagnosis.sentence
    norm = evidence.x.astype(np.float64)
    y = reference.ops.local_response_normalization(norm, depth_radius=2, bias=1.0, alpha=0.01, beta=0.75)
    assert_within(evidence.expected, y, 64 * FLOAT64.u * np.abs(y))  # fewer roundings than that on either side
    assert not compare(np.where(y > 0, np.cos(y), y).astype(np.float32), y, evidence.allowed).passed


def test_weights_changed_on_the_way() -> None:
    """A port that changes its kernel before it uses it is judged by its own weights, where others pass by the change."""

    class Port(NumpyPort):
        def step(self, place: int, x: Array, weights: Mapping[str, Array], *, training: bool = False) -> Array:
            step, _, own = self.chain[place]
            if step.kind == "Conv" and not weights:
                weights = {"kernel": own["kernel"][::-1, ::-1]}
            return super().step(place, x, weights, training=training)

    best = of_mistake(right(TINY), Port).diagnoses[0].best
    assert best is not None
    assert best.mistake == "kernels.mirrored[conv]"


def _raising(y: Array) -> Array:
    raise RuntimeError(f"out of memory for {y.shape}")


HOSTILE: dict[str, Callable[[Array], Any]] = {
    "raises": _raising,
    "nan": lambda y: np.full_like(y, np.nan),
    "infinite": lambda y: np.full_like(y, np.inf),
    "one short": lambda y: y[..., :-1],
    "fewer images": lambda y: y[:1],
    "empty": lambda y: y[:0],
    "a number": lambda y: np.float32(y.sum()),
    "zero": np.zeros_like,
    "random": lambda y: np.random.default_rng(0).standard_normal(y.shape).astype(np.float32),
    "huge": lambda y: y * np.float32(3e38),
}


@pytest.mark.parametrize(
    "kind", ["LRN", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("Conv", "MaxPool", "Dropout", "Flatten", "Dense"))]
)
@pytest.mark.parametrize(
    "hostility", [pytest.param(each, marks=() if each in ("raises", "nan", "empty") else pytest.mark.slow) for each in HOSTILE]
)
def test_hostile(kind: str, hostility: str) -> None:
    """Whatever a layer does, the report is made, and every diagnosis is a sentence."""

    class Port(NumpyPort):
        def step(self, place: int, x: Array, weights: Mapping[str, Array], *, training: bool = False) -> Array:
            y = super().step(place, x, weights, training=training)
            changed: Array = HOSTILE[hostility](y) if self.chain[place][0].kind == kind else y
            return changed

    report = of_mistake(right(TINY), Port)
    assert not report.conforms
    assert all(diagnosis.sentence for diagnosis in report.diagnoses)


def test_confidence() -> None:
    """A hypothesis that explains is far surer than one that merely fits best."""
    certain = of_mistake("pooling.average[pool1]").diagnoses[0]
    assert certain.confidence > 1000
    unknown = of_mistake(odd("norm", TINY["norm"], Pointwise(function="tanh"), Affine(scale=(1.5,), offset=(0.3,)))).diagnoses[0]
    assert unknown.best is None
    assert unknown.confidence == 0
