"""The documents' losses, each the mean over N images, with its gradient with respect to what the network gives out.

Keras 3 on TensorFlow: `keras.activations.softmax` leaves its argument on its result (`_keras_logits`), eagerly and in a
`tf.function` alike, and Keras's losses of probabilities take that argument where they find it (`_get_logits` in
keras/src/backend/tensorflow/nn.py). So what `fit` and `evaluate` compute for keras_sequential is the unclipped
`softmax_cross_entropy_with_logits`, which equals the mathematical loss of the probabilities. Only of bare probabilities, such
as `predict` returns, does Keras's sparse loss differ. It clips them to 1e-7 … 1 − 1e-7: the loss stays below 16.12, and the
derivative with respect to what was clipped is 0. And it divides them by their sum: the loss does not approach 0 but
(K − 1)·1e-7, and 1/N is added to every derivative, which a softmax before it does not feel, as it passes on differences alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.errors import InvalidInput
from reference.ops import softmax

Array = NDArray[Any]


def sparse_categorical_crossentropy(p: Array, labels: Array) -> tuple[float, Array]:
    """L = −(1/N) · Σ_n ln p[n, labels_n],    dL/dp[n,k] = −[k = labels_n] / (N · p[n,k]).

    p: (N, K) probabilities; labels: (N,) integers 0 … K−1. Nothing is clipped: InvalidInput where a label's probability is 0,
    for the loss is then infinite. Source: keras_sequential, "sparse_categorical_crossentropy"; Keras, from_logits=False.
    """
    check_scores("probabilities", p)
    if not ((p >= 0) & (p <= 1)).all():
        raise InvalidInput("probabilities are out of range", where="loss", expected="0 … 1", received=f"{p.min()} … {p.max()}")
    chosen = one_hot(labels, p.shape[1], len(p), p.dtype) == 1  # (N, K)
    if (p[chosen] == 0).any():
        raise InvalidInput(
            "the label's probability is 0, the loss infinite",
            where="loss",
            hint="Compute it from the logits: softmax_cross_entropy_with_logits",
        )
    dp = np.zeros_like(p)  # (N, K)
    dp[chosen] = -1 / (len(p) * p[chosen])
    return float(-np.log(p[chosen]).mean()), dp


def softmax_cross_entropy_with_logits(z: Array, labels: Array) -> tuple[float, Array]:
    """L = −(1/N) · Σ_n ln softmax(z_n)[the label],    dL/dz[n,k] = (softmax(z_n)[k] − labels[n,k]) / N.

    z: (N, K) logits; labels: (N, K) one-hot. With t = z − max z, −ln softmax = ln Σ exp t_k − t_label, and ln Σ is ln(1 + the
    others): no exponent overflows, no logarithm meets 0, and a loss far below the unit roundoff is still right.
    Source: tf1_graph, "tf.nn.softmax_cross_entropy_with_logits".
    """
    check_scores("logits", z)
    check_one_hot(labels, z.shape)
    t = z - z.max(axis=-1, keepdims=True)  # (N, K)
    e = np.exp(t)  # (N, K)
    np.put_along_axis(e, t.argmax(axis=-1, keepdims=True), 0, axis=-1)  # the largest is the 1 of log1p
    loss = np.log1p(e.sum(axis=-1)) - (t * labels).sum(axis=-1)  # (N,)
    dz: Array = (softmax(z) - labels.astype(z.dtype)) / len(z)  # (N, K)
    return float(loss.mean()), dz


def one_hot(labels: Any, classes: int, n: int, dtype: Any = np.float64) -> Array:
    """Return (N, K) with a 1 at each label, or refuse the labels: (N,) integers 0 … K−1 they must be."""
    where, expected = "labels", f"({n},) integers 0 … {classes - 1}"
    if not isinstance(labels, np.ndarray) or not np.issubdtype(labels.dtype, np.integer):
        received = f"dtype {labels.dtype}" if isinstance(labels, np.ndarray) else type(labels).__name__
        raise InvalidInput("labels must be integers", where=where, expected=expected, received=received)
    if labels.shape != (n,):
        raise InvalidInput("wrong shape", where=where, expected=expected, received=f"shape {labels.shape}")
    if labels.min() < 0 or labels.max() >= classes:
        raise InvalidInput("a label names no class", where=where, expected=expected, received=f"{labels.min()} … {labels.max()}")
    return np.eye(classes, dtype=dtype)[labels]


def check_one_hot(labels: Any, shape: tuple[int, ...]) -> None:
    """Refuse labels that are not one 1 and otherwise 0 in each row of `shape` (N, K), floating point or integer."""
    where, expected = "labels", f"one-hot {shape}"
    kinds = (np.floating, np.integer)
    if not isinstance(labels, np.ndarray) or not any(np.issubdtype(labels.dtype, kind) for kind in kinds):
        received = f"dtype {labels.dtype}" if isinstance(labels, np.ndarray) else type(labels).__name__
        raise InvalidInput("labels must be numbers", where=where, expected=expected, received=received)
    if labels.shape != shape:
        raise InvalidInput("wrong shape", where=where, expected=expected, received=f"shape {labels.shape}")
    if not (((labels == 0) | (labels == 1)).all() and ((labels == 1).sum(axis=-1) == 1).all()):
        raise InvalidInput("labels are not one-hot", where=where, expected="one 1 in each row, otherwise 0")


def check_scores(what: str, scores: Array) -> None:
    """Refuse what is not one vector of scores for each image."""
    if scores.ndim != 2 or not scores.size:
        raise InvalidInput(
            f"the loss takes {what}, one vector for each image",
            where="loss",
            expected="(N, K)",
            received=f"shape {scores.shape}",
        )
