"""The fast networks are the documents': verified like any port, one step of training judged, files exchanged with the listing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import alexnet_ref
import reference
from alexnet_ref import step_bounds
from alexnet_ref.arithmetic import BFLOAT16, BFLOAT16_STORED, FLOAT32, Arithmetic
from alexnet_ref.compare import assert_equal, assert_within
from alexnet_ref.models import build_model, compile_model
from alexnet_ref.weights import get_params
from reference import AdamState, Architecture, InvalidInput, adam_step
from tests.miniatures import MINIATURES, SMALLER, material
from tests.strategies import signed

pytestmark = pytest.mark.tf

Array = NDArray[Any]
BOTH = pytest.mark.parametrize("arithmetic", [FLOAT32, BFLOAT16_STORED], ids=["float32", "bfloat16"])
# Keras 3.15 saves by np.array(variable), whose __array__ lacks NumPy 2's `copy`.
SAVES = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")


@pytest.fixture(params=SMALLER)
def small(request: pytest.FixtureRequest) -> Architecture:
    """Return each document's network with few channels."""
    return MINIATURES[request.param]


# ---- What is built ---------------------------------------------------------------------------------------------------------

FAST = {
    "keras_sequential": "EnlargedConv2D LRN - - Conv2D LRN - - Conv2D - Conv2D - Conv2D - - Dense - Dense - Dense",
    "tf1_graph": "Conv2D - LRN - Conv2D - LRN - Conv2D - LRN - - Dense Dense Dense",
}


def test_fast_layers_stand_in_the_documented_ones_places(small: Architecture) -> None:
    """Every convolution, LRN and dense layer is a fast one under the document's name; the enlargement went into the first."""
    from keras import saving

    names = [layer.name for layer in small.layers if layer.name != "resizing"]
    built = build_model(small, implementation="fast").layers
    assert [layer.name for layer in built] == names
    kinds = [saving.get_registered_name(type(layer)) for layer in built]
    short = {"alexnet_ref.fast>LocalResponseNormalization": "LRN"}
    assert [short.get(k, k.removeprefix("alexnet_ref.fast>") if ">" in k else "-") for k in kinds] == FAST[small.name].split()


def test_the_listing_is_the_default(small: Architecture) -> None:
    """Without a word nothing of it is used: one layer of Keras or of alexnet_ref.layers for each of the document's."""
    built = build_model(small).layers
    assert [layer.name for layer in built] == [layer.name for layer in small.layers]
    assert not [layer for layer in built if type(layer).__module__.startswith("alexnet_ref.fast")]


def test_the_same_seed_draws_the_same_weights(small: Architecture) -> None:
    """Initial weights are the documented ones, to the bit."""
    plain, fast = (get_params(build_model(small, seed=4, implementation=i), small) for i in ("documented", "fast"))
    for layer, parts in plain.items():
        for part, value in parts.items():
            assert_equal(fast[layer][part], value)


@pytest.mark.parametrize(("implementation", "arithmetic"), [("documented", BFLOAT16_STORED), ("fast", BFLOAT16)])
def test_other_arithmetics_are_refused(implementation: Any, arithmetic: Arithmetic) -> None:
    """The listing computes in float32 alone, the fast layers in float32 or with bfloat16 products: InvalidInput."""
    with pytest.raises(InvalidInput, match=f"{implementation} does not compute so"):
        build_model(MINIATURES["tf1_graph"], implementation=implementation, arithmetic=arithmetic)


# ---- Results ---------------------------------------------------------------------------------------------------------------

NOT_SEEN = {  # what a fast network does not show, beside what no network does (unseen, order)
    "keras_sequential": {"resizing": {"shape", "params", "hyperparameters", "probe", "isolated", "end_to_end"}}
    | {"conv2d": {"hyperparameters", "exact", "probe", "bias", "variance", "impulses", "gradient"}},
    "tf1_graph": {},
}


def multiplies_bfloat16() -> bool:
    """Tell whether this processor has instructions for products of bfloat16, as far as Linux says."""
    facts = Path("/proc/cpuinfo")
    return not facts.exists() or any(flag in facts.read_text() for flag in ("avx512_bf16", "amx_bf16", " bf16"))


