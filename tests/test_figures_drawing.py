"""What the pages' pictures and numbers are drawn and computed from."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import reference
from alexnet_ref.arithmetic import FLOAT64
from alexnet_ref.compare import assert_within
from alexnet_ref.figures.activations import is_image, shown_channels
from alexnet_ref.figures.dropout import mosaic
from alexnet_ref.figures.filters import change_by_tap, met_by_grey, tiled
from alexnet_ref.figures.lrn import KRIZHEVSKY, divisors, strongest_column
from alexnet_ref.figures.measure import dropout_facts, grey_facts, layer_facts, lrn_facts, significant, taps_facts
from alexnet_ref.figures.pages import number, whole
from alexnet_ref.figures.trained import Trained, read_trained, shipped_digits
from alexnet_ref.train.results import write_params
from reference import LRN, Architecture, Conv, Dropout, InvalidInput, MaxPool
from reference.forward import apply
from reference.shapes import layer_inputs
from tests.strategies import signed
from tests.test_claims_run import write_tf1
from tests.test_train_loop import TINY


@pytest.mark.parametrize(
    "layer", [KRIZHEVSKY, *(v for a in reference.ARCHITECTURES.values() for v in a.layers if isinstance(v, LRN))]
)
def test_divisors_are_the_oracle_s(layer: LRN) -> None:
    """x over its divisors is what the oracle's LRN gives, in another order of summation; another alpha gives another."""
    x: NDArray[np.float64] = signed((2, 3, 4, 13), seed=0, scale=3.0).astype(np.float64)
    ours = x / divisors(layer, x)
    # Fewer than 64 roundings of at most 2^-53 each, on an operation that enlarges no relative error.
    theirs = apply(layer, {}, x)
    assert_within(ours, theirs, 64 * FLOAT64.u * np.abs(theirs))
    wrong = apply(replace(layer, alpha=layer.alpha / layer.window), {}, x)
    assert np.abs(ours / wrong - 1).max() > 2**-20


def test_the_strongest_pixel() -> None:
    """The pixel that is drawn has the largest sum of squares, not the largest sum."""
    x = np.zeros((3, 4, 2))
    x[1, 2], x[2, 3] = (-5.0, 1.0), (3.0, 3.0)
    column = strongest_column(x)
    assert (column.row, column.column) == (1, 2)
    assert column.values.tolist() == [-5.0, 1.0]


def test_mosaics_show_every_value_in_order() -> None:
    """A mosaic holds all values row after row, as nearly square as they fill it."""
    for shape, expected in (((1, 1, 384), (16, 24)), ((4, 4, 256), (64, 64)), ((4096,), (64, 64)), ((7,), (1, 7))):
        x = np.arange(np.prod(shape)).reshape(shape)
        assert mosaic(x).shape == expected
        assert np.array_equal(mosaic(x).ravel(), x.ravel())


def test_sheets_show_every_filter_in_order() -> None:
    """Filters stand side by side, sixteen in a row, unturned, with a line of nothing between them."""
    filters = np.arange(2 * 3 * 17).reshape(2, 3, 17)
    sheet = tiled(filters)
    assert sheet.shape == (5, 63)
    assert np.array_equal(sheet[:2, 4:7], filters[..., 1])
    assert np.array_equal(sheet[3:, :3], filters[..., 16])
    assert np.isnan(sheet[2]).all()
    assert np.isnan(sheet[:2, 3::4]).all()
    assert np.nansum(sheet) == filters.sum()


def test_a_block_shows_the_channels_that_pooling_leaves_strongest() -> None:
    """All layers of a block show the same eight channels, in order: the strongest of its pooling."""
    architecture = reference.ARCHITECTURES["tf1_graph"]
    rng = np.random.default_rng(0)
    outputs = {name: rng.random(shape) for name, shape in reference.layer_shapes(architecture).items()}
    outputs["pool2"][1, 1, [3, 5, 8, 13, 21, 34, 55, 89]] = 2.0
    chosen = shown_channels(architecture, outputs)
    assert all(chosen[name] == [3, 5, 8, 13, 21, 34, 55, 89] for name in ("conv2", "pool2", "norm2", "drop2"))
    assert list(chosen) == [name for name, y in outputs.items() if is_image(y)]


# ---- Numbers ----------------------------------------------------------------------------------------------------------------


def test_facts_of_a_layer() -> None:
    """Root mean square, extremes and exact zeros."""
    assert layer_facts({"a": np.array([[0.0, 3.0], [0.0, -4.0]])}) == {
        "a": {"rms": 2.5, "least": -4.0, "most": 3.0, "zeros": 0.5}
    }


