"""The equations, one a file: NHWC images, HWIO kernels, floating point in and out, the arithmetic of the input's dtype.

Beside each stands its backward equation: dy = dL/dy in, dL/dx and the gradients of its parameters out.
"""

from reference.ops.conv import conv2d, conv2d_backward
from reference.ops.dense import dense, dense_backward
from reference.ops.dropout import dropout, dropout_backward
from reference.ops.flatten import flatten, flatten_backward
from reference.ops.lrn import local_response_normalization, local_response_normalization_backward
from reference.ops.pool import max_pool2d, max_pool2d_backward
from reference.ops.relu import relu, relu_backward
from reference.ops.resize import resize_bilinear, resize_bilinear_backward
from reference.ops.softmax import softmax, softmax_backward

__all__ = [
    "conv2d",
    "conv2d_backward",
    "dense",
    "dense_backward",
    "dropout",
    "dropout_backward",
    "flatten",
    "flatten_backward",
    "local_response_normalization",
    "local_response_normalization_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "relu",
    "relu_backward",
    "resize_bilinear",
    "resize_bilinear_backward",
    "softmax",
    "softmax_backward",
]
