"""Shapes, parameters, costs and padding: every documented number, and the formulas against their definitions."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reference
from alexnet_ref.compare import assert_equal
from reference import ARCHITECTURES, LRN, Architecture, Conv, Dense, Flatten, MaxPool, ReLU, Resize, Softmax
from reference.layers import Layer
from reference.padding import Padding, output_size, pad_widths
from reference.shapes import layer_inputs, param_shapes
from tests import golden
from tests.strategies import PADDINGS, SIZES, signed

STRIDE = st.integers(1, 5)


def window_starts(n: int, k: int, s: int, padding: Padding) -> list[int]:
    """Return where a window of k positions starts on an axis of n, negative in the padding: by counting, without a formula.

    VALID: every s-th start, as long as the window fits. SAME: one window for every s positions begun, and the fewest padding
    positions that make room for them all, shared out to both sides from the end: after, before, after, …
    """
    if padding == "VALID":
        return [start for start in range(0, n, s) if start + k <= n]
    wanted = len(range(0, n, s))
    before = after = 0
    while len([start for start in range(0, before + n + after, s) if start + k <= before + n + after]) < wanted:
        before, after = (before + 1, after) if after > before else (before, after + 1)
    return [start - before for start in range(0, before + n + after, s) if start + k <= before + n + after]


def documented(table: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """List (architecture, layer) of a table, as test cases."""
    return [(architecture, layer) for architecture, layers in table.items() for layer in layers]


ROWS = [(architecture, row) for architecture, rows in golden.ROWS.items() for row in rows]
ROW_IDS = [f"{architecture}-{row.name}" for architecture, row in ROWS]


# ---- The documents' own numbers ----------------------------------------------------------------------------------------


def test_layers_are_the_documents_in_order(architecture: Architecture) -> None:
    """Each architecture has the document's layers, in its order, of its kinds."""
    received = [(layer.name, type(layer).__name__) for layer in architecture.layers]
    assert received == [(row.name, golden.WORDS[row.kind]) for row in golden.ROWS[architecture.name]]


@pytest.mark.parametrize(("architecture", "row"), ROWS, ids=ROW_IDS, indirect=["architecture"])
def test_documented_row(architecture: Architecture, row: golden.Row) -> None:
    """The layer's output shape and number of parameters are the document's."""
    assert reference.layer_shapes(architecture)[row.name] == row.shape
    assert reference.param_counts(architecture)[row.name] == row.params


@pytest.mark.parametrize(("architecture", "row"), ROWS, ids=ROW_IDS, indirect=["architecture"])
def test_documented_hyperparameters(architecture: Architecture, row: golden.Row) -> None:
    """The layer has the document's hyperparameters, each of its type too, and no others."""
    labels = {"name", "place", "quotes"}
    received = {key: value for key, value in vars(architecture[row.name]).items() if key not in labels}
    expected = golden.HYPERPARAMETERS[architecture.name][row.name]
    assert received == expected
    assert {key: type(value) for key, value in received.items()} == {key: type(value) for key, value in expected.items()}


def test_documented_totals(architecture: Architecture) -> None:
    """All parameters together, and the shapes of an input, are the document's."""
    assert sum(reference.param_counts(architecture).values()) == golden.TOTALS[architecture.name]
    assert sum(row.params for row in golden.ROWS[architecture.name]) == golden.TOTALS[architecture.name]
    assert architecture.input_shape == golden.INPUTS[architecture.name]
    assert architecture.fed_shape == golden.FED[architecture.name]


@pytest.mark.parametrize(("name", "layer"), documented(golden.PAD_WIDTHS))
def test_documented_padding(name: str, layer: str) -> None:
    """The layer pads as worked out on paper: (3, 4) for keras_sequential's conv2d, (0, 1) for tf1_graph's pool3."""
    described = ARCHITECTURES[name][layer]
    assert isinstance(described, Conv | MaxPool)
    window = described.kernel_size if isinstance(described, Conv) else described.pool_size
    image = layer_inputs(ARCHITECTURES[name])[layer]
    for n, k, s in zip(image, window, described.strides, strict=False):
        assert pad_widths(n, k, s, described.padding) == golden.PAD_WIDTHS[name][layer]


def test_every_window_has_its_documented_padding(architecture: Architecture) -> None:
    """No convolution and no pooling layer is left out of the table of paddings."""
    windows = [layer.name for layer in architecture.layers if isinstance(layer, Conv | MaxPool)]
    assert windows == list(golden.PAD_WIDTHS[architecture.name])


# ---- SAME and VALID ----------------------------------------------------------------------------------------------------


