"""Layer by layer against the oracle on real images: each layer fed the candidate's own input, and end to end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from alexnet_ref import bounds
from alexnet_ref.candidates import Candidate
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.checks.check import Check, Material, check_id, compared, not_checkable, raised
from alexnet_ref.compare import compare
from reference import Architecture, InvalidInput, Layer
from reference.forward import apply, as_params

KINDS = ("isolated", "end_to_end")
_ABSENT = "the candidate has no layer of this name"


def check_agreement(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield a check that the weights are the architecture's, and two checks for each layer.

    isolated: the oracle's layer is fed what the candidate's layer was fed, so that only this layer's own error counts.
    end_to_end: the oracle runs the whole network from the images; rounding differences are carried along.
    """
    try:
        params = as_params(architecture, candidate.params(architecture), np.float64)
    except InvalidInput as error:
        yield Check(id="network.weights", layer=None, status="failed", fact=f"the weights do not fit: {error}")
        for layer in architecture.layers:
            for kind in KINDS:
                yield not_checkable(check_id(layer, kind), layer.name, "the weights do not fit")
        return
    yield Check(id="network.weights", layer=None, status="passed", fact="weights: every name and shape, all finite")
    worst: dict[str, Check] = {}
    for start in range(0, len(material.images), material.batch_size):
        images = material.images[start : start + material.batch_size]
        outputs: Mapping[str, Array] | Exception
        try:
            outputs = candidate.outputs(images)
        except Exception as error:  # noqa: BLE001 - a port may raise anything; whatever it is, it does not conform
            outputs = error
        for check in _walk(architecture, params, images, outputs, material):
            worst[check.id] = max(worst.get(check.id, check), check, key=_severity)
    yield from worst.values()


def _walk(
    architecture: Architecture,
    params: Mapping[str, Mapping[str, Array]],
    images: Array,
    outputs: Mapping[str, Array] | Exception,
    material: Material,
) -> Iterator[Check]:
    """Yield both checks of every layer for one batch, in document order."""
    fed: Array | None = images  # what the candidate's layer was fed
    exact = images.astype(np.float64)  # what the oracle's layer is fed, end to end
    difference = np.zeros_like(exact)  # how far apart the two may be by now
    for layer in architecture.layers:
        own = params.get(layer.name, {})
        difference = bounds.carried(layer, own, exact, difference, material.arithmetic)
        exact = apply(layer, own, exact)
        if isinstance(outputs, Exception):
            yield from (raised(check_id(layer, kind), layer.name, outputs) for kind in KINDS)
            continue
        received = outputs.get(layer.name)
        yield _isolated(layer, own, fed, received, material)
        if received is None:
            yield not_checkable(check_id(layer, "end_to_end"), layer.name, _ABSENT)
        else:
            yield compared(check_id(layer, "end_to_end"), layer.name, compare(received, exact, difference))
        fed = received


def _isolated(layer: Layer, params: Mapping[str, Array], fed: Array | None, received: Array | None, material: Material) -> Check:
    check = check_id(layer, "isolated")
    if received is None:
        return not_checkable(check, layer.name, _ABSENT)
    if fed is None or not np.isfinite(fed).all():
        return not_checkable(check, layer.name, "the layer before it has no finite output to feed it")
    x = fed.astype(np.float64)
    try:
        expected, allowed = apply(layer, params, x), bounds.allowed(layer, params, x, material.arithmetic)
    except InvalidInput as error:
        return not_checkable(check, layer.name, f"its input is not the document's: {error}")
    return compared(check, layer.name, compare(received, expected, allowed))


def _severity(check: Check) -> tuple[bool, bool, float]:
    return check.status == "failed", check.ratio is None, check.ratio or 0.0
