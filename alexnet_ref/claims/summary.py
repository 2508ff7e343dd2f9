"""keras_sequential's printed summary: every row, the totals, and the listing that it is said to come from."""

from __future__ import annotations

from alexnet_ref.claims.claim import Evidence, Finding, Quotes, holds_if, keras_claim, read, read_ints, times
from reference import ARCHITECTURES, layer_shapes, param_counts

KERAS = ARCHITECTURES["keras_sequential"]
# The summary's word for each word of the vocabulary; it cuts "MaxPooling2D" to fit its column in row 9.
KINDS = {
    "Resizing": "Resize",
    "Conv2D": "Conv",
    "Lambda": "LRN",
    "Activation": "ReLU",
    "MaxPooling2D": "MaxPool",
    "MaxPooling2": "MaxPool",
    "Flatten": "Flatten",
    "Dense": "Dense",
    "Dropout": "Dropout",
}
ROW = r"^(\w+) \((\w+)\)? \(None, ([\d, ]+)\) (\d+)$"


def decide_row(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the layer of this name is of this kind and has this output shape and this number of parameters."""
    name, kind, shape, params = read(ROW, quotes[0])
    architecture = evidence.architecture
    found = {layer.name: type(layer).__name__ for layer in architecture.layers}.get(name, "missing")
    if found == "missing":
        return holds_if(False, f"the network has no {name}")
    own_shape, own_params = layer_shapes(architecture)[name], param_counts(architecture)[name]
    said = (KINDS[kind], tuple(int(n) for n in shape.split(",")), int(params))
    return holds_if(said == (found, own_shape, own_params), f"{found} → {times(own_shape)}, {own_params:,} parameters")


def decide_rows(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the rows, in their order, are the network's layers."""
    said = [read(ROW, quote)[0] for quote in quotes[1:]]
    names = [layer.name for layer in evidence.architecture.layers]
    return holds_if(said == names, f"{len(names)} layers, {'in' if said == names else 'not in'} this order")


def decide_total(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether all layers together have this number of parameters."""
    (said,) = read_ints(r"Total params: ([\d,]+)", quotes[0])
    total = sum(param_counts(evidence.architecture).values())
    return holds_if(said == total, f"{total:,} parameters")


def decide_added_layer(_: Quotes, evidence: Evidence) -> Finding:
    """Decide whether every layer has parameters."""
    counts = param_counts(evidence.architecture).values()
    without = sum(count == 0 for count in counts)
    if 0 < without < len(counts):
        measured = f"true of {len(counts) - without} layers, convolutions and dense ones; {without} of {len(counts)} have none"
        return Finding(verdict="holds with a correction", measured=measured)
    return holds_if(not without, f"{without} of {len(counts)} layers have no parameters")


def decide_listing(quotes: Quotes, evidence: Evidence) -> Finding:
    """Decide whether the listing adds as many layers as the summary shows."""
    added = sum(quote.count("model.add(") for quote in quotes)
    layers = len(evidence.architecture.layers)
    return holds_if(added == layers, f"the listing adds {added} layers, the summary shows {layers}")


LISTING = (
    "The model summary is as follows:",
    'model = models.Sequential()model.add(layers.experimental.preprocessing.Resizing(224, 224, interpolation="bilinear"',
    "input_shape=x_train.shape[1:]))model.add(layers.Conv2D(96, 11, strides=4, padding='same'))",
    "model.add(layers.MaxPooling2D(3, strides=2))model.add(layers.Conv2D(256, 5, strides=4, padding='same'))",
    "model.add(layers.MaxPooling2D(3, strides=2))model.add(layers.Conv2D(384, 3, strides=4, padding='same'))",
    "model.add(layers.Activation('relu'))model.add(layers.Conv2D(384, 3, strides=4, padding='same'))",
    "model.add(layers.Activation('relu'))model.add(layers.Conv2D(256, 3, strides=4, padding='same'))",
    "model.add(layers.Activation('relu'))model.add(layers.Flatten())model.add(layers.Dense(4096, activation='relu'))",
    "model.add(layers.Dropout(0.5))model.add(layers.Dense(4096, activation='relu'))",
    "model.add(layers.Dropout(0.5))model.add(layers.Dense(10, activation='softmax'))",
)

CLAIMS = (
    *(
        keras_claim(id=f"row_{layer.name}", place=layer.place, quotes=layer.quotes[:1], decide=decide_row)
        for layer in KERAS.layers
    ),
    keras_claim(
        id="summary_order",
        place="summary",
        quotes=('Model: "sequential"', *(layer.quotes[0] for layer in KERAS.layers)),
        decide=decide_rows,
    ),
    keras_claim(id="total_params", place="summary", quotes=("Total params: 21,622,154",), decide=decide_total),
    keras_claim(
        id="added_layer_adds_params",
        place="introduction",
        quotes=("Each added layer of a deep learning model increases the number of parameters to be trained",),
        decide=decide_added_layer,
    ),
    keras_claim(
        id="summary_of_the_listing",
        place="The Model, listing and summary",
        quotes=LISTING,
        decide=decide_listing,
        contradiction="listing_without_lrn",
    ),
)
