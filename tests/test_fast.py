"""reference.fast against the definition: equal on integers, within both roundings elsewhere, and every mistake is seen."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import reference
from alexnet_ref.bounds import FLOAT32, FLOAT64, allowed, carried
from alexnet_ref.compare import assert_equal, assert_within
from reference import ARCHITECTURES, LRN, Architecture, Conv, Dense, Dropout, Flatten, InvalidInput, MaxPool, ReLU, Resize, ops
from reference.fast import blas, conv, dense, lrn, network, pool, ready, resize, resized_conv, team
from reference.fast.step import Step
from reference.forward import apply, as_input, as_params, forward, predict
from reference.padding import Padding
from tests.networks import networks
from tests.strategies import PADDINGS, SEEDS, STRIDES, distinct_sizes, integers, signed

Array = NDArray[Any]
Pair = tuple[int, int]
ConvCase = tuple[tuple[int, ...], Pair, Pair, Padding, int]  # sizes (N, H, W, C, O), window, strides, padding, seed
DTYPES = st.sampled_from([np.float32, np.float64])
HANDS = st.sampled_from([1, 3])
WINDOWS = st.tuples(st.integers(1, 5), st.integers(1, 5))


def forget() -> None:
    """Let nothing that was made ready with other functions or sizes be used again."""
    network.plan.cache_clear()
    ready.ready_plain.cache_clear()
    resized_conv.geometry.cache_clear()


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cut everything into pieces so small that little networks have several of each."""
    monkeypatch.setattr(conv, "PRODUCT_BYTES", 1000)
    monkeypatch.setattr(conv, "SHORT", 4)
    monkeypatch.setattr(lrn, "CHANNELS", 3)
    monkeypatch.setattr(dense, "TILE_BYTES", 64)
    monkeypatch.setattr(team, "SHARED", 1)
    monkeypatch.setattr(network, "CHUNK", 2)
    for module in (lrn, network, resized_conv):
        monkeypatch.setattr(module, "BLOCK_BYTES", 500)
    monkeypatch.setattr(network, "processors", lambda: 3)
    forget()
    yield
    forget()


# Every example wants the same small pieces.
ONE_FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def ran(step: Step, x: Array, hands: int) -> Array:
    """Return the step's output, computed by so many threads into memory that holds NaN before."""
    y = np.full((len(x), *step.shape), np.nan, x.dtype)
    with team.Team(hands) as together:
        step.run(np.ascontiguousarray(x), y, together)
    return y


# ---- Each layer --------------------------------------------------------------------------------------------------------


def operands(sizes: tuple[int, ...], window: Pair, padding: Padding, seed: int) -> tuple[Array, Array, Array]:
    """Return integers as x, kernel and bias, the image large enough for a VALID window."""
    n, h, w, c, o = sizes
    if padding == "VALID":
        h, w = max(h, window[0]), max(w, window[1])
    return integers((n, h, w, c), seed), integers((*window, c, o), seed + 1), integers((o,), seed + 2)


@ONE_FIXTURE
@given(
    case=st.tuples(distinct_sizes(5, high=7), WINDOWS, STRIDES, PADDINGS, SEEDS), relu=st.booleans(), hands=HANDS, dtype=DTYPES
)
@example(case=((2, 1, 3, 4, 5), (5, 4), (1, 2), "SAME", 0), relu=False, hands=1, dtype=np.float32)  # window beyond the image
@example(case=((2, 6, 5, 3, 1), (1, 2), (4, 5), "SAME", 0), relu=False, hands=3, dtype=np.float64)  # strides beyond the window
@example(case=((1, 7, 6, 1, 3), (3, 3), (1, 1), "SAME", 0), relu=True, hands=3, dtype=np.float64)  # one image, one channel
@example(case=((2, 3, 4, 1, 1), (1, 1), (1, 1), "SAME", 0), relu=False, hands=3, dtype=np.float32)  # more threads than images
def test_conv_is_the_definitions(*, case: ConvCase, relu: bool, hands: int, dtype: type) -> None:
    """On integers the convolution is the definition's, bit for bit: any window, stride, padding and number of threads."""
    sizes, window, strides, padding, seed = case
    x, kernel, bias = operands(sizes, window, padding, seed)
    image = (x.shape[1], x.shape[2], x.shape[3])
    step = conv.conv2d(kernel, bias, image, dtype, strides=strides, padding=padding, relu=relu)
    expected = ops.conv2d(x, kernel, bias, strides=strides, padding=padding)
    assert_equal(ran(step, x.astype(dtype), hands), (ops.relu(expected) if relu else expected).astype(dtype))


