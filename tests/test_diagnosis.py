"""The diagnosis says which mistake a port makes: its name, its numbers, how to put it right; and nothing of a right port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref.candidates.step import Array, Framework
from alexnet_ref.checks.dropout import check_dropout
from alexnet_ref.checks.facts import check_facts
from alexnet_ref.checks.output import check_output
from alexnet_ref.checks.probes import check_probes
from alexnet_ref.checks.agreement import check_agreement
from alexnet_ref.checks.weights import check_weights
from alexnet_ref.compare import compare
from alexnet_ref.diagnosis.fix import right_line
from alexnet_ref.diagnosis.output import together
from alexnet_ref.mistakes import Mistake, named, right, run_network
from alexnet_ref.mistakes.mistake import replaced
from alexnet_ref.mistakes.parts import Affine, Pointwise
from alexnet_ref.power.miniature import miniature
from alexnet_ref.report import Report
from alexnet_ref.tolerances.faults import faults
from alexnet_ref.tolerances.sharpness import least
from alexnet_ref.verify import verify
from reference import LRN, Layer, init_params
from reference.shapes import layer_inputs
from tests.numpy_port import NumpyPort

TF1 = miniature(reference.ARCHITECTURES["tf1_graph"])
KERAS = miniature(reference.ARCHITECTURES["keras_sequential"])
PARAMS = {network.name: init_params(network, 2) for network in (TF1, KERAS)}
CHECKS = (check_facts, check_weights, check_probes, check_dropout, check_agreement)


def judged(port: Any, architecture: reference.Architecture = TF1) -> Report:
    """Return the report on a port, its intended weights given, of two digits."""
    images = np.random.default_rng(0).random((2, *architecture.input_shape)).astype(np.float32)
    return verify(port, architecture, images=images, batch_size=2, params=PARAMS[architecture.name], checks=CHECKS)


def of_mistake(mistake: Mistake | str, port: Callable[..., NumpyPort] = NumpyPort) -> Report:
    """Return the report on a NumPy port with this mistake of tf1_graph."""
    mistake = named(TF1, mistake) if isinstance(mistake, str) else mistake
    return judged(port(mistake, PARAMS[TF1.name]))


def odd(layer: str, *parts: Any) -> Mistake:
    """Return a port of tf1_graph with a mistake that the catalogue does not hold."""
    return replace(right(TF1), id="odd", network=replaced(TF1, TF1[layer], parts), shows="inference", equivalent="")


# ---- Names ---------------------------------------------------------------------------------------------------------------

NAMED = [
    "padding.valid[conv1]",
    "kernels.mirrored[conv2]",
    "lrn.alpha_over_window[norm1]",
    "lrn.divided_by_sum_of_squares[norm2]",
    "pooling.average[pool1]",
    "activations.leaky_relu[conv1]",
    "bias.forgotten[conv2]",
    "flatten.channels_first[flatten]",
    "order.norm_before_pool[norm1]",
    "precision.bfloat16[conv2]",
]


@pytest.mark.parametrize("mistake", NAMED)
def test_names(mistake: str) -> None:
    """A port with one mistake is said to have that mistake, before all others."""
    diagnosis = of_mistake(mistake).diagnoses[0]
    assert diagnosis.best is not None
    assert diagnosis.best.mistake == mistake
    assert diagnosis.documented.ratio > 1
