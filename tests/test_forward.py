"""The networks run: forward and predict, inputs of every layout, training with masks, refusals, images that do not meet."""

from __future__ import annotations

import importlib
import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import reference
from alexnet_ref.bounds import FLOAT32, FLOAT64, carried
from alexnet_ref.compare import assert_equal, assert_within
from reference import ARCHITECTURES, Architecture, Conv, Dense, Dropout, Flatten, InvalidInput, MaxPool, ReLU, draw_masks
from reference.fast import network, team
from reference.forward import BLOCK, apply, forward, predict
from tests import golden, test_conv, test_dense, test_flatten, test_pool
from tests.miniatures import MINIATURES
from tests.strategies import SEEDS, integers

Array = NDArray[Any]
Params = dict[str, dict[str, Array]]
MODULE = importlib.import_module("reference.forward")  # as an attribute of the package, `forward` is the function

SMALL = Architecture(
    name="small",
    input_shape=(5, 6, 2),
    fed_shape=(60,),
    layers=(
        Conv(name="conv", filters=3, kernel_size=(2, 3), strides=(1, 2), padding="SAME"),
        ReLU(name="relu"),
        MaxPool(name="pool", pool_size=(2, 2), strides=(2, 1), padding="VALID"),
        Flatten(name="flat"),
        Dropout.keeping(name="drop", keep_prob=0.8),
        Dense(name="out", units=4),
    ),
)
PARAMS: Params = {
    "conv": {"kernel": integers((2, 3, 2, 3), 1), "bias": integers((3,), 2)},
    "out": {"kernel": integers((12, 4), 3), "bias": integers((4,), 4)},
}


TF1, KERAS = ARCHITECTURES["tf1_graph"], ARCHITECTURES["keras_sequential"]
FEW = MINIATURES["keras_sequential"]


@pytest.fixture(params=["tf1_graph", "keras_sequential, few channels", pytest.param("keras_sequential", marks=pytest.mark.slow)])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    """Return each documented architecture; the second's sizes are those of few channels without --slow."""
    return ARCHITECTURES.get(request.param, FEW)


@cache
def drawn(architecture: Architecture) -> Params:
    """Return its parameters from seed 0, for reading only: no write into them succeeds."""
    params: Params = reference.init_params(architecture)
    for arrays in params.values():
        for array in arrays.values():
            array.setflags(write=False)
    return params


def images(architecture: Architecture, n: int, seed: int = 0) -> Array:
    """Return n images of values in 0 … 1 that differ in every channel."""
    return np.random.default_rng(seed).random((n, *architecture.input_shape), np.float32)


# ---- Results -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forward_is_each_layer_in_order(architecture: Architecture, dtype: type) -> None:
    """Every layer's output is that layer applied to the one before it, in the document's order, within the dtype's roundings.

    predict is the last, within the same.
    """
    params, x = drawn(architecture), images(architecture, 2)
    outputs = forward(architecture, params, x, dtype)
    assert list(outputs) == [row.name for row in golden.ROWS[architecture.name]]
    arithmetic = FLOAT32 if dtype is np.float32 else FLOAT64
    y, difference = x.astype(float), np.zeros(x.shape)
    for layer in architecture.layers:
        own = {part: a.astype(float) for part, a in params.get(layer.name, {}).items()}
        difference = carried(layer, own, y, difference, arithmetic)
        y = apply(layer, own, y)
        assert outputs[layer.name].dtype == dtype
        assert_within(outputs[layer.name], y, difference)
    result = predict(architecture, params, x, dtype)
    assert result.dtype == dtype
    assert_within(result, y, difference)


def test_forward_ends_as_the_documents_do() -> None:
    """keras_sequential's result is probabilities, tf1_graph's is logits of both signs."""
    probabilities = predict(FEW, drawn(FEW), images(FEW, 2))
    assert (probabilities > 0).all()
    # Ten quotients and nine additions, each rounded once.
    assert_within(probabilities.sum(axis=1), np.ones(2), (10 + 9 + 1) * FLOAT64.u)
    logits = predict(TF1, drawn(TF1), images(TF1, 2))
    assert logits.min() < 0
    assert logits.max() > 1


