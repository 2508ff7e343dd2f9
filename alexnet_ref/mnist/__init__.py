"""The real MNIST digits: `load` them from where they lie, `prepare` them as the documents do. TensorFlow is not imported."""

from alexnet_ref.mnist.pipelines import (
    SAMPLE_HOLD_OUT,
    Images,
    Prepared,
    hold_out_first,
    hold_out_last,
    keras_sequential_images,
    one_hot,
    prepare,
    tf1_graph_images,
)
from alexnet_ref.mnist.sample import draw_sample
from alexnet_ref.mnist.sources import Mnist, load

__all__ = [
    "SAMPLE_HOLD_OUT",
    "Images",
    "Mnist",
    "Prepared",
    "draw_sample",
    "hold_out_first",
    "hold_out_last",
    "keras_sequential_images",
    "load",
    "one_hot",
    "prepare",
    "tf1_graph_images",
]
