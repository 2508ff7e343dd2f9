"""What the documents' prose states of layers: how many, how large, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from alexnet_ref.claims.claim import (
    Evidence,
    Finding,
    Quotes,
    contradicted_claim,
    corrected,
    holds_if,
    keras_claim,
    read,
    read_ints,
    tf1_claim,
    times,
)
from reference import LRN, Architecture, Conv, Dense, Dropout, Flatten, MaxPool, ReLU, init_params
from reference.forward import activate
from reference.shapes import layer_inputs

NUMBERS = {"two": 2, "Two": 2, "three": 3, "five": 5}


def convs(architecture: Architecture) -> list[Conv]:
    """Return the convolutions, in order."""
    return [layer for layer in architecture.layers if isinstance(layer, Conv)]


def dense(architecture: Architecture) -> list[Dense]:
    """Return the dense layers, in order."""
    return [layer for layer in architecture.layers if isinstance(layer, Dense)]


def decide_first_five(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether there are so many convolutions, and they are the first layers."""
    n = NUMBERS[read(r"first (\w+) layers", quotes[0])[0]]
    found, first = convs(evidence.architecture), evidence.architecture.layers[:n]
    if len(found) == n and tuple(found) != first:
        rows = [evidence.architecture.layers.index(conv) + 1 for conv in found]
        return corrected(f"{n} convolutions, which are layers {', '.join(map(str, rows))}")
    return holds_if(len(found) == n, f"{len(found)} convolutions")


def decide_filters(quotes: Quotes, evidence: Evidence, which: Sequence[int]) -> Finding:
    """Decide whether these convolutions have so many filters (which the sentence may call layers) of this size."""
    # The last such phrase: quotes that begin earlier name the layers before as well.
    n, word, rows, columns = read(r".*?(\d+) (filters|layers) with the sizes of (\d+) x (\d+)$", quotes[0])
    found = [(conv.filters, conv.kernel_size) for conv in convs(evidence.architecture)]
    right = all(i < len(found) and found[i] == (int(n), (int(rows), int(columns))) for i in which)
    measured = "; ".join(f"one layer of {found[i][0]} filters of {times(found[i][1])}" for i in which if i < len(found))
    return corrected(f"{measured}: filters, not layers") if right and word == "layers" else holds_if(right, measured)