@pytest.fixture
def few_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images pass in blocks of 5, in chunks of 2, so that few show what many would."""
    monkeypatch.setattr(MODULE, "BLOCK", 5)
    monkeypatch.setattr(network, "CHUNK", 2)


@pytest.mark.usefixtures("few_together")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # every example wants the same sizes
@given(n=st.integers(1, 11), seed=SEEDS)
def test_forward_is_the_composition_of_definitions(n: int, seed: int) -> None:
    """On integers the network is, bit for bit, the definitions of its layers one after another; for every batch size."""
    x = integers((n, *SMALL.input_shape), seed)
    conv = test_conv.definition(x, PARAMS["conv"]["kernel"], PARAMS["conv"]["bias"], strides=(1, 2), padding="SAME")
    pool = test_pool.definition(np.where(conv > 0, conv, 0), pool_size=(2, 2), strides=(2, 1), padding="VALID")
    flat = test_flatten.definition(pool)
    expected = test_dense.definition(flat, PARAMS["out"]["kernel"], PARAMS["out"]["bias"])
    for dtype in (np.float32, np.float64):
        outputs = forward(SMALL, PARAMS, x, dtype)
        for name, y in {"conv": conv, "pool": pool, "flat": flat, "drop": flat, "out": expected}.items():
            assert_equal(outputs[name], y.astype(dtype))
        assert_equal(predict(SMALL, PARAMS, x, dtype), expected.astype(dtype))


# ---- Arithmetic --------------------------------------------------------------------------------------------------------


def test_float32_is_computed_in_float32() -> None:
    """2²⁴ + 1 is lost in float32 and kept in float64, which is the default; the dtype of x and params decides nothing."""
    architecture = Architecture(name="sum", input_shape=(1, 1, 2), layers=(Flatten(name="flat"), Dense(name="out", units=1)))
    for given_dtype in (np.float32, np.float64):
        x = np.array([2.0**24, 1], given_dtype).reshape(1, 1, 1, 2)
        params = {"out": {"kernel": np.ones((2, 1), given_dtype), "bias": np.zeros(1, given_dtype)}}
        for run in (predict, lambda *args: forward(*args)["out"]):
            assert_equal(run(architecture, params, x), np.array([[2.0**24 + 1]]))
            assert_equal(run(architecture, params, x, np.float64), np.array([[2.0**24 + 1]]))
            assert_equal(run(architecture, params, x, np.float32), np.array([[2.0**24]], np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer_is_computed_in_the_dtype(architecture: Architecture, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer receives, returns and holds between the dtype that was asked for: none computes in another and rounds."""
    met: set[np.dtype[Any]] = set()
    take = team.Worker.take

    def watched(worker: team.Worker, name: str, shape: tuple[int, ...], held: Any) -> Array:
        met.add(np.dtype(held))
        return take(worker, name, shape, held)

    monkeypatch.setattr(team.Worker, "take", watched)
    params, x = drawn(architecture), images(architecture, 1).astype(np.float16)
    predict(architecture, params, x, dtype)
    outputs = forward(architecture, params, x, dtype)
    assert met | {y.dtype for y in outputs.values()} == {np.dtype(dtype)}


# ---- Training ----------------------------------------------------------------------------------------------------------


def test_masks_worked_out_by_hand() -> None:
    """[1 2 3] kept, dropped, kept at rate 0.5 is [2 0 6], and the layer after sees 2 + 0 + 60·10 and not the rest."""
    layers = (Flatten(name="flat"), Dropout(name="drop", rate=0.5), Dense(name="out", units=1))
    architecture = Architecture(name="hand", input_shape=(1, 1, 3), layers=layers)
    params = {"out": {"kernel": np.array([[1.0], [100], [10]]), "bias": np.array([1.0])}}
    x = np.array([1.0, 2, 3]).reshape(1, 1, 1, 3)
    outputs = forward(architecture, params, x, masks={"drop": np.array([[True, False, True]])})
    assert_equal(outputs["flat"], np.array([[1.0, 2, 3]]))
    assert_equal(outputs["drop"], np.array([[2.0, 0, 6]]))
    assert_equal(outputs["out"], np.array([[63.0]]))
    assert_equal(forward(architecture, params, x)["out"], np.array([[232.0]]))