@pytest.mark.slow
@BOTH
def test_the_fast_network_conforms(architecture: Architecture, arithmetic: Arithmetic) -> None:
    """`verify` passes it, in what it declares; what it computes in one step is listed as not checkable, and nothing else is."""
    if arithmetic is not FLOAT32 and not multiplies_bfloat16():
        pytest.skip("needs a processor that multiplies bfloat16: elsewhere TensorFlow does not compute as declared")
    params = reference.init_params(architecture, seed=3)
    model = build_model(architecture, params, implementation="fast", arithmetic=arithmetic)
    compile_model(model, architecture, implementation="fast")  # so that its loss, gradients and Adam's steps are judged too
    report = alexnet_ref.verify(model, architecture, params=params, arithmetic=arithmetic, batch_size=4)
    assert report.conforms
    never = {"unseen", "order"} if arithmetic is FLOAT32 else {"unseen", "order", "exact"}  # integers are no bfloat16's
    hidden: dict[str | None, set[str]] = {}
    for check in report.checks:
        if check.status == "not checkable" and check.kind not in never:
            hidden.setdefault(check.layer, set()).add(check.kind)
    assert hidden == {layer: kinds - never for layer, kinds in NOT_SEEN[architecture.name].items()}


@pytest.mark.slow
def test_bfloat16_declared_as_float32_does_not_conform() -> None:
    """The allowances of float32 reject it."""
    model = build_model("tf1_graph", implementation="fast", arithmetic=BFLOAT16_STORED)
    assert not alexnet_ref.verify(model, "tf1_graph", batch_size=2, diagnosis=False).conforms


@pytest.mark.slow
def test_a_wrong_gradient_does_not_conform(monkeypatch: pytest.MonkeyPatch) -> None:
    """LRN's gradient with n^(−β) where n^(−β−1) should stand fails at LRN's gradients, and nowhere else."""
    from alexnet_ref.fast import lrn

    times = lrn._times
    monkeypatch.setattr(lrn, "_times", lambda factor, count: times(factor, count) if count == 3 else 1.0)
    lrn._normalization.cache_clear()
    try:
        model = compile_model(build_model("tf1_graph", implementation="fast"), "tf1_graph", implementation="fast")
        report = alexnet_ref.verify(model, "tf1_graph", batch_size=2, diagnosis=False)
    finally:
        lrn._normalization.cache_clear()
    failed = {check.id for check in report.checks if check.status == "failed"}
    assert failed == {f"lrn.gradient[norm{i}]" for i in (1, 2, 3)}


# ---- One step ----------------------------------------------------------------------------------------------------------------


def fast_step(architecture: Architecture, params: Any, x: Array, labels: Array, spoil: float = 1.0) -> tuple[Any, Any, Any]:
    """Return loss, gradients and params after one step of the fast model, dropout off; gradients spoiled by a factor."""
    import tensorflow as tf

    model = compile_model(build_model(architecture, params, implementation="fast"), architecture, implementation="fast")
    variables = model.trainable_variables

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow is untyped
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(y=tf.constant(labels), y_pred=model(tf.constant(x), training=False))
        gradients = [spoil * g for g in tape.gradient(loss, [v.value for v in variables])]
        model.optimizer.apply(gradients, variables)
        return loss, gradients

    loss, gradients = step()
    received: dict[str, dict[str, Array]] = {}
    for variable, gradient in zip(variables, gradients, strict=True):
        *_, layer, part = variable.path.split("/")
        received.setdefault(layer, {})[part] = gradient.numpy()
    return loss.numpy(), received, get_params(model, architecture)


def step_material(architecture: Architecture) -> tuple[Any, Array, Array]:
    """Return params, noisy images and labels."""
    params, x = material(architecture, n=3)
    labels = np.array([3, 0, 9])
    one_hot = architecture.recipe.loss == "softmax_cross_entropy_with_logits"
    return params, x, np.eye(10, dtype=np.float32)[labels] if one_hot else labels


def arrays(tree: Any) -> Iterator[tuple[str, str]]:
    """Yield the names of all arrays."""
    yield from ((layer, part) for layer, parts in tree.items() for part in parts)


@pytest.mark.slow
def test_one_complete_step_agrees(small: Architecture) -> None:
    """From pixels to the loss, every gradient and every updated parameter: within what one float32 step may differ."""
    params, x, labels = step_material(small)
    loss, gradients, after = fast_step(small, params, x, labels)
    exact = reference.loss_and_gradients(small, params, x, labels)
    allowed = step_bounds.end_to_end(small, params, x, labels, arithmetic=FLOAT32)
    assert_within(np.array(loss), np.array(exact.loss), allowed.loss)
    recipe = {"learning_rate": small.recipe.learning_rate, "epsilon": small.recipe.epsilon}
    expected, _ = adam_step(params, exact.gradients, AdamState.start(params), **recipe)
    assert set(arrays(gradients)) == set(arrays(expected))
    for layer, part in arrays(expected):
        g, dg = exact.gradients[layer][part], allowed.gradients[layer][part]
        assert_within(gradients[layer][part], g, dg)
        start = step_bounds.AdamArray.start()
        limit, _ = step_bounds.adam(params[layer][part].astype(float), g, dg, start, arithmetic=FLOAT32, **recipe)
        assert_within(after[layer][part], expected[layer][part], limit)


