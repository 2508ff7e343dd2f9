"""A port's loss, and its derivative by the logits, fed the port's own result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from alexnet_ref import step_bounds
from alexnet_ref.arithmetic import FLOAT64, Arithmetic
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.candidates.trained import TrainedNetwork
from alexnet_ref.checks.batch import LOSS, Batch, worst
from alexnet_ref.checks.check import Check, compared, not_checkable
from alexnet_ref.compare import Comparison, compare
from reference.losses import softmax_cross_entropy_with_logits, sparse_categorical_crossentropy
from reference.ops import softmax_backward


def check_loss(trained: TrainedNetwork, batch: Batch, arithmetic: Arithmetic) -> Check:
    """Hold the loss, and its derivative with respect to the logits, against the document's, fed the port's own result."""
    if trained.loss is None:
        return not_checkable(LOSS, None, trained.why)
    y = list(trained.outputs.values())[-1].astype(np.float64)
    dy = list(trained.output_gradients.values())[-1] if trained.output_gradients else None
    if y.shape != (len(batch.numbers), batch.classes) or not np.isfinite(y).all() or dy is None or dy.shape != y.shape:
        fact = f"no loss can be taken from a result of shape {y.shape} with {int((~np.isfinite(y)).sum())} numbers not finite"
        return Check(id=LOSS, layer=None, status="failed", fact=fact)
    try:
        comparisons = (_from_logits if trained.logits else _from_probabilities)(trained.loss, y, dy, batch, arithmetic)
    except ValueError as error:  # InvalidInput: no probabilities
        return Check(id=LOSS, layer=None, status="failed", fact=str(error))
    return replace(compared(LOSS, "", worst(comparisons)), layer=None)


def _from_logits(loss: float, z: Array, dz: Array, batch: Batch, arithmetic: Arithmetic) -> dict[str, Comparison]:
    labels = batch.one_hot.astype(np.float64)
    expected, expected_dz = softmax_cross_entropy_with_logits(z, labels)
    allowed, allowed_dz = step_bounds.cross_entropy(z, labels, np.zeros_like(z), arithmetic)
    return {
        "loss": compare(np.array(loss), np.array(expected), allowed),
        "its derivative by the logits": compare(dz, expected_dz, allowed_dz),
    }


def _from_probabilities(loss: float, p: Array, dp: Array, batch: Batch, arithmetic: Arithmetic) -> dict[str, Comparison]:
    """Compare −ln p and, since Keras divides bare probabilities by their sum (`reference.losses`), the derivative by the logits.

    p and their sum, which is 1 but for (K + 2)·u, are each rounded; so is the quotient; the logarithm is off by 4·u of itself.
    y·(dy − Σ dy·y) of dp, computed here in float64, passes on dp's own roundings: those, one division and the sum's.
    """
    u, k = arithmetic.u + FLOAT64.u, p.shape[-1]
    expected, _ = sparse_categorical_crossentropy(p, batch.numbers)
    dz = (p - batch.one_hot) / len(p)
    each = (2 * k + 6) * u + 4 * u * np.abs(np.log(p[np.arange(len(p)), batch.numbers]))
    own = dp.astype(np.float64)
    spread = p * (np.abs(own) + (np.abs(own) * p).sum(axis=-1, keepdims=True))
    return {
        "loss": compare(np.array(loss), np.array(expected), float(each.mean()) + (len(p) + 1) * u * expected),
        "its derivative by the logits": compare(softmax_backward(p, own), dz, (2 * k + 6) * u * spread + arithmetic.tiny),
    }
