"""Deliberately wrong ports: each is the documented model with one mistake that people make, and the layer it is made at.

TensorFlow is imported when a mutant is built, not before: the names are test ids, and collecting tests must stay fast.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

import reference
from alexnet_ref.models import keras_layer
from reference.padding import pad_widths


class _Later:
    """A module that is imported when its first attribute is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


tf, keras = _Later("tensorflow"), _Later("keras")
ours = _Later("alexnet_ref.layers")

NETWORKS = reference.ARCHITECTURES  # what is built, by the document's name; a test may put smaller ones in their place
Function = Callable[[Any, Any, bool], Any]  # (the right Keras layer, its input, training) → output


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One mistake: at `layer` of `architecture`, `kind` being the check that must find it (not a fact told by Keras)."""

    architecture: str
    layer: str
    kind: str
    build: Callable[[], Any]


@functools.cache
def _wrapped_class() -> Any:
    class Wrapped(keras.layers.Layer):  # type: ignore[misc, name-defined]  # Keras is untyped, and imported late
        """The right layer's weights under a wrong function."""

        def __init__(self, right: Any, function: Function) -> None:
            """Take the right layer's name."""
            super().__init__(name=right.name)
            self.right, self.function = right, function

        def build(self, input_shape: Any) -> None:
            """Build the right layer and offer its weights as this layer's own."""
            self.right.build(input_shape)
            for part in ("kernel", "bias"):
                if getattr(self.right, part, None) is not None:
                    setattr(self, part, getattr(self.right, part))

        def call(self, inputs: Any, training: bool = False) -> Any:
            """Apply the wrong function."""
            return self.function(self.right, inputs, training)

    return Wrapped


def _model(architecture: str, replacements: dict[str, Any]) -> Any:
    description = NETWORKS[architecture]
    layers = [replacements.get(layer.name) or keras_layer(layer, description) for layer in description.layers]
    return keras.Sequential([keras.Input(description.input_shape), *layers])


def described(architecture: str, layer: str, kind: str, **changes: Any) -> Mutant:
    """Return the mutant whose layer has other hyperparameters."""

    def build() -> Any:
        description = NETWORKS[architecture]
        wrong = dataclasses.replace(description[layer], **changes)
        return _model(architecture, {layer: keras_layer(wrong, description)})

    return Mutant(architecture, layer, kind, build)


def replaced(architecture: str, layer: str, kind: str, make: Callable[[], Any]) -> Mutant:
    """Return the mutant with another Keras layer in this one's place; `make` is called late, for it makes variables."""
    return Mutant(architecture, layer, kind, lambda: _model(architecture, {layer: make()}))


def functional(architecture: str, layer: str, kind: str, function: Function) -> Mutant:
    """Return the mutant that applies a wrong function with the right weights."""

    def build() -> Any:
        description = NETWORKS[architecture]
        right = keras_layer(description[layer], description)
        return _model(architecture, {layer: _wrapped_class()(right, function)})

    return Mutant(architecture, layer, kind, build)


def _conv_with(kernel: Callable[[Any], Any]) -> Function:
    def function(right: Any, x: Any, training: bool) -> Any:
        del training
        y = tf.nn.conv2d(x, kernel(right.kernel), right.strides, right.padding.upper()) + right.bias
        return right.activation(y)

    return function


def _odd_pixel_before(right: Any, x: Any, training: bool) -> Any:
    del training
    widths = [pad_widths(n, k, s, "SAME")[::-1] for n, k, s in zip(x.shape[1:3], right.kernel_size, right.strides, strict=True)]
    padded = tf.pad(x, [[0, 0], *map(list, widths), [0, 0]])
    return right.activation(tf.nn.conv2d(padded, right.kernel, right.strides, "VALID") + right.bias)


def _lrn_over_axis(axes: list[int]) -> Function:
    """Bring another axis last, normalise over it, and put it back."""

    def function(right: Any, x: Any, training: bool) -> Any:
        del training
        return tf.transpose(right(tf.transpose(x, axes)), np.argsort(axes))

    return function


def _lrn_by(denominator: Callable[[Any, Any], Any]) -> Function:
    def function(right: Any, x: Any, training: bool) -> Any:
        del training
        return x / denominator(right, x)

    return function


def _window_sum(right: Any, values: Any) -> Any:
    channels = np.arange(values.shape[-1])
    band = np.abs(channels[:, None] - channels) <= right.depth_radius
    return tf.tensordot(values, tf.constant(band, values.dtype), 1)


def _wrapped_window_sum(right: Any, values: Any) -> Any:
    return sum(tf.roll(values, shift, -1) for shift in range(-right.depth_radius, right.depth_radius + 1))


def _dropout_as(scale: Callable[[float], float], noise: str = "element", *, always: bool = False) -> Function:
    def function(right: Any, x: Any, training: bool) -> Any:
        if not (training or always):
            return x
        shape = {"element": tf.shape(x), "channel": (tf.shape(x)[0], 1, 1, x.shape[-1]), "batch": (1, *x.shape[1:])}[noise]
        mask = tf.random.uniform(shape) >= right.rate
        return tf.where(mask, x * scale(right.rate), 0.0)

    return function


