"""The comparison with other people's constants is fair, and its mistakes are mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from alexnet_ref.tolerances.drawn import draw_images
from alexnet_ref.tolerances.mistakes import mistakes
from alexnet_ref.tolerances.others import OTHERS, Constants
from alexnet_ref.tolerances.report import table
from alexnet_ref.tolerances.side_by_side import OURS, judge
from reference import Architecture, init_params
from reference.shapes import layer_shapes
from tests.miniatures import MINIATURES


@pytest.mark.parametrize("constants", OTHERS, ids=lambda constants: constants.name)
def test_constants_accept_up_to_themselves(constants: Constants) -> None:
    """An error a little below absolute + relative·|expected| is accepted, one a little above is not."""
    expected = np.array([1.0, -3.0, 1000.0])
    parts = constants.absolute, constants.relative * np.abs(expected)
    allowed = np.maximum(*parts) if constants.rule == "either" else parts[0] + parts[1]
    assert constants.accepts(expected + 0.99 * allowed, expected)
    assert not constants.accepts(expected + np.array([0, 0, 1.01]) * allowed, expected)
    assert not constants.accepts(np.array([1.0, np.nan, 1000.0]), expected)
    assert not constants.accepts(expected[:2], expected)


@pytest.mark.parametrize("architecture", MINIATURES.values(), ids=lambda architecture: architecture.name)
def test_every_mistake_keeps_the_shape(architecture: Architecture) -> None:
    """A mistake at a layer changes its values, not its shape: no judge is helped by shapes."""
    shapes = [architecture.input_shape, *layer_shapes(architecture).values()]
    params, rng = init_params(architecture), np.random.default_rng(0)
    for layer, before, after in zip(architecture.layers, shapes, shapes[1:], strict=False):
        x = rng.standard_normal((1, *before), np.float32)
        for mistake in mistakes(architecture):
            if mistake.layer == layer.name:
                assert mistake.run(layer, params.get(layer.name, {}), x).shape == (1, *after), mistake.name


def test_alpha_over_the_window_is_found_in_each_way_of_judging_layers() -> None:
    """tf1_graph's alpha divided once more: ours finds it on digits and on the probe."""
    architecture = MINIATURES["tf1_graph"]
    params, x = init_params(architecture), draw_images(architecture, "real", 2, np.random.default_rng(0))
    mistake = next(m for m in mistakes(architecture) if (m.layer, m.name) == ("norm1", "alpha over the window"))
    verdicts = dict(judge(architecture, params, x, mistake.run, at="norm1"))
    assert not verdicts["layer by layer", OURS]
    assert not verdicts["with designed probes", OURS]


def test_a_table_is_markdown() -> None:
    """A header, a rule, and a line for each row."""
    assert list(table(("a", "b"), [("1", "2")])) == ["| a | b |", "|---|---|", "| 1 | 2 |"]
