"""What the documents say of dropout, decided on the networks' own dropout layers and masks."""

from __future__ import annotations

import math

import numpy as np

from alexnet_ref.arithmetic import FLOAT64
from alexnet_ref.claims.claim import (
    Evidence,
    Finding,
    Quotes,
    contradicted_claim,
    corrected,
    holds_if,
    keras_claim,
    read,
    tf1_claim,
)
from reference import Dense, Dropout, draw_masks
from reference.forward import apply

IMAGES = 8


def dropouts(evidence: Evidence) -> list[Dropout]:
    """Return the network's dropout layers."""
    return [layer for layer in evidence.architecture.layers if isinstance(layer, Dropout)]


def scale(layer: Dropout) -> float:
    """Return what a kept 1 becomes in training."""
    return float(apply(layer, {}, np.ones((1, 1)), mask=np.ones((1, 1), bool))[0, 0])


def decide_half(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether behind every hidden dense layer, and nowhere else, exactly half of the elements are dropped, at random."""
    layers = evidence.architecture.layers
    before = [layers[i - 1] for i, layer in enumerate(layers) if isinstance(layer, Dropout)]
    hidden = [layer for layer in layers[:-1] if isinstance(layer, Dense)]
    if before != hidden or any(layer.rate != 0.5 for layer in dropouts(evidence)):
        return holds_if(False, "rates " + ", ".join(str(layer.rate) for layer in dropouts(evidence)))
    dropped = [int((~mask).sum()) for masks in draw_masks(evidence.architecture, IMAGES).values() for mask in masks]
    units = hidden[0].units
    if all(n == units // 2 for n in dropped):
        return holds_if(True, f"{units // 2:,} of {units:,} every time")
    return corrected(
        f"half on average, each by its own chance: {min(dropped):,} … {max(dropped):,} of {units:,} in {len(dropped)} masks"
    )


def decide_fraction(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether in training the specified fraction, within four standard errors, is 0 and stays random; the rest is not."""
    masks, fractions = draw_masks(evidence.architecture, IMAGES), []
    for layer in dropouts(evidence):
        y = apply(layer, {}, np.ones(masks[layer.name].shape), mask=masks[layer.name])
        share, allowed = float((y == 0).mean()), 4 * math.sqrt(layer.rate * (1 - layer.rate) / y.size)
        fractions.append((layer.rate, share, abs(share - layer.rate) <= allowed and layer.rate > 0))
    right = bool(fractions) and all(ok for _, _, ok in fractions)
    return holds_if(right, "; ".join(f"rate {rate}: {share:.2%} are 0" for rate, share, _ in fractions))


def decide_mean(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether kept elements grow by as much as keeps the mean: (1 − rate)·scale = 1."""
    found = [(layer.rate, scale(layer)) for layer in dropouts(evidence)]
    # 1 − rate, its reciprocal and the product are rounded once each.
    right = bool(found) and all(abs((1 - rate) * factor - 1) <= 3 * FLOAT64.u and factor > 1 for rate, factor in found)
    return holds_if(
        right, "; ".join(f"(1 − {rate})·{factor:g} = {(1 - rate) * factor:g}" for rate, factor in dict.fromkeys(found))
    )


def decide_divisor(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether kept elements are divided by the dropout probability: where that is 1 − rate, it is the same."""
    divisor, factor = map(float, read(r"divided by ([\d.]+) or simply multiplied by (\d+)", quotes[0]))
    rates, scales = {layer.rate for layer in dropouts(evidence)}, {scale(layer) for layer in dropouts(evidence)}
    if rates == {divisor} and scales == {factor} == {1 / divisor}:
        other = Dropout(name="other", rate=0.2)
        measured = f"at {divisor} multiplied by {factor:g}, as said; at 0.2 by {scale(other):g}, which divides by 1 − rate"
        return holds_if(True, measured) if scale(other) == 1 / other.rate else corrected(measured)
    return holds_if(False, f"rates {rates}, multiplied by {scales}")


def decide_test_time(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether outside training dropout gives what it takes, bit for bit."""
    x = np.random.default_rng(0).standard_normal((4, 7))
    same = [bool((apply(layer, {}, x) == x).all()) for layer in dropouts(evidence)]
    return holds_if(bool(same) and all(same), f"{len(same)} layers give their input, bit for bit")


def decide_keep(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether what is called dropout is the probability to keep."""
    (keep,) = map(float, read(r"dropout = ([\d.]+)", quotes[0]))
    kept = {layer.keep_prob for layer in dropouts(evidence)}
    if kept == {keep}:
        return corrected(f"{keep:.0%} are kept, as the comment says; {1 - keep:.0%} are dropped, not what the name says")
    return holds_if(False, f"kept: {kept}")


def decide_keep_one(quotes: Quotes, _: Evidence) -> Finding:
    """Decide whether with this probability to keep, dropout changes nothing."""
    (keep,) = map(float, read(r"keep_prob: ([\d.]+)\}", quotes[0]))
    layer = Dropout.keeping(keep_prob=keep, name="evaluated")
    x = np.random.default_rng(0).standard_normal((64, 64))
    mask = np.random.default_rng(1).random(x.shape) < layer.keep_prob
    same = bool((apply(layer, {}, x, mask=mask) == x).all())
    return holds_if(same, f"rate {layer.rate:g}: {'nothing is' if same else 'elements are'} changed")


_MODEL = "The Model"
CLAIMS = (
    keras_claim(
        id="half_of_the_neurons",
        place=_MODEL,
        quotes=("half of the neurons in hidden fully connected layers are shut down randomly",),
        decide=decide_half,
    ),
    keras_claim(
        id="fraction_set_to_zero",
        place=_MODEL,
        quotes=("a specified fraction of the activations in a layer is set to 0",),
        decide=decide_fraction,
    ),
    keras_claim(
        id="mean_is_kept",
        place=_MODEL,
        quotes=("in order to keep the mean activation level of the layer the same",),
        decide=decide_mean,
    ),
    contradicted_claim("divided_by_dropout_probability", place=_MODEL, decide=decide_divisor),
    keras_claim(
        id="no_dropout_in_tests",
        place=_MODEL,
        quotes=("During test time, dropout is not performed.",),
        decide=decide_test_time,
    ),
    contradicted_claim("dropout_is_keep_probability", place="# Network Parameters", decide=decide_keep),
    tf1_claim(
        id="evaluated_without_dropout",
        place="# Calculate batch accuracy",
        quotes=("acc = sess.run(accuracy, feed_dict={x: batch_xs, y: batch_ys, keep_prob: 1.})",),
        decide=decide_keep_one,
    ),
)