@pytest.mark.slow
def test_gradients_a_fifth_off_are_rejected(small: Architecture) -> None:
    """What is carried to the first layer still sees a fifth; to the layers behind it, far less. One layer alone: a thousandth."""
    params, x, labels = step_material(small)
    _, gradients, _ = fast_step(small, params, x, labels, spoil=1.2)
    exact = reference.loss_and_gradients(small, params, x, labels)
    allowed = step_bounds.end_to_end(small, params, x, labels, arithmetic=FLOAT32)
    for layer in exact.gradients:
        with pytest.raises(AssertionError, match="differ by more than allowed"):
            assert_within(gradients[layer]["bias"], exact.gradients[layer]["bias"], allowed.gradients[layer]["bias"])


def test_dropout_is_the_listings(small: Architecture) -> None:
    """From one seed, what dropout keeps in training is the same at every step, to the bit."""
    import tensorflow as tf

    plain, fast = (build_model(small, seed=2, implementation=i) for i in ("documented", "fast"))
    names = [layer.name for layer in fast.layers if "drop" in layer.name]
    assert names
    for _ in range(2):
        for name in names:
            ones = tf.ones((3, 50))
            a, b = (np.asarray(model.get_layer(name)(ones, training=True)) for model in (plain, fast))
            assert_equal(a, b)
            assert (a == 0).any()


# ---- Files -------------------------------------------------------------------------------------------------------------------


def trained(architecture: Architecture, implementation: Any, seed: int, arithmetic: Arithmetic = FLOAT32) -> Any:
    """Return a compiled model after one step, so that its optimizer has slots that are not 0."""
    params, x, labels = step_material(architecture)
    model = build_model(architecture, params if seed else None, seed=seed, implementation=implementation, arithmetic=arithmetic)
    compile_model(model, architecture, implementation=implementation)
    model.train_on_batch(x, labels)
    return model


@SAVES
@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.weights.h5", "model.keras"])
@pytest.mark.parametrize("saved", ["documented", "fast"])
def test_weights_fit_either(small: Architecture, saved: Any, name: str, tmp_path: Path) -> None:
    """Files of weights that one wrote the other reads, weights and Adam's state, to the bit, in both directions."""
    other: Any = "fast" if saved == "documented" else "documented"
    one, two = trained(small, saved, 1), trained(small, other, 0)
    one.save_weights(tmp_path / name) if name.endswith("h5") else one.save(tmp_path / name)
    two.load_weights(tmp_path / name)
    weights, loaded = get_params(one, small), get_params(two, small)
    for layer, part in arrays(weights):
        assert_equal(loaded[layer][part], weights[layer][part])
    for a, b in zip(one.optimizer.variables, two.optimizer.variables, strict=True):
        assert np.array_equal(b.numpy(), a.numpy())
    assert any(np.any(v.numpy()) for v in one.optimizer.variables[2:])


@SAVES
@pytest.mark.slow
@BOTH
def test_a_saved_model_is_the_same(small: Architecture, arithmetic: Arithmetic, tmp_path: Path) -> None:
    """Saved as .keras and loaded in safe mode, the fast model has the same configuration and gives the same bits."""
    import keras

    x = step_material(small)[1]
    model = trained(small, "fast", 1, arithmetic)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.to_json() == model.to_json()
    assert type(loaded.optimizer) is type(model.optimizer)
    assert_equal(np.asarray(loaded(x)), np.asarray(model(x)))


def test_any_batch(small: Architecture) -> None:
    """One image alone gives what it gives among others, within twice what float32 may differ: compiled anew for each size."""
    from tests.networks import end_to_end

    params, x = material(small, n=3)
    x = np.abs(signed(x.shape, 1, float(np.abs(x).mean()), np.float32))
    model = build_model(small, params, implementation="fast")
    expected, allowed = end_to_end(small, params, x)[small.layers[-1].name]
    assert_within(np.asarray(model(x)), expected, allowed)
    assert_within(np.asarray(model(x[1:2])), expected[1:2], allowed[1:2])
