"""All claims, by document and in the order in which each file lists them."""

from __future__ import annotations

from alexnet_ref.claims import (
    citations,
    data,
    dropout,
    keras_listing,
    layers,
    lrn,
    models,
    published,
    recipe,
    relu,
    speed,
    summary,
    tf1_listing,
    training,
)
from alexnet_ref.claims.claim import Claim
from reference import ARCHITECTURES

_CLAIMS = (
    *citations.CLAIMS,
    *data.CLAIMS,
    *layers.CLAIMS,
    *relu.CLAIMS,
    *lrn.CLAIMS,
    *dropout.CLAIMS,
    *keras_listing.CLAIMS,
    *summary.CLAIMS,
    *tf1_listing.CLAIMS,
    *recipe.CLAIMS,
    *models.CLAIMS,
    *published.CLAIMS,
    *training.CLAIMS,
    *speed.CLAIMS,
)
CLAIMS: tuple[Claim, ...] = tuple(claim for name in ARCHITECTURES for claim in _CLAIMS if claim.architecture == name)
