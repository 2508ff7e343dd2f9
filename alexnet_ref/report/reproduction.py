"""A failure that can be reproduced without this tool: the layer's numbers as .npz, and a script that needs NumPy alone."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref import bounds
from alexnet_ref.arithmetic import FLOAT64
from alexnet_ref.diagnosis import Diagnosis, Evidence
from alexnet_ref.printable import printable
from alexnet_ref.report.equations import equation
from reference import ARCHITECTURES, LRN, Conv, Dense, Dropout, InvalidInput, Layer, MaxPool, ReLU, Resize
from reference.forward import apply

Array = NDArray[Any]
CAP = 2 * 2**20  # bytes of arrays in one .npz: a page that a phone opens and a mail takes. What is left out is said


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What the page offers to take away. Both files belong into one folder."""

    name: str  # of both files, without their endings
    script: str
    archive: bytes  # NumPy's .npz: x, received, expected, allowed, and kernel and bias where the layer has some
    part: str  # which part of the layer's numbers it holds


def reproduce(architecture: str, diagnosis: Diagnosis) -> Reproduction | None:
    """Return the worst image's numbers of the diagnosed layer, cut to CAP; None without numbers, or where no part is that small.

    The script holds the layer's own equation if that gives `expected` on these numbers: not where a port computes several layers
    in one step, and `expected` is their result.
    """
    if diagnosis.evidence is None or diagnosis.evidence.received.shape != diagnosis.evidence.expected.shape:
        return None
    evidence = replace(diagnosis.evidence, allowed=allowed_of(diagnosis.evidence))
    documented = _documented(architecture, diagnosis.layer)
    layer = next((layer for layer in _variants(documented) if _gives(layer, evidence)), None) if documented else None
    image, *_ = worst_of(evidence)
    one = {key: getattr(evidence, key)[image : image + 1] for key in ("x", "received", "expected", "allowed")}
    cut = _cut(layer, evidence, one)
    if sum(array.nbytes for array in cut.arrays.values()) > CAP:
        return None
    part = f"image {image} of 0 to {len(evidence.x) - 1}{cut.part}"
    name = "reproduce_" + (re.sub(r"[^A-Za-z0-9_-]", "_", diagnosis.layer or "network")[:60])
    archive = io.BytesIO()
    np.savez_compressed(archive, **cut.arrays)  # type: ignore[arg-type]  # its stub takes the keys for the flag beside them
    source = equation(layer, evidence.x.shape[1:]) if layer else None
    words = [f"{architecture}, {diagnosis.layer or 'the whole network'}: {part}", diagnosis.sentence]
    return Reproduction(name=name, script=_script(name, words, source), archive=archive.getvalue(), part=part)


def allowed_of(evidence: Evidence) -> Array:
    """Return the allowance as one number for each element."""
    return np.broadcast_to(np.asarray(evidence.allowed, np.float64), evidence.expected.shape)


