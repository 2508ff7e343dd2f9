"""From whatever a person hands in to a candidate: the adapter of its framework, imported only if it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alexnet_ref.candidates.candidate import Candidate
from alexnet_ref.candidates.paired import PairedCandidate
from alexnet_ref.candidates.step import Port
from reference import Architecture, InvalidInput, Params


def as_candidate(
    candidate: Any, architecture: Architecture, names: Mapping[str, str] | None = None, params: Params | None = None
) -> Candidate:
    """Return the candidate itself, or a port paired with the architecture. names: {document's layer: step that ends it}.

    Takes a keras.Model, an onnx.ModelProto, a torch.nn.Module or ExportedProgram, a function `x -> output` or
    `x -> {layer: output}` (with `params` as its first argument if it takes two), or anything with the interface of `Candidate`
    or `Port`. `params`: what a function is called with that takes some. InvalidInput where nothing fits.
    """
    if isinstance(candidate, Candidate):
        return candidate
    return PairedCandidate(as_port(candidate, architecture, names, params), architecture, names)


def as_port(
    candidate: Any, architecture: Architecture, names: Mapping[str, str] | None = None, params: Params | None = None
) -> Port:
    """Return the adapter for what the candidate is; its framework is there already, since it made the object."""
    if isinstance(candidate, Port):
        return candidate
    frameworks = {kind.__module__.split(".")[0] for kind in type(candidate).__mro__}
    if "keras" in frameworks:
        from alexnet_ref.candidates.keras import KerasPort

        return KerasPort(candidate, architecture=architecture)
    if "onnx" in frameworks:
        from alexnet_ref.candidates.onnx import OnnxPort

        return OnnxPort(candidate, architecture=architecture)
    if "torch" in frameworks:
        from alexnet_ref.candidates.torch import TorchPort

        return TorchPort(candidate, architecture)
    if callable(candidate):
        from alexnet_ref.candidates.function import FunctionPort

        return FunctionPort(candidate, architecture, names=names, params=params)
    raise InvalidInput(
        "this cannot be judged",
        expected="a Keras, ONNX or PyTorch model, a function of images, or an object with the interface of a Candidate or Port",
        received=type(candidate).__name__,
    )