@pytest.mark.usefixtures("few_together")
@pytest.mark.parametrize("n", [1, 6])
def test_masks_of_the_documents_dropouts(n: int) -> None:
    """In training tf1_graph's kept values are 1.25 times what came in and the dropped ones 0, image by image, at each dropout."""
    architecture = ARCHITECTURES["tf1_graph"]
    masks = draw_masks(architecture, n, seed=3)
    outputs = forward(architecture, drawn(TF1), images(architecture, n), masks=masks)
    for block in (1, 2, 3):
        assert_equal(outputs[f"drop{block}"], np.where(masks[f"drop{block}"], 1.25 * outputs[f"norm{block}"], 0))
        assert masks[f"drop{block}"].any()
        assert not masks[f"drop{block}"].all()


def test_no_masks_means_no_dropout() -> None:
    """Without masks every dropout is the identity, as with masks of True at rate 0 alone."""
    architecture = ARCHITECTURES["tf1_graph"]
    outputs = forward(architecture, drawn(TF1), images(architecture, 1))
    for block in (1, 2, 3):
        assert_equal(outputs[f"drop{block}"], outputs[f"norm{block}"])


@pytest.mark.parametrize("architecture", [TF1, KERAS], ids=lambda architecture: architecture.name)
def test_drawn_masks_fit_and_follow_the_seed(architecture: Architecture) -> None:
    """draw_masks draws one boolean mask for each dropout layer and image, the same from one seed, all different otherwise."""
    masks, again, other = (draw_masks(architecture, 3, seed) for seed in (5, 5, 6))
    shapes = {row.name: (3, *row.shape) for row in golden.ROWS[architecture.name] if golden.WORDS[row.kind] == "Dropout"}
    assert {name: mask.shape for name, mask in masks.items()} == shapes
    for name, mask in masks.items():
        assert mask.dtype == np.bool_
        assert (mask == again[name]).all()
        assert (mask != other[name]).any()
        assert (mask[0] != mask[1]).any()
    distinct = {mask[0].ravel()[:64].tobytes() for mask in masks.values()}
    assert len(distinct) == len(shapes)


# ---- Inputs that are accepted ------------------------------------------------------------------------------------------


def test_fed_shape_equals_image() -> None:
    """tf1_graph takes 784 numbers for an image, in the order of rows: its reshape to 28×28×1."""
    architecture = ARCHITECTURES["tf1_graph"]
    x = images(architecture, 2)
    expected = forward(architecture, drawn(TF1), x)
    for name, y in forward(architecture, drawn(TF1), x.reshape(2, 784)).items():
        assert_equal(y, expected[name])


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "Fortran order": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
    "reversed twice": lambda x: x[:, ::-1].copy()[:, ::-1],
    "channels first in memory": lambda x: np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
    "big-endian": lambda x: x.astype(">f4"),
    "float16": lambda x: x.astype(np.float16),
    "float64": lambda x: x.astype(np.float64),
    "long double": lambda x: x.astype(np.longdouble),
    "read-only": lambda x: np.frombuffer(x.tobytes(), np.float32).reshape(x.shape),
    "nested lists": lambda x: x.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_memory_layout_changes_nothing(layout: Callable[[Array], Array]) -> None:
    """The same values in another memory layout or floating-point dtype give the same bits, as input and as parameters."""
    x = integers((3, *SMALL.input_shape), 0, dtype=np.float32)
    expected = predict(SMALL, PARAMS, x)
    assert_equal(predict(SMALL, PARAMS, layout(x)), expected)
    laid_out = {**PARAMS, "conv": {**PARAMS["conv"], "kernel": layout(PARAMS["conv"]["kernel"].astype(np.float32))}}
    assert_equal(predict(SMALL, laid_out, x), expected)