def test_facts_of_lrn() -> None:
    """Of an input that is a single channel: the divisor by hand, and what it leaves."""
    layer = LRN(name="n", depth_radius=1, bias=1.0, alpha=1.0, beta=0.5)
    facts = lrn_facts(layer, np.array([[[[3.0], [4.0], [0.0]]]]))
    received = np.array([facts[name] for name in ("most", "kept", "krizhevsky_most")])
    expected = np.array([17**0.5, ((9 / 10 + 16 / 17) / 25) ** 0.5, (2 + 1e-4 * 16) ** 0.75])
    assert_within(received, expected, 16 * FLOAT64.u * expected)  # fewer than sixteen operations on either side


def test_facts_of_dropout() -> None:
    """Of two masks by hand: the first one's share and means, and the mean over both."""
    x, masks = np.array([1.0, 2.0, 3.0, 4.0]), np.array([[True, True, False, False], [False, True, False, True]])
    facts = dropout_facts(Dropout(name="d", rate=0.5), x, masks)
    assert facts == {
        "kept": 0.5,
        "before": 2.5,
        "unscaled": 0.75,
        "after": 1.5,
        "masks": 2,
        "mean_of_means": 2.25,
        "least_mean": 1.5,
        "most_mean": 3.0,
    }


def test_facts_of_taps() -> None:
    """On a 1×1 map the middle tap alone is seen; a change anywhere else is not taken for unchanged."""
    conv = Conv(name="c", filters=2, kernel_size=(3, 3), strides=(4, 4), padding="SAME")
    start = np.zeros((3, 3, 5, 2), np.float32)
    trained = start.copy()
    trained[1, 1] = 0.5
    trained[1, 1, 0, 0] = 0.0  # one that could have moved
    facts = taps_facts(conv, (1, 1, 5), start, trained)
    assert facts == {"unseen": 80, "unseen_unchanged": 80, "seen": 10, "seen_unchanged": 1, "moved": 0.45}
    assert change_by_tap(start, trained).tolist() == [[0, 0, 0], [0, 0.45, 0], [0, 0, 0]]
    trained[0, 2, 3, 1] = 1e-9
    assert taps_facts(conv, (1, 1, 5), start, trained)["unseen_unchanged"] == 79


def test_facts_of_grey_channels() -> None:
    """How far a kernel moved, and how far its channels moved differently; grey meets their sum."""
    start, trained = np.zeros((1, 1, 3, 2)), np.ones((1, 1, 3, 2))
    trained[..., 1] = 2.0  # filters may move as they like
    assert grey_facts(start, trained) == {"moved": 2.0, "apart": 0.0}
    trained[0, 0, 1, 0] = 1.25
    assert grey_facts(start, trained) == {"moved": 2.0, "apart": 0.25}
    assert met_by_grey(trained).tolist() == [[[3.25, 6.0]]]


def test_four_significant_figures_are_recorded() -> None:
    """Floating-point numbers are rounded wherever they stand; whole numbers, words and truths are not."""
    facts = {"a": [1.23456, 123456], "b": {"c": 0.000123456, "d": "x", "e": True}}
    assert significant(facts) == {"a": [1.235, 123456], "b": {"c": 0.0001235, "d": "x", "e": True}}


def test_dense_layers_in_disguise() -> None:
    """On 1×1 maps, conv2d_3 and conv2d_4 are dense layers whose matrix is the middle tap, whatever the other eight hold."""
    document = reference.ARCHITECTURES["keras_sequential"]
    names = [layer.name for layer in document.layers]
    architecture = replace(document, layers=document.layers[: names.index("conv2d_4") + 1])
    params, rng = reference.init_params(architecture), np.random.default_rng(0)
    for name in ("conv2d_3", "conv2d_4"):
        kernel = params[name]["kernel"].astype(np.float64)
        x: NDArray[np.float64] = rng.standard_normal((2, *layer_inputs(architecture)[name]))
        bias: NDArray[np.float64] = rng.standard_normal(kernel.shape[-1:])
        conv = reference.ops.conv2d(x, kernel, bias, strides=(4, 4), padding="SAME")[:, 0, 0]
        dense = reference.ops.dense(x[:, 0, 0], kernel[1, 1], bias)
        sums = reference.ops.dense(np.abs(x[:, 0, 0]), np.abs(kernel[1, 1]), np.abs(bias))
        assert_within(conv, dense, 2 * (kernel.shape[2] + 1) * FLOAT64.u * sums)  # two orders of one sum, in the worst case
        assert np.abs(conv - reference.ops.dense(x[:, 0, 0], kernel[0, 0], bias)).max() > 0.1


