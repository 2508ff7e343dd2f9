"""What keras_sequential says of local response normalisation, decided on the networks' own LRN layers."""

from __future__ import annotations

import numpy as np

from alexnet_ref.claims.claim import Evidence, Finding, Quotes, contradicted_claim, holds_if, keras_claim
from reference import LRN
from reference.forward import apply

SHAPE = (1, 3, 5, 31)  # more channels than any window here


def norms(evidence: Evidence) -> list[LRN]:
    """Return the network's LRN layers."""
    return [layer for layer in evidence.architecture.layers if isinstance(layer, LRN)]


def decide_sum_of_squares(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether each activation is divided by nothing but the sum of its neighbours' squares."""
    a = np.random.default_rng(0).uniform(0.1, 1.0, SHAPE)
    found = [np.array_equal(apply(n, {}, a), a / (a**2 @ _band(n.depth_radius))) for n in norms(evidence)]
    n = norms(evidence)[0]
    growth = np.abs(apply(n, {}, 2 * a) / apply(n, {}, a)).mean()
    return holds_if(
        all(found), f"divided by ({n.bias:g} + {n.alpha:g}·sum)^{n.beta:g}; doubled activations grow {growth:.3f}-fold, not 0.5"
    )


def decide_same_pixel(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether a louder activation changes its own pixel alone."""
    pixels = [np.argwhere(_heard(n).any(axis=-1)).tolist() for n in norms(evidence)]
    return holds_if(pixels == [[[0, 1, 2]]] * len(pixels), f"a change at pixel (1, 2) is felt at {len(pixels[0])} of 15 pixels")


def decide_neighbours(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether an activation is felt by neighbouring channels and no distant ones, and loud ones are reduced by more."""
    reach = [np.flatnonzero(_heard(n)[0, 1, 2]) for n in norms(evidence)]
    n = norms(evidence)[0]
    quiet, loud = (float(apply(n, {}, np.full((1, 1, 1, 31), c))[0, 0, 0, 15] / c) for c in (0.1, 10.0))
    some = all(1 < len(channels) < SHAPE[-1] for channels in reach)
    channels = ", ".join(dict.fromkeys(f"{c[0] - 15:+d} … {c[-1] - 15:+d}" for c in reach))
    return holds_if(
        some and loud < quiet, f"felt by channels {channels}; activations of 0.1 become {quiet:.2f}-fold, of 10 {loud:.2f}-fold"
    )


def decide_bounded(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether behind LRN no activation is large, however large it was."""
    bounds = [float(np.abs(apply(n, {}, np.full(SHAPE, 1e6))).max()) for n in norms(evidence)]
    alone = np.zeros(SHAPE)
    alone[..., 15] = 1e6
    bounds += [float(np.abs(apply(n, {}, alone)).max()) for n in norms(evidence)]
    return holds_if(bool(bounds) and max(bounds) <= 1, f"activations of 1,000,000 become at most {max(bounds, default=1e6):g}")


def _band(radius: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    i = np.arange(SHAPE[-1])
    return np.asarray(np.abs(i[:, None] - i) <= radius, np.float64)


def _heard(norm: LRN) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return where the output changes when channel 15 of pixel (1, 2) becomes louder."""
    quiet, loud = np.ones(SHAPE), np.ones(SHAPE)
    loud[0, 1, 2, 15] = 1000.0
    return np.asarray(apply(norm, {}, quiet) != apply(norm, {}, loud))


_MODEL = "The Model"
CLAIMS = (
    contradicted_claim("divided_by_sum_of_squares", place=_MODEL, decide=decide_sum_of_squares),
    keras_claim(
        id="lrn_same_pixel",
        place=_MODEL,
        quotes=("neighboring channels’ activations in the same pixel location",),
        decide=decide_same_pixel,
    ),
    keras_claim(
        id="lrn_balances_neighbours",
        place=_MODEL,
        quotes=("Local response normalization attempts to balance the activation values in a pixel among neighboring channels.",),
        decide=decide_neighbours,
    ),
    keras_claim(
        id="lrn_stops_blowing_up",
        place=_MODEL,
        quotes=(
            "Thus, activations can blow up and hurt the training procedure as the training continues.",
            "This is why some kind of normalization is required.",
        ),
        decide=decide_bounded,
    ),
)