def test_nothing_given_is_modified() -> None:
    """Neither x, nor a parameter, nor a mask is written to, and no output shares memory with them or another output."""
    x = integers((2, *SMALL.input_shape), 0)
    masks = draw_masks(SMALL, 2)
    held = [x, *masks.values(), *(a for parts in PARAMS.values() for a in parts.values())]
    copies = [a.copy() for a in held]
    outputs = [*forward(SMALL, PARAMS, x, masks=masks).values(), *forward(SMALL, PARAMS, x).values(), predict(SMALL, PARAMS, x)]
    for y in outputs:
        y[...] += 1
    for array, copy in zip(held, copies, strict=True):
        assert (array == copy).all()
    everything = held + outputs
    assert not any(np.shares_memory(a, b) for i, a in enumerate(everything) for b in everything[:i])


@pytest.mark.parametrize("layer", [Dropout(name="only", rate=0.5), ReLU(name="only")])
def test_identity_returns_a_copy(layer: Dropout | ReLU) -> None:
    """Even where the network changes no value, its result can be written to without changing the input."""
    architecture = Architecture(name="identity", input_shape=(2, 3, 1), layers=(layer,))
    x = np.ones((1, 2, 3, 1))
    for y in (predict(architecture, {}, x), forward(architecture, {}, x)["only"]):
        y[...] += 1
    assert (x == 1).all()


# ---- Inputs that are refused -------------------------------------------------------------------------------------------


def with_value(value: float) -> Array:
    """Return images one pixel of which has this value."""
    x = np.zeros((2, 5, 6, 2))
    x[1, 4, 5, 1] = value
    return x


GOOD = np.zeros((2, 5, 6, 2))
SHAPE = "input of 'small': wrong shape; expected (N, 60) or (N, 5, 6, 2), N at least 1; received "
DIVIDE = "input of 'small': images must be floating point; expected values in 0 … 1; received dtype {}. Divide by 255 first"
REFUSED: list[tuple[Any, Any, str]] = [
    (GOOD[0], np.float64, SHAPE + "(5, 6, 2)"),
    (GOOD[..., :1], np.float64, SHAPE + "(2, 5, 6, 1)"),
    (GOOD.transpose(0, 3, 1, 2), np.float64, SHAPE + "(2, 2, 5, 6)"),
    (GOOD.reshape(1, 120), np.float64, SHAPE + "(1, 120)"),
    (GOOD.reshape(2, 60, 1), np.float64, SHAPE + "(2, 60, 1)"),
    (GOOD[:0], np.float64, SHAPE + "(0, 5, 6, 2)"),
    (np.float64(1), np.float64, SHAPE + "()"),
    (GOOD.astype(np.uint8), np.float64, DIVIDE.format("uint8")),
    (GOOD.astype(np.int64), np.float64, DIVIDE.format("int64")),
    (GOOD.astype(bool), np.float64, DIVIDE.format("bool")),
    (GOOD.astype(complex), np.float64, DIVIDE.format("complex128")),
    (GOOD.astype(str), np.float64, DIVIDE.format("<U32")),
    (None, np.float64, DIVIDE.format("object")),
    (with_value(np.nan), np.float64, "input of 'small': values are not finite; expected finite values; received NaN or infinity"),
    (with_value(np.inf), np.float64, "input of 'small': values are not finite"),
    (with_value(-np.inf), np.float32, "input of 'small': values are not finite"),
    (GOOD, np.float16, "input of 'small': dtype is not supported; expected float64 or float32; received <class 'numpy.float16'>"),
    (GOOD, np.longdouble, "input of 'small': dtype is not supported"),
    (GOOD, np.int64, "input of 'small': dtype is not supported"),
    (GOOD, np.complex64, "input of 'small': dtype is not supported"),
]


