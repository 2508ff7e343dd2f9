"""An image as a vector."""

from __future__ import annotations

import math

from reference.ops._operands import Array


def flatten(x: Array) -> Array:
    """y[n, (i·W + j)·C + c] = x[n,i,j,c]: rows slowest, channels fastest.

    x: (N, H, W, C). Returns (N, H·W·C). Source: tf1_graph, "tf.reshape(norm3, [-1, ...])".
    """
    return x.reshape(len(x), math.prod(x.shape[1:]))


def flatten_backward(x: Array, dy: Array) -> Array:
    """dx[n,i,j,c] = dy[n, (i·W + j)·C + c]. Of x (N, H, W, C), the shape alone is used; dy: (N, H·W·C)."""
    return dy.reshape(x.shape)