@given(n=st.integers(1, 40), k=st.integers(1, 12), s=st.integers(1, 7))
@example(n=224, k=11, s=4)
@example(n=27, k=5, s=4)
@example(n=27, k=3, s=2)
@example(n=1, k=3, s=4)
@example(n=7, k=2, s=2)
@example(n=5, k=2, s=7)
@example(n=8, k=3, s=6)
def test_same_counts_windows(n: int, k: int, s: int) -> None:
    """SAME's number of windows and its padding are those found by counting."""
    starts = window_starts(n, k, s, "SAME")
    before, after = pad_widths(n, k, s, "SAME")
    assert output_size(n, k, s, "SAME") == len(starts)
    assert -before == starts[0]
    assert after == max(0, starts[-1] + k - n)


@given(n=st.integers(1, 40), k=st.integers(1, 12), s=st.integers(1, 7))
@example(n=56, k=3, s=2)
@example(n=7, k=3, s=2)
@example(n=3, k=4, s=1)
def test_valid_counts_windows(n: int, k: int, s: int) -> None:
    """VALID's number of windows is the number that fit, without padding; where none fits the layer is refused."""
    if starts := window_starts(n, k, s, "VALID"):
        assert pad_widths(n, k, s, "VALID") == (0, 0)
        assert output_size(n, k, s, "VALID") == len(starts)
    else:
        for refusing in (pad_widths, output_size):
            with pytest.raises(reference.InvalidInput, match=f"does not fit.*expected at least {k} positions.*received {n}"):
                refusing(n, k, s, "VALID")


@pytest.mark.parametrize(("k", "s", "padding"), [(0, 1, "SAME"), (1, 0, "SAME"), (2, -1, "VALID"), (2, 1, "same"), (2, 1, None)])
def test_senseless_windows_are_refused(k: int, s: int, padding: Any) -> None:
    """A window of no size, a stride of nothing or backwards, and any other word than SAME and VALID are refused."""
    for refusing in (pad_widths, output_size):
        with pytest.raises(reference.InvalidInput, match="no window can be moved like this"):
            refusing(5, k, s, padding)


@given(n=st.integers(1, 40), k=st.integers(1, 12), s=st.integers(1, 7))
def test_odd_padding_comes_after(n: int, k: int, s: int) -> None:
    """SAME's two sides differ by at most one position, which is after the data, and never make up a whole window."""
    before, after = pad_widths(n, k, s, "SAME")
    assert after - before in (0, 1)
    assert 0 <= before + after < k