def test_numbers_are_written_for_people() -> None:
    """Whole numbers with their thousands set apart, measured ones with three figures; a fraction is no whole number."""
    assert [number(v) for v in (0, 7.0, 1e-8, 0.012345, 148.34, 152800.0)] == ["0", "7", "1e-08", "0.0123", "148", "152,800"]
    assert whole(1966080) == "1,966,080"
    with pytest.raises(ValueError, match="no integer"):
        whole(0.5)


# ---- Runs and drawing --------------------------------------------------------------------------------------------------------

RUN: dict[str, Any] = {
    "configuration": {"training digits": 55_000, "seed": 3},
    "epochs": 5.45,
    "test": {"accuracy": 0.957, "digits": 256},
    "environment": {"device_name": "CPU", "platform": "Linux", "tensorflow": "2"},
}


def test_a_run_is_read_with_its_start(tmp_path: Path) -> None:
    """The trained weights are the run's, the start is what its seed gives, and the facts are its own."""
    architecture = reference.ARCHITECTURES["tf1_graph"]
    params = reference.init_params(architecture, seed=7)
    write_params(write_tf1(tmp_path / "run", **RUN) / "params.npz", params)
    trained = read_trained(tmp_path / "run")
    assert np.array_equal(trained.params["fc2"]["kernel"], params["fc2"]["kernel"])
    assert np.array_equal(trained.start["fc2"]["kernel"], reference.init_params(architecture, seed=3)["fc2"]["kernel"])
    assert trained.facts["seed"] == 3
    assert trained.facts["steps"] == 4687


def test_what_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    """A folder without weights, with another network's, with half of metrics.json, or of a run without LRN is InvalidInput."""
    folder = write_tf1(tmp_path / "run", **RUN)
    with pytest.raises(InvalidInput, match=r"params\.npz"):
        read_trained(folder)
    write_params(folder / "params.npz", {"conv1": {"kernel": np.zeros((3, 3, 1, 64), np.float32)}})
    with pytest.raises(InvalidInput, match="of tf1_graph"):
        read_trained(folder)
    half = write_tf1(tmp_path / "half")
    write_params(half / "params.npz", reference.init_params("tf1_graph"))
    with pytest.raises(InvalidInput, match="is not what `alexnet-ref train` writes"):
        read_trained(half)
    bare = write_tf1(tmp_path / "bare", without_lrn=True, **RUN)
    write_params(bare / "params.npz", reference.init_params("tf1_graph"))
    with pytest.raises(InvalidInput, match="is another network than the document's; received a run --without-lrn"):
        read_trained(bare)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TINY))
def test_every_picture_is_drawn(name: str, tmp_path: Path) -> None:
    """A small network's pictures are drawn, written 800 pixels wide, and touch none of pyplot's windows."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'alexnet-ref[docs]'")
    from alexnet_ref.figures.draw import draw
    from alexnet_ref.figures.style import save_png

    tiny = TINY[name]
    start, params = reference.init_params(tiny, 0), reference.init_params(tiny, 1)
    figures, facts = draw(Trained(architecture=tiny, params=params, start=start, facts={"seed": 0}), shipped_digits(5))
    assert set(figures) == {"images", "vectors", "filters", "dropout", "magnitudes", "norm"}
    assert facts["digit"] == {"label": 7, "digits": 5}
    assert list(facts["layers"]["trained"]) == [layer.name for layer in tiny.layers]
    assert ("grey" in facts) == (name == "keras_sequential")
    for picture, figure in figures.items():
        save_png(figure, tmp_path / f"{picture}.png")
        content = (tmp_path / f"{picture}.png").read_bytes()
        assert struct.unpack(">I", content[16:20]) == (800,)
    assert {path.stem for path in tmp_path.iterdir()} == set(figures)


@pytest.mark.slow  # draws every figure
def test_taps_are_drawn_where_some_are_never_seen() -> None:
    """A network with a 3×3 window on a 1×1 map gets one picture more."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'alexnet-ref[docs]'")
    from alexnet_ref.figures.draw import draw

    tiny = TINY["tf1_graph"]
    shrink = MaxPool(name="shrink", pool_size=(4, 4), strides=(4, 4), padding="SAME")
    last = Conv(name="last", filters=4, kernel_size=(3, 3), strides=(4, 4), padding="SAME")
    layers = (*tiny.layers[:4], shrink, last, *tiny.layers[4:])
    network: Architecture = replace(tiny, layers=layers)
    options: dict[str, Any] = {"params": reference.init_params(network, 1), "start": reference.init_params(network, 0)}
    figures, facts = draw(Trained(architecture=network, facts={"seed": 0}, **options), shipped_digits(3))
    assert "taps" in figures
    assert facts["taps"]["last"]["unseen"] == 8 * 3 * 4
