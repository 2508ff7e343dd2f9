"""Adam, one step at a time, as Keras and TensorFlow 1 compute it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.errors import InvalidInput
from reference.params import Params

Array = NDArray[Any]
Moments = Mapping[str, Mapping[str, Array]]


@dataclass(frozen=True, kw_only=True)
class AdamState:
    """What Adam remembers after t steps: running means of the gradients (m) and of their squares (v), named as the params are."""

    t: int
    m: Moments
    v: Moments

    @classmethod
    def start(cls, params: Params) -> AdamState:
        """Return the state before the first step: t = 0 and all moments 0, in float64."""
        zeros = {layer: {part: np.zeros(np.shape(a)) for part, a in parts.items()} for layer, parts in params.items()}
        return cls(t=0, m=zeros, v=zeros)


def adam_step(
    params: Params,
    gradients: Moments,
    state: AdamState,
    *,
    learning_rate: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float,
) -> tuple[dict[str, dict[str, Array]], AdamState]:
    """Return (params, state) after one more step; nothing is changed in place. All arithmetic is float64.

    m ← β₁·m + (1 − β₁)·g,    v ← β₂·v + (1 − β₂)·g²,    t ← t + 1
    θ ← θ − α_t · m / (√v + ε),    α_t = learning_rate · √(1 − β₂^t) / (1 − β₁^t)

    Epsilon stands outside the root, beside the *uncorrected* √v: at t = 1 it weighs as ε/√(1 − β₂) ≈ 32·ε would in Algorithm 1,
    which corrects v first. Kingma & Ba 2015 call it ε̂ at the end of section 2. `Recipe.epsilon` holds each library's default.
    Source: keras.optimizers.Adam.update_step; tf.compat.v1.train.AdamOptimizer.
    """
    _check(params, gradients, state)
    t = state.t + 1
    alpha = learning_rate * math.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    new_params: dict[str, dict[str, Array]] = {layer: {} for layer in params}
    new_m: dict[str, dict[str, Array]] = {layer: {} for layer in params}
    new_v: dict[str, dict[str, Array]] = {layer: {} for layer in params}
    for layer, parts in params.items():
        for part, theta in parts.items():  # every array of one shape, the parameter's
            g = np.asarray(gradients[layer][part], np.float64)
            m = beta_1 * state.m[layer][part] + (1 - beta_1) * g
            v = beta_2 * state.v[layer][part] + (1 - beta_2) * g**2
            new_params[layer][part] = np.asarray(theta, np.float64) - alpha * m / (np.sqrt(v) + epsilon)
            new_m[layer][part], new_v[layer][part] = m, v
    return new_params, AdamState(t=t, m=new_m, v=new_v)


def _check(params: Params, gradients: Moments, state: AdamState) -> None:
    """Refuse gradients or moments whose names or shapes are not the params': NumPy would broadcast them silently."""
    expected = _shapes(params)
    for what, arrays in (("gradients", gradients), ("state.m", state.m), ("state.v", state.v)):
        received = _shapes(arrays)
        for name in sorted(expected.keys() | received.keys()):
            if expected.get(name) != received.get(name):
                raise InvalidInput(
                    f"{what} are not those of the params",
                    where=f"Adam: {name}",
                    expected=f"shape {expected.get(name, 'none: no such parameter')}",
                    received=f"shape {received.get(name, 'none: it is missing')}",
                )


def _shapes(arrays: Moments) -> dict[str, tuple[int, ...]]:
    return {f"{layer}/{part}": np.shape(array) for layer, parts in arrays.items() for part, array in parts.items()}
