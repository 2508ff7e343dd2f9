"""Functions as candidates: what they show is judged, what they hide is not guessed, designed images take the place of probes."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import reference
from alexnet_ref.candidates import NotCheckable, as_candidate
from alexnet_ref.candidates.function import FunctionPort, as_array
from alexnet_ref.checks import CHECKS
from alexnet_ref.checks.agreement import check_agreement
from alexnet_ref.checks.facts import check_facts
from alexnet_ref.checks.output import IMAGES, check_output, drawn_weights
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.report import Report
from alexnet_ref.verify import verify
from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, InvalidInput, MaxPool, Params, ReLU, Resize

Array = NDArray[Any]

SMALL = Architecture(
    name="small",
    input_shape=(7, 6, 2),
    layers=(
        Resize(name="resize", height=12, width=11),
        Conv(name="conv1", filters=5, kernel_size=(3, 2), strides=(2, 2), padding="SAME"),
        LRN(name="norm", depth_radius=1, bias=1.0, alpha=0.5, beta=0.75),
        ReLU(name="relu"),
        MaxPool(name="pool", pool_size=(2, 2), strides=(2, 2), padding="SAME"),
        Dropout(name="drop", rate=0.5),
        Flatten(name="flatten"),
        Dense(name="fc", units=8, activation="relu"),
        Dense(name="out", units=4, activation="softmax"),
    ),
)
PARAMS: Params = reference.init_params(SMALL, 1)  # biases are 0, as in keras_sequential
IMAGES_SEEN = np.random.default_rng(0).random((3, *SMALL.input_shape), np.float32)
EVERY = [*(check for check in CHECKS if check is not check_output), check_output]

float32 = functools.partial(reference.predict, dtype=np.float32)
every_layer = functools.partial(reference.forward, dtype=np.float32)


def judge(function: Any, **options: Any) -> Report:
    """Judge a port of the small network."""
    return verify(function, SMALL, images=IMAGES_SEEN, checks=EVERY, diagnosis=False, **options)


def ids(report: Report, status: Any) -> set[str]:
    """Return the ids of the checks of this status."""
    return {check.id for check in report.of(status)}


PROBES = {f"network.probe[{kind}]" for kind in IMAGES}


def test_a_function_of_images_conforms() -> None:
    """A black box is judged from end to end, on real and on designed images; everything else is not checkable."""
    report = judge(lambda x: float32(SMALL, PARAMS, x), params=PARAMS)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]
    compared = {"network.order", "network.weights", "dense.shape[out]", "dense.isolated[out]", "dense.end_to_end[out]"}
    assert ids(report, "passed") == PROBES | compared


def test_without_weights_nothing_can_be_judged() -> None:
    """A function whose weights nobody knows is told so, and its numbers are not judged."""
    report = judge(lambda x: float32(SMALL, PARAMS, x))
    assert ids(report, "passed") == {"network.order", "dense.shape[out]"}
    assert "params" in next(check.fact for check in report.checks if check.id == "network.weights")


def test_a_function_of_params_needs_no_weights() -> None:
    """A function that takes params is called with drawn ones, which its result must follow."""
    port = FunctionPort(lambda params, x: float32(SMALL, params, x), SMALL)
    report = verify(port, SMALL, images=IMAGES_SEEN, checks=[check_output], diagnosis=False)
    assert ids(report, "passed") == PROBES


def test_layers_that_show_are_judged_one_by_one() -> None:
    """With {layer: output} every layer is compared, isolated and end to end; those that begin at the images are probed."""
    port = FunctionPort(lambda params, x: every_layer(SMALL, params, x), SMALL, params=PARAMS)
    report = judge(port, params=PARAMS)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]
    words = {layer.name: check.id for check in report.of("passed") for layer in SMALL.layers if check.layer == layer.name}
    assert set(words) == {layer.name for layer in SMALL.layers}
    assert {"resize.probe[resize]", "lrn.isolated[norm]", "lrn.end_to_end[norm]"} | PROBES <= ids(report, "passed")
    assert {"conv.exact[conv1]", "lrn.probe[norm]", "dropout.kept[drop]"} <= ids(report, "not checkable")


def test_weights_of_the_first_layer_are_set() -> None:
    """A first layer with weights is probed with the judge's own, where the function takes params; otherwise it cannot be."""
    first = dataclasses.replace(SMALL, layers=SMALL.layers[1:])
    params = reference.init_params(first, 1)
    shown = FunctionPort(lambda p, x: every_layer(first, p, x), first, params=params)
    images = IMAGES_SEEN
    report = verify(shown, first, images=images, checks=[check_probes], diagnosis=False, params=params)
    assert ids(report, "passed") == {"conv.exact[conv1]"}
    fixed = verify(
        lambda x: every_layer(first, params, x), first, images=images, checks=[check_probes], diagnosis=False, params=params
    )
    assert "conv.exact[conv1]" in ids(fixed, "not checkable")
    wrong = FunctionPort(lambda p, x: every_layer(first, _changed(p, "conv1", lambda k: k[::-1]), x), first, params=params)
    assert ids(verify(wrong, first, images=images, checks=[check_probes], diagnosis=False, params=params), "failed") == {
        "conv.exact[conv1]"
    }


