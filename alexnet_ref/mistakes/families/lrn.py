"""Local response normalisation in all its misreadings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from alexnet_ref.mistakes.families.make import BATCH_NORM, BATCH_NORM_EPSILON, at
from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import Normed, OddLRN, Standardised
from reference import LRN, Architecture

EPSILON = 1e-7  # Keras's, what keeps a division from failing


def lrn(architecture: Architecture) -> Iterator[Mistake]:
    """Yield every misreading at every LRN layer that it changes."""
    for layer in architecture.layers:
        if isinstance(layer, LRN):
            yield from _described(architecture, layer)
            yield from _windows(architecture, layer)
            yield from _equations(architecture, layer)
            yield from _others(architecture, layer)


def _odd(layer: LRN, **changes: Any) -> OddLRN:
    radius = layer.depth_radius
    same = {"before": radius, "after": radius, "bias": layer.bias, "alpha": layer.alpha, "beta": layer.beta}
    return OddLRN(**{**same, **changes})


def _described(architecture: Architecture, layer: LRN) -> Iterator[Mistake]:
    """Yield other hyperparameters: another library's meaning, another library's defaults, the paper's."""
    n, radius = layer.window, layer.depth_radius
    hyperparameters: list[tuple[str, str, dict[str, Any], str]] = [
        ("alpha_over_window", "divides alpha by the window, as Caffe, PyTorch and ONNX do", {"alpha": layer.alpha / n},
         "vlfeat/matconvnet#339"),
        ("alpha_times_window", "multiplies alpha by the window: converted in the wrong direction", {"alpha": layer.alpha * n},
         "heuritech/convnets-keras#6"),
        ("size_for_radius", "gives the window's size where depth_radius is asked for", {"depth_radius": n},
         "tensorflow/models#1536"),
        ("radius_one_less", "reaches one channel less to each side", {"depth_radius": radius - 1}, ""),
        ("radius_one_more", "reaches one channel more to each side", {"depth_radius": radius + 1}, ""),
        ("beta_of_the_other", "takes the other custom's beta, 0.75 (paper, Caffe) for 0.5 (TensorFlow) or the reverse",
         {"beta": 1.25 - layer.beta}, ""),
        ("beta_one", "forgets the power: beta 1", {"beta": 1.0}, ""),
        ("bias_two", "takes the paper's k = 2 for the bias", {"bias": 2.0}, ""),
        ("bias_epsilon", "takes the bias for an epsilon against division by zero", {"bias": EPSILON}, ""),
        ("defaults_of_tensorflow", "leaves all to TensorFlow's defaults",
         {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}, ""),
        ("defaults_of_pytorch", "leaves all but the window to PyTorch's and ONNX's defaults, alpha 1e-4 over the window",
         {"bias": 1.0, "alpha": 1e-4 / n, "beta": 0.75}, "pytorch/pytorch#8134"),
        ("defaults_of_caffe", "leaves all to Caffe's defaults, size 5, alpha 1 over it, beta 0.75",
         {"depth_radius": 2, "bias": 1.0, "alpha": 1.0 / 5, "beta": 0.75}, ""),
        ("of_the_paper", "takes the paper's n = 5, k = 2, alpha 1e-4, beta 0.75",
         {"depth_radius": 2, "bias": 2.0, "alpha": 1e-4, "beta": 0.75}, ""),
        ("alpha_of_the_paper", "takes the paper's alpha, 1e-4, and nothing else of it", {"alpha": 1e-4}, ""),
    ]  # fmt: skip
    for word, words, changes, seen in hyperparameters:
        wrong = replace(layer, **changes)
        if wrong != layer:
            yield at(architecture, layer, "lrn", word, words, (wrong,), seen=seen)