@ONE_FIXTURE
@given(distinct_sizes(4, high=9), WINDOWS, STRIDES, PADDINGS, SEEDS)
def test_pool_is_the_definitions(sizes: tuple[int, ...], window: Pair, strides: Pair, padding: Padding, seed: int) -> None:
    """On any numbers pooling is the definition's, bit for bit."""
    n, h, w, c = sizes
    if padding == "VALID":
        h, w = max(h, window[0]), max(w, window[1])
    x = signed((n, h, w, c), seed) - 3  # mostly negative: a padding of zeros would win
    step = pool.max_pool2d((h, w, c), pool_size=window, strides=strides, padding=padding)
    assert_equal(ran(step, x, 1), ops.max_pool2d(x, pool_size=window, strides=strides, padding=padding))


@ONE_FIXTURE
@given(sizes=distinct_sizes(3, high=20), seed=SEEDS, relu=st.booleans(), hands=HANDS, held=DTYPES, dtype=DTYPES)
def test_dense_is_the_definitions(*, sizes: tuple[int, ...], seed: int, relu: bool, hands: int, held: type, dtype: type) -> None:
    """On integers the product is the definition's, bit for bit, in tiles and columns too, and from weights of another dtype."""
    n, i, o = sizes
    x, kernel, bias = integers((n, i), seed), integers((i, o), seed + 1), integers((o,), seed + 2)
    step = dense.dense(kernel.astype(held), bias, dtype, relu=relu)
    expected = ops.dense(x, kernel, bias)
    assert_equal(ran(step, x.astype(dtype), hands), (ops.relu(expected) if relu else expected).astype(dtype))


NORMS = st.builds(
    LRN,
    name=st.just("lrn"),
    depth_radius=st.integers(0, 6),
    bias=st.floats(0.25, 4),
    alpha=st.sampled_from([0.0, 1e-4, 0.03, 1.0, 2.5]),
    beta=st.sampled_from([0.0, 0.5, 0.75, 1.0, 1.5]) | st.floats(0, 1.5),
)


@ONE_FIXTURE
@given(distinct_sizes(4, high=12), NORMS, SEEDS, HANDS, DTYPES)
def test_lrn_is_the_definitions(sizes: tuple[int, ...], layer: LRN, seed: int, hands: int, dtype: type) -> None:
    """LRN is the definition's within its bound, whether the power is taken by roots or not, in place too."""
    x = signed(sizes, seed, dtype=dtype)
    how = {"bias": layer.bias, "alpha": layer.alpha, "beta": layer.beta}
    step = lrn.lrn(sizes[1:], dtype, depth_radius=layer.depth_radius, **how)
    exact = x.astype(float)
    received = ran(step, x, hands)
    assert_within(received, apply(layer, {}, exact), allowed(layer, {}, exact, FLOAT32 if dtype is np.float32 else FLOAT64))
    with team.Team(hands) as together:
        step.run(x, x, together)
    assert_equal(x, received)


SIZES = st.tuples(st.integers(1, 20), st.integers(1, 20))
POWERS = st.tuples(st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]))


@ONE_FIXTURE
@given(case=st.tuples(distinct_sizes(5, high=6), WINDOWS, STRIDES, PADDINGS, SEEDS), factors=POWERS, hands=HANDS, dtype=DTYPES)
def test_resize_and_conv_in_one_are_the_definitions(*, case: ConvCase, factors: Pair, hands: int, dtype: type) -> None:
    """On integers enlarged by powers of two, convolution with the interpolation in its kernel is exact, bit for bit."""
    (n, h, w, c, o), window, strides, padding, seed = case
    size = h * factors[0], w * factors[1]
    if padding == "VALID":
        window = min(window[0], size[0]), min(window[1], size[1])
    x, kernel, bias = integers((n, h, w, c), seed), integers((*window, c, o), seed + 1), integers((o,), seed + 2)
    step = resized_conv.resized_conv2d(kernel, bias, (h, w, c), dtype, size=size, strides=strides, padding=padding, relu=False)
    resized = ops.resize_bilinear(x, height=size[0], width=size[1])
    expected = ops.conv2d(resized, kernel, bias, strides=strides, padding=padding)
    assert_equal(ran(step, x.astype(dtype), hands), expected.astype(dtype))