def ratios(evidence: Evidence) -> Array:
    """Return |received − expected| / allowed, of the output's shape: infinite for what is no number, or wrong though exact."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        error = np.abs(evidence.received.astype(np.float64) - evidence.expected)
        ratio = np.where(error == 0, 0.0, error / allowed_of(evidence))
    return np.where(np.isnan(ratio), np.inf, ratio)


def worst_of(evidence: Evidence) -> tuple[int, ...]:
    """Return the index of the worst element: the greatest error/allowed, and of equals the greatest error."""
    ratio = ratios(evidence)
    error = np.nan_to_num(np.abs(evidence.received.astype(np.float64) - evidence.expected), nan=np.inf)
    worst = np.where(ratio == ratio.max(), error, -1.0)
    return tuple(int(i) for i in np.unravel_index(int(worst.argmax()), ratio.shape))


def _documented(architecture: str, name: str | None) -> Layer | None:
    try:
        return ARCHITECTURES[architecture][name or ""]
    except (KeyError, InvalidInput):
        return None


def _variants(layer: Layer) -> Iterator[Layer]:
    """Yield the documented layer, then with the activation that a port may compute with it."""
    yield layer
    if isinstance(layer, (Conv, Dense)):
        yield replace(layer, activation="relu")
    if isinstance(layer, Dense):
        yield replace(layer, activation="softmax")


def _gives(layer: Layer, evidence: Evidence) -> bool:
    params = {part: value.astype(np.float64) for part, value in evidence.params.items()}
    x = evidence.x.astype(np.float64)
    try:
        expected, allowed = apply(layer, params, x), bounds.allowed(layer, params, x, FLOAT64)
    except (InvalidInput, KeyError, ValueError):  # weights or axes of something else
        return False
    return expected.shape == evidence.expected.shape and bool((np.abs(expected - evidence.expected) <= allowed).all())


@dataclass(frozen=True, kw_only=True)
class _Cut:
    arrays: Mapping[str, Array]
    part: str


def _cut(layer: Layer | None, evidence: Evidence, one: Mapping[str, Array]) -> _Cut:
    """Return the image's arrays, or as much of them as CAP holds: rows of an LRN, channels of what computes each on its own."""
    whole = dict(one) | dict(evidence.params)
    outputs = ("received", "expected", "allowed")
    keys: tuple[str, ...]
    _, *place = worst_of(evidence)
    match layer:
        case _ if sum(array.nbytes for array in whole.values()) <= CAP:
            return _Cut(arrays=whole, part="")
        case LRN() if evidence.expected.ndim == 4:
            keys, axis, name = ("x", *outputs), 1, "rows"
        case MaxPool() | ReLU() | Resize() | Dropout():
            keys, axis, name = ("x", *outputs), -1, "channels" if evidence.expected.ndim == 4 else "features"
        case Conv() | Dense(activation=None | "relu"):
            keys, axis, name = (*outputs, *evidence.params), -1, "filters" if isinstance(layer, Conv) else "units"
        case _:
            return _Cut(arrays=whole, part="")
    size = evidence.expected.shape[axis]
    each = sum(whole[key].nbytes for key in keys) / size
    fixed = sum(array.nbytes for key, array in whole.items() if key not in keys)
    count = max(1, int((CAP - fixed) // each))
    at = place[0] if axis == 1 else place[-1]
    first = min(max(at - count // 2, 0), size - count)
    chosen = range(first, first + count)
    arrays = {key: np.take(value, chosen, axis=axis) if key in keys else value for key, value in whole.items()}
    return _Cut(arrays=arrays, part=f", {name} {first} to {first + count - 1} of {size}")


def _script(name: str, words: list[str], source: str | None) -> str:
    comment = "\n".join(f"# {printable(line, 1000)}" for line in words)
    checked = "" if source is None else _CHECKED
    function = "" if source is None else f"\n\n{source}\n"
    return _SCRIPT.format(name=name, comment=comment, function=function, checked=checked)


_SCRIPT = """\
{comment}
# Needs NumPy alone, and {name}.npz in this folder. Ends in 1 if the failure is there.
import sys

import numpy as np

data = np.load("{name}.npz", allow_pickle=False)
x, received, expected, allowed = (data[key].astype(np.float64) for key in ("x", "received", "expected", "allowed"))
params = {{key: data[key].astype(np.float64) for key in data.files if key in ("kernel", "bias")}}
{function}
{checked}error = np.abs(received - expected)
wrong = ~(error <= allowed)  # what is no number is wrong as well
print(f"{{wrong.sum()}} of {{wrong.size}} elements differ by more than correct arithmetic can")
ratio = np.where(error == 0, 0, error / np.where(allowed > 0, allowed, np.finfo(float).tiny))
worst = np.unravel_index(np.nan_to_num(ratio, nan=np.inf).argmax(), error.shape)
for label, values in (("expected", expected), ("received", received), ("error", error), ("allowed", allowed)):
    print(f"{{label:>9}} {{values[worst]:.9g}} at {{tuple(map(int, worst))}}")
sys.exit(int(wrong.any()))
"""
_CHECKED = """\
again = layer(x, params)
print(f"this equation and the stored expected values: {np.abs(again - expected).max():.1e} apart at most")
"""
