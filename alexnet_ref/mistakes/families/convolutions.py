"""Padding, strides and kernels of convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from alexnet_ref.mistakes.families.make import ONLY_CENTRE, activation, at, fed, odd_conv, only_centre, pads
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import Pad, Pads
from reference import Architecture, Conv
from reference.padding import output_size
from reference.shapes import Shape


def padding(architecture: Architecture) -> Iterator[Mistake]:
    """Yield what other libraries do, or people write, where TensorFlow pads SAME."""
    for layer, shape in fed(architecture):
        if not isinstance(layer, Conv) or layer.padding != "SAME":
            continue
        right = pads(layer, shape)
        turned: Pads = (right[0][::-1], right[1][::-1])
        if turned != right:
            words = "the odd row and column of padding come before the image, not after it"
            parts = (odd_conv(layer, shape, pads=turned), *activation(layer))
            yield at(architecture, layer, "padding", "odd_pixel_before", words, parts)
        rows, columns = layer.kernel_size
        half: Pads = ((rows // 2, rows // 2), (columns // 2, columns // 2))
        if half != right:
            words = "pads half the kernel on all sides, as in PyTorch padding=k//2 is written for SAME"
            parts = (odd_conv(layer, shape, pads=half), *activation(layer))
            yield at(architecture, layer, "padding", "half_the_kernel", words, parts, seen="taehoonlee/tensornets#25")
        floor: Pads = ((right[0][0], right[0][0]), (right[1][0], right[1][0]))
        if floor != right and _fits(layer, shape, floor):
            words = "pads the smaller half of SAME's total on all sides, and loses a row and a column of output"
            parts = (odd_conv(layer, shape, pads=floor), *activation(layer))
            yield at(architecture, layer, "padding", "smaller_half", words, parts)
        if right != ((0, 0), (0, 0)):
            if all(n >= k for n, k in zip(shape, layer.kernel_size, strict=False)):
                words = "does not pad: VALID for SAME"
                yield at(architecture, layer, "padding", "none", words, (replace(layer, padding="VALID"),))
            yield from _other_values(architecture, layer, shape, right)


def _other_values(architecture: Architecture, layer: Conv, shape: Shape, right: Pads) -> Iterator[Mistake]:
    unpadded = (odd_conv(layer, shape, pads=((0, 0), (0, 0))), *activation(layer))
    words = "repeats the outermost pixels as padding (padding_mode='replicate'), where zeros belong"
    yield at(architecture, layer, "padding", "edge", words, (Pad(pads=right, mode="edge"), *unpadded))
    if all(n > max(before, after) for n, (before, after) in zip(shape, right, strict=False)):
        words = "mirrors the image into the padding (padding_mode='reflect'), where zeros belong"
        yield at(architecture, layer, "padding", "reflect", words, (Pad(pads=right, mode="reflect"), *unpadded))
    words = "pads with ones, as when an image is padded before it is inverted or shifted"
    yield at(architecture, layer, "padding", "ones", words, (Pad(pads=right, value=1.0), *unpadded))


def _fits(layer: Conv, shape: Shape, widths: Pads) -> bool:
    return all(n + sum(width) >= k for n, k, width in zip(shape, layer.kernel_size, widths, strict=False))


def strides(architecture: Architecture) -> Iterator[Mistake]:
    """Yield convolutions that step otherwise."""
    for layer, shape in fed(architecture):
        if not isinstance(layer, Conv) or layer.padding != "SAME":
            continue
        if layer.strides != (1, 1):
            words = "steps by 1: the stride is left to its default"
            reason = "a map of one pixel has one window, whatever the stride" if shape[:2] == (1, 1) else ""
            yield at(
                architecture, layer, "strides", "forgotten", words, (replace(layer, strides=(1, 1)),),
                equivalent=reason, shows="nothing" if reason else "inference",
            )  # fmt: skip
            words = "gives the stride as dilation: steps by 1 between taps that are that far apart"
            parts = (
                odd_conv(
                    layer, shape, strides=(1, 1), dilation=layer.strides, pads=_dilated(layer, shape, (1, 1), layer.strides)
                ),
                *activation(layer),
            )
            reason = ONLY_CENTRE if shape[:2] == (1, 1) and only_centre(layer, shape) else ""
            yield at(
                architecture, layer, "strides", "as_dilation", words, parts,
                equivalent=reason, shows="nothing" if reason else "inference",
            )  # fmt: skip
        else:
            words = "steps by 2, as where a library folds the pooling that follows into the convolution"
            yield at(architecture, layer, "strides", "two", words, (replace(layer, strides=(2, 2)),))


def _dilated(layer: Conv, shape: Shape, steps: tuple[int, int], dilation: tuple[int, int]) -> Pads:
    """Return SAME's padding for a dilated kernel."""
    widths = []
    for n, k, s, d in zip(shape, layer.kernel_size, steps, dilation, strict=False):
        span = (k - 1) * d + 1
        total = max((output_size(n, span, s, "SAME") - 1) * s + span - n, 0)
        widths.append((total // 2, total - total // 2))
    return widths[0], widths[1]


def kernels(architecture: Architecture) -> Iterator[Mistake]:
    """Yield kernels that are turned, spread or used in part when the convolution runs, though they are stored rightly."""
    for layer, shape in fed(architecture):
        if not isinstance(layer, Conv) or layer.kernel_size == (1, 1):
            continue
        reason = ONLY_CENTRE if only_centre(layer, shape) else ""
        shows = "nothing" if reason else "inference"
        words = "mirrors the kernel in both directions, as mathematical convolution does"
        parts = (odd_conv(layer, shape, kernel="mirrored"), *activation(layer))
        yield at(
            architecture, layer, "kernels", "mirrored", words, parts, equivalent=reason, shows=shows, seen="keras-team/keras#3015"
        )
        if layer.kernel_size[0] == layer.kernel_size[1]:
            words = "takes the kernel's rows for its columns"
            parts = (odd_conv(layer, shape, kernel="transposed"), *activation(layer))
            yield at(architecture, layer, "kernels", "transposed", words, parts, equivalent=reason, shows=shows)
        words = "uses the kernel's middle alone, a 1×1 convolution"
        parts = (odd_conv(layer, shape, kernel="centre"), *activation(layer))
        yield at(architecture, layer, "kernels", "centre_alone", words, parts, equivalent=reason, shows=shows)
        words = "spreads the kernel's taps two pixels apart (dilation 2), the output keeping its size"
        widths = _dilated(layer, shape, layer.strides, (2, 2))
        parts = (odd_conv(layer, shape, dilation=(2, 2), pads=widths), *activation(layer))
        yield at(architecture, layer, "kernels", "dilated", words, parts, equivalent=reason, shows=shows)
        if shape[2] % 2 == layer.filters % 2 == 0:
            words = "works in two groups of channels, as the original network did on two graphics cards"
            parts = (odd_conv(layer, shape, groups=2), *activation(layer))
            yield at(architecture, layer, "kernels", "two_groups", words, parts, seen="chainer/chainer#535")
