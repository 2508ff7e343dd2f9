"""What tf1_graph's listing states in code: variables, helpers, and the comments beside them."""

from __future__ import annotations

import math
import re
from functools import partial

from alexnet_ref.claims.claim import (
    Claim,
    Evidence,
    Finding,
    Quotes,
    contradicted_claim,
    corrected,
    holds_if,
    product,
    read,
    read_ints,
    tf1_claim,
    times,
)
from reference import ARCHITECTURES, LRN, Conv, Dense, Flatten, Layer, MaxPool, layer_shapes
from reference.params import all_param_shapes
from reference.shapes import layer_inputs

VARIABLE = r"'\w+': tf\.Variable\(tf\.random_normal\(\[([\w*, ]+)\]\)\)"


def decide_variable(quotes: Quotes, evidence: Evidence, layer: str, part: str) -> Finding:
    """Decide whether the layer's kernel or bias has this shape, so that everything fits together."""
    said = tuple(product(n) for n in read(VARIABLE, quotes[0])[0].replace("n_classes", "10").split(", "))
    found = all_param_shapes(evidence.architecture)[layer][part]
    return holds_if(said == found, f"{layer}'s {part} is {times(found)}: {math.prod(found):,} numbers")


def decide_conv_helper(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether all convolutions have these strides and padding, and ReLU behind the bias."""
    strides = read_ints(r"tf\.nn\.relu\(.*strides=\[1, (\d+), (\d+), 1\]", quotes[0])
    (padding,) = read(r"padding='(\w+)'", quotes[1])
    convs = [layer for layer in evidence.architecture.layers if isinstance(layer, Conv)]
    right = bool(convs) and all((c.strides, c.padding, c.activation) == (strides, padding, "relu") for c in convs)
    shapes = layer_shapes(evidence.architecture)
    return holds_if(right, "outputs " + ", ".join(times(shapes[c.name]) for c in convs))


def decide_activation(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the dense layer of this name ends in this activation."""
    word, name = read(r"tf\.nn\.(\w+)\(tf\.matmul\(.*name='(\w+)'\)", quotes[0])
    layer = evidence.architecture[name]
    return holds_if(isinstance(layer, Dense) and layer.activation == word, f"{name}: {getattr(layer, 'activation', None)}")


def decide_pool(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the pooling of this name has a window and stride of k, and takes the convolution of this name."""
    name, source, k = read(r"max_pool\('(\w+)', (\w+), k=(\d+)\)", quotes[0])
    names = [layer.name for layer in evidence.architecture.layers]
    pool, size, shapes = evidence.architecture[name], (int(k), int(k)), layer_shapes(evidence.architecture)
    right = isinstance(pool, MaxPool) and (pool.pool_size, pool.strides, pool.padding) == (size, size, "SAME")
    before = names[names.index(name) - 1]
    return holds_if(right and before == source, f"{before} {times(shapes[before])} → {name} {times(shapes[name])}")


def decide_norm(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether all LRN layers have this bias, alpha and beta."""
    bias, numerator, divisor, beta = map(float, read(r"bias=([\d.]+), alpha=([\d.]+) / ([\d.]+), beta=([\d.]+)", quotes[0]))
    found = {(n.bias, n.alpha, n.beta) for n in evidence.architecture.layers if isinstance(n, LRN)}
    words = "; ".join(f"bias {b}, alpha {a:.4g}, beta {c}" for b, a, c in sorted(found))
    return holds_if(found == {(bias, numerator / divisor, beta)}, words)


def decide_alpha_divisor(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether alpha is divided by the number of channels in the window, as Caffe's alpha is."""
    (divisor,) = read(r"alpha=[\d.]+ / ([\d.]+)", quotes[0])
    windows = {layer.window for layer in evidence.architecture.layers if isinstance(layer, LRN)}
    return holds_if(windows == {float(divisor)}, "the window has " + ", ".join(map(str, sorted(windows))) + " channels")


def decide_lsize(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether what is called a size is the size of the window."""
    (said,) = read_ints(r"lsize=(\d+)", quotes[0])
    (radius, window), *others = {(n.depth_radius, n.window) for n in evidence.architecture.layers if isinstance(n, LRN)}
    if said == radius and not others:
        return corrected(f"{said} is depth_radius; the window's size is {window}")
    return holds_if(said == window and not others, f"depth_radius {radius}, window {window}")


def decide_reshape(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether what is reshaped for the dense layers is the output of the layer that the comment names."""
    (said,) = read(r"Reshape (\w+) output", quotes[0])
    architecture = evidence.architecture
    names = [layer.name for layer in architecture.layers]
    (flat,) = (layer.name for layer in architecture.layers if isinstance(layer, Flatten))
    source = names[names.index(flat) - 1]
    shapes = layer_inputs(architecture)[flat], layer_shapes(architecture)[said]
    return holds_if(source == said, f"{source} ({times(shapes[0])}) is reshaped; {said} is {times(shapes[1])}")


def _variables(layer: Layer) -> list[Claim]:
    claims = []
    for quote in layer.quotes:
        if match := re.search(VARIABLE, quote):
            part = "kernel" if "," in match[1] else "bias"
            claims.append(
                tf1_claim(
                    id=f"{layer.name}_{part}",
                    place="# Store layers weight & bias",
                    quotes=(quote,),
                    decide=partial(decide_variable, layer=layer.name, part=part),
                )
            )
    return claims


CLAIMS = (
    *(claim for layer in ARCHITECTURES["tf1_graph"].layers for claim in _variables(layer)),
    tf1_claim(
        id="conv_helper",
        place="def conv2d",
        quotes=(
            "return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(l_input, w, strides=[1, 1, 1, 1],",
            "padding='SAME'),b), name=name)",
        ),
        decide=decide_conv_helper,
    ),
    *(
        tf1_claim(
            id=f"pool{block}",
            place=f"alex_net, block {block}",
            quotes=(f"pool{block} = max_pool('pool{block}', conv{block}, k=2)",),
            decide=decide_pool,
        )
        for block in (1, 2, 3)
    ),
    *(
        tf1_claim(
            id=f"{layer.name}_relu",
            place="alex_net, # Relu activation",
            quotes=layer.quotes[:1],
            decide=decide_activation,
        )
        for layer in ARCHITECTURES["tf1_graph"].layers
        if isinstance(layer, Dense) and layer.activation
    ),
    tf1_claim(
        id="norm_numbers",
        place="def norm",
        quotes=("return tf.nn.lrn(l_input, lsize, bias=1.0, alpha=0.001 / 9.0, beta=0.75, name=name)",),
        decide=decide_norm,
    ),
    tf1_claim(id="alpha_over_window", place="def norm", quotes=("alpha=0.001 / 9.0",), decide=decide_alpha_divisor),
    contradicted_claim("lsize_is_radius", place="def norm", decide=decide_lsize),
    contradicted_claim("reshape_conv3", place="alex_net, fully connected", decide=decide_reshape),
)
