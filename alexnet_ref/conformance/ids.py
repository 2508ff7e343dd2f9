"""Which checks there are, before anything is computed: the tests' ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.candidates import Fact, NotCheckable
from alexnet_ref.checks import CHECKS, Check, CheckFunction, Material
from alexnet_ref.checks.batch import LOSS, WHOLE
from alexnet_ref.checks.check import not_checkable
from alexnet_ref.checks.training import check_training, training_ids
from alexnet_ref.checks.weights import check_weights
from reference import Architecture
from reference.params import all_param_shapes

WHY = "nothing is shown"


class Silent:
    """A candidate that shows nothing: every check says its id, and that it cannot be made."""

    name = "silent"

    def __init__(self, architecture: Architecture) -> None:
        """Take the network whose checks are wanted."""
        self.architecture = architecture
        self.hidden: Mapping[str, str] = {layer.name: WHY for layer in architecture.layers}

    def environment(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def facts(self) -> list[Fact]:
        """Return nothing."""
        return []

    def params(self, architecture: Architecture) -> dict[str, dict[str, NDArray[np.float32]]]:  # noqa: ARG002 - an interface
        """Refuse."""
        raise NotCheckable(WHY)

    def outputs(self, x: NDArray[Any]) -> dict[str, NDArray[Any]]:  # noqa: ARG002 - the same
        """Refuse."""
        raise NotCheckable(WHY)

    def layer(self, name: str, x: Any, params: Any = None, *, training: bool = False) -> NDArray[Any]:  # noqa: ARG002 - the same
        """Refuse."""
        raise NotCheckable(WHY)


def check_ids(architecture: Architecture, *, known_weights: bool = False) -> dict[str, CheckFunction]:
    """Return {check id: function that makes it} for this network, in order.

    known_weights: whether the weights that the port should have will be given, which is one check more for each layer with some.
    """
    silent, images = Silent(architecture), np.zeros((1, *architecture.input_shape), np.float32)
    material = Material(images=images)
    known = Material(images=images, params=_zeros(architecture) if known_weights else None)

    def ids(function: CheckFunction) -> list[str]:
        if function is check_training:  # which says no more than once that nothing of it is shown
            return training_ids(architecture)
        # Others make the same checks with known weights as without, and would compute with them.
        return [check.id for check in function(silent, architecture, known if function is check_weights else material)]

    return {check: function for function in CHECKS for check in ids(function)}


def unmade(check: str, made: Mapping[str, Check]) -> Check | None:
    """Return, for a check that rightly was not made, that it is not checkable, and why; None where it should have been.

    Of training, whose own check says for all of it why it cannot be checked; of images that begin where each layer can be fed.
    """
    concept, _, rest = check.partition(".")
    kind, _, layer = rest.removesuffix("]").partition("[")
    if check in made:
        return None
    if concept == "network" and kind == "probe" and not any(other.startswith("network.probe[") for other in made):
        return not_checkable(check, None, "every layer can be fed by itself, and need not be judged from the pixels")
    if kind not in ("gradient", "step") and check != LOSS:
        return None
    if WHOLE in made and LOSS not in made:  # nothing of it could be
        return not_checkable(check, layer or None, made[WHOLE].fact)
    if kind == "step" and LOSS in made and made[LOSS].status == "not checkable":
        return not_checkable(check, layer, made[LOSS].fact)
    return None


def _zeros(architecture: Architecture) -> dict[str, dict[str, NDArray[np.float32]]]:
    zero = np.zeros((), np.float32)  # of every shape, and of no memory
    return {
        name: {part: np.broadcast_to(zero, shape) for part, shape in parts.items()}
        for name, parts in all_param_shapes(architecture).items()
    }