@ONE_FIXTURE
@given(case=st.tuples(distinct_sizes(5, high=6), WINDOWS, STRIDES, PADDINGS, SEEDS), size=SIZES, dtype=DTYPES)
@example(case=((1, 32, 31, 3, 4), (11, 10), (4, 3), "SAME", 0), size=(224, 223), dtype=np.float32)  # nearly the document's
def test_resize_and_conv_in_one_at_any_scale(*, case: ConvCase, size: Pair, dtype: type) -> None:
    """At any scale, up or down, they differ from the definitions by no more than both layers' roundings."""
    ((n, h, w, c, o), window, strides, padding, seed), (height, width) = case, size
    if padding == "VALID":
        window = min(window[0], height), min(window[1], width)
    x, kernel, bias = signed((n, h, w, c), seed), signed((*window, c, o), seed + 1), signed((o,), seed + 2)
    enlarge = Resize(name="resize", height=height, width=width)
    layer = Conv(name="conv", filters=o, kernel_size=window, strides=strides, padding=padding)
    step = resized_conv.resized_conv2d(kernel, bias, (h, w, c), dtype, size=size, strides=strides, padding=padding, relu=False)
    arithmetic, x = FLOAT32 if dtype is np.float32 else FLOAT64, x.astype(dtype)
    params = {"kernel": kernel.astype(dtype).astype(float), "bias": bias.astype(dtype).astype(float)}
    resized, exact = apply(enlarge, {}, x.astype(float)), x.astype(float)
    difference = carried(layer, params, resized, allowed(enlarge, {}, exact, arithmetic), arithmetic)
    assert_within(ran(step, x, 1), apply(layer, params, resized), difference)


# ---- Networks ----------------------------------------------------------------------------------------------------------


def check_network(architecture: Architecture, params: reference.Params, x: Array, dtype: type) -> None:
    """Hold forward and predict against the layers by definition in float64, roundings carried from layer to layer."""
    outputs, result = forward(architecture, params, x, dtype), predict(architecture, params, x, dtype)
    weights, y = as_params(architecture, params, np.float64), as_input(architecture, x, np.float64)
    arithmetic, difference = FLOAT32 if dtype is np.float32 else FLOAT64, np.zeros_like(y)
    for layer in architecture.layers:
        own = weights.get(layer.name, {})
        difference = carried(layer, own, y, difference, arithmetic)
        y = apply(layer, own, y)
        assert_within(outputs[layer.name], y, difference)
    assert_within(result, y, difference)


NOTHING = Architecture(name="nothing", input_shape=(2, 3, 1), layers=(Dropout(name="drop", rate=0.5),))


@ONE_FIXTURE
@given(drawn=networks(), dtype=DTYPES)
@example(drawn=(NOTHING, {}, signed((3, 2, 3, 1), 0, dtype=np.float32)), dtype=np.float32)  # predict has no layer left
def test_networks_are_the_definitions(drawn: tuple[Architecture, reference.Params, Array], dtype: type) -> None:
    """Any network's outputs and result are the definition's within the roundings carried from layer to layer."""
    check_network(*drawn, dtype)