def _changed(params: Any, layer: str, change: Callable[[Array], Array], part: str = "kernel") -> Any:
    return {**params, layer: {**params[layer], part: change(params[layer][part])}}


def test_a_wrong_layer_is_found_where_it_shows() -> None:
    """The first wrong layer is named if the function shows it, and the output alone if it does not."""
    norm = LRN(name="norm", depth_radius=1, bias=1.0, alpha=0.5 / 3, beta=0.75)
    wrong = dataclasses.replace(SMALL, layers=tuple(norm if layer.name == "norm" else layer for layer in SMALL.layers))
    report = judge(lambda x: every_layer(wrong, PARAMS, x), params=PARAMS)
    assert report.first_wrong_layer == "norm"
    report = judge(lambda x: float32(wrong, PARAMS, x), params=PARAMS)
    assert report.first_wrong_layer == "out"
    assert ids(report, "failed") >= PROBES - {"network.probe[corners]"} | {"dense.end_to_end[out]"}


# ---- Designed images: for each kind a mistake that no other check shows ------------------------------------------------------


def _without_specks(x: Array) -> Array:
    """Remove pixels without a neighbour that is not 0, as a cleaning of noise does."""
    lit = np.pad((x != 0).any(axis=-1), ((0, 0), (1, 1), (1, 1)))
    around = sum(np.roll(lit, (i, j), (1, 2)).astype(int) for i in (-1, 0, 1) for j in (-1, 0, 1)) - lit
    return np.where((around[:, 1:-1, 1:-1] == 0)[..., None], np.float32(0), x)


def _without_blanks(x: Array) -> Array:
    """Skip images of one colour, as a detection of empty fields does: anything else is put in their place."""
    blank = (x == x[:, :1, :1]).all(axis=(1, 2, 3))
    return np.where(blank[:, None, None, None], np.linspace(0, 1, x[0].size, dtype=np.float32).reshape(x.shape[1:]), x)


BEFORE: dict[str, Callable[[Array], Array]] = {
    "signed": lambda x: np.maximum(x, 0),
    "magnitude": lambda x: np.minimum(x, 1),
    "corners": _without_specks,
    "constant": _without_blanks,
}


@pytest.mark.parametrize("kind", IMAGES)
def test_each_kind_of_image_shows_what_nothing_else_does(kind: str) -> None:
    """A port that is right on everything but one kind of image fails this kind's check alone."""
    report = judge(lambda x: float32(SMALL, PARAMS, BEFORE[kind](np.asarray(x))), params=PARAMS)
    assert ids(report, "failed") == {f"network.probe[{kind}]"}


def test_drawn_weights_show_what_the_own_hide() -> None:
    """A port that forgets a bias is right as long as it is 0: only with drawn weights is it wrong."""

    def forgetful(params: Any, x: Any) -> Any:
        return float32(SMALL, _changed(params, "fc", np.zeros_like, "bias"), x)

    report = judge(FunctionPort(forgetful, SMALL, params=PARAMS), params=PARAMS)
    assert ids(report, "failed") == PROBES
    assert judge(lambda x: forgetful(PARAMS, x), params=PARAMS).conforms


