"""The fully connected layer."""

from __future__ import annotations

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
