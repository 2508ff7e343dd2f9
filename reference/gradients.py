"""The networks differentiated in NumPy: dL/dkernel and dL/dbias of every layer, and dL/doutput on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
from numpy.typing import DTypeLike

from reference import ops
from reference.forward import Array, Masks, as_input, as_params, forward
from reference.layers import (
    LRN,
    Activation,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
    ReLU,
    Resize,
    Softmax,
)
from reference.losses import (
    check_one_hot,
    check_scores,
    one_hot,
    softmax_cross_entropy_with_logits,
    sparse_categorical_crossentropy,
)
from reference.params import Params

Parts = dict[str, Array]  # {"kernel": …, "bias": …}, or {} for a layer without parameters


@dataclass(frozen=True, kw_only=True)
class LossAndGradients:
    """L and its derivatives, each of the shape of what it is the derivative with respect to."""

    loss: float  # the mean over the images, in nats
    gradients: dict[str, Parts]  # {layer: {"kernel": dL/dkernel, "bias": dL/dbias}}, in document order
    outputs: dict[str, Array]  # {layer: dL/doutput}; of a last softmax, whose loss is taken from its logits, dL/dlogits
    x: Array  # dL/dx, (N, *architecture.input_shape)


def gradients(
    architecture: Architecture,
    params: Params,
    x: Array,
    labels: Array,
    dtype: DTypeLike = np.float64,
    *,
    masks: Masks | None = None,
) -> dict[str, Parts]:
    """Return {layer: {"kernel": dL/dkernel, "bias": dL/dbias}}, as `loss_and_gradients` computes them."""
    return loss_and_gradients(architecture, params, x, labels, dtype, masks=masks).gradients


def loss_and_gradients(
    architecture: Architecture,
    params: Params,
    x: Array,
    labels: Array,
    dtype: DTypeLike = np.float64,
    *,
    masks: Masks | None = None,
) -> LossAndGradients:
    """Return the recipe's loss on a batch and all its derivatives.

    x, dtype and masks as for `forward`; labels: (N,) integers for sparse_categorical_crossentropy, (N, K) one-hot for
    softmax_cross_entropy_with_logits. InvalidInput names what cannot be used. Every layer's output is held in memory.
    """
    layers = logits_layers(architecture)
    shortened = replace(architecture, layers=layers or architecture.layers)
    y = forward(shortened, params, x, dtype, masks=masks)
    params = as_params(architecture, params, dtype)
    inputs = dict(zip(y, [as_input(architecture, x, dtype), *y.values()], strict=False))
    result = y[shortened.layers[-1].name]
    if layers is None:
        loss, dy = sparse_categorical_crossentropy(result, labels)
    else:
        loss, dy = softmax_cross_entropy_with_logits(result, as_one_hot(architecture, labels, result))

    parts: dict[str, Parts] = {}
    outputs = {architecture.layers[-1].name: dy}
    for layer in reversed(shortened.layers):
        outputs[layer.name] = dy
        mask = masks[layer.name] if masks is not None and layer.name in masks else None
        dy, parts[layer.name] = backward(layer, params.get(layer.name, {}), inputs[layer.name], y[layer.name], dy, mask=mask)
    return LossAndGradients(
        loss=loss,
        gradients={name: parts[name] for name in params},
        outputs={layer.name: outputs[layer.name] for layer in architecture.layers},
        x=dy,
    )


def logits_layers(architecture: Architecture) -> tuple[Layer, ...] | None:
    """Return the layers as far as the logits of the recipe's loss, None where it is a loss of probabilities without logits.

    −ln softmax(z)[label] has the derivative softmax(z) − [label]. Taken from the logits z it is right even where a probability
    underflows to 0; by way of −1/p and the softmax's own derivative it would be ∞·0.
    """
    *before, last = architecture.layers
    match architecture.recipe.loss:
        case "softmax_cross_entropy_with_logits":
            return architecture.layers
        case "sparse_categorical_crossentropy":
            if isinstance(last, Dense) and last.activation == "softmax":
                return *before, replace(last, activation=None)
            return tuple(before) if isinstance(last, Softmax) and before else None
        case _:
            assert_never(architecture.recipe.loss)


def as_one_hot(architecture: Architecture, labels: Array, logits: Array) -> Array:
    """Return the recipe's labels as (N, K) of the logits' dtype, or refuse them."""
    check_scores("logits", logits)
    if architecture.recipe.loss == "sparse_categorical_crossentropy":
        return one_hot(labels, logits.shape[1], len(logits), logits.dtype)
    check_one_hot(labels, logits.shape)
    return labels.astype(logits.dtype)


def backward(
    layer: Layer, params: Mapping[str, Array], x: Array, y: Array, dy: Array, *, mask: Array | None = None
) -> tuple[Array, Parts]:
    """Return dL/dx and dL/dparams of one layer, given its input x, its output y and dy = dL/dy. Mask as for `apply`."""
    match layer:
        case Resize():
            return ops.resize_bilinear_backward(x, dy), {}
        case Conv(strides=strides, padding=padding, activation=activation):
            dz = activate_backward(activation, y, dy)
            dx, dkernel, dbias = ops.conv2d_backward(x, params["kernel"], dz, strides=strides, padding=padding)
            return dx, {"kernel": dkernel, "bias": dbias}
        case LRN(depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta):
            hyper = {"bias": bias, "alpha": alpha, "beta": beta}
            return ops.local_response_normalization_backward(x, dy, depth_radius=depth_radius, **hyper), {}
        case ReLU():
            return ops.relu_backward(x, dy), {}
        case MaxPool(pool_size=pool_size, strides=strides, padding=padding):
            return ops.max_pool2d_backward(x, dy, pool_size=pool_size, strides=strides, padding=padding), {}
        case Dropout(rate=rate):
            return (dy if mask is None else ops.dropout_backward(mask, dy, rate=rate)), {}
        case Flatten():
            return ops.flatten_backward(x, dy), {}
        case Dense(activation=activation):
            dx, dkernel, dbias = ops.dense_backward(x, params["kernel"], activate_backward(activation, y, dy))
            return dx, {"kernel": dkernel, "bias": dbias}
        case Softmax():
            return ops.softmax_backward(y, dy), {}
        case _:
            assert_never(layer)


def activate_backward(activation: Activation | None, y: Array, dy: Array) -> Array:
    """Return dL/dz of an activation y = f(z), from its output: relu's is above 0 where z is."""
    match activation:
        case None:
            return dy
        case "relu":
            return ops.relu_backward(y, dy)
        case "softmax":
            return ops.softmax_backward(y, dy)
        case _:
            assert_never(activation)
