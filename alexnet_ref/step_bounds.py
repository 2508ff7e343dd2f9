"""What one training step of a correct implementation may differ from the exact one: the loss, every gradient, every parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref import bounds, gradient_bounds
from alexnet_ref.bounds import FLOAT64, Arithmetic
from alexnet_ref.gradient_bounds import Differences
from reference import Architecture, LossAndGradients, Params, ops
from reference.forward import Masks, apply, as_input, as_params
from reference.gradients import Parts, as_one_hot, backward, logits_layers

Array = NDArray[Any]


def cross_entropy(z: Array, one_hot: Array, difference: Array, arithmetic: Arithmetic) -> tuple[float, Array]:
    """Return the allowed differences of softmax cross-entropy's mean and of its derivative, for z (N, K) and its difference.

    −ln p = ln Σ exp(z_k − m) − (z_label − m). With d = max|z − m| each difference is off by u·d, each exponential by another 4·u,
    the sum by K·u, all relative to a sum whose logarithm turns them to absolute; the logarithm by 4·u of itself, the last two
    subtractions by u·d and u of the result. A difference of z moves the two parts by no more than itself.
    p_k = 1/Σ_l exp(z_l − z_k) falls in every z_l − z_k, so that its ends are those of the differences, however saturated it is.
    """
    u, k = arithmetic.u + FLOAT64.u, z.shape[-1]
    t = z - z.max(axis=-1, keepdims=True)  # (N, K)
    log_sum = np.log(np.exp(t).sum(axis=-1))  # (N,)
    losses = log_sum - (t * one_hot).sum(axis=-1)  # (N,)
    each = u * (2 * np.abs(t).max(axis=-1) + 4 + k + 4 * log_sum + losses)
    each = each + difference.max(axis=-1) + (difference * one_hot).sum(axis=-1)
    loss = float(each.mean() + (len(z) + 1) * u * (losses + each).mean())

    delta = difference + u * np.abs(t) + 4 * u  # (N, K)
    apart = t[:, None, :] - t[:, :, None]  # (N, k, l)
    moved = (delta[:, None, :] + delta[:, :, None]) * (1 - np.eye(k))  # (N, k, l)
    with np.errstate(over="ignore"):  # where exp gives ∞, the probability's end is 0
        low, p, high = (1 / np.exp(apart + sign * moved).sum(axis=-1) for sign in (1, 0, -1))
    dp = np.maximum(high - p, p - low) + (k + 2) * u * high + arithmetic.tiny
    return loss, (dp + 4 * u * (np.abs(p - one_hot) + dp)) / len(z)


def end_to_end(
    architecture: Architecture, params: Params, x: Array, labels: Array, *, arithmetic: Arithmetic, masks: Masks | None = None
) -> LossAndGradients:
    """Return what each field of `loss_and_gradients` may differ when a whole network is computed from exact x and params.

    Differences are carried from the pixels to the loss and back. For a loss that is taken from logits, as both documents' are.
    """
    layers = logits_layers(architecture)
    if layers is None:
        raise ValueError("the loss is not taken from logits")
    params = as_params(architecture, params, np.float64)
    y = as_input(architecture, x, np.float64)
    difference = np.zeros_like(y)
    passed = []
    for layer in layers:
        own, mask = params.get(layer.name, {}), masks[layer.name] if masks and layer.name in masks else None
        fed, before = y, difference
        y = apply(layer, own, fed, mask=mask)
        if mask is None:
            difference = bounds.carried(layer, own, fed, before, arithmetic)
        else:  # dropout is its own backward equation: what it does to dy, it does to x
            same = Differences(x=before, y=before, dy=before)
            difference, _ = gradient_bounds.allowed(layer, {}, fed, fed, fed, arithmetic=arithmetic, mask=mask, differences=same)
        passed.append((layer, own, mask, fed, y, before, difference))
    one_hot = as_one_hot(architecture, labels, y)
    loss, difference = cross_entropy(y, one_hot, difference, arithmetic)
    dy = (ops.softmax(y) - one_hot) / len(y)
    result: dict[str, Parts] = {}
    outputs = {architecture.layers[-1].name: difference}
    for layer, own, mask, fed, y, before, after in reversed(passed):
        outputs[layer.name] = difference
        three = Differences(x=before, y=after, dy=difference)
        difference, result[layer.name] = gradient_bounds.allowed(
            layer, own, fed, y, dy, arithmetic=arithmetic, mask=mask, differences=three
        )
        dy, _ = backward(layer, own, fed, y, dy, mask=mask)
    return LossAndGradients(
        loss=loss, gradients={name: result[name] for name in params}, outputs=dict(reversed(outputs.items())), x=difference
    )


@dataclass(frozen=True, kw_only=True)
class AdamArray:
    """One parameter array on its way through Adam: m and v after t steps, and what they may differ (0 before the first)."""

    t: int
    m: Array
    v: Array
    dm: Array
    dv: Array

    @classmethod
    def start(cls) -> AdamArray:
        """Return the state before the first step: a 0 that stands for an array of zeros."""
        nothing = np.zeros(())
        return cls(t=0, m=nothing, v=nothing, dm=nothing, dv=nothing)


def adam(
    theta: Array,
    g: Array,
    dg: Array,
    state: AdamArray,
    *,
    learning_rate: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float,
    arithmetic: Arithmetic,
) -> tuple[Array, AdamArray]:
    """Return what one Adam step of theta may differ, given the same theta and a gradient g that may differ by dg; and the state.

    The update U = α·m/(√v + ε) rises with g in the first step, where m and v come from g alone: its ends are those of g ± dg.
    Where g is 0 within dg, they may be −learning_rate and learning_rate: Adam's first step is a sign, and the sign is not known.
    Later, m and v are each enclosed, and U by its ends over both.

    Relative roundings: 1 − β, which may be a difference of rounded numbers, u/(1 − β); β^t, (2t + 4)·u, which 1 − β^t magnifies
    by β^t/(1 − β^t): 1,000 in β₂'s first step, the largest of all; then one for each operation.
    """
    u, t = arithmetic.u + FLOAT64.u, state.t + 1
    one_1, one_2 = 1 - beta_1, 1 - beta_2
    alpha = learning_rate * math.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    off_1, off_2 = ((2 * t + 4) * u * beta**t / (1 - beta**t) + u for beta in (beta_1, beta_2))
    off = off_1 + off_2 / 2 + 8 * u  # of alpha, and of the square root, sum, product and quotient of the update

    m = beta_1 * state.m + one_1 * g
    v = beta_2 * state.v + one_2 * g**2
    rounded_m = beta_1 * np.abs(state.m) * 2 * u + one_1 * (np.abs(g) + np.abs(state.m)) * (u / one_1 + 3 * u) + 2 * u * np.abs(m)
    rounded_v = beta_2 * state.v * 2 * u + one_2 * (g**2 + state.v) * (u / one_2 + 4 * u) + 2 * u * v
    dm = beta_1 * state.dm + one_1 * dg + rounded_m + arithmetic.tiny
    dv = beta_2 * state.dv + one_2 * (2 * np.abs(g) * dg + dg**2) + rounded_v + arithmetic.tiny

    update = alpha * m / (np.sqrt(v) + epsilon)
    if state.t == 0:
        low, high = (alpha * one_1 * end / (math.sqrt(one_2) * np.abs(end) + epsilon) for end in (g - dg, g + dg))
        off += u / one_1 + u / one_2 / 2 + 6 * u + math.sqrt(arithmetic.tiny) / epsilon  # of m, v, and of a v flushed to 0
    else:
        small, large = (np.sqrt(np.maximum(v + side, 0)) + epsilon for side in (-dv, dv))
        low = alpha * np.minimum((m - dm) / small, (m - dm) / large)
        high = alpha * np.maximum((m + dm) / small, (m + dm) / large)
    bound = np.maximum(high - update, update - low) + off * np.maximum(np.abs(low), np.abs(high))
    bound += alpha * arithmetic.tiny / epsilon
    return bound + u * (np.abs(theta - update) + bound), AdamArray(t=t, m=m, v=v, dm=dm, dv=dv)
