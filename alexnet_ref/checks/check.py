"""One check's outcome, and the material that checks work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, Arithmetic
from alexnet_ref.candidates import Candidate, NotCheckable
from alexnet_ref.compare import Comparison
from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, Layer, MaxPool, Params, ReLU, Resize, Softmax

Status = Literal["passed", "failed", "not checkable"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome of one check. `error` and `allowed` are those of the worst element, where numbers were compared."""

    id: str  # "concept.kind[layer]", such as "lrn.isolated[norm1]"
    layer: str | None  # None: about the whole network
    status: Status
    fact: str  # one sentence: what was found, or why it cannot be checked
    error: float | None = None
    allowed: float | None = None
    ratio: float | None = None  # error / allowed
    arithmetic: str | None = None  # the sharpest that the layer's errors are consistent with, where that was inferred

    @property
    def kind(self) -> str:
        """The middle of the id: "isolated" of "lrn.isolated[norm1]"."""
        return self.id.partition(".")[2].partition("[")[0]


@dataclass(frozen=True, kw_only=True)
class Material:
    """What checks compute with: real images for the whole network, a seed for probes, the arithmetic that is declared."""

    images: NDArray[np.float32]  # (N, *architecture.input_shape)
    seed: int = 0
    batch_size: int = 16
    arithmetic: Arithmetic = field(default=FLOAT32)
    params: Params | None = None  # the weights that the port should have, where they are known


def concept(layer: Layer) -> str:
    """Return the one word for this kind of layer, used in every id and file name."""
    match layer:
        case Resize():
            return "resize"
        case Conv():
            return "conv"
        case LRN():
            return "lrn"
        case ReLU():
            return "relu"
        case MaxPool():
            return "pool"
        case Dropout():
            return "dropout"
        case Flatten():
            return "flatten"
        case Dense():
            return "dense"
        case Softmax():
            return "softmax"
        case _:
            assert_never(layer)


def check_id(layer: Layer, kind: str) -> str:
    """Return the id of the check of this kind on this layer."""
    return f"{concept(layer)}.{kind}[{layer.name}]"


def compared(check: str, layer: str, comparison: Comparison) -> Check:
    """Return the check that this comparison decides."""
    return Check(
        id=check,
        layer=layer,
        status="passed" if comparison.passed else "failed",
        fact=comparison.fact,
        error=comparison.error,
        allowed=comparison.allowed,
        ratio=comparison.ratio,
    )


def equal(check: str, layer: str | None, what: str, expected: Any, received: Any) -> Check:
    """Return the check that two facts are equal."""
    if expected == received:
        return Check(id=check, layer=layer, status="passed", fact=f"{what}: {expected}")
    return Check(id=check, layer=layer, status="failed", fact=f"{what}: expected {expected}, received {received}")


def raised(check: str, layer: str | None, error: Exception) -> Check:
    """Return the failed check for a port that raises instead of answering, unless it says that it cannot answer."""
    if isinstance(error, NotCheckable):
        return not_checkable(check, layer, str(error))
    first_line = (str(error).strip() or "no message").splitlines()[0]
    return Check(id=check, layer=layer, status="failed", fact=f"raised {type(error).__name__}: {first_line}")


def absent(candidate: Candidate, architecture: Architecture) -> dict[str, str]:
    """Return {layer that the candidate does not show: why}."""
    present = {fact.name for fact in candidate.facts()}
    names = [layer.name for layer in architecture.layers if layer.name not in present]
    return {name: candidate.hidden.get(name, "the candidate has no such layer") for name in names}


def not_checkable(check: str, layer: str | None, why: str) -> Check:
    """Return the check that could not be made."""
    return Check(id=check, layer=layer, status="not checkable", fact=why)