def decide_flattened(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether what is flattened has this shape."""
    shape = read_ints(r"\((\d+) x (\d+) x (\d+)\)", quotes[0])
    (flat,) = (layer.name for layer in evidence.architecture.layers if isinstance(layer, Flatten))
    found = layer_inputs(evidence.architecture)[flat]
    return holds_if(found == shape, f"{flat} takes {times(found)}")


def decide_hidden(quotes: Quotes, evidence: Evidence, pattern: str) -> Finding:
    """Decide whether before the last there are so many dense layers, all of this size."""
    word, units = read(pattern, quotes[0])
    found = [layer.units for layer in dense(evidence.architecture)[:-1]]
    return holds_if(found == [int(units)] * NUMBERS[word], f"{len(found)} hidden layers of {times(dict.fromkeys(found))}")


def decide_two_map_to_classes(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether so many dense layers lead to so many classes."""
    word, classes = read(r"(\w+) fully connected layers .* the (\d+)-class output", quotes[0])
    found, n = [layer.units for layer in dense(evidence.architecture)], int(classes)
    if len(found) == NUMBERS[word] + 1 and found[-1] == n:
        return corrected(f"a further one makes the {n}: {' → '.join(map(str, found))}")
    return holds_if(len(found) == NUMBERS[word] and found[-1] == n, " → ".join(map(str, found)))


def decide_softmax(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the last layer has so many outputs, and they are probabilities."""
    (n,) = read_ints(r"(\d+) classes", quotes[0])
    last = evidence.architecture.layers[-1]
    if not isinstance(last, Dense) or last.activation != "softmax":
        return holds_if(False, f"the last layer, {last.name}, is no softmax")
    y = activate(last.activation, np.linspace(-3, 3, last.units)[None])
    return holds_if(last.units == n and abs(y.sum() - 1) < 1e-12, f"{last.units} probabilities with sum {y.sum():g}")


def decide_increasing(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether so many convolutions have these filter counts, each more than the one before."""
    n, *filters = read_ints(r"uses (\d+) convolutional layers .*\((\d+) -> (\d+) -> (\d+)\)", quotes[0])
    found = [conv.filters for conv in convs(evidence.architecture)]
    return holds_if(len(found) == n and found == filters == sorted(set(found)), " → ".join(map(str, found)))


def decide_followed(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether behind each convolution come pooling, normalisation and dropout, in this order."""
    layers = evidence.architecture.layers
    after = [[type(next_) for next_ in layers[i + 1 : i + 4]] for i, layer in enumerate(layers) if isinstance(layer, Conv)]
    right = sum(kinds == [MaxPool, LRN, Dropout] for kinds in after)
    return holds_if(right == len(after) > 0, f"true of {right} of {len(after)} convolutions")


def decide_logits(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the last layer leaves the softmax to the loss."""
    last = evidence.architecture.layers[-1]
    right = isinstance(last, Dense) and last.activation is None and evidence.architecture.recipe.loss.endswith("with_logits")
    return holds_if(right, f"{last.name} has no activation" if right else f"{last.name} is no layer of logits")


def decide_normalised_after_relu(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether what is normalised is what ReLU let grow: LRN comes behind ReLU."""
    layers = evidence.architecture.layers
    norms = [i for i, layer in enumerate(layers) if isinstance(layer, LRN)]
    wrong = [layers[i].name for i in norms if not _behind_relu(evidence.architecture, i)]
    names = ", ".join(wrong) if wrong else "no LRN"
    return holds_if(
        not wrong and bool(norms), f"{names} comes before its ReLU" if wrong else f"{len(norms)} LRN behind their ReLU"
    )


def _behind_relu(architecture: Architecture, i: int) -> bool:
    """Tell whether between layer i and the convolution before it there is a ReLU, that convolution's own included."""
    for layer in reversed(architecture.layers[:i]):
        if isinstance(layer, ReLU):
            return True
        if isinstance(layer, Conv):
            return layer.activation == "relu"
    return False


def decide_standard_normal(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the weights are drawn from a standard normal, by one kernel's mean and deviation: four standard errors."""
    rows, columns = read_ints(r"random_normal\(\[(\d+), (\d+)\]\)", quotes[0])
    kernels = (parts["kernel"] for parts in init_params(evidence.architecture).values())
    kernel = next((kernel.astype(np.float64) for kernel in kernels if kernel.shape == (rows, columns)), None)
    if kernel is None:
        return holds_if(False, f"no kernel is {rows}×{columns}")
    n, mean, deviation = kernel.size, kernel.mean(), kernel.std()
    right = abs(mean) < 4 / np.sqrt(n) and abs(deviation - 1) < 4 / np.sqrt(2 * n)
    return holds_if(bool(right), f"of {n:,} weights: mean {mean:.4f}, standard deviation {deviation:.4f}")


_MODEL = "The Model"
_FILTERS = (
    ("filters_1", "The layers consist of 96 filters with the sizes of 11 x 11", (0,)),
    ("filters_3_and_4", "384 layers with the sizes of 3 x 3, 384 layers with the sizes of 3 x 3", (2, 3)),
    ("filters_5", "finally 256 filters with the sizes of 3 x 3", (4,)),
)
_TWO = "Two fully connected layers (1024 neurons each) map the learned features to the 10-class output."
CLAIMS = (
    keras_claim(
        id="first_five_layers",
        place=_MODEL,
        quotes=("The first five layers are similar to LeNet layers in a sense.",),
        decide=decide_first_five,
    ),
    *(
        keras_claim(id=id, place=_MODEL, quotes=(quote,), decide=partial(decide_filters, which=which))
        for id, quote, which in _FILTERS  # noqa: A001 - the field's own name
    ),
    contradicted_claim("layers_for_filters", place=_MODEL, decide=partial(decide_filters, which=(1,))),
    keras_claim(
        id="flattened_tensor",
        place=_MODEL,
        quotes=("the resulting tensor (1 x 1 x 256) is flattened",),
        decide=decide_flattened,
    ),
    keras_claim(
        id="two_hidden_of_4096",
        place=_MODEL,
        quotes=("two hidden layers having the sizes of 4096",),
        decide=partial(decide_hidden, pattern=r"(\w+) hidden layers having the sizes of (\d+)"),
    ),
    keras_claim(
        id="softmax_of_10",
        place=_MODEL,
        quotes=("final class scores (for 10 classes) are obtained by softmax operation",),
        decide=decide_softmax,
    ),
    contradicted_claim("lrn_before_relu", place=_MODEL, decide=decide_normalised_after_relu),
    tf1_claim(
        id="three_convolutions",
        place="introduction",
        quotes=("The architecture uses 3 convolutional layers with increasing filter counts (64 -> 128 -> 256)",),
        decide=decide_increasing,
    ),
    tf1_claim(
        id="each_followed_by",
        place="introduction",
        quotes=("each followed by max pooling, normalization, and dropout",),
        decide=decide_followed,
    ),
    tf1_claim(
        id="two_of_1024",
        place="introduction",
        quotes=("Two fully connected layers (1024 neurons each)",),
        decide=partial(decide_hidden, pattern=r"(\w+) fully connected layers \((\d+) neurons each\)"),
    ),
    tf1_claim(id="two_map_to_10", place="introduction", quotes=(_TWO,), decide=decide_two_map_to_classes),
    tf1_claim(
        id="output_is_logits",
        place="# Output, class prediction",
        quotes=("out = tf.matmul(dense2, _weights['out']) + _biases['out']", "softmax_cross_entropy_with_logits(pred, y)"),
        decide=decide_logits,
    ),
    tf1_claim(
        id="starts_standard_normal",
        place="# Store layers weight & bias",
        quotes=("'wd2': tf.Variable(tf.random_normal([1024, 1024]))",),
        decide=decide_standard_normal,
    ),
)
