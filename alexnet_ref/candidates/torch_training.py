"""Gradients of a PyTorch module. Imports PyTorch: import this module only inside a function that needs it."""

from __future__ import annotations

from typing import Any, assert_never

import torch

from alexnet_ref.candidates.step import Array, NotCheckable, Weights
from alexnet_ref.candidates.torch_body import Body, GraphBody, run_segment
from alexnet_ref.candidates.torch_graph import attribute, mode
from alexnet_ref.candidates.trained import Trained
from reference.layers import Loss

WHY = "a module has no loss and no optimiser of its own"


def train(body: Body, loss: Loss, x: Any, labels: Array, weights: Weights) -> Trained:
    """Return the gradients of the document's loss on the module's result, in eval mode, from these weights.

    The module's own parameters, and their .grad, are not touched: others stand in for them.
    """
    if not isinstance(body, GraphBody):
        raise NotCheckable("the module cannot be traced: what it computes between the modules that it calls has no gradients")
    leaves: dict[str, Any] = {}  # {path: tensor}
    for described in body.steps:
        for part, value in weights.get(described.step.name, {}).items():
            if part in described.places:
                place, own = described.places[part], attribute(body.root, described.places[part].path)
                leaves[place.path] = place.written(value, own).requires_grad_(own.requires_grad)
            elif described.step.params and not described.places:
                raise NotCheckable(f"the weights of {described.step.name} cannot be set: they do not show")
    outputs = []
    with mode(body.root, training=False), torch.enable_grad():
        for segment, _ in body.pairs:
            x = run_segment(body.inference, segment, x, leaves)
            outputs.append(x)
            x = x.clone()  # the next step may work in place
        trained = {path: leaf for path, leaf in leaves.items() if leaf.requires_grad}
        seen = [y for y in outputs if y.requires_grad]
        found = torch.autograd.grad(_loss(loss, outputs[-1], labels), [*seen, *trained.values()], allow_unused=True)
    douts = {id(y): dy for y, dy in zip(seen, found, strict=False)}
    gradients = dict(zip(trained, found[len(seen) :], strict=True))
    return Trained(
        outputs=[_array(y) for y in outputs],
        output_gradients=[None if douts.get(id(y)) is None else _array(douts[id(y)]) for y in outputs],
        gradients={
            described.step.name: {
                part: place.read(gradients[place.path])
                for part, place in described.places.items()
                if gradients.get(place.path) is not None
            }
            for described in body.steps
        },
        logits=False,
        why=WHY,
    )


def _loss(loss: Loss, y: Any, labels: Array) -> Any:
    """Return the document's loss in float64, so that its derivative with respect to y is rounded once."""
    y = y.double()
    y = y.reshape(len(y), -1)
    numbers = torch.from_numpy(labels if labels.ndim == 1 else labels.argmax(axis=1)).to(y.device)
    match loss:
        case "softmax_cross_entropy_with_logits":
            return torch.nn.functional.cross_entropy(y, numbers)
        case "sparse_categorical_crossentropy":
            return torch.nn.functional.nll_loss(y.log(), numbers)
        case _:
            assert_never(loss)


def _array(y: Any) -> Array:
    y = y.detach().to("cpu")
    array: Array = (y.float() if y.dtype == torch.bfloat16 else y).numpy()
    return array.copy()
