"""What keras_sequential's listing states in code, line by line."""

from __future__ import annotations

from functools import partial

from alexnet_ref.claims.claim import Evidence, Finding, Quotes, holds_if, keras_claim, read, read_ints, times
from reference import Conv, Dense, Dropout, MaxPool, Resize, layer_shapes


def decide_conv(quotes: Quotes, evidence: Evidence, names: tuple[str, ...]) -> Finding:
    """Decide whether the convolutions of these names have these filters, windows, strides and this padding."""
    filters, window, stride, padding = read(r"Conv2D\((\d+), (\d+), strides=(\d+), padding='(\w+)'\)", quotes[0])
    layers = [evidence.architecture[name] for name in names]
    n, k, s = int(filters), int(window), int(stride)
    found = [(c.filters, c.kernel_size, c.strides, c.padding) for c in layers if isinstance(c, Conv)]
    measured = "; ".join(f"{f} filters of {times(w)}, strides {times(t)}, {p}" for f, w, t, p in dict.fromkeys(found))
    return holds_if(found == [(n, (k, k), (s, s), padding.upper())] * len(names), measured)


def decide_keras_pool(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether every pooling has this window and stride, and Keras's default padding, which is VALID."""
    k, s = read_ints(r"MaxPooling2D\((\d+), strides=(\d+)\)", quotes[0])
    pools = [layer for layer in evidence.architecture.layers if isinstance(layer, MaxPool)]
    right = all((p.pool_size, p.strides, p.padding) == ((k, k), (s, s), "VALID") for p in pools)
    sizes = ", ".join(times(layer_shapes(evidence.architecture)[p.name]) for p in pools)
    return holds_if(right and len(pools) == 2, f"{len(pools)} layers, outputs {sizes}")


def decide_units(quotes: Quotes, evidence: Evidence, names: tuple[str, ...]) -> Finding:
    """Decide whether the dense layers of these names have so many units and this activation."""
    units, activation = read(r"Dense\((\d+), activation='(\w+)'\)", quotes[0])
    found = [(d.units, d.activation) for d in evidence.architecture.layers if isinstance(d, Dense) and d.name in names]
    return holds_if(found == [(int(units), activation)] * len(names), "; ".join(f"{n} units, {a}" for n, a in found))


def decide_rate(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether every dropout has this rate."""
    (rate,) = read(r"Dropout\(([\d.]+)\)", quotes[0])
    found = [layer.rate for layer in evidence.architecture.layers if isinstance(layer, Dropout)]
    return holds_if(found == [float(rate)] * 2, "rates " + ", ".join(map(str, found)))


def decide_resizing(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the first layer enlarges to this size."""
    size = read_ints(r"Resizing\((\d+), (\d+), interpolation=\"bilinear\"", quotes[0])
    first = evidence.architecture.layers[0]
    found = (first.height, first.width) if isinstance(first, Resize) else ()
    return holds_if(found == size, f"the first layer gives {times(layer_shapes(evidence.architecture)[first.name])}")


_PLACE = "The Model, listing"

CLAIMS = (
    keras_claim(
        id="listing_resizing",
        place=_PLACE,
        quotes=('layers.experimental.preprocessing.Resizing(224, 224, interpolation="bilinear"',),
        decide=decide_resizing,
    ),
    keras_claim(
        id="listing_conv2d",
        place=_PLACE,
        quotes=("layers.Conv2D(96, 11, strides=4, padding='same')",),
        decide=partial(decide_conv, names=("conv2d",)),
    ),
    keras_claim(
        id="listing_conv2d_1",
        place=_PLACE,
        quotes=("layers.Conv2D(256, 5, strides=4, padding='same')",),
        decide=partial(decide_conv, names=("conv2d_1",)),
    ),
    keras_claim(
        id="listing_conv2d_2_and_3",
        place=_PLACE,
        quotes=("layers.Conv2D(384, 3, strides=4, padding='same')",),
        decide=partial(decide_conv, names=("conv2d_2", "conv2d_3")),
    ),
    keras_claim(
        id="listing_conv2d_4",
        place=_PLACE,
        quotes=("layers.Conv2D(256, 3, strides=4, padding='same')",),
        decide=partial(decide_conv, names=("conv2d_4",)),
    ),
    keras_claim(id="listing_pool", place=_PLACE, quotes=("layers.MaxPooling2D(3, strides=2)",), decide=decide_keras_pool),
    keras_claim(
        id="listing_dense",
        place=_PLACE,
        quotes=("layers.Dense(4096, activation='relu')",),
        decide=partial(decide_units, names=("dense", "dense_1")),
    ),
    keras_claim(id="listing_dropout", place=_PLACE, quotes=("layers.Dropout(0.5)",), decide=decide_rate),
    keras_claim(
        id="listing_dense_2",
        place=_PLACE,
        quotes=("layers.Dense(10, activation='softmax')",),
        decide=partial(decide_units, names=("dense_2",)),
    ),
)
