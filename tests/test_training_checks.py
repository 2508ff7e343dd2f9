"""How a port trains, judged: right training passes, mistakes of the recipe fail where they are made, and nothing is changed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import reference
from alexnet_ref.candidates import NotCheckable, as_candidate
from alexnet_ref.candidates.function import FunctionPort
from alexnet_ref.checks import Check
from alexnet_ref.checks.batch import drawn_batch, train
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.checks.training import check_training, training_ids
from alexnet_ref.conformance.ids import unmade
from alexnet_ref.diagnosis.diagnosis import Hypothesis
from alexnet_ref.diagnosis.training import explanations, right_line
from alexnet_ref.mistakes.catalogue import mistakes
from alexnet_ref.mistakes.mistake import Mistake, right
from alexnet_ref.models import build_model, compile_model
from alexnet_ref.report import Report
from alexnet_ref.verify import verify
from tests.miniatures import MINIATURES

Array = NDArray[Any]
TF1, KERAS = MINIATURES["tf1_graph"], MINIATURES["keras_sequential"]
RECIPES = [m for architecture in MINIATURES.values() for m in mistakes(architecture) if m.training is not None]
# What fails of each mistake of the recipe: kinds of checks, and nothing else.
FAILS: dict[str, set[str]] = {
    "learning_rate_ten_times": {"step"},
    "epsilon_of_the_other": {"step"},
    "gradient_descent": {"step"},
    "momentum_of_the_paper": {"loss", "gradient", "step"},  # its weight decay is part of the loss
    "rmsprop": {"step"},
    "amsgrad": {"step"},
    "adamw": {"step"},
    "loss_summed": {"loss"},
    "labels_smoothed": {"loss"},
    "softmax_twice": {"loss"},
    "softmax_forgotten": {"loss"},
    "labels_from_one": {"loss"},
    "biases_frozen": {"training", "gradient"},
}
UNSEEN = {
    "batch_of_the_paper": "how many images a step takes is said to `fit`, not to the model",
    "kernels_start_otherwise": "weights that a port has by now are not those that it began with",
    "biases_start_otherwise": "the same",
}


# Named without --slow.
NAMED = [mistake for mistake in RECIPES if mistake.word in FAILS and mistake.architecture is not KERAS][::4]


def judged(port: Any, architecture: reference.Architecture, **options: Any) -> Report:
    """Return the verdict on its training alone."""
    return verify(port, architecture, checks=[check_training], diagnosis=False, **options)


def failed(report: Report) -> dict[str, str]:
    """Return {id: fact} of what failed."""
    return {check.id: check.fact for check in report.of("failed")}


def passes_all(report: Report, architecture: reference.Architecture) -> bool:
    """Tell whether every check of training was made and passed."""
    assert failed(report) == {}
    return [check.id for check in report.of("passed")] == training_ids(architecture)


# ---- Keras -----------------------------------------------------------------------------------------------------------------


def compiled(architecture: reference.Architecture, **options: Any) -> Any:
    """Return the network, compiled as its document trains it; options: another loss or optimizer."""
    model = compile_model(build_model(architecture), architecture)
    if options:
        model.compile(**{"loss": model.loss, "optimizer": model.optimizer, **options})
    return model


@pytest.mark.tf
@pytest.mark.parametrize("execution", ["eager", pytest.param("function", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", list(MINIATURES))
def test_a_compiled_model_conforms(name: str, execution: Any) -> None:
    """Loss, gradients and steps of the model that comes with the tool are the document's, eager or as a tf.function."""
    from alexnet_ref.candidates.keras import KerasPort

    architecture = MINIATURES[name]
    assert passes_all(judged(KerasPort(compiled(architecture), execution=execution), architecture), architecture)


@pytest.mark.tf
@pytest.mark.slow
def test_the_documents_conform(architecture: reference.Architecture) -> None:
    """So are those of the networks in their whole size."""
    assert passes_all(judged(compiled(architecture), architecture), architecture)


@pytest.mark.tf
@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(m, id=f"{m.architecture.name}-{m.word}", marks=[pytest.mark.slow] if m.architecture is KERAS else [])
        for m in RECIPES
    ],
)
def test_a_mistake_of_the_recipe_is_rejected_where_it_is_made(mistake: Mistake) -> None:
    """Each mistake fails checks of the kinds that FAILS names, and no others; three cannot show in one batch, and pass."""
    from alexnet_ref.mistakes.keras import build

    report = judged(build(mistake), mistake.architecture)
    kinds = {check.kind for check in report.of("failed")}
    assert kinds == (set() if mistake.word in UNSEEN else FAILS[mistake.word])
    assert report.of("not checkable") == []