@pytest.mark.parametrize("run", [forward, predict])
@pytest.mark.parametrize(("x", "dtype", "message"), REFUSED)
def test_input_is_refused(run: Callable[..., Any], x: Any, dtype: Any, message: str) -> None:
    """What is no batch of finite floating-point images is refused, with the shapes or values expected and received."""
    with pytest.raises(InvalidInput) as caught:
        run(SMALL, PARAMS, x, dtype)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("run", [forward, predict])
def test_params_are_checked_before_use(run: Callable[..., Any]) -> None:
    """Parameters of another shape are refused by layer and part, before anything is computed with them."""
    wrong = {**PARAMS, "out": {"kernel": PARAMS["out"]["kernel"].T, "bias": PARAMS["out"]["bias"]}}
    with pytest.raises(InvalidInput, match=r"params of 'small': out/kernel: wrong shape; expected \(12, 4\); received \(4, 12\)"):
        run(SMALL, wrong, GOOD)


KEPT = np.ones((2, 12), bool)
WRONG_MASKS: list[tuple[dict[str, Any], str]] = [
    ({}, "masks of 'small': a mask for each dropout layer is needed; expected drop; received none"),
    ({"dropout": KEPT}, "masks of 'small': a mask for each dropout layer is needed; expected drop; received dropout"),
    ({"drop": KEPT, "out": KEPT}, "masks of 'small': a mask for each dropout layer is needed; expected drop; received drop, out"),
    ({"drop": KEPT[:1]}, "masks of 'small': drop: wrong mask; expected bool (2, 12); received bool (1, 12)"),
    ({"drop": KEPT[0]}, "masks of 'small': drop: wrong mask; expected bool (2, 12); received bool (12,)"),
    ({"drop": KEPT * 1.25}, "masks of 'small': drop: wrong mask; expected bool (2, 12); received float64 (2, 12)"),
    ({"drop": KEPT.astype(np.int64)}, "masks of 'small': drop: wrong mask; expected bool (2, 12); received int64 (2, 12)"),
]


@pytest.mark.parametrize(("masks", "message"), WRONG_MASKS, ids=[message.split("received ")[1] for _, message in WRONG_MASKS])
def test_masks_are_refused(masks: dict[str, Any], message: str) -> None:
    """Masks that are not one boolean array for each dropout layer and image are refused by layer, already scaled ones too."""
    with pytest.raises(InvalidInput) as caught:
        forward(SMALL, PARAMS, GOOD, masks=masks)
    assert str(caught.value) == message


# ---- Images do not meet ------------------------------------------------------------------------------------------------


def test_neighbours_values_change_nothing(architecture: Architecture) -> None:
    """In its place in a batch of one size, an image has the same bits whatever its neighbours are.

    Exactly: which sums are formed, and in which order, depends on shapes alone.
    """
    x = images(architecture, 3)
    others = 9 * images(architecture, 3, seed=1)
    others[1] = x[1]
    params = drawn(architecture)
    mixed = forward(architecture, params, others, np.float32)
    for name, y in forward(architecture, params, x, np.float32).items():
        assert_equal(mixed[name][1], y[1])


@pytest.mark.usefixtures("few_together")
@pytest.mark.parametrize("n", [2, 8])
def test_batch_changes_nothing_but_rounding(n: int) -> None:
    """An image alone has the outputs that it has in a batch, within the roundings of two float64 computations, layer by layer.

    Not bit for bit: for another number of rows a matrix product may add in another order. On integers it is bit for bit
    (`test_forward_is_the_composition_of_definitions`).
    """
    architecture = ARCHITECTURES["tf1_graph"]
    params = {layer: {p: a.astype(float) for p, a in parts.items()} for layer, parts in drawn(TF1).items()}
    x = images(architecture, n).astype(float)
    batch = forward(architecture, params, x)
    alone, before = forward(architecture, params, x[-1:]), x[-1:]
    difference = np.zeros_like(before)
    for layer in architecture.layers:
        difference = carried(layer, params.get(layer.name, {}), before, difference, FLOAT64)
        before = alone[layer.name]
        assert_within(batch[layer.name][-1:], before, difference)
    with pytest.raises(AssertionError):  # the neighbour's outputs do not pass for the image's
        assert_within(batch["out"][-2:-1], before, difference)


