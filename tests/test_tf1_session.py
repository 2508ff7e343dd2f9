"""The second document run as a TensorFlow 1 session: a third derivation, which agrees with the oracle and the Keras model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import reference
from alexnet_ref.bounds import FALSE_ALARM, FLOAT32
from alexnet_ref.compare import assert_equal, assert_within
from alexnet_ref.mnist import load, one_hot, tf1_graph_images
from alexnet_ref.models import build_model
from tests import networks as n
from tests.tf1_session import Tf1Session, from_oracle

pytestmark = pytest.mark.tf

ARCHITECTURE = reference.ARCHITECTURES["tf1_graph"]
PARAMS = reference.init_params(ARCHITECTURE, seed=5)
IMAGES = 6


@pytest.fixture(scope="module")
def digits() -> tuple[n.Array, n.Array]:
    """Return real images (6, 784) and one-hot labels (6, 10), as the document feeds them."""
    sample = load(None)
    return tf1_graph_images(sample.test_images[:IMAGES]), one_hot(sample.test_labels[:IMAGES])


@pytest.fixture(scope="module")
def session() -> Iterator[Tf1Session]:
    """Return the session, its variables set to PARAMS."""
    session = Tf1Session(seed=1)
    session.load(*from_oracle(PARAMS))
    yield session
    session.close()


@pytest.fixture(scope="module")
def outputs(session: Tf1Session, digits: tuple[n.Array, n.Array]) -> dict[str, n.Array]:
    """Return every intermediate of the session at keep_prob 1."""
    return session.run(digits[0], keep_prob=1.0)


@pytest.fixture(scope="module")
def dropped(session: Tf1Session, digits: tuple[n.Array, n.Array]) -> dict[str, n.Array]:
    """Return every intermediate of one run of the session at the document's keep_prob 0.8."""
    return session.run(digits[0], keep_prob=0.8)


@pytest.fixture(scope="module")
def expected(digits: tuple[n.Array, n.Array]) -> n.Expected:
    """Return the oracle's own run."""
    return n.end_to_end(ARCHITECTURE, PARAMS, digits[0])


def test_each_layer_agrees_with_the_oracle(digits: tuple[n.Array, n.Array], outputs: dict[str, n.Array]) -> None:
    """Each of the session's sixteen layers is the oracle's, fed what the session fed it."""
    assert list(outputs) == [layer.name for layer in ARCHITECTURE.layers]
    n.assert_isolated(ARCHITECTURE, PARAMS, digits[0], outputs)


def test_the_whole_agrees_with_the_oracle(outputs: dict[str, n.Array], expected: n.Expected) -> None:
    """From pixels to logits, rounding carried along, the session and the oracle agree on every layer."""
    n.assert_end_to_end(expected, outputs)


def test_the_whole_agrees_with_keras(digits: tuple[n.Array, n.Array], outputs: dict[str, n.Array], expected: n.Expected) -> None:
    """The session and the Keras model differ by no more than both may differ from the oracle."""
    received = n.tapped(build_model(ARCHITECTURE, PARAMS))(digits[0].reshape(-1, 28, 28, 1))
    n.assert_end_to_end({name: (outputs[name], allowed) for name, (_, allowed) in expected.items()}, received, times=2)


@pytest.mark.parametrize(
    ("layer", "wrong"),
    [("norm1", {"alpha": 0.001}), ("norm2", {"depth_radius": 2}), ("norm3", {"beta": 0.5}), ("norm3", {"bias": 2.0})],
)
def test_a_wrong_oracle_is_rejected(
    digits: tuple[n.Array, n.Array], outputs: dict[str, n.Array], layer: str, wrong: dict[str, float]
) -> None:
    """The session disproves an oracle with one normalisation changed."""
    layers = tuple(replace(own, **wrong) if own.name == layer else own for own in ARCHITECTURE.layers)  # type: ignore[arg-type]  # the layer's own fields
    with pytest.raises(AssertionError, match=f"{layer}: .* differ by more than allowed"):
        n.assert_isolated(replace(ARCHITECTURE, layers=layers), PARAMS, digits[0], outputs)
    with pytest.raises(AssertionError, match=f"{layer}: .* differ by more than allowed"):
        n.assert_end_to_end(n.end_to_end(replace(ARCHITECTURE, layers=layers), PARAMS, digits[0]), outputs)


