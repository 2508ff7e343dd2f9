"""The oracle: both documented AlexNets in NumPy and nothing else.

params = reference.init_params(reference.ARCHITECTURES["tf1_graph"])
outputs = reference.forward(reference.ARCHITECTURES["tf1_graph"], params, images)     # {layer name: NHWC output}
"""

from reference import ops
from reference.adam import AdamState, adam_step
from reference.architectures import ARCHITECTURES, as_architecture
from reference.errors import InvalidInput
from reference.forward import draw_masks, forward, predict
from reference.gradients import LossAndGradients, gradients, loss_and_gradients
from reference.layers import (
    LRN,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
    Recipe,
    ReLU,
    Resize,
    Softmax,
)
from reference.params import Params, check_params, init_params
from reference.shapes import layer_shapes, multiply_adds, output_shape, param_counts, param_shapes, unseen_weights

__all__ = [
    "ARCHITECTURES",
    "LRN",
    "AdamState",
    "Architecture",
    "Conv",
    "Dense",
    "Dropout",
    "Flatten",
    "InvalidInput",
    "Layer",
    "LossAndGradients",
    "MaxPool",
    "Params",
    "ReLU",
    "Recipe",
    "Resize",
    "Softmax",
    "adam_step",
    "as_architecture",
    "check_params",
    "draw_masks",
    "forward",
    "gradients",
    "init_params",
    "layer_shapes",
    "loss_and_gradients",
    "multiply_adds",
    "ops",
    "output_shape",
    "param_counts",
    "param_shapes",
    "predict",
    "unseen_weights",
]
