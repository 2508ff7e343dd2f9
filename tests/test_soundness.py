"""No false alarm, in short: a few networks for each implementation. The long run is the tox environment `soundness`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from alexnet_ref import bounds, spread
from alexnet_ref.tolerances import configurations
from alexnet_ref.tolerances.drawn import (
    Data,
    draw_images,
    draw_network,
    draw_weights,
    left_unwritten,
    misplaced_by_xla,
    without_misplaced,
)
from alexnet_ref.tolerances.implementation import Array, Implementation, LayerParams, oracle_in_float32
from alexnet_ref.tolerances.orders import ORDERS
from alexnet_ref.tolerances.soundness import Tally, builder, judged, soundness
from reference import ARCHITECTURES, Architecture, Conv, Layer, Resize, layer_shapes

KINDS = ["NumPy matrix product", *(f"NumPy {order.name}" for order in ORDERS)]
QUICK = ("NumPy matrix product", "NumPy sequential", "NumPy winograd")


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[] if kind in QUICK else pytest.mark.slow) for kind in KINDS])
def test_no_order_of_summation_is_a_false_alarm(kind: str) -> None:
    """float32 written out in each order passes every check on eight random networks, two for each kind of data."""
    tally = soundness(kind, seed=20, drawn=8, documented=())
    assert tally.failures == []
    assert tally.comparisons > 50


@pytest.mark.slow
@pytest.mark.parametrize("data", ["coherent", "scaled"])
def test_a_documented_network_is_no_false_alarm(data: Data) -> None:
    """NumPy's float32 of tf1_graph passes on coherent and on badly scaled data; random and real data are in the long run."""
    checks = list(judged(builder("NumPy matrix product"), ARCHITECTURES["tf1_graph"], data, 3))
    assert [check.id for check in checks if check.status == "failed"] == []
    assert sum(check.status == "passed" for check in checks) > 60


@pytest.mark.tf
@pytest.mark.parametrize(
    "kind", ["TensorFlow function", *(pytest.param(f"TensorFlow {kind}", marks=pytest.mark.slow) for kind in ("eager", "XLA"))]
)
def test_tensorflow_is_no_false_alarm(kind: str) -> None:
    """TensorFlow passes on random networks, eagerly, in a graph and compiled by XLA."""
    assert soundness(kind, seed=0, drawn=2 if kind == "TensorFlow XLA" else 6, documented=()).failures == []


@pytest.mark.parametrize("name", ["bounds", "spread"])
def test_a_shrunk_allowance_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run can fail: with a hundredth of either allowance, correct implementations are called wrong."""
    if name == "bounds":
        right = bounds.allowed
        monkeypatch.setattr(bounds, "allowed", lambda *args: right(*args) / 100)
    else:
        deviation = spread.deviation
        monkeypatch.setattr(spread, "deviation", lambda *args: deviation(*args) / 100)
    assert soundness("NumPy sequential", seed=0, drawn=4, documented=()).failures


def test_one_wrong_bit_is_seen() -> None:
    """The run can fail: one unit in the last place of one element turns the exact probe."""

    def off(layer: Layer, params: LayerParams, x: Array) -> Array:
        y = oracle_in_float32(layer, params, x).copy()
        y.flat[0] = np.nextafter(y.flat[0], np.float32(np.inf))
        return y

    architecture = Architecture(
        name="one", input_shape=(5, 4, 3), layers=(Conv(name="conv", filters=6, kernel_size=(3, 2), padding="SAME"),)
    )
    checks = judged(
        lambda a, params: Implementation(name="off", architecture=a, weights=params, run=off), architecture, "random", 0
    )
    assert "conv.exact[conv]" in [check.id for check in checks if check.status == "failed"]


def test_the_long_run_fails_where_one_comparison_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command's exit code is 1 if a configuration has a failure, which it prints, and 0 if none has."""

    def run(failures: list[str]) -> Iterator[tuple[str, Tally]]:
        yield "NumPy", Tally(runs=1, comparisons=5, tests=7, failures=failures)

    monkeypatch.setattr(configurations, "long_run", lambda: run(["conv.exact[conv]: off"]))
    assert configurations.judge_all() == 1
    assert "conv.exact[conv]: off" in capsys.readouterr().out
    monkeypatch.setattr(configurations, "long_run", lambda: run([]))
    assert configurations.judge_all() == 0


def test_a_configuration_that_does_not_finish_is_a_failure() -> None:
    """An interpreter that dies is reported, not skipped."""
    dead = configurations.Configuration(name="dead", kind="no such kind")
    assert "did not finish" in configurations.in_its_environment(dead, seed=0, drawn=1, documented=()).failures[0]


def test_drawn_networks_use_the_vocabulary_and_avoid_known_defects() -> None:
    """Two hundred networks hold every word, are valid, and none of the convolutions that oneDNN leaves unwritten."""
    words = set()
    for seed in range(200):
        architecture = draw_network(np.random.default_rng(seed))
        shapes = [architecture.input_shape, *layer_shapes(architecture).values()]
        for layer, shape in zip(architecture.layers, shapes, strict=False):
            words.add(type(layer).__name__)
            assert not (isinstance(layer, Conv) and left_unwritten(layer, shape))
    assert words == {"Resize", "Conv", "LRN", "ReLU", "MaxPool", "Dropout", "Flatten", "Dense", "Softmax"}


def test_data_are_what_they_are_called() -> None:
    """Coherent data and weights have one sign; scaled images span many orders of magnitude; real ones are digits, 0 … 1."""
    architecture, rng = ARCHITECTURES["tf1_graph"], np.random.default_rng(0)
    assert (draw_images(architecture, "coherent", 3, rng) >= 0).all()
    weights = draw_weights(architecture, "coherent", rng)
    assert all((value >= 0).all() for parts in weights.values() for value in parts.values())
    sizes = np.abs(draw_images(architecture, "scaled", 40, rng)).max(axis=(1, 2, 3))
    assert sizes.max() / sizes.min() > 1e6
    digits = draw_images(architecture, "real", 3, rng)
    assert digits.shape == (3, 28, 28, 1)
    assert digits.min() == 0 < digits.max() <= 1


def test_what_xla_misplaces_is_left_out() -> None:
    """keras_sequential is judged under XLA without its resizing, which meets row 17 of 224 at pixel 2 exactly."""
    architecture = ARCHITECTURES["keras_sequential"]
    resizing = architecture["resizing"]
    assert isinstance(resizing, Resize)
    assert misplaced_by_xla(resizing, (32, 32, 3))
    rest = without_misplaced(architecture)
    assert rest.input_shape == (224, 224, 3)
    assert rest.layers == architecture.layers[1:]
    assert not misplaced_by_xla(Resize(name="even", height=64, width=64), (32, 32, 3))