def test_every_mistake_of_the_recipe_is_decided() -> None:
    """Each is in one of the two lists."""
    words = {mistake.word for mistake in RECIPES}
    assert words == FAILS.keys() | UNSEEN.keys()
    assert not FAILS.keys() & UNSEEN.keys()


@pytest.mark.tf
@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(m, id=f"{m.architecture.name}-{m.word}", marks=[] if m in NAMED else [pytest.mark.slow])
        for m in RECIPES
        if m.word in FAILS
    ],
)
def test_a_mistake_of_the_recipe_is_named(mistake: Mistake) -> None:
    """Of all the catalogue's recipes only the one that was made explains the batch, and the document's does not."""
    from alexnet_ref.mistakes.keras import build

    architecture = mistake.architecture
    documented, found = explained(build(mistake), architecture)
    assert not documented.explains
    assert [h.mistake for h in found if h.explains] == [mistake.id]


@pytest.mark.tf
def test_right_training_is_explained_by_the_document_alone() -> None:
    """No mistake explains what the document's own recipe makes, and the line that puts it right names its numbers."""
    documented, found = explained(compiled(TF1), TF1)
    assert documented.explains
    assert not any(h.explains for h in found)
    assert "Adam(0.001, epsilon=1e-08), loss=keras.losses.CategoricalCrossentropy(from_logits=True)" in right_line(TF1)


@pytest.mark.tf
def test_the_report_names_it_and_how_to_put_it_right() -> None:
    """The verdict on a model with another learning rate says so; where the network is wrong too, that stands first."""
    import keras

    optimizer = keras.optimizers.Adam(0.01, epsilon=TF1.recipe.epsilon)
    line = f"learns ten times as fast, at 0.01 (residual {{}}). {right_line(TF1)}"
    recipe, *others = verify(compiled(TF1, optimizer=optimizer), TF1, checks=[check_training]).diagnoses
    start, end = line.split("{}")
    assert others == []
    assert recipe.sentence.startswith(start)
    assert recipe.sentence.endswith(end)
    norm = TF1["norm1"]
    assert isinstance(norm, reference.LRN)
    narrow = dataclasses.replace(norm, depth_radius=norm.depth_radius - 1)
    layers = tuple(narrow if layer is norm else layer for layer in TF1.layers)
    wrong = compiled(dataclasses.replace(TF1, layers=layers), optimizer=optimizer)
    found = verify(wrong, TF1, checks=[check_probes, check_training]).diagnoses
    assert [(diagnosis.layer, diagnosis.best and diagnosis.best.mistake) for diagnosis in found] == [
        ("norm1", "lrn.radius_one_less[norm1]"),
        (None, "recipe.learning_rate_ten_times"),
    ]


def explained(model: Any, architecture: reference.Architecture) -> tuple[Hypothesis, tuple[Hypothesis, ...]]:
    """Return the explanations of a compiled model's batch."""
    batch = drawn_batch(architecture, 0)
    trained = train(as_candidate(model, architecture), architecture, batch)
    assert not isinstance(trained, Check)
    return explanations(architecture, mistakes(architecture), trained, batch)


