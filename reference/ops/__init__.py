"""The equations, one a file: NHWC images, HWIO kernels, floating point in and out, the arithmetic of the input's dtype."""

from reference.ops.conv import conv2d
from reference.ops.dense import dense
from reference.ops.dropout import dropout
from reference.ops.flatten import flatten
from reference.ops.lrn import local_response_normalization
from reference.ops.pool import max_pool2d
from reference.ops.relu import relu
from reference.ops.resize import resize_bilinear
from reference.ops.softmax import softmax

__all__ = [
    "conv2d",
    "dense",
    "dropout",
    "flatten",
    "local_response_normalization",
    "max_pool2d",
    "relu",
    "resize_bilinear",
    "softmax",
]
