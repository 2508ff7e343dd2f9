"""Small valid networks from the whole vocabulary, and how all layers of a network are held against the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import reference
from alexnet_ref import bounds
from alexnet_ref.compare import assert_within
from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, Layer, MaxPool, Recipe, ReLU, Resize, Softmax
from reference.forward import Masks, apply, as_input, as_params
from reference.shapes import Shape, output_shape
from tests.strategies import PADDINGS, SEEDS, distinct_sizes, signed

Array = NDArray[Any]
Outputs = Mapping[str, Array]  # {layer name: output}
Expected = dict[str, tuple[Array, Array]]  # {layer name: (the oracle's output, the allowed difference)}

# ---- Networks ------------------------------------------------------------------------------------------------------------

PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))
RATES = st.sampled_from([0.0, 0.2, 0.5, 0.9])


@st.composite
def networks(draw: st.DrawFn) -> tuple[Architecture, reference.Params, Array]:
    """Draw a network of one to five image layers and up to four vector layers, its params, and x (N, H, W, C) float32.

    N, H, W, C are pairwise distinct. TensorFlow's CPU kernels take every such network; LRN's takes float32 images alone.
    """
    n, *image = draw(distinct_sizes(4, high=8))
    shape: Shape = tuple(image)
    layers: list[Layer] = []
    for _ in range(draw(st.integers(1, 5))):
        layers.append(draw(image_layers(f"layer{len(layers)}", shape)))
        shape = output_shape(layers[-1], shape)
    if draw(st.booleans()):
        layers.append(Flatten(name="flatten"))
        shape = output_shape(layers[-1], shape)
        for _ in range(draw(st.integers(0, 3))):
            layers.append(draw(vector_layers(f"layer{len(layers)}", shape)))
            shape = output_shape(layers[-1], shape)
    recipe = Recipe(
        kernel_initializer=draw(st.sampled_from(["glorot_uniform", "standard_normal"])),
        bias_initializer=draw(st.sampled_from(["zeros", "standard_normal"])),
        loss="sparse_categorical_crossentropy",
    )
    h, w, c = image
    architecture = Architecture(name="drawn", input_shape=(h, w, c), layers=tuple(layers), recipe=recipe)
    params = reference.init_params(architecture, draw(SEEDS))
    x = signed((n, h, w, c), draw(SEEDS), draw(st.sampled_from([0.01, 1.0, 30.0])), np.float32)
    return architecture, params, x


def image_layers(name: str, shape: Shape) -> st.SearchStrategy[Layer]:
    """Draw a layer that takes and returns an image; VALID windows fit into the image."""
    h, w, c = shape
    sizes = st.integers(1, 9)
    return st.one_of(
        *_anywhere(name, c),
        st.builds(Resize, name=st.just(name), height=sizes, width=sizes),
        PADDINGS.flatmap(
            lambda padding: st.builds(
                Conv,
                name=st.just(name),
                filters=st.integers(1, 7),
                kernel_size=_windows(h, w, padding),
                strides=PAIRS,
                padding=st.just(padding),
                activation=st.sampled_from(["relu", None]),
            ).filter(lambda layer: not _left_unwritten(layer, shape))
        ),
        PADDINGS.flatmap(
            lambda padding: st.builds(
                MaxPool, name=st.just(name), pool_size=_windows(h, w, padding), strides=PAIRS, padding=st.just(padding)
            )
        ),
        st.builds(
            LRN,
            name=st.just(name),
            depth_radius=st.integers(0, 6),
            bias=st.floats(0.25, 4.0),
            alpha=st.sampled_from([0.0, 1e-4, 0.03, 1.0, 2.5]),
            beta=st.floats(0.0, 1.5),
        ),
    )


def _left_unwritten(layer: Conv, shape: Shape) -> bool:
    """Tell whether TensorFlow 2.21 on a CPU skips rows of the output, and leaves its end unwritten, for two images and more.

    oneDNN steps down by the stride to the right where one channel goes to a column: tf.nn.conv2d(x, kernel, (1, 2), "SAME") of
    x (2, 2, 1, 1) = 1, 2, 3, 4 with a kernel (1, 2, 1, 1) of tens gives 10, 0, 30, 0. With TF_ENABLE_ONEDNN_OPTS=0 it is right.
    """
    height, width, _ = output_shape(layer, shape)
    return shape[2] == 1 and layer.kernel_size[1] > 1 and layer.strides[0] == 1 < layer.strides[1] and width == 1 < height


def vector_layers(name: str, shape: Shape) -> st.SearchStrategy[Layer]:
    """Draw a layer that takes and returns a vector."""
    return st.one_of(
        *_anywhere(name, shape[-1]),
        st.builds(Dense, name=st.just(name), units=st.integers(1, 12), activation=st.sampled_from(["relu", None])),
        st.builds(Dense, name=st.just(name), units=st.integers(2, 12), activation=st.just("softmax")),
    )


def _anywhere(name: str, last: int) -> list[st.SearchStrategy[Layer]]:
    """Return the layers that take any shape. A softmax of one class is always 1: Keras takes it for a mistake and warns."""
    named = st.just(name)
    layers: list[st.SearchStrategy[Layer]] = [st.builds(ReLU, name=named), st.builds(Dropout, name=named, rate=RATES)]
    return [*layers, st.builds(Softmax, name=named)] if last > 1 else layers


def _windows(h: int, w: int, padding: str) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(*(st.integers(1, 5 if padding == "SAME" else min(n, 5)) for n in (h, w)))


# ---- Agreement -----------------------------------------------------------------------------------------------------------


def tapped(model: Any, *, compiled: bool = False) -> Callable[[Array], dict[str, Array]]:
    """Return the function x → {layer name: inference output} of a Keras model, eager or as one tf.function."""
    import keras
    import tensorflow as tf

    taps = keras.Model(model.inputs[0], {layer.name: layer.output for layer in model.layers})
    call = tf.function(taps) if compiled else taps
    return lambda x: {name: np.asarray(output) for name, output in call(x, training=False).items()}


def assert_isolated(architecture: Architecture, params: reference.Params, x: Array, outputs: Outputs) -> None:
    """Hold each output against the oracle's layer fed the output before it."""
    for name, received, expected, allowed in isolated(architecture, params, x, outputs):
        _assert_layer(name, received, expected, allowed)