def test_where_every_layer_can_be_fed_designed_images_are_left_out() -> None:
    """They decide nothing that the layers' own probes do not."""

    class Whole:
        name, architecture = "whole", SMALL
        hidden: Any = types.MappingProxyType({})

        def facts(self) -> Any:
            from alexnet_ref.candidates import Fact

            return [Fact(name=layer.name, output_shape=None, params=None, layer=layer) for layer in SMALL.layers]

        def layer(self, name: str, x: Array, params: Any = None, *, training: bool = False) -> Array:
            del name, params, training
            return x

    from alexnet_ref.checks import Material

    material = Material(images=IMAGES_SEEN)
    candidate: Any = Whole()
    assert list(check_output(candidate, SMALL, material)) == []


def test_drawn_weights_keep_numbers_where_they_show() -> None:
    """With drawn weights LRN's sum is about its bias, and scores are near 1: neither saturates, neither vanishes."""
    for architecture in (SMALL, reference.ARCHITECTURES["tf1_graph"]):
        params = drawn_weights(architecture, np.random.default_rng(0))
        x = np.random.default_rng(1).uniform(-1, 1, (2, *architecture.input_shape))
        outputs = every_layer(architecture, params, x)
        fed = dict(zip(outputs, [x, *outputs.values()], strict=False))
        for layer in architecture.layers:
            if isinstance(layer, LRN):
                ratio = layer.alpha * layer.window * float((fed[layer.name] ** 2).mean()) / layer.bias
                assert 0.1 < ratio < 10
        assert all(np.abs(values).max() > 0 for values in outputs.values())
        assert all((parts["bias"] != 0).all() for parts in params.values())


# ---- What a function takes and returns ---------------------------------------------------------------------------------------


def test_the_order_of_a_dictionary_is_not_the_order_of_layers() -> None:
    """Where all names are the document's, the document's order is taken: jax.jit returns dictionaries sorted by name."""
    report = judge(lambda x: dict(sorted(every_layer(SMALL, PARAMS, x).items())), params=PARAMS)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]


def test_names_of_ones_own_are_mapped() -> None:
    """A name map pairs what the function calls otherwise; a few layers may be shown, and what lies between is seen together."""
    names = {"conv1": "c", "pool": "p", "out": "y"}

    def function(x: Any) -> Any:
        return {key: value for layer, value in every_layer(SMALL, PARAMS, x).items() for key in [names.get(layer)] if key}

    report = judge(function, params=PARAMS, names=names)
    assert report.conforms, [(check.id, check.fact) for check in report.of("failed")]
    assert {"conv.end_to_end[conv1]", "pool.isolated[pool]", "dense.isolated[out]"} <= ids(report, "passed")
    assert "lrn.isolated[norm]" in ids(report, "not checkable")


@pytest.mark.parametrize("form", [(6 * 7 * 2,), (2, 7, 6)], ids=["flat", "channels first"])
def test_forms_of_images_are_found(form: tuple[int, ...]) -> None:
    """A function that takes flat images, or channels first, is given them so."""

    def function(x: Any) -> Any:
        if x.shape[1:] != form:
            raise ValueError(f"no images: {x.shape}")
        return float32(SMALL, PARAMS, np.moveaxis(x, 1, -1) if x.ndim == 4 else x.reshape(-1, *SMALL.input_shape))

    report = judge(function, params=PARAMS)
    assert report.conforms
    assert str(form[0]) in report.environment["input"]


def test_what_cannot_be_called_is_refused() -> None:
    """A function that raises for every image, and one that returns no array, are refused with what they said."""

    def broken(_: Any) -> Any:
        raise KeyError("conv1")

    with pytest.raises(InvalidInput, match=r"in no form.*'conv1'"):
        as_candidate(broken, SMALL)
    with pytest.raises(InvalidInput, match=r"in no form.*received str"):
        as_candidate(lambda _: "four", SMALL)


