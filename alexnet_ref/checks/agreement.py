"""Layer by layer against the oracle on real images: each layer fed the candidate's own input, and end to end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from alexnet_ref import bounds
from alexnet_ref.arithmetic import Arithmetic
from alexnet_ref.candidates import Candidate, NotCheckable
from alexnet_ref.candidates.candidate import Array
from alexnet_ref.checks.check import Check, Material, absent, check_id, compared, not_checkable, raised
from alexnet_ref.compare import compare
from reference import Architecture, InvalidInput, Layer, Params
from reference.forward import apply, as_params

KINDS = ("isolated", "end_to_end")
ArrayParams = Mapping[str, Mapping[str, Array]]


def check_agreement(candidate: Candidate, architecture: Architecture, material: Material) -> Iterator[Check]:
    """Yield a check that the weights are the architecture's, and two checks for each layer.

    isolated: the oracle's layer is fed what the candidate's layer was fed, so that only this layer's own error counts.
    end_to_end: the oracle runs the whole network from the images; rounding differences are carried along.
    """
    weights, params = own_weights(candidate, architecture, material)
    yield weights
    if params is None:
        for layer in architecture.layers:
            for kind in KINDS:
                yield not_checkable(check_id(layer, kind), layer.name, "its weights cannot be used")
        return
    worst: dict[str, Check] = {}
    for start in range(0, len(material.images), material.batch_size):
        images = material.images[start : start + material.batch_size]
        outputs: Mapping[str, Array] | Exception
        try:
            outputs = candidate.outputs(images)
        except Exception as error:  # noqa: BLE001 - a port may raise anything; whatever it is, it does not conform
            outputs = error
        for check in _walk(candidate, params, images, outputs, material.arithmetic):
            worst[check.id] = max(worst.get(check.id, check), check, key=_severity)
    yield from worst.values()


def own_weights(candidate: Candidate, architecture: Architecture, material: Material) -> tuple[Check, ArrayParams | None]:
    """Return the check of the candidate's weights, and the weights that the oracle takes: its own, or those it should have."""
    params: Params
    try:
        params = candidate.params(architecture)
        fact = "weights: every name and shape, all finite"
    except NotCheckable as error:
        if material.params is None:
            return not_checkable("network.weights", None, f"{error}; --params names a file with those that it should have"), None
        params, fact = material.params, "weights: those that it should have; its own cannot be read"
    except InvalidInput as error:
        return Check(id="network.weights", layer=None, status="failed", fact=f"the weights do not fit: {error}"), None
    try:
        taken = as_params(architecture, params, np.float64)
    except InvalidInput as error:
        return Check(id="network.weights", layer=None, status="failed", fact=f"the weights do not fit: {error}"), None
    return Check(id="network.weights", layer=None, status="passed", fact=fact), taken


def _walk(
    candidate: Candidate, params: ArrayParams, images: Array, outputs: Mapping[str, Array] | Exception, arithmetic: Arithmetic
) -> Iterator[Check]:
    """Yield both checks of every layer for one batch, in document order."""
    architecture = candidate.architecture
    exact = images.astype(np.float64)  # what the oracle's layer is fed, end to end
    difference = np.zeros_like(exact)  # how far apart the two may be by now
    missing = absent(candidate, architecture)
    unseen: list[Layer] = []  # layers that the candidate computes together with the next that it shows
    for layer in architecture.layers:
        own = params.get(layer.name, {})
        difference = bounds.carried(layer, own, exact, difference, arithmetic)
        exact = apply(layer, own, exact)
        if layer.name in missing:
            yield from (not_checkable(check_id(layer, kind), layer.name, missing[layer.name]) for kind in KINDS)
            if layer.name in candidate.hidden:  # else it lacks it
                unseen.append(layer)
            continue
        if isinstance(outputs, Exception):
            yield from (raised(check_id(layer, kind), layer.name, outputs) for kind in KINDS)
            continue
        received = outputs[layer.name]
        yield _isolated([*unseen, layer], params, _fed(layer, images, outputs), received, arithmetic)
        yield compared(check_id(layer, "end_to_end"), layer.name, compare(received, exact, difference))
        unseen = []


def _fed(layer: Layer, images: Array, outputs: Mapping[str, Array]) -> Array:
    """Return what the candidate's layer was fed: what it computed just before, be it a layer of the document's or not."""
    names = list(outputs)
    place = names.index(layer.name)
    return outputs[names[place - 1]] if place else images


def _isolated(layers: Sequence[Layer], params: ArrayParams, fed: Array, received: Array, arithmetic: Arithmetic) -> Check:
    """Hold the last layer's output against the oracle, which is fed the same input; the layers before it are unseen."""
    check, name = check_id(layers[-1], "isolated"), layers[-1].name
    if not np.isfinite(fed).all():
        return not_checkable(check, name, "the layer before it has no finite output to feed it")
    expected = fed.astype(np.float64)
    difference = np.zeros_like(expected)
    try:
        for layer in layers:
            own = params.get(layer.name, {})
            first = layer is layers[0]
            allowed = bounds.allowed(layer, own, expected, arithmetic) if first else None
            difference = bounds.carried(layer, own, expected, difference, arithmetic) if allowed is None else allowed
            expected = apply(layer, own, expected)
    except InvalidInput as error:
        return not_checkable(check, name, f"its input is not the document's: {error}")
    return compared(check, name, compare(received, expected, difference))


def _severity(check: Check) -> tuple[bool, bool, float]:
    return check.status == "failed", check.ratio is None, check.ratio or 0.0
