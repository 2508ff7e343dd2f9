"""Mistakes realised in PyTorch, as a person's module would be. Shares no arithmetic with `interpret`."""

from __future__ import annotations

from typing import Any

from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import OddResize
from alexnet_ref.mistakes.shapes import fed_shapes
from alexnet_ref.mistakes.weights import as_ported
from reference import InvalidInput, Params, init_params


def build(mistake: Mistake, params: Params | None = None, *, seed: int = 0) -> Any:
    """Return the wrong port as an nn.Module in evaluation mode: x (N, C, H, W) float32 in, (N, features) out.

    Its submodules bear the document's names, weights OIHW and (out, in) as PyTorch has them; `outputs(x)` gives every layer's
    output, images NCHW. `params` as for the other realisations. InvalidInput where PyTorch cannot do it.
    """
    from alexnet_ref.mistakes.torch_module import Port

    if mistake.training is not None:
        raise InvalidInput("a module does not say how it is trained", where=mistake.id)
    for part in (part for _, parts in mistake.network for part in parts):
        if isinstance(part, OddResize) and part.method == "bicubic" and part.cubic != "pytorch":
            raise InvalidInput("PyTorch has no such interpolation", where=mistake.id, received="TensorFlow's cubic")
        if isinstance(part, OddResize) and part.method == "bilinear" and part.coordinates == "asymmetric":
            raise InvalidInput("PyTorch has no such interpolation", where=mistake.id, received="asymmetric coordinates")
    intended = init_params(mistake.architecture, seed) if params is None else params
    return Port(mistake, fed_shapes(mistake), as_ported(mistake, intended)).eval()