def test_counting_tells_the_formulas_apart() -> None:
    """The count of windows rejects floor for ceiling, ceiling for floor, and the odd position before the data."""
    assert len(window_starts(7, 2, 2, "SAME")) != 7 // 2
    assert len(window_starts(6, 3, 2, "VALID")) != -(-(6 - 3) // 2) + 1
    assert window_starts(224, 11, 4, "SAME")[0] == -3


@pytest.mark.tf
@given(n=st.tuples(SIZES, SIZES), k=st.tuples(SIZES, SIZES), s=st.tuples(STRIDE, STRIDE), padding=PADDINGS)
@example(n=(224, 32), k=(11, 5), s=(4, 4), padding="SAME")
@example(n=(7, 28), k=(2, 2), s=(2, 2), padding="SAME")
@example(n=(27, 7), k=(3, 3), s=(2, 2), padding="VALID")
def test_sizes_are_tensorflows(n: tuple[int, int], k: tuple[int, int], s: tuple[int, int], padding: Padding) -> None:
    """TensorFlow's convolution and pooling have as many windows as the description says."""
    import tensorflow as tf

    if padding == "VALID":
        n = (max(n[0], k[0]), max(n[1], k[1]))
    conv = Conv(name="conv", filters=2, kernel_size=k, strides=s, padding=padding)
    pool = MaxPool(name="pool", pool_size=k, strides=s, padding=padding)
    x = tf.zeros((1, *n, 3))
    assert (1, *reference.output_shape(conv, (*n, 3))) == tuple(tf.nn.conv2d(x, tf.zeros((*k, 3, 2)), s, padding).shape)
    assert (1, *reference.output_shape(pool, (*n, 3))) == tuple(tf.nn.max_pool2d(x, k, s, padding).shape)


# ---- Batches, and the Keras models -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5])
def test_batch_size_is_carried_through(architecture: Architecture, n: int) -> None:
    """Every layer's output has the input's batch size in front of the document's shape."""
    params = _zeros(architecture)
    outputs = reference.forward(architecture, params, signed((n, *architecture.input_shape), n), np.float32)
    assert {name: y.shape for name, y in outputs.items()} == {r.name: (n, *r.shape) for r in golden.ROWS[architecture.name]}
    assert {y.dtype for y in outputs.values()} == {np.dtype(np.float32)}


def _zeros(architecture: Architecture) -> dict[str, dict[str, Any]]:
    inputs = layer_inputs(architecture)
    shapes = {layer.name: param_shapes(layer, inputs[layer.name]) for layer in architecture.layers}
    return {name: {part: np.zeros(s, np.float32) for part, s in parts.items()} for name, parts in shapes.items() if parts}


@pytest.mark.tf
def test_keras_model_is_the_documents(architecture: Architecture) -> None:
    """The Keras model's layers bear the document's names, and have its symbolic and its actual shapes and parameter counts."""
    import keras

    from alexnet_ref.models import build_model

    rows = golden.ROWS[architecture.name]
    model = build_model(architecture)
    assert [layer.name for layer in model.layers] == [row.name for row in rows]
    assert [tuple(layer.output.shape) for layer in model.layers] == [(None, *row.shape) for row in rows]
    assert [layer.count_params() for layer in model.layers] == [row.params for row in rows]
    assert model.count_params() == sum(prod(w.shape) for w in model.trainable_weights) == golden.TOTALS[architecture.name]
    every_layer = keras.Model(model.inputs[0], [layer.output for layer in model.layers])
    for n in (1, 3):
        outputs = every_layer(np.zeros((n, *architecture.input_shape), np.float32))
        assert [tuple(y.shape) for y in outputs] == [(n, *row.shape) for row in rows]


@pytest.mark.tf
def test_keras_summary_shows_the_documents_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`model.summary()` of keras_sequential prints the document's 21 rows, with its shapes and counts, and its totals."""
    from alexnet_ref.models import build_model

    monkeypatch.setenv("COLUMNS", "120")  # else the table is cut off where the console is narrower
    lines: list[str] = []
    build_model("keras_sequential").summary(line_length=120, print_fn=lambda text, **_: lines.extend(text.splitlines()))
    rows = [line for line in lines if "(None" in line]
    assert len(rows) == len(golden.KERAS_SEQUENTIAL) == 21
    for line, row in zip(rows, golden.KERAS_SEQUENTIAL, strict=True):
        name, shape, params = (cell.strip() for cell in line.strip("│").split("│"))
        kind = "LocalResponseNormalization" if row.kind == "Lambda" else row.kind
        assert (name, shape, params) == (f"{row.name} ({kind})", str((None, *row.shape)), f"{row.params:,}")
    totals = [line for line in lines if "params:" in line]
    assert [line.split("(")[0].strip() for line in totals] == [
        "Total params: 21,622,154",
        "Trainable params: 21,622,154",
        "Non-trainable params: 0",
    ]


# ---- Costs -------------------------------------------------------------------------------------------------------------


def _count_multiply_adds(layer: Layer, shape: tuple[int, ...]) -> int:
    """Walk through the layer's equation and count one for each multiplication."""
    count = 0
    for _ in np.ndindex(reference.output_shape(layer, shape)):
        match layer:
            case Conv(kernel_size=window):
                count += sum(1 for _ in np.ndindex(*window, shape[2]))
            case Dense():
                count += sum(1 for _ in range(shape[0]))
            case LRN(depth_radius=radius):
                squared, scaled, divided = 1, 1, 1
                count += squared + sum(1 for _ in range(-radius, radius + 1)) + scaled + divided
            case Resize():
                count += sum(1 for _ in np.ndindex(2, 2))
            case Softmax():
                count += 1
            case _:
                pass
    return count


@given(shape=st.tuples(SIZES, SIZES, st.integers(1, 4)), k=st.tuples(SIZES, SIZES), s=st.tuples(STRIDE, STRIDE), padding=PADDINGS)
def test_multiply_adds_of_conv_are_counted(
    shape: tuple[int, int, int], k: tuple[int, int], s: tuple[int, int], padding: Padding
) -> None:
    """A convolution's multiply-adds are as many as its equation has terms."""
    if padding == "VALID":
        shape = (max(shape[0], k[0]), max(shape[1], k[1]), shape[2])
    layer = Conv(name="conv", filters=3, kernel_size=k, strides=s, padding=padding)
    assert reference.multiply_adds(layer, shape) == _count_multiply_adds(layer, shape)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Dense(name="dense", units=5), (7,)),
        (LRN(name="lrn", depth_radius=2, bias=1.0, alpha=1.0, beta=0.5), (2, 3, 5)),
        (Resize(name="resize", height=4, width=7), (2, 3, 5)),
        (Softmax(name="softmax"), (7,)),
        (ReLU(name="relu"), (2, 3, 5)),
        (MaxPool(name="pool", pool_size=(2, 2), strides=(1, 1), padding="VALID"), (2, 3, 5)),
        (Flatten(name="flatten"), (2, 3, 5)),
        (reference.Dropout(name="dropout", rate=0.5), (7,)),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_multiply_adds_are_counted(layer: Layer, shape: tuple[int, ...]) -> None:
    """The multiply-adds of every other layer are as many as its equation has; selecting and moving values costs none."""
    assert reference.multiply_adds(layer, shape) == _count_multiply_adds(layer, shape)


