"""What wrong ports compute, as records beside the vocabulary: a layer of a port is a tuple of parts, applied in order.

Data is NHWC throughout. A part that is a `Layer` means what the description means by it; the others are what no right port
computes. At most one part of a tuple has weights: it takes the "kernel" and "bias" of the layer it stands in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reference import Layer

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]  # ((above, below), (left, right))


@dataclass(frozen=True, kw_only=True)
class Pad:
    """Rows and columns around an image: constant `value`, the nearest pixel ("edge"), or mirrored without it ("reflect").

    A negative width cuts rows or columns off.
    """

    pads: Pads
    mode: Literal["constant", "edge", "reflect"] = "constant"
    value: float = 0.0


@dataclass(frozen=True, kw_only=True)
class OddConv:
    """Convolution with explicit zero padding, in any of the ways it is got wrong; its bias may be left to a later `Bias`."""

    strides: Pair
    pads: Pads
    dilation: Pair = (1, 1)
    groups: int = 1  # above 1, filters of a group see the channels of this group alone: the other weights are not used
    kernel: Literal["as it is", "mirrored", "transposed", "centre"] = "as it is"  # "centre": all taps 0 but the one in the middle
    bias: bool = True


@dataclass(frozen=True, kw_only=True)
class OddDense:
    """Matrix product with the kernel transposed (square ones alone), or without bias."""

    transposed: bool = False
    bias: bool = True


@dataclass(frozen=True, kw_only=True)
class Bias:
    """The layer's own bias, added to the last axis, `times` over."""

    times: float = 1.0


@dataclass(frozen=True, kw_only=True)
class OddPool:
    """Pooling with explicit padding, which never wins and is not counted ("nothing"), or is a value like others ("zero")."""

    kind: Literal["max", "average", "first"]  # "first": the upper left value, as a stride without pooling takes
    pool_size: Pair
    strides: Pair
    pads: Pads = ((0, 0), (0, 0))
    padding: Literal["nothing", "zero"] = "nothing"


@dataclass(frozen=True, kw_only=True)
class OddLRN:
    """y = x / d, d as `form` says, over s, the `statistic` of `before` + 1 + `after` neighbours on `axis`.

    "inside": d = (bias + alpha·s)^beta          "outside": d = bias + (alpha·s)^beta
    "factor": d = bias + alpha·s^beta            "all": d = (alpha·(bias + s))^beta
    "sum": Σx²; "present": Σx² over how many neighbours there are; "absolute": Σ|x|. `axis` "space" is a square of rows and
    columns in the channel itself. `edges`: neighbours beyond the ends are absent ("cut"), the other end's ("wrapped"), or the
    last one again ("repeated"). `own` False: x itself is no neighbour. `multiplied`: y = x · d.
    """

    before: int
    after: int
    bias: float
    alpha: float
    beta: float
    axis: Literal["channel", "height", "width", "batch", "space"] = "channel"
    statistic: Literal["sum", "present", "absolute"] = "sum"
    form: Literal["inside", "outside", "factor", "all"] = "inside"
    edges: Literal["cut", "wrapped", "repeated"] = "cut"
    own: bool = True
    multiplied: bool = False

    @property
    def window(self) -> int:
        """The nominal number of neighbours on one axis, x itself included."""
        return self.before + 1 + self.after


Function = Literal["relu", "relu6", "leaky_relu", "elu", "gelu", "gelu_tanh", "swish", "softplus", "tanh", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class Pointwise:
    """A function of each element. `slope` is that of leaky_relu below 0, or elu's alpha."""

    function: Function
    slope: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Affine:
    """x · scale + offset, one number for all channels or one for each."""

    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)


@dataclass(frozen=True, kw_only=True)
class Standardised:
    """(x − mean) / √(variance + epsilon), over the whole image, each pixel's channels, or each channel of the batch."""

    over: Literal["image", "pixel", "batch"]
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class Normed:
    """x / max(‖x‖₂ over channels, epsilon)."""

    epsilon: float = 1e-12


@dataclass(frozen=True, kw_only=True)
class Permute:
    """Axes of (N, H, W, C) in another order, as numpy.transpose counts; shape kept only where the swapped axes are equal."""

    axes: tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Reinterpreted:
    """The image's memory (H, W, C) read as if it lay in `order`, such as "CHW": a reshape where a transposition was needed."""

    order: Literal["CHW"] = "CHW"


@dataclass(frozen=True, kw_only=True)
class Reverse:
    """The order of these axes reversed."""

    axes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class OddFlatten:
    """(N, H, W, C) → (N, H·W·C) in another order of the axes, slowest first: (3, 1, 2) is channels, rows, columns."""

    order: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class OddResize:
    """Enlargement by another method, or with other coordinates: u is the place, in the input, of output i of o, from n pixels.

    "half_pixel": u = (i + ½)·n/o − ½    "asymmetric": u = i·n/o    "align_corners": u = i·(n − 1)/(o − 1)
    nearest takes the pixel ⌊u⌋ for asymmetric, else round(u), halves downward. bicubic is Keys's: "pytorch" (ONNX alike) with the
    coefficient −¾, the edge pixel repeated beyond the edge; "tensorflow" with −½, u's fraction rounded to 1/1024 for its table,
    pixels beyond the edge left out and the weights of the others divided by their sum.
    """

    height: int
    width: int
    method: Literal["nearest", "bilinear", "bicubic"]
    coordinates: Literal["half_pixel", "asymmetric", "align_corners"]
    cubic: Literal["tensorflow", "pytorch"] = "pytorch"


@dataclass(frozen=True, kw_only=True)
class OddDropout:
    """Dropout that is wrong: `rate` is the probability to drop that it uses, `scale` what kept values are multiplied by.

    `shared`: elements that live and die together: none, an image's whole channels, whole pixels, or the same of all images.
    `active` "always": in inference too. `at_inference`: what inference multiplies by. `fixed`: the same mask at every call.
    `noise` "gaussian": x · N(1, rate/(1 − rate)) instead.
    """

    rate: float
    scale: float
    shared: Literal["none", "channel", "pixel", "batch"] = "none"
    active: Literal["training", "always", "never"] = "training"
    at_inference: float = 1.0
    fixed: bool = False
    noise: Literal["bernoulli", "gaussian"] = "bernoulli"


@dataclass(frozen=True, kw_only=True)
class OddSoftmax:
    """Softmax over the classes or the batch; `log`: its natural logarithm."""

    over: Literal["classes", "batch"] = "classes"
    log: bool = False


@dataclass(frozen=True, kw_only=True)
class Rounded:
    """Values rounded to a coarser format, to nearest, ties to even. "int8": −127 … 127 times the largest magnitude over 127."""

    to: Literal["float16", "bfloat16", "tf32", "int8"]


Odd = (
    Pad | OddConv | OddDense | Bias | OddPool | OddLRN | Pointwise | Affine | Standardised | Normed | Permute | Reinterpreted
    | Reverse | OddFlatten | OddResize | OddDropout | OddSoftmax | Rounded
)  # fmt: skip
Part = Layer | Odd
Parts = tuple[Part, ...]
