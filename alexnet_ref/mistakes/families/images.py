"""What is done to images before the first layer, and their enlargement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alexnet_ref.mistakes.families.make import at, fed, throughout
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import Affine, OddResize, Pad, Part, Permute, Reinterpreted, Reverse, Standardised
from reference import Architecture, Resize

MNIST_MEAN, MNIST_DEVIATION = 0.1307, 0.3081  # PyTorch's MNIST example
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's pretrained models


def images(architecture: Architecture) -> Iterator[Mistake]:
    """Yield wrong preprocessing, inside a port that is fed images as the document feeds them, 0 … 1."""
    h, w, c = architecture.input_shape
    one: list[tuple[str, str, Part]] = [
        ("divided_again", "divides by 255 what is divided already", Affine(scale=(1 / 255,))),
        ("not_divided", "works on 0 … 255", Affine(scale=(255.0,))),
        ("divided_by_256", "divides by 256, not 255", Affine(scale=(255 / 256,))),
        ("minus_one_to_one", "works on −1 … 1", Affine(scale=(2.0,), offset=(-1.0,))),
        ("centred", "works on −½ … ½", Affine(offset=(-0.5,))),
        ("standardised", "subtracts MNIST's mean and divides by its deviation, as PyTorch's example does",
         Affine(scale=(1 / MNIST_DEVIATION,), offset=(-MNIST_MEAN / MNIST_DEVIATION,))),
        ("standardised_each", "subtracts each image's mean, divides by its deviation", Standardised(over="image", epsilon=1e-7)),
        ("inverted", "takes black for white", Affine(scale=(-1.0,), offset=(1.0,))),
        ("transposed", "takes rows for columns: 784 numbers read column by column", Permute(axes=(0, 2, 1, 3))),
        ("upside_down", "takes the last row for the first", Reverse(axes=(1,))),
        ("mirrored", "takes right for left", Reverse(axes=(2,))),
    ]  # fmt: skip
    if c > 1:
        words = "takes the first channel for the last, BGR for RGB; images of grey copied to all channels do not show it"
        one += [
            ("bgr", words, Reverse(axes=(3,))),
            ("one_channel", "holds the grey in the first channel, zeros in the others", Affine(scale=(1.0, *[0.0] * (c - 1)))),
            ("nchw_bytes", "is fed channels first, read as if they were last", Reinterpreted()),
        ]  # fmt: skip
    if c == len(IMAGENET_MEAN):
        scale = tuple(1 / d for d in IMAGENET_DEVIATION)
        offset = tuple(-m / d for m, d in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True))
        one.append(
            (
                "standardised_imagenet",
                "subtracts ImageNet's mean and divides by its deviation",
                Affine(scale=scale, offset=offset),
            )
        )
    if (margin := h - 28) > 0 and h == w:
        first = Pad(pads=((-margin // 2, margin // 2), (-margin // 2, margin // 2)))
        one.append(("padded_after_alone", "pads MNIST's 28 pixels to the right and below alone", first))
    for word, words, part in one:
        yield throughout(architecture, "input", word, words, input=(part,))


def resize(architecture: Architecture) -> Iterator[Mistake]:
    """Yield other enlargements."""
    for layer, _ in fed(architecture):
        if not isinstance(layer, Resize):
            continue
        others: list[tuple[str, str, str, dict[str, Any]]] = [
            ("nearest", "repeats the nearest pixel", "", {"method": "nearest", "coordinates": "half_pixel"}),
            ("nearest_corner", "repeats the pixel at ⌊i·n/o⌋, as PyTorch's nearest does", "",
             {"method": "nearest", "coordinates": "asymmetric"}),
            ("align_corners", "aligns the corner pixels (align_corners=True)", "microsoft/onnxruntime#17564",
             {"method": "bilinear", "coordinates": "align_corners"}),
            ("asymmetric", "measures from the corner, not the centre, of pixels: TensorFlow 1, ONNX asymmetric",
             "onnx/tensorflow-onnx#914", {"method": "bilinear", "coordinates": "asymmetric"}),
            ("bicubic", "interpolates by cubics, TensorFlow's (−½)", "",
             {"method": "bicubic", "coordinates": "half_pixel", "cubic": "tensorflow"}),
            ("bicubic_pytorch", "interpolates by cubics, PyTorch's and ONNX's (−¾)", "",
             {"method": "bicubic", "coordinates": "half_pixel", "cubic": "pytorch"}),
        ]  # fmt: skip
        for word, words, seen, how in others:
            part = OddResize(height=layer.height, width=layer.width, **how)
            yield at(architecture, layer, "resize", word, words, (part,), seen=seen)
        h, w = layer.height - architecture.input_shape[0], layer.width - architecture.input_shape[1]
        words = "sets the image in the middle of a black frame: padded, not enlarged"
        frame = Pad(pads=((h // 2, h - h // 2), (w // 2, w - w // 2)))
        yield at(architecture, layer, "resize", "padded", words, (frame,))
        words = "enlarges to 227, which makes the paper's arithmetic right"
        larger = OddResize(height=227, width=227, method="bilinear", coordinates="half_pixel")
        yield at(architecture, layer, "resize", "to_227", words, (larger,))
