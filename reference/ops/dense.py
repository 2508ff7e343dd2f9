"""The fully connected layer."""

from __future__ import annotations

import numpy as np

from reference.ops._operands import Array, check_equal, check_floating


def dense(x: Array, kernel: Array, bias: Array) -> Array:
    """y[n,o] = bias[o] + Σ_i x[n,i] · kernel[i,o].

    x: (N, I); kernel: (I, O); bias: (O,). Returns (N, O).
    Source: tf1_graph, "tf.matmul(dense1, _weights['wd1']) + _biases['bd1']".
    """
    check_floating("x", x, "NI")
    check_floating("kernel", kernel, "IO")
    check_equal("the kernel's inputs", kernel.shape[0], "the features of x", x.shape[1])
    check_equal("the bias's shape", bias.shape, "the kernel's units", kernel.shape[1:])
    return x @ kernel + bias  # (N, O)


def dense_backward(x: Array, kernel: Array, dy: Array) -> tuple[Array, Array, Array]:
    """dx[n,i] = Σ_o dy[n,o] · kernel[i,o],    dkernel[i,o] = Σ_n x[n,i] · dy[n,o],    dbias[o] = Σ_n dy[n,o].

    x: (N, I); kernel: (I, O); dy: (N, O). Returns dx, dkernel, dbias.
    """
    check_floating("x", x, "NI")
    check_floating("kernel", kernel, "IO")
    check_equal("the shape of dy", np.shape(dy), "that of the output", (len(x), kernel.shape[1]))
    return dy @ kernel.T, x.T @ dy, dy.sum(axis=0)  # (N, I), (I, O), (O,)