SMALL = Architecture(
    name="small",
    input_shape=(8, 9, 2),
    layers=(
        Resize(name="resize", height=40, width=45),
        Conv(name="conv1", filters=7, kernel_size=(9, 7), strides=(3, 2), padding="SAME"),
        LRN(name="lrn", depth_radius=2, bias=1.0, alpha=0.3, beta=0.75),
        ReLU(name="relu"),
        MaxPool(name="pool", pool_size=(3, 2), strides=(2, 2), padding="SAME"),
        Conv(name="conv2", filters=5, kernel_size=(3, 3), padding="SAME", activation="relu"),
        MaxPool(name="pool2", pool_size=(2, 2), strides=(3, 5), padding="VALID"),
        Conv(name="conv3", filters=6, kernel_size=(3, 7), strides=(4, 4), padding="SAME"),
        Flatten(name="flat"),
        Dense(name="dense", units=6, activation="relu"),
        Dropout(name="drop", rate=0.5),
        Dense(name="out", units=4, activation="softmax"),
    ),
)
PARAMS = {
    layer: {part: a + signed(a.shape, 7, 0.1).astype(np.float32) for part, a in parts.items()}
    for layer, parts in reference.init_params(SMALL, 3).items()
}


def check_small() -> None:
    """Hold one network with everything in it, two convolutions that leave taps out among them, against its definition."""
    for dtype in (np.float32, np.float64):
        check_network(SMALL, PARAMS, signed((5, 8, 9, 2), 1), dtype)


def test_small_takes_every_way() -> None:
    """The network below has a convolution in one with its resizing, pooling before ReLU, and taps that meet nothing."""
    names = [type(layer).__name__ for layer in network.rearranged(SMALL.layers)]
    assert " ".join(names) == "Resize Conv LRN MaxPool ReLU Conv MaxPool ReLU Conv Flatten Dense Dense"
    before, first = SMALL.layers[:2]
    assert isinstance(before, Resize)
    assert isinstance(first, Conv)
    assert resized_conv.worth_it(before, first, SMALL.input_shape)
    assert reference.unseen_weights(SMALL["conv3"], reference.layer_shapes(SMALL)["pool2"]) > 0
    check_small()


def test_keras_sequential_resizes_in_its_first_convolution() -> None:
    """keras_sequential's resizing is done in one with its first convolution (test_forward.py holds both networks to theirs)."""
    a = ARCHITECTURES["keras_sequential"]
    first = replace(a, layers=a.layers[:3])
    made = network.prepare(first.layers, reference.init_params(first), a.input_shape, np.float32, every_output=False)
    assert [type(stage.layer) for stage in made.stages] == [Conv, LRN]


# ---- Mistakes ----------------------------------------------------------------------------------------------------------

Mistake = Callable[[pytest.MonkeyPatch], None]


def changed(module: ModuleType, name: str, change: Callable[[Any], Any]) -> Mistake:
    """Return the mistake of a function whose result is changed."""
    right = getattr(module, name)
    return lambda patch: patch.setattr(module, name, lambda *given, **how: change(right(*given, **how)))


def shifted(axis: conv.Axis) -> conv.Axis:
    """Return the axis with the odd zero before the data."""
    return replace(axis, before=axis.before + 1, padded=True) if axis.length > 2 else axis


def one_tap_less(axis: conv.Axis) -> conv.Axis:
    """Return the axis with its first tap taken for one that meets nothing."""
    return replace(axis, seen=slice(axis.seen.start + 1, axis.seen.stop)) if axis.taps > 1 else axis


def one_less(rows: range) -> range:
    """Return the rows before these, where there are any."""
    return range(rows.start - 1, rows.stop - 1, rows.step) if rows.start else rows


