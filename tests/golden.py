"""What the documents state, typed by hand from their texts: nothing here is computed by the code that it judges.

Where a document leaves something to arithmetic (the sizes of tf1_graph, the widths of SAME padding), it was done on paper.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    """One layer: its name, what the document calls its kind, output shape without the batch axis, number of parameters."""

    name: str
    kind: str
    shape: tuple[int, ...]
    params: int


# "Model: sequential": the printed summary, row by row. The batch axis, None there, is left out.
KERAS_SEQUENTIAL = (
    Row("resizing", "Resizing", (224, 224, 3), 0),
    Row("conv2d", "Conv2D", (56, 56, 96), 34944),
    Row("lambda", "Lambda", (56, 56, 96), 0),
    Row("activation", "Activation", (56, 56, 96), 0),
    Row("max_pooling2d", "MaxPooling2D", (27, 27, 96), 0),
    Row("conv2d_1", "Conv2D", (7, 7, 256), 614656),
    Row("lambda_1", "Lambda", (7, 7, 256), 0),
    Row("activation_1", "Activation", (7, 7, 256), 0),
    Row("max_pooling2d_1", "MaxPooling2D", (3, 3, 256), 0),
    Row("conv2d_2", "Conv2D", (1, 1, 384), 885120),
    Row("activation_2", "Activation", (1, 1, 384), 0),
    Row("conv2d_3", "Conv2D", (1, 1, 384), 1327488),
    Row("activation_3", "Activation", (1, 1, 384), 0),
    Row("conv2d_4", "Conv2D", (1, 1, 256), 884992),
    Row("activation_4", "Activation", (1, 1, 256), 0),
    Row("flatten", "Flatten", (256,), 0),
    Row("dense", "Dense", (4096,), 1052672),
    Row("dropout", "Dropout", (4096,), 0),
    Row("dense_1", "Dense", (4096,), 16781312),
    Row("dropout_1", "Dropout", (4096,), 0),
    Row("dense_2", "Dense", (10,), 40970),
)

# alex_net: 28 → 14 → 7 → 4. Parameters: 3·3·1·64 + 64, 3·3·64·128 + 128, 3·3·128·256 + 256, 4·4·256·1024 + 1024, …
TF1_GRAPH = (
    Row("conv1", "conv2d", (28, 28, 64), 640),
    Row("pool1", "max_pool", (14, 14, 64), 0),
    Row("norm1", "lrn", (14, 14, 64), 0),
    Row("drop1", "dropout", (14, 14, 64), 0),
    Row("conv2", "conv2d", (14, 14, 128), 73856),
    Row("pool2", "max_pool", (7, 7, 128), 0),
    Row("norm2", "lrn", (7, 7, 128), 0),
    Row("drop2", "dropout", (7, 7, 128), 0),
    Row("conv3", "conv2d", (7, 7, 256), 295168),
    Row("pool3", "max_pool", (4, 4, 256), 0),
    Row("norm3", "lrn", (4, 4, 256), 0),
    Row("drop3", "dropout", (4, 4, 256), 0),
    Row("flatten", "reshape", (4096,), 0),
    Row("fc1", "matmul", (1024,), 4195328),
    Row("fc2", "matmul", (1024,), 1049600),
    Row("out", "matmul", (10,), 10250),
)

ROWS = {"keras_sequential": KERAS_SEQUENTIAL, "tf1_graph": TF1_GRAPH}
TOTALS = {"keras_sequential": 21_622_154, "tf1_graph": 5_624_842}
INPUTS = {"keras_sequential": (32, 32, 3), "tf1_graph": (28, 28, 1)}
FED = {"keras_sequential": (32, 32, 3), "tf1_graph": (784,)}

# The word of the vocabulary for each kind, and of Keras for keras_sequential's (its Lambda needs a layer that can be loaded).
WORDS = {
    "Resizing": "Resize",
    "Conv2D": "Conv",
    "Lambda": "LRN",
    "Activation": "ReLU",
    "MaxPooling2D": "MaxPool",
    "Flatten": "Flatten",
    "Dense": "Dense",
    "Dropout": "Dropout",
    "conv2d": "Conv",
    "max_pool": "MaxPool",
    "lrn": "LRN",
    "dropout": "Dropout",
    "reshape": "Flatten",
    "matmul": "Dense",
}

# (rows, columns) are equal in both documents: "layers.Conv2D(96, 11, strides=4, padding='same')".
_TF1_CONV = {"kernel_size": (3, 3), "strides": (1, 1), "padding": "SAME", "activation": "relu"}
_TF1_POOL = {"pool_size": (2, 2), "strides": (2, 2), "padding": "SAME"}
_TF1_NORM = {"depth_radius": 4, "bias": 1.0, "alpha": 0.001 / 9.0, "beta": 0.75}
_KERAS_POOL = {"pool_size": (3, 3), "strides": (2, 2), "padding": "VALID"}  # Keras's default padding
_KERAS_LRN = {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}  # TensorFlow's defaults
_KERAS_SAME = {"strides": (4, 4), "padding": "SAME", "activation": None}

HYPERPARAMETERS: dict[str, dict[str, dict[str, Any]]] = {
    "keras_sequential": {
        "resizing": {"height": 224, "width": 224},
        "conv2d": {"filters": 96, "kernel_size": (11, 11), **_KERAS_SAME},
        "lambda": _KERAS_LRN,
        "activation": {},
        "max_pooling2d": _KERAS_POOL,
        "conv2d_1": {"filters": 256, "kernel_size": (5, 5), **_KERAS_SAME},
        "lambda_1": _KERAS_LRN,
        "activation_1": {},
        "max_pooling2d_1": _KERAS_POOL,
        "conv2d_2": {"filters": 384, "kernel_size": (3, 3), **_KERAS_SAME},
        "activation_2": {},
        "conv2d_3": {"filters": 384, "kernel_size": (3, 3), **_KERAS_SAME},
        "activation_3": {},
        "conv2d_4": {"filters": 256, "kernel_size": (3, 3), **_KERAS_SAME},
        "activation_4": {},
        "flatten": {},
        "dense": {"units": 4096, "activation": "relu"},
        "dropout": {"rate": 0.5},
        "dense_1": {"units": 4096, "activation": "relu"},
        "dropout_1": {"rate": 0.5},
        "dense_2": {"units": 10, "activation": "softmax"},
    },
    "tf1_graph": {
        "conv1": {"filters": 64, **_TF1_CONV},
        "pool1": _TF1_POOL,
        "norm1": _TF1_NORM,
        "drop1": {"rate": 0.2},  # "dropout = 0.8 # Dropout, probability to keep units"
        "conv2": {"filters": 128, **_TF1_CONV},
        "pool2": _TF1_POOL,
        "norm2": _TF1_NORM,
        "drop2": {"rate": 0.2},
        "conv3": {"filters": 256, **_TF1_CONV},
        "pool3": _TF1_POOL,
        "norm3": _TF1_NORM,
        "drop3": {"rate": 0.2},
        "flatten": {},
        "fc1": {"units": 1024, "activation": "relu"},
        "fc2": {"units": 1024, "activation": "relu"},
        "out": {"units": 10, "activation": None},
    },
}

# (before, after) on each of the two axes, by total = (o − 1)·s + k − n, the odd one after.
PAD_WIDTHS = {
    "keras_sequential": {
        "conv2d": (3, 4),  # 55·4 + 11 − 224 = 7
        "max_pooling2d": (0, 0),
        "conv2d_1": (1, 1),  # 6·4 + 5 − 27 = 2
        "max_pooling2d_1": (0, 0),
        "conv2d_2": (0, 0),  # 0·4 + 3 − 3 = 0
        "conv2d_3": (1, 1),  # 0·4 + 3 − 1 = 2
        "conv2d_4": (1, 1),
    },
    "tf1_graph": {
        "conv1": (1, 1),  # 27·1 + 3 − 28 = 2
        "pool1": (0, 0),  # 13·2 + 2 − 28 = 0
        "conv2": (1, 1),
        "pool2": (0, 0),  # 6·2 + 2 − 14 = 0
        "conv3": (1, 1),
        "pool3": (0, 1),  # 3·2 + 2 − 7 = 1
    },
}

# Multiplications with their additions, for one image: positions · filters · window · channels, or inputs · units.
MULTIPLY_ADDS = {
    "keras_sequential": {
        "conv2d": 109_283_328,  # 56·56 · 96 · 11·11 · 3
        "conv2d_1": 30_105_600,  # 7·7 · 256 · 5·5 · 96
        "conv2d_2": 884_736,  # 1 · 384 · 3·3 · 256
        "conv2d_3": 1_327_104,  # 1 · 384 · 3·3 · 384, padding counted
        "conv2d_4": 884_736,  # 1 · 256 · 3·3 · 384, padding counted
        "dense": 1_048_576,
        "dense_1": 16_777_216,
        "dense_2": 40_960,
    },
    "tf1_graph": {
        "conv1": 451_584,  # 28·28 · 64 · 3·3 · 1
        "conv2": 14_450_688,  # 14·14 · 128 · 3·3 · 64
        "conv3": 14_450_688,  # 7·7 · 256 · 3·3 · 128
        "fc1": 4_194_304,
        "fc2": 1_048_576,
        "out": 10_240,
    },
}

# A 1×1 input under a 3×3 window padded by one: eight of nine taps meet padding alone. 8 · 384 · 384 and 8 · 384 · 256.
UNSEEN_WEIGHTS = {"keras_sequential": {"conv2d_3": 1_179_648, "conv2d_4": 786_432}, "tf1_graph": {}}
UNSEEN_TOTAL = 1_966_080  # 9.1 % of 21,622,154