@pytest.mark.parametrize("block", [1, 2, 5, 100])
def test_blocks_are_not_observable(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many images go through the network together, every image's outputs are the same, masks included."""
    x, masks = integers((7, *SMALL.input_shape), 0), draw_masks(SMALL, 7)
    expected, result = forward(SMALL, PARAMS, x, np.float64), predict(SMALL, PARAMS, x)
    trained = forward(SMALL, PARAMS, x, masks=masks)
    monkeypatch.setattr(MODULE, "BLOCK", block)
    monkeypatch.setattr(network, "CHUNK", block)
    assert_equal(predict(SMALL, PARAMS, x), result)
    for name in expected:
        assert_equal(forward(SMALL, PARAMS, x)[name], expected[name])
    # 1.25·integers, and their sums with integers, are multiples of ¼ and exact too.
    for name, y in forward(SMALL, PARAMS, x, masks=masks).items():
        assert_equal(y, trained[name])


def test_predict_takes_bounded_memory() -> None:
    """What predict holds at its peak grows, from one block to four, by a few copies of the added images, not by their layers."""
    architecture = MINIATURES["tf1_graph"]
    few, many = images(architecture, BLOCK), images(architecture, 4 * BLOCK)

    def peak(run: Callable[..., Any], x: Array) -> int:
        team.kept.clear()
        tracemalloc.start()
        run(architecture, drawn(architecture), x, np.float32)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    added = many.nbytes - few.nbytes
    assert peak(predict, many) - peak(predict, few) <= 3 * added
    assert peak(forward, many) - peak(forward, few) > 22 * added  # conv1 alone: 22 numbers for each pixel


ONE_DENSE = reference.Architecture(
    name="s", input_shape=(1, 1, 2), layers=(reference.Flatten(name="f"), reference.Dense(name="o", units=1))
)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reference.predict("alexnet", {}, np.ones((1, 784))), "no such architecture"),
        (lambda: reference.predict(["tf1_graph"], {}, np.ones((1, 784))), "no such architecture"),  # type: ignore[arg-type]
        (lambda: reference.init_params("tf1_graph", -1), "seed is out of range"),
        (lambda: reference.predict(ONE_DENSE, _dense_params(1e39), np.ones((1, 1, 1, 2)), np.float32), "too large for float32"),
        (
            lambda: reference.predict(ONE_DENSE, _dense_params(1.0), np.full((1, 1, 1, 2), 1e39), np.float32),
            "too large for float32",
        ),
        (lambda: reference.predict(ONE_DENSE, {"o": None}, np.ones((1, 1, 1, 2))), "no mapping"),  # type: ignore[dict-item]
        (lambda: reference.predict(ONE_DENSE, _dense_params(1.0), [[1.0], [1.0, 2.0]]), "this is no array"),  # type: ignore[arg-type]
        (lambda: reference.forward("tf1_graph", reference.init_params("tf1_graph"), np.ones((1, 784)), masks=[1]), "no mapping"),  # type: ignore[arg-type]
    ],
)
def test_strange_arguments_are_refused(call: Callable[[], object], message: str) -> None:
    """Unknown names, negative seeds, overflow on conversion, and what is no array or mapping, are refused in a line."""
    with pytest.raises(reference.InvalidInput, match=message):
        call()


def test_names_and_dtype_words_are_taken() -> None:
    """The architecture's name and NumPy's words for a dtype do as well as the objects."""
    params = reference.init_params("tf1_graph")
    x = np.random.default_rng(0).random((1, 784))
    by_object = reference.predict(reference.ARCHITECTURES["tf1_graph"], params, x, np.float32)
    assert_equal(reference.predict("tf1_graph", params, x, "float32"), by_object)


def _dense_params(value: float) -> dict[str, dict[str, NDArray[np.float64]]]:
    return {"o": {"kernel": np.full((2, 1), value), "bias": np.zeros(1)}}