@pytest.mark.parametrize(("name", "layer"), documented(golden.MULTIPLY_ADDS))
def test_documented_multiply_adds(name: str, layer: str) -> None:
    """The documents' convolutions and dense layers cost what was worked out on paper."""
    shape = layer_inputs(ARCHITECTURES[name])[layer]
    assert reference.multiply_adds(ARCHITECTURES[name][layer], shape) == golden.MULTIPLY_ADDS[name][layer]


# ---- Weights that no input reaches -------------------------------------------------------------------------------------


def test_documented_unseen_weights(architecture: Architecture) -> None:
    """Of keras_sequential's weights 1,966,080 meet padding alone, in conv2d_3 and conv2d_4; of tf1_graph's none."""
    inputs = layer_inputs(architecture)
    counts = {layer.name: reference.unseen_weights(layer, inputs[layer.name]) for layer in architecture.layers}
    assert {name: count for name, count in counts.items() if count} == golden.UNSEEN_WEIGHTS[architecture.name]
    assert sum(golden.UNSEEN_WEIGHTS["keras_sequential"].values()) == golden.UNSEEN_TOTAL
    assert f"{golden.UNSEEN_TOTAL / golden.TOTALS['keras_sequential']:.1%}" == "9.1%"


@given(n=st.tuples(SIZES, SIZES), k=st.tuples(SIZES, SIZES), s=st.tuples(STRIDE, STRIDE), padding=PADDINGS)
@example(n=(1, 1), k=(3, 3), s=(4, 4), padding="SAME")
@example(n=(3, 3), k=(3, 3), s=(4, 4), padding="SAME")
@example(n=(27, 1), k=(5, 5), s=(4, 4), padding="SAME")
def test_unseen_weights_have_no_effect(n: tuple[int, int], k: tuple[int, int], s: tuple[int, int], padding: Padding) -> None:
    """The unseen weights are exactly those that leave the output of an all-positive image at zero."""
    if padding == "VALID":
        n = (max(n[0], k[0]), max(n[1], k[1]))
    layer = Conv(name="conv", filters=3, kernel_size=k, strides=s, padding=padding)
    seen = 0
    for tap in np.ndindex(k):
        kernel = np.zeros((*k, 2, 3))
        kernel[tap] = 1
        seen += 6 * bool(reference.ops.conv2d(np.ones((1, *n, 2)), kernel, np.zeros(3), strides=s, padding=padding).any())
    assert reference.unseen_weights(layer, (*n, 2)) == 6 * k[0] * k[1] - seen


@pytest.mark.slow  # two runs with every weight; that any network's unseen weights have none is tested above
def test_unseen_weights_of_keras_sequential_have_no_effect() -> None:
    """Changing all 1,966,080 unseen weights changes no bit of any output; changing one more weight does."""
    architecture = ARCHITECTURES["keras_sequential"]
    params = reference.init_params(architecture)
    x = np.random.default_rng(0).random((1, *architecture.input_shape), np.float32)
    before = reference.forward(architecture, params, x, np.float32)
    changed = 0
    for name in golden.UNSEEN_WEIGHTS["keras_sequential"]:
        kernel = params[name]["kernel"]
        for tap in np.ndindex(3, 3):
            if tap != (1, 1):
                kernel[tap] += 1
                changed += kernel[tap].size
    assert changed == golden.UNSEEN_TOTAL
    for name, y in reference.forward(architecture, params, x, np.float32).items():
        assert_equal(y, before[name])
    most = int(before["activation_2"].argmax())  # an input of conv2d_3 that is not zero
    params["conv2d_3"]["kernel"][1, 1, most, 0] += 1
    with pytest.raises(AssertionError, match="1 of 384 elements differ"):
        assert_equal(reference.forward(architecture, params, x, np.float32)["conv2d_3"], before["conv2d_3"])
