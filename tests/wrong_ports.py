"""A NumPy port with one mistake, its report and its diagnosis, made without any framework."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference
from alexnet_ref import bounds
from alexnet_ref.arithmetic import FLOAT32
from alexnet_ref.diagnosis import Diagnosis, Evidence, Hypothesis
from alexnet_ref.tolerances.implementation import Implementation, LayerParams, oracle_in_float32
from reference import LRN, Architecture, Layer
from reference.forward import apply

Array = NDArray[Any]
TF1 = reference.ARCHITECTURES["tf1_graph"]


def port(architecture: Architecture, *, wrong: str | None = None, name: str = "port.onnx") -> Implementation:
    """Return the documented network in float32 NumPy; the LRN named `wrong` divides alpha by its window once more."""

    def run(layer: Layer, params: LayerParams, x: Array) -> Array:
        if layer.name == wrong and isinstance(layer, LRN):
            layer = replace(layer, alpha=layer.alpha / layer.window)
        return oracle_in_float32(layer, params, x)

    weights = reference.init_params(architecture, 0)
    return Implementation(name=name, architecture=architecture, weights=weights, run=run)


def evidence_for(layer: Layer, shape: tuple[int, ...], *, images: int = 2, factor: float = 1.01) -> Evidence:
    """Return made-up evidence for this layer: random input of shape (images, *shape), outputs too large by the factor."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((images, *shape)).astype(np.float32)
    params = {part: rng.standard_normal(size).astype(np.float32) for part, size in reference.param_shapes(layer, shape).items()}
    exact = {part: value.astype(np.float64) for part, value in params.items()}
    expected = apply(layer, exact, x.astype(np.float64))
    allowed = bounds.allowed(layer, exact, x.astype(np.float64), FLOAT32)
    received = (expected * factor).astype(np.float32)
    return Evidence(x=x, params=params, expected=expected, received=received, allowed=allowed)


def lrn_evidence(candidate: Implementation, layer: str, images: Array) -> Evidence:
    """Return what this port's LRN was fed and gave on the images, and what the document gives."""
    outputs = candidate.outputs(images)
    names = list(outputs)
    lrn = candidate.architecture[layer]
    x = outputs[names[names.index(layer) - 1]]
    exact = x.astype(np.float64)
    return Evidence(
        x=x,
        params={},
        expected=apply(lrn, {}, exact),
        received=outputs[layer],
        allowed=bounds.allowed(lrn, {}, exact, FLOAT32),
    )


def diagnosis_of(layer: str | None, evidence: Evidence | None = None, *, fix: str = "alpha=0.001 / 9") -> Diagnosis:
    """Return the diagnosis that alpha is divided by the window."""
    return Diagnosis(
        layer=layer,
        documented=Hypothesis(mistake="document", words="as the document says", ratio=3400.0, residual=0.1),
        hypotheses=(
            Hypothesis(
                mistake=f"lrn.alpha_divided_by_window[{layer}]",
                words="alpha is divided by the window",
                ratio=0.3,
                residual=4e-8,
                fitted={"alpha": 1.235e-05},
                fix=fix,
            ),
            Hypothesis(mistake=f"lrn.off[{layer}]", words="LRN is switched off", ratio=float("inf"), residual=0.02),
        ),
        evidence=evidence,
    )
