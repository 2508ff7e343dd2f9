"""Weights that lose their order on the way into a port: no input shows it, the intended weights do."""

from __future__ import annotations

from collections.abc import Iterator

from alexnet_ref.mistakes.families.make import ONLY_CENTRE, carried, fed, only_centre
from alexnet_ref.mistakes.mistake import Mistake
from reference import Architecture, Conv, Dense, Flatten
from reference.shapes import Shape, param_shapes


def layout(architecture: Architecture) -> Iterator[Mistake]:
    """Yield kernels whose axes, bytes or channels were taken for others."""
    for i, (layer, shape) in enumerate(fed(architecture)):
        if isinstance(layer, Conv):
            yield from _conv(architecture, layer, shape)
        elif isinstance(layer, Dense):
            yield from _dense(architecture, i, layer, shape)


def _conv(architecture: Architecture, layer: Conv, shape: Shape) -> Iterator[Mistake]:
    words = "its kernel's numbers, stored filters first (OIHW), are read rows first (HWIO)"
    yield carried(architecture, layer, "layout", "oihw_as_hwio", words, "kernel", "OIHW bytes read as HWIO")
    reason = ONLY_CENTRE if only_centre(layer, shape) else ""
    shows = "nothing" if reason else "weights"
    words = "its kernel is mirrored in both directions, as weights of Theano's convolution are"
    yield carried(
        architecture, layer, "layout", "mirrored", words, "kernel", "mirrored", equivalent=reason, shows=shows,
        seen="coxlab/prednet#46",
    )  # fmt: skip
    words = "its kernel's rows and columns are swapped, as where WHIO is taken for HWIO"
    yield carried(
        architecture,
        layer,
        "layout",
        "rows_for_columns",
        words,
        "kernel",
        "rows and columns swapped",
        equivalent=reason,
        shows=shows,
    )
    if shape[2] == layer.filters:
        words = "its kernel's inputs and outputs are swapped, of which there are as many"
        yield carried(architecture, layer, "layout", "inputs_for_outputs", words, "kernel", "inputs and outputs swapped")
    if shape[2] > 1:
        words = "its kernel's input channels are reversed, as for BGR"
        yield carried(architecture, layer, "layout", "inputs_reversed", words, "kernel", "inputs reversed")


def _dense(architecture: Architecture, i: int, layer: Dense, shape: Shape) -> Iterator[Mistake]:
    words = "its kernel's numbers, stored by outputs (PyTorch, Caffe), are read by inputs"
    yield carried(architecture, layer, "layout", "out_in_as_in_out", words, "kernel", "out-in bytes read as in-out")
    if shape == (layer.units,):
        words = "its kernel is transposed, which its square shape does not betray"
        yield carried(architecture, layer, "layout", "inputs_for_outputs", words, "kernel", "inputs and outputs swapped")
    before = architecture.layers[i - 1]
    if i and isinstance(before, Flatten):
        one_pixel = {each.name: s for each, s in fed(architecture)}[before.name][:2] == (1, 1)
        reason = "a map of one pixel has one order only" if one_pixel else ""
        shows = "nothing" if reason else "weights"
        words = "its kernel's rows are in the order of channels, rows, columns, as for NCHW data"
        yield carried(
            architecture, layer, "layout", "rows_for_chw", words, "kernel", "rows meant for CHW", equivalent=reason, shows=shows,
            seen="microsoft/MMdnn#595",
        )  # fmt: skip
        words = "its kernel's rows are in the order of columns, rows, channels"
        yield carried(
            architecture, layer, "layout", "rows_for_whc", words, "kernel", "rows meant for WHC", equivalent=reason, shows=shows
        )


def kernels_carried(architecture: Architecture) -> Iterator[Mistake]:
    """Yield kernels that never arrived, or another layer's."""
    shapes = {layer.name: param_shapes(layer, shape) for layer, shape in fed(architecture)}
    for layer, _ in fed(architecture):
        if not shapes[layer.name]:
            continue
        words = "its kernel was never loaded, and is what it was drawn as"
        yield carried(architecture, layer, "kernels", "not_loaded", words, "kernel", "drawn anew")
        if any(each != layer.name and parts == shapes[layer.name] for each, parts in shapes.items()):
            words = "its kernel is another layer's of the same shape"
            yield carried(architecture, layer, "kernels", "of_another_layer", words, "kernel", "of the next layer of this shape")
