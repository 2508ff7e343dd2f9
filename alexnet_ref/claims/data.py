"""What the documents state of MNIST and of its way to the network."""

from __future__ import annotations

import math

import numpy as np

from alexnet_ref.arithmetic import FLOAT64
from alexnet_ref.claims.claim import (
    Evidence,
    Finding,
    Quotes,
    contradicted_claim,
    corrected,
    holds_if,
    keras_claim,
    not_checkable,
    read,
    read_ints,
    tf1_claim,
    times,
)
from alexnet_ref.mnist import keras_sequential_images, prepare, tf1_graph_images
from reference import Dense, Resize, layer_shapes, param_counts, unseen_weights
from reference.forward import apply
from reference.shapes import layer_inputs

SOME = 16  # images: what is said of one is said of all


def decide_image_size(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether MNIST's images have this size."""
    size = read_ints(r"(\d+) ?x ?(\d+)", quotes[0])
    found = evidence.mnist.train_images.shape[1:]
    return holds_if(found == size, times(found))


def decide_fed_size(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the listing's images have this size when the network receives them."""
    size = read_ints(r"(\d+) x (\d+) x (\d+)", quotes[0])
    found = keras_sequential_images(evidence.mnist.train_images[:SOME]).shape[1:]
    return holds_if(found == size == evidence.architecture.input_shape, f"{times(found)}, as the listing pads by two")


def decide_repeated(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the last axis has so many channels, all equal."""
    (n,) = read_ints(r"repeated (\d+) times", quotes[0])
    x = keras_sequential_images(evidence.mnist.train_images[:SOME])
    equal = all((x[..., 0] == x[..., c]).all() for c in range(x.shape[-1]))
    fits = x.shape[-1] == n == evidence.architecture.input_shape[-1]
    return holds_if(bool(equal) and fits, f"{x.shape[-1]} {'equal' if equal else 'different'} channels")


def decide_padding(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the pipeline pads by these widths and divides by this number, to the last bit."""
    *widths, divisor = read_ints(r"\[\[(\d+), (\d+)\], \[(\d+),(\d+)\], \[(\d+),(\d+)\]\]\)/(\d+)", quotes[0])
    raw = evidence.mnist.train_images[:SOME]
    padded = np.pad(raw, np.reshape(widths, (3, 2))).astype(np.float32) / np.float32(divisor)
    found = keras_sequential_images(raw)[..., 0]
    same = found.shape == padded.shape and bool((found == padded).all())
    return holds_if(same, f"{times(raw.shape[1:])} becomes {times(found.shape[1:])}, values {found.min():g} … {found.max():g}")


def decide_resized(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the first layer resizes to this size."""
    size = read_ints(r"(\d+) x (\d+) x (\d+)", quotes[0])
    first = evidence.architecture.layers[0]
    found = layer_shapes(evidence.architecture)[first.name]
    return holds_if(isinstance(first, Resize) and found == size, f"the first layer, {first.name}, gives {times(found)}")


def decide_bilinear(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the first layer gives this size, and maps a slope to a slope, which nearest neighbours do not."""
    size = read_ints(r"(\d+) x (\d+)", quotes[0])
    first, (h, w, c) = evidence.architecture.layers[0], evidence.architecture.input_shape
    slope = np.arange(float(h))[None, :, None, None] * np.ones((1, h, w, c))  # (1, H, W, C)
    y = apply(first, {}, slope)[0, :, 0, 0]  # (height,)
    between = y[(y > 0) & (y < h - 1)]  # the clamped ends left out
    # Each value is a few roundings of numbers up to h away from the line, fewer than eight; two differences hold four values.
    even = between.size > 1 and float(np.ptp(np.diff(between))) <= 4 * 8 * FLOAT64.u * h
    shape = layer_shapes(evidence.architecture)[first.name][:2]
    measured = (
        f"{times(shape)}; a slope of 1 becomes one of {np.diff(between).mean():.6g}" if even else f"{times(shape)}, no slope"
    )
    return holds_if(bool(even) and shape == size, measured)


def decide_split(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether so many of the last digits validate, the others train."""
    (said,) = read_ints(r"x_train\[-(\d+):", quotes[0])
    if not evidence.mnist.complete:
        return not_checkable("needs all of MNIST: --data")
    data, raw = prepare(evidence.architecture, evidence.mnist), evidence.mnist.train_images
    same = np.array_equal(data.x_val.raw, raw[-said:]) and np.array_equal(data.x_train.raw, raw[:-said])
    return holds_if(same, f"{len(data.x_train):,} train, the last {len(data.x_val):,} validate")


def decide_inputs(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the image as a vector has n_input numbers, rows times columns."""
    n, rows, columns = read_ints(r"n_input = (\d+) .*shape: (\d+)\*(\d+)", quotes[0])
    found = tf1_graph_images(evidence.mnist.train_images[:SOME]).shape[1]
    right = found == n == rows * columns == math.prod(evidence.architecture.input_shape)
    return holds_if(right, f"{rows}·{columns} = {rows * columns}; {found} numbers are fed")


def decide_reshaped_input(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the vector is reshaped to this."""
    shape = read_ints(r"shape=\[-1, (\d+), (\d+), (\d+)\]", quotes[0])
    return holds_if(evidence.architecture.input_shape == shape, f"the network takes {times(evidence.architecture.input_shape)}")


def decide_classes(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether there are so many digits in the labels, from 0 up, and as many outputs."""
    n, first, last = read_ints(r"n_classes = (\d+) .*\((\d)-(\d) digits\)", quotes[0])
    if not evidence.mnist.complete:
        return not_checkable("needs all of MNIST: --data")
    labels = np.unique(evidence.mnist.train_labels)
    out = evidence.architecture.layers[-1]
    right = labels.tolist() == list(range(first, last + 1)) and len(labels) == n
    fits = isinstance(out, Dense) and out.units == n
    return holds_if(right and fits, f"labels {labels[0]} … {labels[-1]}, {len(labels)} of them")


def decide_one_hot(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether labels are (or are not) vectors with a single 1."""
    (said,) = read(r"one_hot=(True|False)", quotes[0])
    y = prepare(evidence.architecture, evidence.mnist, hold_out=SOME).y_train
    single = y.ndim == 2 and bool((y.sum(axis=1) == 1).all() and ((y == 0) | (y == 1)).all())
    return holds_if(single == (said == "True"), f"labels of shape {times(('N', *y.shape[1:]))}")


def decide_scaling(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether both documents scale grey levels alike, to the last bit."""
    levels = np.resize(np.arange(256, dtype=np.uint8), evidence.mnist.train_images.shape[1:])[None]
    own, other = tf1_graph_images(levels).ravel(), keras_sequential_images(levels)[0, 2:-2, 2:-2, 0].ravel()
    differing = np.unique(levels.ravel()[own != other]).size
    close = bool((np.abs(own - other) <= np.spacing(other)).all())
    measured = f"{differing} of 256 grey levels differ from the other document's, in their last bit"
    return corrected(measured) if differing and close else holds_if(not differing, measured)


def decide_test_part(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the comment and the code name the same number of test images, and MNIST has as many."""
    (said,), (taken,) = read_ints(r"for (\d+) mnist test images", quotes[0]), read_ints(r"images\[:(\d+)\]", quotes[1])
    there = len(evidence.mnist.test_images[:taken])
    return holds_if(said == taken == there, f"{there} of the test images, in steps of 1/{taken} = {1 / taken:.4%}")


def decide_overkill(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the network has weights that no image can reach."""
    inputs = layer_inputs(evidence.architecture)
    unseen = sum(unseen_weights(layer, inputs[layer.name]) for layer in evidence.architecture.layers)
    total = sum(param_counts(evidence.architecture).values())
    return holds_if(unseen > 0, f"{unseen:,} of {total:,} parameters ({unseen / total:.1%}) never meet a pixel")


_DATA = "The Data"
CLAIMS = (
    keras_claim(id="mnist_28", place=_DATA, quotes=("MNIST images are 28 x 28",), decide=decide_image_size),
    contradicted_claim("input_28_or_32", place=_DATA, decide=decide_fed_size),
    keras_claim(
        id="grey_repeated", place=_DATA, quotes=("The third axis is expanded and repeated 3 times",), decide=decide_repeated
    ),
    keras_claim(
        id="padded_and_scaled",
        place=_DATA,
        quotes=("x_train = tf.pad(x_train, [[0, 0], [2,2], [2,2]])/255",),
        decide=decide_padding,
    ),
    keras_claim(
        id="resized_at_first_layer",
        place=_DATA,
        quotes=("It will be then resized at the first layer of the model to 224 x 224 x 3.",),
        decide=decide_resized,
    ),
    keras_claim(
        id="interpolated_bilinearly",
        place="The Model",
        quotes=("MNIST images were interpolated bilinearly such that the new sizes are 224 x 224",),
        decide=decide_bilinear,
    ),
    keras_claim(
        id="last_2000_validate",
        place=_DATA,
        quotes=("x_val = x_train[-2000:,:,:,:]", "x_train = x_train[:-2000,:,:,:]"),
        decide=decide_split,
        needs="mnist",
    ),
    keras_claim(
        id="overkill",
        place="conclusion",
        quotes=("a relatively light MNIST dataset is used for fast training and simplicity, for which AlexNet is an overkill",),
        decide=decide_overkill,
    ),
    tf1_claim(id="mnist_28_tf1", place="introduction", quotes=("MNIST dataset (28x28 pixels",), decide=decide_image_size),
    tf1_claim(
        id="n_input",
        place="# Network Parameters",
        quotes=("n_input = 784 # MNIST data input (img shape: 28*28)",),
        decide=decide_inputs,
    ),
    tf1_claim(
        id="reshaped_input",
        place="alex_net",
        quotes=("_X = tf.reshape(_X, shape=[-1, 28, 28, 1])",),
        decide=decide_reshaped_input,
    ),
    tf1_claim(
        id="n_classes",
        place="# Network Parameters",
        quotes=("n_classes = 10 # MNIST total classes (0-9 digits)",),
        decide=decide_classes,
        needs="mnist",
    ),
    tf1_claim(
        id="one_hot",
        place="# Import MINST data",
        quotes=('mnist = input_data.read_data_sets("/tmp/data/", one_hot=True)',),
        decide=decide_one_hot,
    ),
    contradicted_claim("two_scalings_of_255", place="# Import MINST data", decide=decide_scaling),
    tf1_claim(
        id="first_256_test_images",
        place="# Calculate accuracy for 256 mnist test images",
        quotes=("# Calculate accuracy for 256 mnist test images", "mnist.test.images[:256]"),
        decide=decide_test_part,
    ),
)