@pytest.mark.tf
@pytest.mark.parametrize(
    "wrong",
    [
        {"beta_1": 0.95},
        {"beta_2": 0.99},
        {"clipnorm": 1e-5},
        {"weight_decay": 0.01},
        {"learning_rate": 0.00101},
        {"epsilon": 2e-7},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_another_adam_is_rejected(wrong: dict[str, float]) -> None:
    """Each of Adam's numbers, off, fails the steps of every layer, and nothing else."""
    import keras

    optimizer = keras.optimizers.Adam(**{"learning_rate": 0.001, "epsilon": TF1.recipe.epsilon, **wrong})
    found = failed(judged(compiled(TF1, optimizer=optimizer), TF1))
    assert list(found) == [check for check in training_ids(TF1) if ".step[" in check]


@pytest.mark.tf
def test_one_decayed_kernel_is_rejected_alone() -> None:
    """A regulariser of one layer fails the loss and this layer's gradient."""
    import keras

    model = build_model(TF1)
    model.get_layer("fc1").kernel.regularizer = keras.regularizers.L2(0.001)
    assert set(failed(judged(compile_model(model, TF1), TF1))) == {"network.loss", "dense.gradient[fc1]"}


@pytest.mark.tf
def test_one_frozen_bias_is_named() -> None:
    """A bias that is not trained is named, and its layer's gradient fails."""
    model = build_model(TF1)
    model.get_layer("conv2").bias.trainable = False
    found = failed(judged(compile_model(model, TF1), TF1))
    assert found["network.training"] == "not trained: conv2's bias"
    assert set(found) == {"network.training", "conv.gradient[conv2]"}


@pytest.mark.tf
def test_a_wrong_derivative_is_rejected_at_its_layer() -> None:
    """An LRN that is right in inference, but whose norm passes no gradient on, fails its own gradient's check alone."""
    import keras
    import tensorflow as tf

    norm = next(layer for layer in TF1.layers if layer.name == "norm2")
    assert isinstance(norm, reference.LRN)
    numbers = norm.depth_radius, norm.bias, norm.alpha, norm.beta
    numbers = (norm.depth_radius, norm.bias, norm.alpha, norm.beta)

    class Constant(keras.layers.Layer):  # type: ignore[misc]  # Keras is read as Any
        def call(self, x: Any) -> Any:
            y = tf.nn.local_response_normalization(x, *numbers)
            return x * tf.stop_gradient(tf.math.divide_no_nan(y, x))

    layers = [Constant(name="norm2") if layer.name == "norm2" else layer for layer in build_model(TF1).layers]
    model = compile_model(keras.Sequential([keras.Input(TF1.input_shape), *layers]), TF1)
    assert set(failed(judged(model, TF1, names={"norm2": "norm2"}))) == {"lrn.gradient[norm2]"}


@pytest.mark.tf
def test_either_form_of_labels_is_taken() -> None:
    """The same loss, written for integer labels, is the same loss; by name, too."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert passes_all(judged(compiled(TF1, loss=loss), TF1), TF1)
    assert passes_all(judged(compiled(KERAS, loss="sparse_categorical_crossentropy"), KERAS), KERAS)


@pytest.mark.tf
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_bare_probabilities_are_judged(smoothing: float) -> None:
    """A softmax that is not Keras's own leaves no logits: the loss of its probabilities is right, a smoothed one wrong."""
    import keras

    *layers, dense = build_model(KERAS).layers
    logits = keras.layers.Dense(10, name="logits")
    own = keras.layers.Lambda(
        lambda z: keras.ops.exp(z) / keras.ops.sum(keras.ops.exp(z), axis=-1, keepdims=True), name=dense.name
    )
    model = keras.Sequential([keras.Input(KERAS.input_shape), *layers, logits, own])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    model = compile_model(model, KERAS)
    model.compile(optimizer=model.optimizer, loss=loss)
    found = failed(judged(model, KERAS))
    assert set(found) == ({"network.loss"} if smoothing else set())


@pytest.mark.tf
@pytest.mark.slow  # `fit` twice
@pytest.mark.parametrize("name", list(MINIATURES))
def test_nothing_of_the_model_is_changed(name: str) -> None:
    """Weights, the optimiser's memory, random states and metrics are to the bit what they were, and it trains on as it would."""
    architecture = MINIATURES[name]
    x, labels = _digits(architecture)
    model, other = compiled(architecture), compiled(architecture)
    other.set_weights(model.get_weights())
    for each in (model, other):
        each.fit(x, labels, verbose=0, shuffle=False)
    before = _state(model)
    assert len(before) > 3 * len(model.trainable_variables)  # Adam's two slots for each
    judged(model, architecture)
    after = _state(model)
    assert before == after
    for each in (model, other):
        each.fit(x, labels, verbose=0, shuffle=False)
    assert _state(model) == _state(other)


def _state(model: Any) -> list[bytes]:
    return [np.asarray(v.numpy()).tobytes() for v in (*model.variables, *model.optimizer.variables)]


def _digits(architecture: reference.Architecture) -> tuple[Array, Array]:
    x = np.random.default_rng(0).random((4, *architecture.input_shape), np.float32)
    labels = np.arange(4)
    return x, np.eye(10, dtype=np.float32)[labels] if architecture.name == "tf1_graph" else labels


@pytest.mark.tf
def test_a_model_that_raises_is_put_back_too() -> None:
    """A loss that raises fails one check with its words, and leaves the weights as they were."""
    model = compiled(TF1, loss=_raising)
    before = _state(model)
    [check] = judged(model, TF1).checks
    assert (check.id, check.status) == ("network.training", "failed")
    assert "no such loss" in check.fact
    assert _state(model) == before


def _raising(_: Any, __: Any) -> Any:
    raise ValueError("no such loss")


# ---- What cannot be checked ------------------------------------------------------------------------------------------------


def only(report: Report) -> Check:
    """Return the one check that was made, which could not be."""
    [check] = report.checks
    assert (check.id, check.status) == ("network.training", "not checkable")
    return check


@pytest.mark.tf
def test_a_model_that_cannot_be_trained_is_one_line() -> None:
    """Not compiled, without a loss, with a train_step of its own: one check says so."""
    import keras

    class Own(keras.Sequential):  # type: ignore[misc]  # Keras is read as Any
        def train_step(self, data: Any) -> Any:
            raise NotImplementedError

    assert "not compiled" in only(judged(build_model(TF1), TF1)).fact
    bare = build_model(TF1)
    bare.compile(optimizer="adam")
    assert "without a loss" in only(judged(bare, TF1)).fact
    own = compile_model(Own([keras.Input(TF1.input_shape), *build_model(TF1).layers]), TF1)
    assert "train_step of its own" in only(judged(own, TF1)).fact


def test_what_does_not_train_is_one_line() -> None:
    """A function shows no training; nor does a candidate that does not speak of it."""

    def function(x: Array) -> Array:
        return reference.predict(TF1, PARAMS, x).astype(np.float32)

    assert "no training" in only(judged(FunctionPort(function, TF1), TF1)).fact
    with pytest.raises(NotCheckable, match="no training"):
        as_candidate(function, TF1).training_step(None, None, {})  # type: ignore[attr-defined]  # PairedCandidate's


PARAMS = reference.init_params(TF1, 0)


def test_ids_of_checks_that_were_not_made_are_accounted_for() -> None:
    """Where training is not checkable, or a loss and optimiser are missing, the other ids say why; nothing else is excused."""
    training = Check(id="network.training", layer=None, status="not checkable", fact="why")
    ids = training_ids(TF1)
    said = {check: unmade(check, {"network.training": training}) for check in ids[1:]}
    assert all(s is not None and (s.id, s.status, s.fact) == (check, "not checkable", "why") for check, s in said.items())
    passed = dataclasses.replace(training, status="passed")
    loss = Check(id="network.loss", layer=None, status="not checkable", fact="no loss")
    made = {"network.training": passed, "network.loss": loss}
    assert {check for check in ids if unmade(check, made) is not None} == {check for check in ids if ".step[" in check}
    made["conv.step[conv1]"] = passed
    assert unmade("conv.step[conv1]", made) is None
    del made["conv.step[conv1]"]
    made["network.loss"] = dataclasses.replace(loss, status="passed")
    assert all(unmade(check, made) is None for check in [*ids, "lrn.probe[norm1]"])
    assert unmade("network.probe[signed]", made) is not None
    made["network.probe[corners]"] = passed
    assert unmade("network.probe[signed]", made) is None


# ---- PyTorch ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch() -> Any:
    """Return PyTorch."""
    return pytest.importorskip("torch", reason="needs PyTorch")


@pytest.mark.slow  # this module's graph is taken by torch.export, which takes seconds to import
@pytest.mark.parametrize("name", list(MINIATURES))
def test_a_module_has_the_documents_gradients(name: str, torch: Any) -> None:
    """Every gradient is right; a loss and an optimiser it has not; neither parameters nor their .grad are touched."""
    from alexnet_ref.mistakes.torch import build

    architecture = MINIATURES[name]
    module = build(right(architecture), reference.init_params(architecture, 1))
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    report = judged(module, architecture)
    assert failed(report) == {}
    gradients = [check for check in training_ids(architecture) if ".gradient[" in check]
    assert [check.id for check in report.of("passed")] == ["network.training", *gradients]
    assert [check.id for check in report.of("not checkable")] == ["network.loss"]
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert all(torch.equal(parameter.grad, torch.ones_like(parameter)) for parameter in module.parameters())


class _Ports:
    """A right module, and two layers of a module's own: a wrong derivative, and a kernel that is not trained."""

    @staticmethod
    def right(torch: Any) -> Any:
        from tests import torch_ports

        del torch
        return torch_ports.TF1(torch_ports.FEW)

    @staticmethod
    def detached(torch: Any) -> Any:
        from tests import torch_ports

        class Detached(torch_ports.TF1):
            def norm(self, x: Any) -> Any:
                y = super().norm(x)
                return x * (y / x).nan_to_num(1.0).detach()

        del torch
        return Detached(torch_ports.FEW)

    @staticmethod
    def frozen(torch: Any) -> Any:
        from tests import torch_ports

        module = torch_ports.TF1(torch_ports.FEW)
        module.fc1.weight.requires_grad_(False)
        del torch
        return module


@pytest.mark.parametrize(
    ("wrong", "ids"),
    [
        ("right", set()),
        ("detached", {f"lrn.gradient[norm{i}]" for i in (1, 2, 3)}),
        ("frozen", {"network.training", "dense.gradient[fc1]"}),
    ],
)
def test_a_wrong_module_is_rejected(wrong: str, ids: set[str], torch: Any) -> None:
    """A detached norm fails LRN's gradients, a frozen kernel is named. The dense kernel's rows are those of (C, H, W)."""
    report = judged(getattr(_Ports, wrong)(torch), MINIATURES["tf1_graph"])
    assert set(failed(report)) == ids
    assert "dense.gradient[fc2]" in {check.id for check in report.of("passed")}