def _nchw_flatten(right: Any, x: Any, training: bool) -> Any:
    del right, training
    return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), (-1, int(np.prod(x.shape[1:]))))


def _resize_v1(*, align_corners: bool) -> Function:
    def function(right: Any, x: Any, training: bool) -> Any:
        del training
        size = (right.height, right.width)
        return tf.compat.v1.image.resize_bilinear(x, size, align_corners=align_corners)

    return function


def _dense_with(kernel: Callable[[Any], Any]) -> Function:
    return lambda right, x, training: right.activation(tf.matmul(x, kernel(right.kernel)) + right.bias)


def _after(wrong: Callable[[Any], Any]) -> Function:
    """Apply the right layer, and something more behind it."""
    return lambda right, x, training: wrong(right(x, training=training))


def _before(wrong: Callable[[Any], Any]) -> Function:
    """Apply the right layer to something else than its input."""
    return lambda right, x, training: right(wrong(x), training=training)


def _instead(function: Callable[[Any], Any]) -> Function:
    return lambda right, x, training: function(x)


K, T = "keras_sequential", "tf1_graph"
LRN_T = {"depth_radius": 4, "bias": 1.0, "alpha": 0.001 / 9, "beta": 0.75}

MUTANTS: dict[str, Mutant] = {
    # resize
    "resize_align_corners": functional(K, "resizing", "probe", _resize_v1(align_corners=True)),
    "resize_legacy_phase": functional(K, "resizing", "probe", _resize_v1(align_corners=False)),
    "resize_nearest": replaced(K, "resizing", "probe", lambda: keras.layers.Resizing(224, 224, "nearest", name="resizing")),
    "resize_bicubic": replaced(K, "resizing", "probe", lambda: keras.layers.Resizing(224, 224, "bicubic", name="resizing")),
    # conv
    "conv_odd_pixel_before": functional(K, "conv2d", "exact", _odd_pixel_before),
    "conv_valid_padding": described(T, "conv1", "exact", padding="VALID"),
    "conv_stride_of_the_paper": described(K, "conv2d_1", "exact", strides=(1, 1)),
    "conv_mirrored_kernel": functional(T, "conv2", "exact", _conv_with(lambda w: w[::-1, ::-1])),
    "conv_rows_for_columns": functional(T, "conv2", "exact", _conv_with(lambda w: tf.transpose(w, [1, 0, 2, 3]))),
    "conv_bgr_for_rgb": functional(K, "conv2d", "exact", _before(lambda x: x[..., ::-1])),
    "conv_without_bias": functional(K, "conv2d", "exact", lambda right, x, training: right(x) - right.bias),
    "conv_without_relu": described(T, "conv3", "exact", activation=None),
    "conv_relu_before_bias": functional(
        T,
        "conv1",
        "exact",
        lambda right, x, training: tf.nn.relu(tf.nn.conv2d(x, right.kernel, right.strides, "SAME")) + right.bias,
    ),
    "conv_leaky_relu": functional(
        T,
        "conv3",
        "exact",
        lambda right, x, training: tf.nn.leaky_relu(tf.nn.conv2d(x, right.kernel, right.strides, "SAME") + right.bias, 0.01),
    ),
    # lrn
    "lrn_alpha_over_window": described(T, "norm1", "probe", alpha=0.001 / 81),
    "lrn_alpha_not_divided": described(T, "norm1", "probe", alpha=0.001),
    "lrn_size_for_radius": described(T, "norm2", "probe", depth_radius=9),
    "lrn_radius_for_size": described(T, "norm2", "probe", depth_radius=2),
    "lrn_radius_off_by_one": described(K, "lambda_1", "probe", depth_radius=4),
    "lrn_tensorflow_defaults": replaced(T, "norm3", "probe", lambda: ours.LocalResponseNormalization(name="norm3")),
    "lrn_parameters_of_the_paper": described(K, "lambda", "probe", depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75),
    "lrn_switched_off": functional(T, "norm1", "probe", _instead(lambda x: x)),
    "lrn_square_root_forgotten": described(K, "lambda", "probe", beta=1.0),
    "lrn_bias_zero": functional(
        K, "lambda_1", "probe", _lrn_by(lambda right, x: (1e-9 + right.alpha * _window_sum(right, x**2)) ** right.beta)
    ),
    "lrn_without_square": functional(
        K, "lambda_1", "probe", _lrn_by(lambda right, x: (right.bias + right.alpha * _window_sum(right, tf.abs(x))) ** right.beta)
    ),
    "lrn_divided_by_the_sum_of_squares": functional(K, "lambda_1", "probe", _lrn_by(lambda right, x: _window_sum(right, x**2))),
    "lrn_window_wraps_around": functional(
        T, "norm2", "probe", _lrn_by(lambda right, x: (right.bias + right.alpha * _wrapped_window_sum(right, x**2)) ** right.beta)
    ),
    "lrn_over_columns": functional(T, "norm1", "probe", _lrn_over_axis([0, 1, 3, 2])),
    "lrn_over_the_batch": functional(T, "norm1", "probe", _lrn_over_axis([3, 1, 2, 0])),
    # relu
    "relu_missing": functional(K, "activation_2", "exact", _instead(lambda x: x)),
    "relu_capped_at_six": functional(K, "activation", "exact", _instead(lambda x: tf.nn.relu6(x))),
    "relu_softplus": functional(K, "activation_3", "exact", _instead(lambda x: tf.nn.softplus(x))),
    # pool
    "pool_average": replaced(
        K, "max_pooling2d", "exact", lambda: keras.layers.AveragePooling2D(3, strides=2, name="max_pooling2d")
    ),
    "pool_ceiling": described(K, "max_pooling2d", "exact", padding="SAME"),
    "pool_floor": described(T, "pool3", "exact", padding="VALID"),
    "pool_without_overlap": described(K, "max_pooling2d_1", "exact", pool_size=(2, 2)),
    "pool_pads_with_zero": functional(
        T,
        "pool3",
        "exact",
        lambda right, x, training: tf.nn.max_pool2d(tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]]), 2, 2, "VALID"),
    ),
    "pool_odd_pixel_before": functional(
        T,
        "pool3",
        "exact",
        lambda right, x, training: tf.nn.max_pool2d(
            tf.pad(x, [[0, 0], [1, 0], [1, 0], [0, 0]], constant_values=-np.inf), 2, 2, "VALID"
        ),
    ),
    # dropout
    "dropout_keep_for_rate": described(T, "drop1", "scaling", rate=0.8),
    "dropout_at_inference": functional(T, "drop1", "exact", _dropout_as(lambda rate: 1 / (1 - rate), always=True)),
    "dropout_not_scaled": functional(T, "drop2", "scaling", _dropout_as(lambda rate: 1.0)),
    "dropout_divided_by_rate": functional(T, "drop2", "scaling", _dropout_as(lambda rate: 1 / rate)),
    "dropout_never": functional(K, "dropout", "scaling", _instead(lambda x: x)),
    "dropout_rate_slightly_off": described(K, "dropout_1", "kept", rate=0.502),
    "dropout_whole_channels": functional(T, "drop1", "independent", _dropout_as(lambda rate: 1 / (1 - rate), "channel")),
    "dropout_one_mask_for_the_batch": functional(T, "drop3", "independent", _dropout_as(lambda rate: 1 / (1 - rate), "batch")),
    # flatten
    "flatten_nchw": functional(T, "flatten", "exact", _nchw_flatten),
    # dense
    "dense_transposed": functional(T, "fc2", "exact", _dense_with(lambda w: tf.transpose(w))),
    "dense_without_bias": functional(T, "out", "exact", lambda right, x, training: tf.matmul(x, right.kernel)),
    "dense_without_relu": described(K, "dense_1", "exact", activation=None),
    # softmax
    "softmax_missing": described(K, "dense_2", "probe", activation=None),
    "softmax_added": described(T, "out", "exact", activation="softmax"),
    "softmax_over_the_batch": functional(
        K, "dense_2", "probe", lambda right, x, training: tf.nn.softmax(tf.matmul(x, right.kernel) + right.bias, axis=0)
    ),
    "softmax_twice": functional(K, "dense_2", "probe", _after(lambda y: tf.nn.softmax(y))),
    # order of layers, with the documented names in the documented places
    "order_relu_before_lrn": Mutant(
        K,
        "lambda",
        "probe",
        lambda: _model(
            K, {"lambda": keras.layers.ReLU(name="lambda"), "activation": ours.LocalResponseNormalization(name="activation")}
        ),
    ),
    "order_lrn_before_pool": Mutant(
        T,
        "pool1",
        "exact",
        lambda: _model(
            T,
            {
                "pool1": ours.LocalResponseNormalization(name="pool1", **LRN_T),
                "norm1": keras.layers.MaxPooling2D(2, name="norm1"),
            },
        ),
    ),
    # precision
    "precision_weights_slightly_off": functional(
        T, "fc1", "bias", lambda right, x, training: right.activation(tf.matmul(x, right.kernel * (1 + 1e-6)) + right.bias)
    ),
    "precision_tf32_products": functional(
        T,
        "conv2",
        "variance",
        _conv_with(lambda w: tf.bitcast(tf.bitcast(w, tf.int32) + 0x1000 & ~0x1FFF, tf.float32)),
    ),
    "precision_bfloat16": functional(
        K,
        "dense",
        "isolated",
        lambda right, x, training: right.activation(
            tf.cast(tf.matmul(tf.cast(x, tf.bfloat16), tf.cast(right.kernel, tf.bfloat16)), tf.float32) + right.bias
        ),
    ),
    "precision_float16_output": functional(T, "fc2", "isolated", _after(lambda y: tf.cast(tf.cast(y, tf.float16), tf.float32))),
    # input
    "input_divided_again": functional(K, "resizing", "probe", _before(lambda x: x / 255)),
}
