"""A function as a candidate, whatever it computes with: x → output, x → {layer: output}, or either with params before x."""

from __future__ import annotations

import inspect
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.candidates.layout import channels_first
from alexnet_ref.candidates.step import Array, Framework, NotCheckable, Step, Weights
from reference import Architecture, InvalidInput, Params, init_params, layer_shapes, param_counts

RESULT = "result"  # the only step of a function that shows no layers
Convert = Callable[[Array], Any]


class FunctionPort:
    """A function of images (N, …), seen from outside: what it returns can be judged, what it does within cannot be fed.

    {layer: output} shows layers under the document's names, or under others that `names`, {document's layer: key}, tells. Images
    are given in the first form that the function takes: (N, H, W, C), as the document feeds it, (N, C, H, W), (N, H, W). Params
    are given as {layer: {"kernel": HWIO or (in, out), "bias": (out,)}}. Both are NumPy arrays, or PyTorch's or JAX's where the
    function takes no others and the library is loaded.
    """

    framework: Framework = ""
    trains = False

    def __init__(
        self,
        function: Callable[..., Any],
        architecture: Architecture,
        *,
        name: str | None = None,
        params: Params | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Call the function once, to see what it takes and returns; InvalidInput where it takes the images in no form.

        `params` are those that it is called with (default: the document's own initialisation).
        """
        self.name = name or f"function {getattr(function, '__name__', type(function).__name__)}"
        self.function, self.architecture = function, architecture
        self.given: Params | None = None  # the params that it is called with; None: it takes none
        if _takes_params(function):
            self.given = init_params(architecture) if params is None else params
        self._layers = {layer.name: layer.name for layer in architecture.layers}
        self._layers |= {step: layer for layer, step in (names or {}).items()}  # {key: document's layer}
        shape, self._convert, self._handed, self._shapes = self._tried()
        self.input_shape: tuple[int | None, ...] | None = shape
        self.channels_first = shape == channels_first(architecture.input_shape) != architecture.input_shape

    def with_params(self, params: Params) -> Self:
        """Return the same function, called with other params; NotCheckable where it takes none."""
        if self.given is None:
            raise NotCheckable("the function takes no weights")
        other = object.__new__(type(self))
        other.__dict__ = {**self.__dict__, "given": params}
        return other

    def environment(self) -> dict[str, Any]:
        """Return how the function is called, and the versions of the libraries that may be at work."""
        loaded = {library: sys.modules[library] for library in ("jax", "torch", "tensorflow") if library in sys.modules}
        return {
            **{library: getattr(module, "__version__", "unknown") for library, module in loaded.items()},
            "input": f"({', '.join(map(str, ('N', *(self.input_shape or ()))))}), {self._handed}",
            "params": "none" if self.given is None else "first argument",
        }

    def steps(self) -> list[Step]:
        """Return what the function shows, each of unknown means."""
        counts = param_counts(self.architecture)
        return [
            Step(
                name=key,
                kind="output",
                means=None,
                output_shape=shape,
                # Weights that the function takes under the layer's name are the layer's; of others it says nothing.
                params=counts[self._layers[key]] if self.given is not None and key in self._layers else None,
            )
            for key, shape in self._shapes.items()
        ]

    def weights(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Raise NotCheckable: a function's own weights do not show, and those that it is given are not its own."""
        raise NotCheckable("a function shows no weights of its own")

    def outputs(self, x: Array) -> Sequence[Array]:
        """Return what the function shows for x; InvalidInput where that is something else than for other images."""
        found = self._called(x, self.given, self._convert)
        if set(found) != set(self._shapes):
            received = ", ".join(found)
            raise InvalidInput("the function returns other layers now", expected=", ".join(self._shapes), received=received)
        return [found[key] for key in self._shapes]

    def run(self, first: int, last: int, x: Array, weights: Weights, *, training: bool = False) -> Array:
        """Return the output of step `last` for images x; NotCheckable from another step, in training, with other weights."""
        if training:
            raise NotCheckable("a function of images shows no training")
        if first:
            raise NotCheckable("a function can be fed images alone")
        port = self
        if weights:
            strange = [step for step in weights if step not in self._layers]
            if self.given is None or strange:
                raise NotCheckable("the function's weights cannot be set")
            port = self.with_params({**self.given, **{self._layers[step]: parts for step, parts in weights.items()}})
        return port.outputs(x)[last]

    def _called(self, x: Array, params: Params | None, convert: Convert) -> dict[str, Array]:
        """Call the function, and return what it shows as NumPy arrays: in the document's order where all names are known.

        The order of a dictionary need not be that of the computation: jax.jit sorts it by name.
        """
        arguments = [convert(np.array(x))]
        if params is not None:
            arguments.insert(0, {name: {k: convert(np.array(v)) for k, v in own.items()} for name, own in params.items()})
        returned = self.function(*arguments)
        if not isinstance(returned, Mapping):
            return {RESULT: as_array(returned)}
        found = {str(key): as_array(value) for key, value in returned.items()}
        if all(key in self._layers for key in found):
            order = [layer.name for layer in self.architecture.layers]
            return dict(sorted(found.items(), key=lambda item: order.index(self._layers[item[0]])))
        return found

    def _tried(self) -> tuple[tuple[int, ...], Convert, str, dict[str, tuple[int, ...]]]:
        """Return the first form of images and kind of array that the function takes, and the shapes of what it returns."""
        sizes = {name: math.prod(shape) for name, shape in layer_shapes(self.architecture).items()}
        size = sizes[self.architecture.layers[-1].name]
        taken, hindrances = [], []
        for shape, (words, convert) in itertools.product(_forms(self.architecture), _converters()):
            x = np.random.default_rng(0).random((2, *shape), np.float32)
            try:
                found = self._called(x, self.given, convert)
                last = list(found.values())[-1]
            except Exception as error:  # noqa: BLE001 - whatever it raises, it does not take this form
                first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
                hindrances.append(f"({', '.join(map(str, ('N', *shape)))}), {words}: {first_line}")
                continue
            shapes = {key: value.shape[1:] for key, value in found.items()}
            if last.shape[:1] == (2,) and math.prod(last.shape) == 2 * size:
                return shape, convert, words, shapes
            taken.append((shape, convert, words, shapes))
        if not taken:
            received = "; ".join(hindrances)
            raise InvalidInput("the function takes the document's images in no form", where=self.name, received=received)
        return taken[0]


def as_array(y: Any) -> Array:
    """Return what a function returned as a NumPy array; TypeError where it is none."""
    if hasattr(y, "detach"):  # PyTorch's keep their history, and their device
        y = y.detach().cpu()
        y = y.float() if "bfloat16" in str(y.dtype) else y
    array = np.asarray(y)
    if array.dtype.name == "bfloat16":  # JAX's, which NumPy does not count as floating point; float32 holds its values
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiub" or array.ndim == 0:
        raise TypeError(f"expected an array, or a dictionary of arrays, received {type(y).__name__}")
    return array


def _takes_params(function: Callable[..., Any]) -> bool:
    """Tell whether the function cannot be called without a second argument."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # what was compiled may not tell
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in positional and each.default is each.empty for each in parameters) == 2


def _forms(architecture: Architecture) -> Iterator[tuple[int, ...]]:
    h, w, c = architecture.input_shape
    forms = [(h, w, c), architecture.fed_shape, channels_first((h, w, c)), *([(h, w)] if c == 1 else []), (h * w * c,)]
    yield from dict.fromkeys(forms)


def _converters() -> Iterator[tuple[str, Convert]]:
    """Yield ways to hand over arrays. A library that is not loaded cannot be the function's."""
    yield "NumPy", lambda array: array
    if "torch" in sys.modules:
        yield "PyTorch", sys.modules["torch"].from_numpy
    if "jax" in sys.modules:
        yield "JAX", sys.modules["jax"].numpy.asarray