def _windows(architecture: Architecture, layer: LRN) -> Iterator[Mistake]:
    """Yield windows of other neighbours."""
    radius = layer.depth_radius
    if radius > 1:
        if radius % 2:
            yield _named(architecture, layer, "radius_for_size", "gives depth_radius where the window's size is asked for",
                         "KhronosGroup/NNEF-Tools#137", before=radius // 2, after=radius // 2)  # fmt: skip
        else:
            words = "gives depth_radius where PyTorch asks for the window's size: an even window, longer before"
            yield _named(architecture, layer, "radius_for_size_pytorch", words, "alibaba/MNN#192",
                         before=radius // 2, after=radius // 2 - 1)  # fmt: skip
            words = "gives depth_radius where ONNX asks for the window's size: an even window, longer after"
            yield _named(architecture, layer, "radius_for_size_onnx", words, "pytorch/pytorch#75722",
                         before=radius // 2 - 1, after=radius // 2)  # fmt: skip
    words = "leaves out the last channel of the window, a range without its end or PyTorch's size 2·depth_radius"
    yield _named(architecture, layer, "last_channel_missing", words, "pytorch/pytorch#75722", after=radius - 1)
    words = "leaves out the first channel of the window, as ONNX does for size 2·depth_radius"
    yield _named(architecture, layer, "first_channel_missing", words, "apache/mxnet#11281", before=radius - 1)
    yield _named(architecture, layer, "one_sided", "sums over the channels before alone", after=0)
    yield _named(architecture, layer, "own_channel_excluded", "sums over the neighbours without the channel itself", own=False)
    yield _named(architecture, layer, "wraps_around", "takes the first channels for neighbours of the last", edges="wrapped")
    words = "counts the outermost channels again for neighbours beyond them"
    yield _named(architecture, layer, "edges_repeated", words, "FluxML/Flux.jl#720", edges="repeated")
    words = "multiplies alpha by the window for a library that then averages over the channels there are"
    yield _named(architecture, layer, "edges_averaged", words, alpha=layer.alpha * layer.window, statistic="present")
    yield _named(architecture, layer, "over_rows", "normalises over rows, the axis 1 that channels have in NCHW", axis="height")
    yield _named(architecture, layer, "over_columns", "normalises over columns", axis="width")
    yield _named(architecture, layer, "over_batch", "normalises over the images of a batch", axis="batch")
    words = "normalises within each channel, over a square of pixels (Caffe's WITHIN_CHANNEL)"
    yield _named(architecture, layer, "within_channel", words, "BVLC/caffe#1116", axis="space", alpha=layer.alpha / layer.window)


def _equations(architecture: Architecture, layer: LRN) -> Iterator[Mistake]:
    """Yield other equations over the same window."""
    yield _named(architecture, layer, "without_square", "sums magnitudes, not squares", statistic="absolute")
    words = "divides by the sum of squares itself, as keras_sequential's document says"
    yield _named(architecture, layer, "divided_by_the_sum", words, bias=EPSILON, alpha=1.0, beta=1.0)
    yield _named(architecture, layer, "multiplied", "multiplies where it should divide: the exponent's sign", multiplied=True)
    words = "adds the bias after the power"
    yield _named(architecture, layer, "bias_outside", words, form="outside")
    if layer.alpha != 1:
        words = "multiplies by alpha after the power"
        yield _named(architecture, layer, "alpha_outside", words, form="factor")
        words = "multiplies the bias by alpha as well"
        yield _named(architecture, layer, "alpha_on_bias", words, form="all")


def _others(architecture: Architecture, layer: LRN) -> Iterator[Mistake]:
    """Yield what people put in LRN's place."""
    words = "does nothing: LRN is not implemented and passed over"
    yield at(architecture, layer, "lrn", "switched_off", words, ())
    words = "divides by the norm of all channels (L2 normalisation)"
    yield at(architecture, layer, "lrn", "l2_normalised", words, (Normed(),))
    words = "is a batch normalisation with its initial statistics"
    yield at(architecture, layer, "lrn", "batch_norm", words, (BATCH_NORM,),
             seen="chainer/chainer#535")  # fmt: skip
    words = "is a batch normalisation that runs as in training"
    parts = (Standardised(over="batch", epsilon=BATCH_NORM_EPSILON),)
    yield at(architecture, layer, "lrn", "batch_norm_training", words, parts)
    words = "is a layer normalisation of each pixel's channels"
    yield at(architecture, layer, "lrn", "layer_norm", words, (Standardised(over="pixel", epsilon=BATCH_NORM_EPSILON),))


def _named(architecture: Architecture, layer: LRN, word: str, words: str, seen: str = "", **changes: Any) -> Mistake:
    return at(architecture, layer, "lrn", word, words, (_odd(layer, **changes),), seen=seen)
