"""What is said of ReLU, decided on the networks' own activations."""

from __future__ import annotations

import numpy as np

from alexnet_ref.claims.claim import Evidence, Finding, Quotes, holds_if, keras_claim
from reference import Architecture, Conv, Dense, ReLU
from reference.forward import Array, activate
from reference.layers import Activation

PROBE = np.array([-1e30, -7.0, -0.5, -1e-30, 0.0, 1e-30, 0.5, 7.0, 1e30])
SLOPE_STEP = 2.0**-20  # a power of two, so that ReLU's slope comes out exactly 1


def hidden_activations(architecture: Architecture) -> list[Activation]:
    """Return the non-linearities of all layers but the last."""
    found: list[Activation] = []
    for layer in architecture.layers[:-1]:
        if isinstance(layer, ReLU):
            found.append("relu")
        elif isinstance(layer, Conv | Dense) and layer.activation is not None:
            found.append(layer.activation)
    return found


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(−x)), computed so that nothing overflows."""
    y: Array = 0.5 * (1 + np.tanh(x / 2))
    return y


def slopes(activation: Activation, x: Array) -> Array:
    """Return the activation's slope at each x, by a difference."""
    rise: Array = activate(activation, x + SLOPE_STEP) - activate(activation, x - SLOPE_STEP)
    return rise / (2 * SLOPE_STEP)


def decide_all_relu(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether every hidden non-linearity is ReLU."""
    found = hidden_activations(evidence.architecture)
    return holds_if(bool(found) and set(found) == {"relu"}, f"{found.count('relu')} of {len(found)} hidden activations are ReLU")


def decide_no_exponentiation(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether each result is the input itself or 0, bit for bit: nothing was computed, only chosen."""
    found = hidden_activations(evidence.architecture)
    chosen = [bool(np.isin(activate(word, PROBE), [*PROBE, 0.0]).all()) for word in found]
    return holds_if(all(chosen) and bool(chosen), "every result is the input itself or 0")


def decide_unbounded(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether at a large input ReLU gives the input, where sigmoid and tanh stop at 1."""
    word, large = hidden_activations(evidence.architecture)[0], np.array([1e30])
    y, others = activate(word, large)[0], (sigmoid(large)[0], np.tanh(large)[0])
    return holds_if(y == large[0] and max(others) <= 1, f"at 1e30: {word} {y:g}, sigmoid {others[0]:g}, tanh {others[1]:g}")


def decide_vanishing(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether through all hidden activations a slope survives that sigmoids at their steepest would make small."""
    found = hidden_activations(evidence.architecture)
    kept = float(np.prod([slopes(word, np.array([1.0]))[0] for word in found]))
    steepest = float((sigmoid(np.array([SLOPE_STEP])) - sigmoid(np.array([-SLOPE_STEP])))[0] / (2 * SLOPE_STEP))
    measured = f"through {len(found)} active units: slope {kept:g}; through as many sigmoids at most {steepest ** len(found):.2g}"
    return holds_if(kept > 10 * steepest ** len(found), measured)


def decide_dying(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether result and slope are 0 at negative inputs: a unit that is negative for all inputs never learns."""
    word, x = hidden_activations(evidence.architecture)[0], np.array([-7.0, -0.5])
    y, slope = activate(word, x), slopes(word, x)
    return holds_if(not y.any() and not slope.any(), f"at −7 and −0.5: result {y.max():g}, slope {slope.max():g}")


_MODEL = "The Model"
CLAIMS = (
    keras_claim(
        id="uses_relu",
        place=_MODEL,
        quotes=("Unlike LeNet, AlexNet uses ReLU[5] activation function.",),
        decide=decide_all_relu,
    ),
    keras_claim(
        id="relu_no_exponentiation",
        place=_MODEL,
        quotes=("ReLU does not involve exponentiation operation",),
        decide=decide_no_exponentiation,
    ),
    keras_claim(
        id="relu_unbounded",
        place=_MODEL,
        quotes=("Unlike sigmoid and tanh activations, ReLU has an unbounded response in the positive edge.",),
        decide=decide_unbounded,
    ),
    keras_claim(
        id="relu_vanishing_gradient",
        place=_MODEL,
        quotes=("It also reduces the effects of vanishing gradient",),
        decide=decide_vanishing,
    ),
    keras_claim(
        id="relu_dying",
        place=_MODEL,
        quotes=("ReLU sometimes leads to dying neurons",),
        decide=decide_dying,
    ),
)
