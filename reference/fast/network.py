"""A network made ready for one dtype, and images passed through it in chunks, on threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import DTypeLike, NDArray

from reference import ops
from reference.fast.ready import as_image, ready, ready_plain, ready_together
from reference.fast.resized_conv import worth_it
from reference.fast.step import Step
from reference.fast.team import BLOCK_BYTES, Array, Team, Worker, parts, processors
from reference.layers import Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize
from reference.shapes import Shape, output_shape

# Images that one thread takes through the image layers: enough for the last convolutions' matrices to be tall.
CHUNK = 16


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One layer, ready; `back` 2 where it takes not the output before it, but the input of the layer that made that."""

    layer: Layer
    step: Step
    back: int = 1


@dataclass(kw_only=True)
class Network:
    """Layers ready for one dtype: `predict` the result alone, `forward` every layer's output."""

    stages: tuple[Stage, ...]
    dtype: DTypeLike
    finite: bool  # False: a parameter may not be finite, and the results mean nothing

    def predict(self, x: Array, result: Array) -> None:
        """Write the last layer's output for x (N, *input_shape) to `result`."""
        images, vectors = self.stages[: self._split], self.stages[self._split :]
        between = np.empty((len(x), *images[-1].step.shape), self.dtype) if vectors else result
        spans = spanned(images, self.dtype)

        def run(some: slice, worker: Worker) -> None:
            given = x[some]
            for at, (span, most) in enumerate(spans, 1):
                if at == len(spans):
                    y = between[some]
                else:
                    y = worker.take(f"span {at % 2}", (len(given), *span[-1].step.shape), self.dtype)
                for part in parts(len(given), most):
                    _chain(span, given[part], y[part], worker)
                given = y

        with Team(processors()) as team:
            _over(team, len(x), run)
            if vectors:
                _chain(vectors, between, result, team)
        self.finite = self.finite and team.finite

    def forward(self, x: Array, outputs: Mapping[str, Array], masks: Mapping[str, NDArray[np.bool_]] | None) -> None:
        """Write every layer's output for x (N, *input_shape) to outputs[its name]."""
        images, vectors = self.stages[: self._split], self.stages[self._split :]

        def run(stages: Sequence[Stage], some: slice, x: Array, worker: Worker) -> None:
            values = [np.ascontiguousarray(x)]
            for stage in stages:
                y = outputs[stage.layer.name][some]
                if isinstance(stage.layer, Dropout) and masks is not None:
                    y[...] = ops.dropout(values[-1], masks[stage.layer.name][some], rate=stage.layer.rate)
                else:
                    stage.step.run(values[-stage.back], y, worker)
                values.append(y)

        def run_images(some: slice, worker: Worker) -> None:
            given = x
            for span, most in spanned(images, self.dtype):
                for part in parts(some.stop - some.start, most):
                    own = slice(some.start + part.start, some.start + part.stop)
                    run(span, own, given[own], worker)
                given = outputs[span[-1].layer.name]

        with Team(processors()) as team:
            _over(team, len(x), run_images)
            run(vectors, slice(0, len(x)), outputs[images[-1].layer.name], team)
        self.finite = self.finite and team.finite

    @property
    def _split(self) -> int:
        """The number of stages up to and with Flatten: dense layers, whose weights are many, come after it."""
        return next((at for at, stage in enumerate(self.stages, 1) if isinstance(stage.layer, Flatten)), len(self.stages))


def _over(team: Team, n: int, work: Callable[[slice, Worker], None]) -> None:
    """Do the work for n images: chunks shared among the team, or each step of one chunk, where there are too few images."""
    if n < team.hands:
        work(slice(0, n), team)
    else:
        team.share(work, parts(n, CHUNK, team.hands))


def spanned(stages: Sequence[Stage], dtype: DTypeLike) -> list[tuple[list[Stage], int]]:
    """Return each convolution with what follows it up to the next, and how many images' outputs of these fit a cache."""
    spans: list[list[Stage]] = [[]]
    for stage in stages:
        if spans[-1] and isinstance(stage.layer, Conv) and stage.back == 1:
            spans.append([])
        spans[-1].append(stage)
    largest = [max((math.prod(stage.step.shape) for stage in span), default=1) for span in spans]
    return [(span, BLOCK_BYTES // (size * np.dtype(dtype).itemsize)) for span, size in zip(spans, largest, strict=True)]


def prepare(
    layers: Sequence[Layer], params: Mapping[str, Mapping[str, Array]], image: Shape, dtype: DTypeLike, *, every_output: bool
) -> Network:
    """Make layers ready for x (N, *image) of `dtype`. `every_output`: for `forward`; else for `predict`."""
    stages = []
    for planned in plan(tuple(layers), image, every_output=every_output):
        layer = planned.layer
        if isinstance(layer, Conv) and planned.resize:
            step = ready_together(planned.resize, layer, params[layer.name], planned.shape, dtype)
        elif isinstance(layer, (Conv, Dense)):
            step = ready(layer, params[layer.name], planned.shape, dtype)
        else:
            step = ready_plain(layer, planned.shape, np.dtype(dtype))
        stages.append(Stage(layer=layer, step=step, back=planned.back))
    return Network(stages=tuple(stages), dtype=dtype, finite=all(stage.step.finite for stage in stages))


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A layer of which all is known but its parameters."""

    layer: Layer
    shape: Shape  # of one input image
    resize: Resize | None = None  # done in one with the layer, a convolution
    back: int = 1  # Stage's


@lru_cache(maxsize=64)
def plan(layers: tuple[Layer, ...], image: Shape, *, every_output: bool) -> tuple[Planned, ...]:
    """Return what `prepare` makes ready, kept from call to call."""
    planned: list[Planned] = []
    shape, before = image, image
    for layer in layers if every_output else rearranged(layers):
        last = planned[-1].layer if planned else None
        if isinstance(layer, Conv) and isinstance(last, Resize) and worth_it(last, layer, as_image(before)):
            if not every_output:
                planned.pop()
            planned.append(Planned(layer=layer, shape=before, resize=last, back=2 if every_output else 1))
        else:
            planned.append(Planned(layer=layer, shape=shape))
        before, shape = shape, output_shape(layer, shape)
    return tuple(planned)


def rearranged(layers: Sequence[Layer]) -> list[Layer]:
    """Return layers of the same result, for the same parameters: no dropout, and ReLU after the pooling that follows it.

    The largest of positive parts is the positive part of the largest, exactly, and there are fewer of them.
    """
    result: list[Layer] = []
    for layer in layers:
        match layer:
            case Dropout():
                pass
            case MaxPool() if result and isinstance(result[-1], ReLU):
                result[-1:] = [layer, result[-1]]
            case MaxPool() if result and isinstance(result[-1], Conv) and result[-1].activation == "relu":
                result[-1:] = [replace(result[-1], activation=None), layer, ReLU(name=f"{result[-1].name}_relu")]
            case _:
                result.append(layer)
    return result


def _chain(stages: Sequence[Stage], x: Array, result: Array, worker: Worker) -> None:
    """Write the last stage's output, or x where there is no stage, to `result`; the outputs between share two buffers."""
    x = np.ascontiguousarray(x)
    names = ["even", "odd"]
    for at, stage in enumerate(stages):
        if at == len(stages) - 1:
            y = result
        elif stage.step.in_place and at > 0:
            y = x.reshape(len(x), *stage.step.shape)
        else:
            names.reverse()
            y = worker.take(names[0], (len(x), *stage.step.shape), x.dtype)
        stage.step.run(x, y, worker)
        x = y
    if not stages:
        result[...] = x
