"""The vocabulary: a network is a tuple of these frozen records, and every interpreter matches on this closed union.

A record carries the document's own name for the layer (`name`), where the document states it (`place`) and what it says there,
character by character (`quotes`). Hyperparameters are keyword-only and keep the meaning that TensorFlow gives them. A record
that could describe no network is refused on construction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Self, get_args

from reference.errors import InvalidInput
from reference.padding import Padding

Activation = Literal["relu", "softmax"]
Loss = Literal["sparse_categorical_crossentropy", "softmax_cross_entropy_with_logits"]
Initializer = Literal["glorot_uniform", "zeros", "standard_normal"]


@dataclass(frozen=True, kw_only=True)
class _Named:
    name: str  # the document's
    place: str = ""  # where in the document, such as "summary row 2"
    quotes: tuple[str, ...] = ()  # the document's own characters there

    def __post_init__(self) -> None:
        if type(self.name) is not str or not self.name.isidentifier():
            self._refuse("name", "letters, digits and underscores, beginning with no digit")
        if type(self.quotes) is not tuple or any(type(quote) is not str for quote in self.quotes):
            self._refuse("quotes", "a tuple of strings")
        self._check()

    def _check(self) -> None:
        """Refuse illegal hyperparameters; a layer without hyperparameters has nothing to refuse."""

    def _refuse(self, field_name: str, allowed: str) -> None:
        raise InvalidInput(
            f"{type(self).__name__}.{field_name} is not allowed",
            where=repr(self.name),
            expected=allowed,
            received=repr(getattr(self, field_name)),
        )

    def _check_count(self, field_name: str, *, at_least: int = 1) -> None:
        value = getattr(self, field_name)
        if type(value) is not int or value < at_least:
            self._refuse(field_name, f"an integer of at least {at_least}")

    def _check_pair(self, field_name: str) -> None:
        value = getattr(self, field_name)
        if type(value) is not tuple or len(value) != 2 or any(type(v) is not int or v < 1 for v in value):
            self._refuse(field_name, "a (rows, columns) tuple of two integers of at least 1")

    def _check_word(self, field_name: str, words: tuple[str | None, ...]) -> None:
        value = getattr(self, field_name)
        if type(value) not in (str, type(None)) or value not in words:
            self._refuse(field_name, "one of " + ", ".join(map(repr, words)))

    def _check_number(self, field_name: str, allowed: str, low: float, high: float = math.inf) -> None:
        value = getattr(self, field_name)
        if not _is_finite(value) or not low <= value <= high:
            self._refuse(field_name, allowed)


def _is_finite(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def _is_shape(value: Any) -> bool:
    return type(value) is tuple and all(type(n) is int and n >= 1 for n in value)


@dataclass(frozen=True, kw_only=True)
class Resize(_Named):
    """Bilinear enlargement or reduction to (height, width), half-pixel centres, no antialiasing."""

    height: int
    width: int

    def _check(self) -> None:
        self._check_count("height")
        self._check_count("width")


@dataclass(frozen=True, kw_only=True)
class Conv(_Named):
    """Two-dimensional convolution with bias: `filters` windows of kernel_size (rows, columns), then the activation."""

    filters: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: Padding
    activation: Literal["relu"] | None = None

    def _check(self) -> None:
        self._check_count("filters")
        self._check_pair("kernel_size")
        self._check_pair("strides")
        self._check_word("padding", get_args(Padding))
        self._check_word("activation", ("relu", None))


@dataclass(frozen=True, kw_only=True)
class LRN(_Named):
    """Local response normalisation over 2·depth_radius + 1 channels; alpha is not divided by that number."""

    depth_radius: int
    bias: float
    alpha: float
    beta: float

    def _check(self) -> None:
        self._check_count("depth_radius", at_least=0)
        # bias > 0, alpha >= 0: the denominator (bias + alpha·Σa²)^beta is then positive for every input.
        self._check_number("bias", "a finite number above 0", math.ulp(0.0))
        self._check_number("alpha", "a finite number of at least 0", 0.0)
        self._check_number("beta", "a finite number of at least 0", 0.0)

    @property
    def window(self) -> int:
        """The number of channels that a channel in the middle is normalised over."""
        return 2 * self.depth_radius + 1


@dataclass(frozen=True, kw_only=True)
class ReLU(_Named):
    """The positive part, element by element."""


@dataclass(frozen=True, kw_only=True)
class MaxPool(_Named):
    """The largest value in each window of pool_size (rows, columns); padding never wins."""

    pool_size: tuple[int, int]
    strides: tuple[int, int]
    padding: Padding

    def _check(self) -> None:
        self._check_pair("pool_size")
        self._check_pair("strides")
        self._check_word("padding", get_args(Padding))


@dataclass(frozen=True, kw_only=True)
class Dropout(_Named):
    """In training, each element is zeroed with probability `rate` and otherwise divided by 1 − rate; else the identity."""

    rate: float

    def _check(self) -> None:
        self._check_number("rate", "a number of at least 0 and below 1", 0.0, math.nextafter(1.0, 0.0))

    @classmethod
    def keeping(cls, *, keep_prob: float, name: str, place: str = "", quotes: tuple[str, ...] = ()) -> Self:
        """Build from the probability to keep, as TensorFlow 1 counts: rate = 1 − keep_prob.

        Subtracted in decimal, so that the written 0.8 becomes the written 0.2 and not 0.19999999999999996.
        """
        if not _is_finite(keep_prob) or not 0 < keep_prob <= 1:
            raise InvalidInput(
                "Dropout.keep_prob is not allowed",
                where=repr(name),
                expected="a number above 0 and at most 1",
                received=repr(keep_prob),
            )
        return cls(rate=float(1 - Decimal(repr(float(keep_prob)))), name=name, place=place, quotes=quotes)

    @property
    def keep_prob(self) -> float:
        """The probability to keep an element: 1 − rate."""
        return float(1 - Decimal(repr(float(self.rate))))


@dataclass(frozen=True, kw_only=True)
class Flatten(_Named):
    """(N, H, W, C) → (N, H·W·C): rows slowest, channels fastest."""


@dataclass(frozen=True, kw_only=True)
class Dense(_Named):
    """Matrix product with bias, then the activation."""

    units: int
    activation: Activation | None = None

    def _check(self) -> None:
        self._check_count("units")
        self._check_word("activation", (*get_args(Activation), None))


@dataclass(frozen=True, kw_only=True)
class Softmax(_Named):
    """Exponentials divided by their sum, over the last axis."""


Layer = Resize | Conv | LRN | ReLU | MaxPool | Dropout | Flatten | Dense | Softmax


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the document trains the network; Adam's β₁ and β₂ are its published 0.9 and 0.999.

    Both libraries add epsilon to √v before the bias correction: the "ε̂" of Kingma & Ba 2015, section 2.
    """

    kernel_initializer: Initializer
    bias_initializer: Initializer
    loss: Loss
    learning_rate: float = 0.001
    batch_size: int = 64
    epsilon: float = 1e-7  # keras.optimizers.Adam's default, not the paper's 1e-8

    def __post_init__(self) -> None:
        self._check(
            "kernel_initializer", "one of " + ", ".join(get_args(Initializer)), self.kernel_initializer in get_args(Initializer)
        )
        self._check(
            "bias_initializer", "one of " + ", ".join(get_args(Initializer)), self.bias_initializer in get_args(Initializer)
        )
        self._check("loss", "one of " + ", ".join(get_args(Loss)), self.loss in get_args(Loss))
        self._check("learning_rate", "a finite number above 0", _is_finite(self.learning_rate) and self.learning_rate > 0)
        self._check("batch_size", "an integer of at least 1", type(self.batch_size) is int and self.batch_size >= 1)
        self._check("epsilon", "a finite number above 0", _is_finite(self.epsilon) and self.epsilon > 0)

    def _check(self, field_name: str, allowed: str, fits: bool) -> None:
        if not fits:
            raise InvalidInput(f"Recipe.{field_name} is not allowed", expected=allowed, received=repr(getattr(self, field_name)))


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A documented network: input (H, W, C) without the batch axis, and layers in the document's order."""

    name: str
    title: str = ""  # the document's
    input_shape: tuple[int, int, int]
    fed_shape: tuple[int, ...] = ()  # as the document's data pipeline delivers one image; () means input_shape
    layers: tuple[Layer, ...]
    recipe: Recipe = field(
        default=Recipe(kernel_initializer="glorot_uniform", bias_initializer="zeros", loss="sparse_categorical_crossentropy")
    )

    def __post_init__(self) -> None:
        if not self.fed_shape:
            object.__setattr__(self, "fed_shape", self.input_shape)
        where = f"architecture {self.name!r}"
        if type(self.name) is not str or not self.name.isidentifier():
            raise InvalidInput(
                "name is not allowed", where=where, expected="letters, digits and underscores", received=repr(self.name)
            )
        if not _is_shape(self.input_shape) or len(self.input_shape) != 3:
            raise InvalidInput(
                "input_shape is not allowed",
                where=where,
                expected="(H, W, C), integers of at least 1",
                received=repr(self.input_shape),
            )
        if not _is_shape(self.fed_shape) or math.prod(self.fed_shape) != math.prod(self.input_shape):
            raise InvalidInput(
                "fed_shape does not hold one input",
                where=where,
                expected=f"{math.prod(self.input_shape)} numbers, as in {self.input_shape}",
                received=repr(self.fed_shape),
            )
        if type(self.layers) is not tuple or not self.layers:
            raise InvalidInput(
                "a network has at least one layer", where=where, expected="a tuple of layers", received=repr(self.layers)
            )
        if strangers := [repr(layer) for layer in self.layers if not isinstance(layer, get_args(Layer))]:
            raise InvalidInput("this is no layer", where=where, expected="words of the vocabulary", received=strangers[0])
        names = [layer.name for layer in self.layers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidInput("layer names must differ", where=where, received=f"{', '.join(twice)} more than once")

    def __getitem__(self, name: str) -> Layer:
        """Return the layer of this name; InvalidInput lists the names when there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise InvalidInput(
            f"no layer is called {name!r}",
            where=f"architecture {self.name!r}",
            expected="one of " + ", ".join(layer.name for layer in self.layers),
        )