MISTAKES: dict[str, Mistake] = {
    "padding shifted": changed(conv, "axis", shifted),
    "a tap left out": changed(conv, "axis", one_tap_less),
    "padding of the joined convolution shifted": changed(resized_conv, "axis", shifted),
    "phases mirrored": changed(
        resized_conv, "phases", lambda found: tuple(replace(phase, weights=phase.weights[::-1]) for phase in found)
    ),
    "windows of the joined convolution a row higher": changed(
        resized_conv, "phases", lambda found: tuple(replace(phase, inputs=one_less(phase.inputs)) for phase in found)
    ),
    "columns of the joined convolution mirrored": changed(resized_conv, "columns", lambda found: found[::-1]),
    "columns mirrored": changed(resize, "interpolation", lambda found: found[::-1]),
    "window one channel short": changed(lrn, "band", lambda band: np.where(np.arange(band.shape[1]) == 0, band * 0.5, band)),
    "blocks of channels without neighbours": changed(lrn, "channels", lambda found: [(out, out) for out, _ in found]),
    "beta a thousandth more": lambda patch: patch.setattr(
        lrn, "power", lambda d, beta, _: np.power(d, d.dtype.type(beta * 1.001), out=d)
    ),
    "a row of the pooling left out": changed(pool, "taps", lambda taps: taps[:-1]),
    "the first tap alone of the pooling": changed(pool, "taps", lambda taps: taps[:1]),
    "ReLU forgotten": lambda patch: patch.setattr(
        network, "rearranged", lambda layers: [layer for layer in layers if not isinstance(layer, (ReLU, Dropout))]
    ),
    "images of a chunk exchanged": lambda patch: patch.setattr(
        network, "parts", lambda n, *_: [slice(0, n - 1), slice(n - 2, n - 1)] if n > 1 else [slice(0, n)]
    ),
    "a tile's rows left out": lambda patch: patch.setattr(dense, "parts", lambda n, *_: [slice(0, n - 1)]),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_seen(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with the definition, which passes without it (test_small_takes_every_way), rejects every mistake."""
    mistake(monkeypatch)
    forget()
    with pytest.raises(AssertionError, match=r"differ by more than allowed|not finite"):
        check_small()


# ---- What is not finite ------------------------------------------------------------------------------------------------


REPRESENTATIVE = [(forward, np.float32, -np.inf), (predict, np.float64, np.inf), (predict, np.float32, np.nan)]


@pytest.mark.parametrize(
    ("run", "dtype", "value"),
    [
        pytest.param(*case, marks=[] if case in REPRESENTATIVE else pytest.mark.slow)
        for case in itertools.product((forward, predict), (np.float32, np.float64), (np.nan, np.inf, -np.inf))
    ],
)
def test_a_parameter_that_is_not_finite_is_refused_wherever_it_is(
    run: Callable[..., Any], dtype: type, value: float, subtests_at: list[tuple[str, str, tuple[int, ...]]]
) -> None:
    """NaN or infinity in any corner of any parameter is refused with its place, whether or not data meet it, without warning.

    The input is black, so that what meets data meets zeros, and ReLU would hide −∞.
    """
    x = np.zeros((2, 8, 9, 2))
    for layer, part, index in subtests_at:
        array = PARAMS[layer][part].copy()
        array[index] = value
        wrong: Mapping[str, Any] = {**PARAMS, layer: {**PARAMS[layer], part: array}}
        with pytest.raises(InvalidInput, match=f"params of 'small': {layer}/{part}: values are not finite"):
            run(SMALL, wrong, x, dtype)


@pytest.fixture
def subtests_at() -> list[tuple[str, str, tuple[int, ...]]]:
    """Return (layer, part, index) for the first, the last and the middle element of every parameter."""
    return [
        (layer, part, index)
        for layer, parts in PARAMS.items()
        for part, a in parts.items()
        for index in {(0,) * a.ndim, tuple(n - 1 for n in a.shape), tuple(n // 2 for n in a.shape)}
    ]


def test_columns_that_meet_padding_alone_are_looked_at() -> None:
    """NaN in a tap of the joined convolution that meets no column of the image is refused too."""
    narrow = Architecture(
        name="narrow",
        input_shape=(16, 1, 2),
        layers=(
            Resize(name="resize", height=64, width=2),
            Conv(name="conv", filters=5, kernel_size=(8, 9), strides=(4, 1), padding="SAME"),
        ),
    )
    enlarge, first = narrow.layers
    assert isinstance(enlarge, Resize)
    assert isinstance(first, Conv)
    assert resized_conv.worth_it(enlarge, first, (16, 1, 2))
    params = reference.init_params(narrow)
    assert reference.unseen_weights(first, (64, 2, 2)) > 0
    params["conv"]["kernel"][:, 0] = np.nan
    with pytest.raises(InvalidInput, match="conv/kernel: values are not finite"):
        predict(narrow, params, np.ones((1, 16, 1, 2)))


@pytest.mark.parametrize("part", ["kernel", "bias"])
@pytest.mark.parametrize("layer", ["conv1", "conv3", "out"])
def test_a_parameter_too_large_for_float32_is_refused(layer: str, part: str) -> None:
    """1e39 is refused in float32, also where it meets no data, and is a number in float64."""
    array = PARAMS[layer][part].astype(np.float64)
    array[(0,) * array.ndim] = 1e39
    large: reference.Params = {**PARAMS, layer: {**PARAMS[layer], part: array}}
    with pytest.raises(InvalidInput, match=f"{layer}/{part}: values are not finite; .* too large for"):
        predict(SMALL, large, np.ones((1, 8, 9, 2)), np.float32)
    assert predict(SMALL, large, np.ones((1, 8, 9, 2))).shape == (1, 4)


def test_finite_numbers_that_overflow_are_the_definitions() -> None:
    """Where finite parameters give sums that are none, the outputs and NumPy's warning are the definition's."""
    large = Architecture(name="large", input_shape=(1, 1, 2), layers=(Flatten(name="flat"), Dense(name="out", units=2)))
    params: reference.Params = {
        "out": {"kernel": np.array([[1e38, 1], [1e38, 1]], np.float32) * 3, "bias": np.zeros(2, np.float32)}
    }
    with np.errstate(over="ignore"):
        for result in (
            predict(large, params, np.ones((1, 1, 1, 2)), np.float32),
            forward(large, params, np.ones((1, 1, 1, 2)), np.float32)["out"],
        ):
            assert result.tolist() == [[np.inf, 6]]
    with pytest.warns(RuntimeWarning, match="overflow"):
        predict(large, params, np.ones((1, 1, 1, 2)), np.float32)


# ---- Threads and memory ------------------------------------------------------------------------------------------------


def test_the_matrix_librarys_threads_are_given_back() -> None:
    """While teams work OpenBLAS has one thread; afterwards, even after a failure, as many as before."""
    control = blas.openblas()
    if control is None:
        pytest.skip("NumPy is linked with another matrix library than OpenBLAS")
    get, put = control
    before = get()
    try:
        put(2)
        with team.Team(2), team.Team(2):
            assert get() == 1
        assert get() == 2
        with pytest.raises(KeyError), team.Team(2):
            raise KeyError
        assert get() == 2
    finally:
        put(before)


def test_few_hands_are_the_callers_own() -> None:
    """Work that is not worth another thread is done by the one that asks, all of it; other work may be done by any."""
    done: list[tuple[int, int]] = []
    with team.Team(3) as together:
        assert together.hands_for(team.SHARED) == 3
        assert together.hands_for(team.SHARED - 1) == 1
        together.share(lambda item, _: done.append((item, threading.get_ident())), range(50), 1)
        assert done == [(item, threading.get_ident()) for item in range(50)]
        together.share(lambda item, _: done.append((item, threading.get_ident())), range(50, 99))
    assert sorted(item for item, _ in done) == list(range(99))


def test_what_is_shared_is_not_shared_again() -> None:
    """A thread that does its part of the work has nobody to help it: the others have their own."""
    seen: set[int] = set()
    with team.Team(3) as together:
        together.share(lambda _, worker: seen.add(worker.hands_for(1 << 60)), range(9))
    assert seen == {1}


def test_buffers_are_kept_unless_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next team has the buffers of the last, each thread its own; those that are too large are given up."""
    monkeypatch.setattr(team, "kept", deque(maxlen=3))
    monkeypatch.setattr(team, "KEPT_BYTES", 100)
    for size, again in ((100, True), (101, False)):
        with team.Team(2) as together:
            taken = [worker.take("a", (size,), np.uint8) for worker in together.workers]
        with team.Team(2) as together:
            same = [
                np.shares_memory(worker.take("a", (1,), np.uint8), a) for worker, a in zip(together.workers, taken, strict=True)
            ]
        assert same == [again, again]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    """predict runs in a child of a process that has run it, and both end."""
    code = """
import os, sys, warnings
import numpy as np
import reference
from reference.fast import network
network.processors = lambda: 3
warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, of forking beside threads
run = lambda: reference.predict("tf1_graph", reference.init_params("tf1_graph"), np.ones((6, 28, 28, 1)))
expected = run()
child = os.fork()
if not child:
    sys.exit(not np.array_equal(run(), expected))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)  # noqa: S603 - the code above


@pytest.mark.parametrize(
    ("dtype", "rounds"),
    [(np.float32, 4), *(pytest.param(dtype, 10, marks=pytest.mark.slow) for dtype in (np.float32, np.float64))],
)
def test_callers_at_the_same_time_do_not_disturb_each_other(dtype: type, rounds: int) -> None:
    """Several threads that call predict at once have each its own results, to the bit, and OpenBLAS's threads are put back."""
    inputs = [signed((n, 8, 9, 2), n) for n in (5, 6, 5, 7)]
    expected = [predict(SMALL, PARAMS, x, dtype) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(rounds):
            for received, right in zip(pool.map(lambda x: predict(SMALL, PARAMS, x, dtype), inputs), expected, strict=True):
                assert_equal(received, right)


def test_images_go_from_convolution_to_convolution() -> None:
    """A span is a convolution with what follows it, or what precedes the first; the larger its outputs, the fewer images."""
    made = network.prepare(SMALL.layers, PARAMS, SMALL.input_shape, np.float32, every_output=True)
    spans = network.spanned(made.stages[:-3], np.float32)
    assert [[stage.layer.name for stage in span] for span, _ in spans] == [
        ["resize", "conv1", "lrn", "relu", "pool"],
        ["conv2", "pool2"],
        ["conv3", "flat"],
    ]
    largest = [40 * 45 * 2, 7 * 12 * 5, 6]  # the resized image, conv2's, conv3's
    assert [most for _, most in spans] == [500 // (4 * size) for size in largest]


def test_a_span_leaves_its_input_alone() -> None:
    """Where every convolution's output is larger than its input, later images' inputs are not written over by earlier outputs."""
    layers = [Conv(name=f"conv{k}", filters=4 * k, kernel_size=(3, 2), padding="SAME") for k in range(1, 5)]
    growing = Architecture(name="growing", input_shape=(3, 5, 2), layers=tuple(layers))
    check_network(growing, reference.init_params(growing, 1), signed((6, 3, 5, 2), 2), np.float64)


def test_work_that_fails_is_heard_of() -> None:
    """An exception in any thread is raised where the work was shared, and nothing goes on without being asked."""

    def work(item: int, _: team.Worker) -> None:
        if item == 7:
            raise KeyError(item)

    with team.Team(3) as together:
        together.share(work, range(7))
        with pytest.raises(KeyError):
            together.share(work, range(100))


def test_threads_keep_the_callers_error_state() -> None:
    """What the caller told NumPy about overflow holds in every thread."""

    def work(item: int, _: team.Worker) -> None:
        np.square(np.full(10, 1e200) * (1 + item))

    with team.Team(3) as together:
        with np.errstate(over="ignore"):
            together.share(work, range(20))
        with pytest.warns(RuntimeWarning, match="overflow"):
            together.share(work, range(1))


@given(n=st.integers(1, 50), most=st.integers(0, 60), at_least=st.integers(1, 7))
def test_parts_are_everything_once(n: int, most: int, at_least: int) -> None:
    """Parts follow one another from 0 to n, none empty or larger than allowed, as many as wanted or as there can be."""
    found = team.parts(n, most, at_least)
    assert [found[0].start, *(part.stop for part in found)] == [part.start for part in found] + [n]
    sizes = [part.stop - part.start for part in found]
    assert min(sizes) >= 1
    assert max(sizes) <= max(most, 1)
    assert max(sizes) - min(sizes) <= 1
    assert len(found) >= min(n, at_least)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predict_of_256_images_takes_less_than_half_a_gigabyte(
    architecture: Architecture, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At batch 256 predict holds less than 0.5 GB at its peak, beside images and parameters: the issue's figure."""
    monkeypatch.undo()
    params = reference.init_params(ARCHITECTURES[architecture.name])
    x = np.random.default_rng(0).random((256, *architecture.input_shape))
    team.kept.clear()
    tracemalloc.start()
    predict(architecture, params, x, dtype)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5e9