def test_a_function_cannot_be_asked_for_what_it_is_not() -> None:
    """Training, weights, and layers behind the first cannot be had, and each is said in its own words."""
    port = FunctionPort(lambda x: every_layer(SMALL, PARAMS, x), SMALL)
    with pytest.raises(NotCheckable, match="no training"):
        port.run(0, 0, IMAGES_SEEN, {}, training=True)
    with pytest.raises(NotCheckable, match="images alone"):
        port.run(1, 1, IMAGES_SEEN, {})
    with pytest.raises(NotCheckable, match="cannot be set"):
        port.run(0, 0, IMAGES_SEEN, {"conv1": {}})
    with pytest.raises(NotCheckable):
        port.weights()
    with pytest.raises(NotCheckable):
        port.with_params(PARAMS)


def test_a_function_that_shows_something_else_later_is_rejected() -> None:
    """Layers that come and go with the images fail, with the names."""
    calls = []

    def fickle(x: Any) -> Any:
        calls.append(x)
        found = every_layer(SMALL, PARAMS, x)
        return found if len(calls) == 1 else {"out": found["out"]}

    report = verify(fickle, SMALL, images=IMAGES_SEEN, checks=[check_facts, check_agreement], diagnosis=False, params=PARAMS)
    assert "conv.isolated[conv1]" in ids(report, "failed")


def test_arrays_of_any_library_are_read() -> None:
    """Lists and arrays are arrays; text, single numbers and objects are refused."""
    assert as_array([[1.0, 2.0]]).shape == (1, 2)
    for nothing in ("text", 3.0, object(), None):
        with pytest.raises(TypeError):
            as_array(nothing)


# ---- JAX and PyTorch ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed: pip install jax")
@pytest.mark.slow
@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jit"])
def test_jax_port_conforms(jitted: bool) -> None:
    """tf1_graph as a JAX user writes it, (params, x) → {layer: output}, conforms; with alpha divided again it does not."""
    import jax

    tf1 = reference.ARCHITECTURES["tf1_graph"]
    params = reference.init_params(tf1, 2)
    wrap = jax.jit if jitted else lambda function: function
    for alpha, conforms in ((0.001 / 9, True), (0.001 / 81, False)):
        port = FunctionPort(wrap(functools.partial(_jax_tf1, jax, alpha)), tf1, params=params)
        report = verify(port, tf1, batch_size=1, checks=[check_agreement, check_probes], diagnosis=False, params=params)
        assert report.conforms is conforms, [(check.id, check.fact) for check in report.of("failed")]
        assert report.first_wrong_layer == (None if conforms else "norm1")
        assert {"conv.exact[conv1]", "conv.isolated[conv3]", "dense.isolated[fc1]"} <= ids(report, "passed")


def _jax_tf1(jax: Any, alpha: float, params: Any, x: Any) -> Any:
    lax, found = jax.lax, {}
    x = x.reshape(-1, 28, 28, 1)
    for i in "123":
        conv = params[f"conv{i}"]
        x = lax.conv_general_dilated(x, conv["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        found[f"conv{i}"] = x = jax.nn.relu(x + conv["bias"])
        found[f"pool{i}"] = x = lax.reduce_window(x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")
        sums = lax.reduce_window(x * x, 0.0, lax.add, (1, 1, 1, 9), (1, 1, 1, 1), "SAME")
        found[f"norm{i}"] = x = x * (1.0 + alpha * sums) ** -0.75
    x = x.reshape(len(x), -1)
    for name in ("fc1", "fc2", "out"):
        x = x @ params[name]["kernel"] + params[name]["bias"]
        found[name] = x = x if name == "out" else jax.nn.relu(x)
    return found


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install torch")
def test_torch_function_is_given_tensors() -> None:
    """A function that takes nothing but tensors, and returns one with a history, is given tensors."""
    import torch

    def function(x: Any) -> Any:
        y = torch.from_numpy(float32(SMALL, PARAMS, torch.relu(x).numpy()))
        return torch.nn.Parameter(y)

    report = judge(function, params=PARAMS)
    assert report.environment["input"].endswith("PyTorch")
    assert ids(report, "failed") == {"network.probe[signed]"}  # as it should, the images being cut at 0
