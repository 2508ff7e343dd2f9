"""Wrong ports without any framework: mistakes computed by the interpreter and rounded to float32, as chains of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.candidates.step import Array, Framework, Step, Weights
from alexnet_ref.mistakes import Mistake, as_ported, run
from alexnet_ref.mistakes.parts import Bias, OddConv, OddDense, Part
from alexnet_ref.mistakes.shapes import shape_after
from reference import Conv, Dense, Layer, Params


class NumpyPort:
    """A mistake as a port: every part a step, in the document's axes. It trains, and its masks are drawn anew at each call."""

    channels_first = False
    framework: Framework = "torch"
    trains = True

    def __init__(self, mistake: Mistake, params: Params) -> None:
        """Take the intended weights."""
        self.name: str = mistake.id
        self.input_shape: tuple[int | None, ...] | None = mistake.architecture.input_shape
        self.rng = np.random.default_rng(0)
        self.chain: list[tuple[Step, Part, dict[str, Array]]] = []
        ported, own = as_ported(mistake, params), {layer.name: layer for layer in mistake.architecture.layers}
        shape: tuple[int, ...] = mistake.architecture.input_shape
        sequence = [("input", part) for part in mistake.input] + [
            (name, part) for name, parts in mistake.network for part in parts
        ]
        for place, (name, part) in enumerate(sequence):
            shape = shape_after((part,), shape, own.get(name))
            weights = _taken(part, ported.get(name, {}))
            means = part if isinstance(part, get_args(Layer)) else "bias" if part == Bias() else None
            params_in = sum(value.size for value in weights.values())
            step = Step(
                name=f"s{place}",
                kind=type(part).__name__,
                means=means,  # type: ignore[arg-type]  # a layer, or the word
                output_shape=shape,
                params=params_in,
            )
            self.chain.append((step, part, weights))

    def environment(self) -> dict[str, Any]:
        """Return nothing of interest."""
        return {}

    def steps(self) -> Sequence[Step]:
        """Return the parts as steps."""
        return [step for step, _, _ in self.chain]

    def outputs(self, x: Array) -> Sequence[Array]:
        """Return every step's output."""
        return [x := self.step(place, x, {}) for place in range(len(self.chain))]

    def run(self, first: int, last: int, x: Array, weights: Weights, *, training: bool = False) -> Array:
        """Run some steps."""
        for place in range(first, last + 1):
            x = self.step(place, x, weights.get(self.chain[place][0].name, {}), training=training)
        return x

    def step(self, place: int, x: Array, weights: Mapping[str, Array], *, training: bool = False) -> Array:
        """Run one step; tests make it go wrong in other ways."""
        _, part, own = self.chain[place]
        return run((part,), {**own, **weights}, x, rng=self.rng if training else None).astype(np.float32)

    def weights(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return the steps' weights."""
        return {
            step.name: {part: np.asarray(value, np.float32) for part, value in weights.items()}
            for step, _, weights in self.chain
            if weights
        }


def _taken(part: Part, weights: dict[str, Array]) -> dict[str, Array]:
    match part:
        case Conv() | Dense() | OddConv(bias=True) | OddDense(bias=True):
            return weights
        case OddConv() | OddDense():
            return {"kernel": weights["kernel"]}
        case Bias():
            return {"bias": weights["bias"]}
        case _:
            return {}
