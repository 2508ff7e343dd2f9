"""A Keras model's config from a stranger, checked before Keras builds anything: what it names, how deep and how large it is.

A config says which classes are made with which arguments. Only such are allowed here as a port of an AlexNet may consist of and
that do nothing but compute: no Lambda, no function by name, no class from a module outside Keras but our own.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from alexnet_ref.printable import printable
from reference.errors import InvalidInput

CONFIG_MOST = 4 << 20  # bytes: a band matrix of 256 × 256 numbers, written out, takes half of one
DEPTH_MOST = 100  # brackets within brackets: a functional model in a functional model takes some twenty
OBJECTS_MOST = 20_000  # layers, operations, tensors, initializers …
WEIGHTS_MOST = 1 << 28  # numbers, as far as the config tells: 1 GiB; the documents' networks have 21.6 and 5.6 million

MODELS = {"Sequential", "Functional", "Model"}
LAYERS = {
    "Activation", "Add", "AlphaDropout", "Average", "AveragePooling2D", "AveragePooling3D", "BatchNormalization", "Concatenate",
    "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "Cropping2D", "Dense", "DepthwiseConv2D", "Dropout", "ELU", "EinsumDense",
    "Flatten", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "GroupNormalization",
    "Identity", "InputLayer", "LayerNormalization", "LeakyReLU", "MaxPooling2D", "MaxPooling3D", "Maximum", "Minimum", "Multiply",
    "PReLU", "Permute", "ReLU", "Rescaling", "Reshape", "Resizing", "SeparableConv2D", "Softmax", "SpatialDropout2D", "Subtract",
    "UnitNormalization", "UpSampling2D", "ZeroPadding2D",
}  # fmt: skip
INITIALIZERS = {
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "LecunNormal", "LecunUniform", "Ones",
    "Orthogonal", "OrthogonalInitializer", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros",
}  # fmt: skip
ALLOWED = {
    "keras": {"DTypePolicy", *MODELS},
    "keras.models": MODELS,
    "keras.src.models.functional": {"Functional"},
    "keras.src.models.sequential": {"Sequential"},
    "keras.layers": LAYERS,
    "keras.initializers": INITIALIZERS,
    "keras.regularizers": {"L1", "L1L2", "L2", "OrthogonalRegularizer"},
    "keras.constraints": {"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"},
}
# Operations of keras.ops that a functional model calls; all they do is compute.
OPERATIONS = {"keras.src.ops.numpy", "keras.src.ops.nn", "keras.src.ops.math", "keras.src.ops.image"}
OPERATION_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
CORE_OPERATIONS = {"Cast", "Slice", "StopGradient"}  # of keras.src.ops.core, which has loops and functions besides
OURS = ("alexnet_ref.layers", "LocalResponseNormalization", "alexnet_ref>LocalResponseNormalization")
VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__"}  # no classes: plain data
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{\]}]', re.DOTALL)


def parse(data: bytes, where: str, *, most: int = CONFIG_MOST) -> dict[str, Any]:
    """Return the JSON object in the data; InvalidInput where it is none, or too large or too deep to be read."""
    if len(data) > most:
        raise InvalidInput("is too large", where=where, expected=f"at most {most} bytes", received=str(len(data)))
    depth = deepest = 0
    for token in TOKEN.finditer(data):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token.group(), 0)
        deepest = max(deepest, depth)
    if deepest > DEPTH_MOST:
        raise InvalidInput("is nested too deeply", where=where, expected=f"at most {DEPTH_MOST} levels", received=str(deepest))
    try:
        found = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # ValueError: no JSON, no UTF-8, a number with thousands of digits
        raise InvalidInput("is no JSON", where=where, received=printable(error)) from None
    if not isinstance(found, dict):
        raise InvalidInput("is no JSON object", where=where, received=type(found).__name__)
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def check_config(config: dict[str, Any], where: str, *, legacy: bool = False) -> None:
    """Refuse a config that names anything but what a port may consist of, or that describes more weights than fit.

    legacy: of a file from before Keras 3, where classes stand without their modules.
    """
    objects, weights = 0, 0
    stack: list[Any] = [{key: value for key, value in config.items() if key != "compile_config"}]  # never used: compile=False
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack.extend(value)
            continue
        if not isinstance(value, dict):
            continue
        stack.extend(value.values())
        if not ({"class_name", "module", "registered_name"} & set(value)):
            continue
        objects += 1
        _check_object(value, where, legacy=legacy)
        weights += _declared_weights(value)
        if objects > OBJECTS_MOST:
            raise InvalidInput("names too many objects", where=where, expected=f"at most {OBJECTS_MOST}")
        if weights > WEIGHTS_MOST:
            raise InvalidInput(
                "describes too many weights", where=where, expected=f"at most {WEIGHTS_MOST}", received=str(weights)
            )


def _check_object(value: dict[str, Any], where: str, *, legacy: bool) -> None:
    module, name, registered = value.get("module"), value.get("class_name"), value.get("registered_name")
    if not all(isinstance(word, (str, type(None))) for word in (module, name, registered)) or name is None:
        raise InvalidInput("names a class in no readable way", where=where, received=printable([module, name, registered]))
    ours = legacy and module is None and registered is None and name in OURS[1:]
    if (module, name, registered) == OURS or ours:
        return
    known = name in VALUES if module is None else _is_allowed(module, name)
    if module is None and legacy:
        known = known or any(name in names for names in ALLOWED.values())
    if known and registered in (None, name):
        return
    full = f"{module}.{name}" if module else str(name)
    raise InvalidInput(
        _reason(module, name),
        where=where,
        expected="layers, operations and initializers of Keras that only compute, and alexnet_ref's own LRN",
        received=printable(full) + ("" if registered in (None, name) else f", registered as {printable(registered)}"),
        hint="If you trust this file, load it yourself and give the model as package.module:attribute",
    )


def _is_allowed(module: str, name: str) -> bool:
    if module in OPERATIONS:
        return OPERATION_NAME.fullmatch(name) is not None
    return name in ALLOWED.get(module, ()) or (module == "keras.src.ops.core" and name in CORE_OPERATIONS)


def _reason(module: str | None, name: str) -> str:
    if name in ("Lambda", "__lambda__"):
        return "holds a Lambda layer, whose code would run when it is loaded"
    if name == "function":
        return "names a function that would be looked up when it is loaded"
    if module and module.split(".")[0] != "keras":
        return "names a class from outside Keras, whose module would be imported when it is loaded"
    return "names a class that no port consists of"


def _declared_weights(value: dict[str, Any]) -> int:
    """Return how many numbers a layer's kernel has, by its own config; 0 where that does not say."""
    config, build = value.get("config"), value.get("build_config")
    shape = build.get("input_shape") if isinstance(build, dict) else None
    if not isinstance(config, dict) or not isinstance(shape, list) or not shape:
        return 0
    sizes = config.get("kernel_size", [])
    channels = shape[1] if config.get("data_format") == "channels_first" and len(shape) > 2 else shape[-1]
    numbers = [channels, config.get("filters", config.get("units", 1)), *(sizes if isinstance(sizes, list) else [sizes])]
    return math.prod(n for n in numbers if isinstance(n, int)) if all(isinstance(n, int) and n >= 0 for n in numbers) else 0