def test_parameter_shapes(session: Tf1Session) -> None:
    """The variables that the listing creates have the shapes of the oracle's params, each under its mapped name."""
    weights, biases = from_oracle(PARAMS)
    assert {name: tuple(v.shape) for name, v in session.weights.items()} == {name: a.shape for name, a in weights.items()}
    assert {name: tuple(v.shape) for name, v in session.biases.items()} == {name: a.shape for name, a in biases.items()}
    sizes = [math.prod(v.shape) for variables in (session.weights, session.biases) for v in variables.values()]
    assert sum(sizes) == 5_624_842


@pytest.mark.parametrize("block", [1, 2, 3])
def test_dropout_keeps_all_at_keep_prob_1(outputs: dict[str, n.Array], block: int) -> None:
    """At keep_prob 1 dropout is the identity, to the bit."""
    assert_equal(outputs[f"drop{block}"], outputs[f"norm{block}"])


@pytest.mark.parametrize("block", [1, 2, 3])
def test_dropout_scales_by_a_quarter_more(dropped: dict[str, n.Array], block: int) -> None:
    """At keep_prob 0.8 a dropped value is exactly 0, and a kept one 1.25 times itself within 5·u; both occur.

    Not exactly 1.25 times: a placeholder holds the float32 nearest to 0.8. The listing rounds it, 1 − keep_prob, 1 − rate, and
    multiplies by the quotient or divides: 4·u/0.8 in all.
    """
    whole, kept = dropped[f"norm{block}"].astype(np.float64), dropped[f"drop{block}"] != 0
    assert_within(dropped[f"drop{block}"], 1.25 * whole * kept, 5 * FLOAT32.u * 1.25 * np.abs(whole) * kept)
    assert kept.any()
    assert (whole[~kept] != 0).any()


@pytest.mark.parametrize("block", [1, 2, 3])
def test_dropout_keeps_four_fifths(dropped: dict[str, n.Array], block: int) -> None:
    """Of the non-zero values 0.8 are kept, within Hoeffding's √(ln(2/δ)/2N), exceeded with probability δ = 1e-9 at most."""
    kept = (dropped[f"drop{block}"] != 0)[dropped[f"norm{block}"] != 0]
    assert abs(kept.mean() - 0.8) <= math.sqrt(math.log(2 / FALSE_ALARM) / (2 * kept.size))


def test_training_agrees_with_the_oracle(digits: tuple[n.Array, n.Array], dropped: dict[str, n.Array]) -> None:
    """Given the session's own masks, the oracle's training mode gives the session's layers, from pixels to logits."""
    masks = {name: dropped[name] != 0 for name in ("drop1", "drop2", "drop3")}
    n.assert_end_to_end(n.end_to_end(ARCHITECTURE, PARAMS, digits[0], masks=masks), dropped)


def test_other_masks_are_rejected(digits: tuple[n.Array, n.Array], dropped: dict[str, n.Array]) -> None:
    """Given masks of another draw, the oracle's training mode is not the session's."""
    masks = reference.draw_masks(ARCHITECTURE, IMAGES, seed=0)
    with pytest.raises(AssertionError, match=r"drop1: .* differ by more than allowed"):
        n.assert_end_to_end(n.end_to_end(ARCHITECTURE, PARAMS, digits[0], masks=masks), dropped)


def test_the_loss_is_the_oracles(session: Tf1Session, digits: tuple[n.Array, n.Array]) -> None:
    """The listing's cost is the mean of −ln softmax(out)[label], computed in float64 from the session's own logits."""
    cost, out = session.loss(*digits, keep_prob=1.0)
    losses, allowed = n.cross_entropy(out, digits[1])
    assert_within(np.array(cost), np.array(losses.mean()), n.mean_allowed(losses, allowed))


def test_the_loss_end_to_end(session: Tf1Session, digits: tuple[n.Array, n.Array], expected: n.Expected) -> None:
    """From pixels to cost the session agrees with the oracle: each logit's allowed difference moves the loss by at most twice."""
    cost, _ = session.loss(*digits, keep_prob=1.0)
    out, difference = expected["out"]
    losses, allowed = n.cross_entropy(out, digits[1])
    moved = difference.max(axis=-1) + (difference * digits[1]).sum(axis=-1)  # ln Σ exp moves by the most that a logit does
    assert_within(np.array(cost), np.array(losses.mean()), n.mean_allowed(losses, allowed + moved))