def isolated(
    architecture: Architecture, params: reference.Params, x: Array, outputs: Outputs
) -> Iterator[tuple[str, Array, Array, Array]]:
    """Yield (layer name, received, expected, allowed), the oracle's layer fed the output before it."""
    params = as_params(architecture, params, np.float64)
    fed = as_input(architecture, x, np.float64)
    for layer in architecture.layers:
        own = params.get(layer.name, {})
        yield layer.name, outputs[layer.name], apply(layer, own, fed), bounds.allowed(layer, own, fed, bounds.FLOAT32)
        fed = outputs[layer.name].astype(np.float64)


def end_to_end(architecture: Architecture, params: reference.Params, x: Array, *, masks: Masks | None = None) -> Expected:
    """Return what a float32 network must give for x, and what rounding, carried along from an exact x, allows it.

    `masks` means training: dropout multiplies what it keeps by 1/(1 − rate). Rate, difference, quotient and product round; as the
    difference magnifies what 1 or rate lack, by at most 1/(1 − rate), that is 4·u/(1 − rate) of the result at most.
    """
    exact = reference.forward(architecture, params, x, masks=masks)
    params = as_params(architecture, params, np.float64)
    fed = as_input(architecture, x, np.float64)
    difference = np.zeros_like(fed)
    expected = {}
    for layer in architecture.layers:
        if isinstance(layer, Dropout) and masks is not None:
            scaled = apply(layer, {}, difference, mask=masks[layer.name])
            difference = scaled + 4 * bounds.FLOAT32.u / layer.keep_prob * np.abs(exact[layer.name])
        else:
            difference = bounds.carried(layer, params.get(layer.name, {}), fed, difference, bounds.FLOAT32)
        fed = exact[layer.name]
        expected[layer.name] = (fed, difference)
    return expected


def assert_end_to_end(expected: Expected, outputs: Outputs, *, times: int = 1) -> None:
    """Hold each output against the oracle's own run; `times` 2 is for two float32 networks held against one another."""
    assert list(outputs) == list(expected)
    for name, (exact, allowed) in expected.items():
        _assert_layer(name, outputs[name], exact, times * allowed)


def _assert_layer(name: str, received: Array, expected: Array, allowed: Array) -> None:
    __tracebackhide__ = True
    assert received.dtype == np.float32, f"{name}: {received.dtype}"
    try:
        assert_within(received, expected, allowed)
    except AssertionError as error:
        raise AssertionError(f"{name}: {error}") from None


# ---- The loss ------------------------------------------------------------------------------------------------------------


def cross_entropy(z: Array, one_hot: Array) -> tuple[Array, Array]:
    """Return −ln softmax(z)[label] for each of the logits z (N, K), in float64, and what float32 may differ from it.

    ln Σ exp(z_k − m) − (z_label − m). With d = max|z − m|: each difference is off by u·d, each exponential by another 4·u, the
    sum by K·u, all relative to a sum whose logarithm turns them to absolute; the logarithm is off by 4·u of itself, the two
    last subtractions by u·d and u of the result. Worst case, to first order.
    """
    u = bounds.FLOAT32.u
    t = z.astype(np.float64) - z.max(axis=-1, keepdims=True)  # (N, K)
    d = np.abs(t).max(axis=-1)  # (N,)
    log_sum = np.log(np.exp(t).sum(axis=-1))  # (N,)
    loss = log_sum - (t * one_hot).sum(axis=-1)  # (N,)
    return loss, u * (2 * d + 4 + z.shape[-1] + 4 * log_sum + loss)


def mean_allowed(values: Array, allowed: Array) -> float:
    """Return what the mean of non-negative values (N,) may differ: their own allowance, and N roundings of their sum."""
    return float(allowed.mean() + len(values) * bounds.FLOAT32.u * (values + allowed).mean())
