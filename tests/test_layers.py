"""The vocabulary: what can be described, and how everything else is refused."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import pytest

import reference
from reference import (
    ARCHITECTURES,
    LRN,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    InvalidInput,
    MaxPool,
    Recipe,
    ReLU,
    Resize,
    Softmax,
    as_architecture,
)

NAN, INF = math.nan, math.inf

# One legal layer of each kind: every test changes one field of it.
LEGAL: dict[str, dict[str, Any]] = {
    "Resize": {"height": 6, "width": 7},
    "Conv": {"filters": 5, "kernel_size": (2, 3), "strides": (1, 2), "padding": "SAME", "activation": "relu"},
    "LRN": {"depth_radius": 2, "bias": 1.0, "alpha": 0.5, "beta": 0.75},
    "ReLU": {},
    "MaxPool": {"pool_size": (2, 3), "strides": (2, 1), "padding": "VALID"},
    "Dropout": {"rate": 0.25},
    "Flatten": {},
    "Dense": {"units": 5, "activation": "softmax"},
    "Softmax": {},
}
KINDS: dict[str, Any] = {kind: getattr(reference, kind) for kind in LEGAL}

NO_COUNTS = [0, -1, True, 2.0, NAN, INF, "3", None, (3,)]
NO_PAIRS = [3, (3,), (3, 3, 3), [3, 3], (0, 3), (3, -1), (3, 3.0), (True, 3), (3, None), "33", None]
NO_PADDINGS = ["same", "valid", "FULL", "", None, 0, ("SAME",)]
COUNT = "an integer of at least 1"
PAIR = "a (rows, columns) tuple of two integers of at least 1"
PADDING = "one of 'SAME', 'VALID'"
NOT_NEGATIVE = "a finite number of at least 0"

ILLEGAL: list[tuple[str, str, str, list[Any]]] = [
    ("Resize", "height", COUNT, NO_COUNTS),
    ("Resize", "width", COUNT, NO_COUNTS),
    ("Conv", "filters", COUNT, NO_COUNTS),
    ("Conv", "kernel_size", PAIR, NO_PAIRS),
    ("Conv", "strides", PAIR, NO_PAIRS),
    ("Conv", "padding", PADDING, NO_PADDINGS),
    ("Conv", "activation", "one of 'relu', None", ["ReLU", "softmax", "linear", "", 0, False]),
    ("LRN", "depth_radius", "an integer of at least 0", [-1, False, 2.0, NAN, INF, "2", None]),
    ("LRN", "bias", "a finite number above 0", [0, 0.0, -1.0, True, NAN, INF, -INF, "1", None, (1.0,)]),
    ("LRN", "alpha", NOT_NEGATIVE, [-0.5, -5e-324, True, NAN, INF, -INF, "1", None]),
    ("LRN", "beta", NOT_NEGATIVE, [-0.5, True, NAN, INF, -INF, "1", None]),
    ("MaxPool", "pool_size", PAIR, NO_PAIRS),
    ("MaxPool", "strides", PAIR, NO_PAIRS),
    ("MaxPool", "padding", PADDING, NO_PADDINGS),
    ("Dropout", "rate", "a number of at least 0 and below 1", [1, 1.0, 1.5, -0.1, True, False, NAN, INF, -INF, "0.5", None]),
    ("Dense", "units", COUNT, NO_COUNTS),
    ("Dense", "activation", "one of 'relu', 'softmax', None", ["ReLU", "linear", "", 0, False]),
]
CASES = [(kind, field, allowed, value) for kind, field, allowed, values in ILLEGAL for value in values]
LEGAL_EXTREMES = [
    ("LRN", {"depth_radius": 0, "bias": 5e-324, "alpha": 0, "beta": 0.0}),
    ("LRN", {"depth_radius": 10_000, "bias": 1, "alpha": 1e300, "beta": 2}),
    ("Dropout", {"rate": 0}),
    ("Dropout", {"rate": math.nextafter(1, 0)}),
    ("Conv", {"filters": 1, "kernel_size": (1, 1), "padding": "VALID", "activation": None}),
    ("MaxPool", {"pool_size": (1, 1), "strides": (9, 9), "padding": "SAME"}),
    ("Dense", {"units": 1, "activation": None}),
    ("Resize", {"height": 1, "width": 1}),
]


# ---- Layers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "field", "allowed", "value"), CASES, ids=[f"{k}-{f}-{v!r}" for k, f, _, v in CASES])
def test_illegal_hyperparameter_is_refused(kind: str, field: str, allowed: str, value: Any) -> None:
    """The refusal names the layer, the field, what is allowed there and what was received, in one line."""
    with pytest.raises(InvalidInput) as caught:
        KINDS[kind](name="subject", **LEGAL[kind] | {field: value})
    message = f"'subject': {kind}.{field} is not allowed; expected {allowed}; received {value!r}"
    assert str(caught.value) == " ".join(message.split())
    assert (caught.value.expected, caught.value.received) == (allowed, repr(value))


def test_every_hyperparameter_has_an_illegal_value() -> None:
    """No field of the vocabulary is left out of the refusals above, and no kind of layer."""
    tested = {(kind, field) for kind, field, _, _ in CASES}
    labels = {"name", "place", "quotes"}
    assert tested == {(kind, f.name) for kind, cls in KINDS.items() for f in dataclasses.fields(cls) if f.name not in labels}
    assert {cls.__name__ for cls in reference.Layer.__args__} == set(KINDS)


@pytest.mark.parametrize(("kind", "extreme"), [*LEGAL.items(), *LEGAL_EXTREMES])
def test_legal_hyperparameters_are_kept(kind: str, extreme: dict[str, Any]) -> None:
    """What is allowed is kept as given, up to the ends of what is allowed."""
    layer = KINDS[kind](name="subject", **extreme)
    assert {field: getattr(layer, field) for field in extreme} == extreme


@pytest.mark.parametrize("name", ["", "a b", "1st", "conv-1", "a/b", "../x", "a\nb"])
def test_illegal_name_is_refused(name: str) -> None:
    """A layer's name is an identifier, as in both documents: it can be a file's or a variable's name."""
    with pytest.raises(InvalidInput, match=r"ReLU\.name is not allowed; expected letters, digits and underscores"):
        ReLU(name=name)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_frozen(kind: str) -> None:
    """No field of a layer can be changed, and layers of equal fields are equal and can be keys."""
    layer = KINDS[kind](name="subject", **LEGAL[kind])
    for field in dataclasses.fields(layer):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(layer, field.name, getattr(layer, field.name))
    assert {layer: 1}[KINDS[kind](name="subject", **LEGAL[kind])] == 1
    assert layer != KINDS[kind](name="other", **LEGAL[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_keyword_only(kind: str) -> None:
    """Nothing is taken by position, and nothing that the layer does not have."""
    with pytest.raises(TypeError, match="positional"):
        KINDS[kind]("subject", **LEGAL[kind])
    with pytest.raises(TypeError, match="momentum"):
        KINDS[kind](name="subject", momentum=0.9, **LEGAL[kind])


def test_dropout_keeping_counts_as_tensorflow_1() -> None:
    """Keeping 0.8 is the rate 0.2 and not 0.19999999999999996; the two words name one number."""
    for keep_prob, rate in ((0.8, 0.2), (0.5, 0.5), (1, 0.0), (1.0, 0.0), (0.1, 0.9), (0.3, 0.7), (0.9, 0.1)):
        layer = Dropout.keeping(keep_prob=keep_prob, name="drop", place="here", quotes=("there",))
        assert layer == Dropout(rate=rate, name="drop", place="here", quotes=("there",))
        assert layer.keep_prob == keep_prob
    assert Dropout.keeping(keep_prob=0.8, name="drop").rate != 1 - 0.8  # why the subtraction is decimal


@pytest.mark.parametrize("keep_prob", [0, 0.0, -0.1, 1.1, 2, True, NAN, INF, "0.8", None])
def test_dropout_keeping_refuses(keep_prob: Any) -> None:
    """What is no probability to keep is refused in the document's word, keep_prob."""
    with pytest.raises(InvalidInput) as caught:
        Dropout.keeping(keep_prob=keep_prob, name="drop1")
    expected = "expected a number above 0 and at most 1"
    assert str(caught.value) == f"'drop1': Dropout.keep_prob is not allowed; {expected}; received {keep_prob!r}"


def test_lrn_window_is_both_sides_and_the_middle() -> None:
    """The window of depth_radius r is 2·r + 1: 11 and 9 in the documents, where other frameworks count it as 5 and 4."""
    windows = [layer.window for a in ARCHITECTURES.values() for layer in a.layers if isinstance(layer, LRN)]
    assert windows == [11, 11, 9, 9, 9]


# ---- Architectures -----------------------------------------------------------------------------------------------------


def small(*layers: Any, **changes: Any) -> Architecture:
    """Return an architecture of these layers."""
    return Architecture(**{"name": "small", "input_shape": (4, 5, 3), "layers": layers} | changes)


def test_architecture_refuses_equal_names() -> None:
    """Two layers of one name are refused, by that name."""
    with pytest.raises(InvalidInput, match=r"architecture 'small': layer names must differ; received twin more than once"):
        small(ReLU(name="twin"), ReLU(name="other"), Flatten(name="twin"))


def test_architecture_refuses_to_be_empty() -> None:
    """A network without layers is refused."""
    with pytest.raises(InvalidInput, match="architecture 'small': a network has at least one layer"):
        small()


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3, 1), (0, 5, 3), (4, -5, 3), (4, 5.0, 3), (4, 5, True), (4, 5, None), ()])
def test_architecture_refuses_input_shape(shape: Any) -> None:
    """An input that is no image of integers of at least 1 is refused, with what was received."""
    with pytest.raises(InvalidInput) as caught:
        small(ReLU(name="relu"), input_shape=shape)
    expected = "architecture 'small': input_shape is not allowed; expected (H, W, C), integers of at least 1"
    assert str(caught.value) == f"{expected}; received {shape!r}"


def test_architecture_refuses_fed_shape() -> None:
    """The shape that images are delivered in must hold as many numbers as the input."""
    assert small(ReLU(name="relu")).fed_shape == (4, 5, 3)
    assert small(ReLU(name="relu"), fed_shape=(60,)).fed_shape == (60,)
    with pytest.raises(InvalidInput, match=r"fed_shape does not hold one input; expected 60 numbers.*received \(61,\)"):
        small(ReLU(name="relu"), fed_shape=(61,))


def test_architecture_is_frozen(architecture: Architecture) -> None:
    """No field of a documented architecture or of its recipe can be changed, and its layers are a tuple."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        architecture.layers = ()  # type: ignore[misc]  # what is refused
    with pytest.raises(dataclasses.FrozenInstanceError):
        architecture.recipe.learning_rate = 1.0  # type: ignore[misc]  # likewise
    assert type(architecture.layers) is tuple


def test_architecture_gives_layers_by_name(architecture: Architecture) -> None:
    """A layer is found by its name; an unknown name is refused with all the names there are."""
    for layer in architecture.layers:
        assert architecture[layer.name] is layer
    names = ", ".join(layer.name for layer in architecture.layers)
    with pytest.raises(InvalidInput) as caught:
        architecture["conv9"]
    assert str(caught.value) == f"architecture {architecture.name!r}: no layer is called 'conv9'; expected one of {names}"


def test_architectures_are_read_only() -> None:
    """ARCHITECTURES holds the two documents under their names, and nothing can be added, replaced or removed."""
    assert list(ARCHITECTURES) == ["keras_sequential", "tf1_graph"]
    assert all(architecture.name == name for name, architecture in ARCHITECTURES.items())
    with pytest.raises(TypeError):
        ARCHITECTURES["tf1_graph"] = ARCHITECTURES["keras_sequential"]  # type: ignore[index]  # what is refused
    with pytest.raises(TypeError):
        del ARCHITECTURES["tf1_graph"]  # type: ignore[attr-defined]  # likewise


def test_architectures_are_found_by_name() -> None:
    """`as_architecture` takes an architecture or a documented name, and lists the names for any other."""
    for name, architecture in ARCHITECTURES.items():
        assert as_architecture(name) is as_architecture(architecture) is architecture
    with pytest.raises(
        InvalidInput, match="no such architecture; expected one of keras_sequential, tf1_graph; received 'alexnet'"
    ):
        as_architecture("alexnet")


# ---- Descriptions that no input fits -----------------------------------------------------------------------------------

DENSE, POOL = Dense(name="dense", units=2), MaxPool(name="pool", pool_size=(5, 2), strides=(1, 1), padding="VALID")
UNFIT = [
    ((DENSE,), "'dense' of 'small': Dense takes a vector; expected (features,); received (4, 5, 3). Put a Flatten before it"),
    ((Flatten(name="flat"), POOL), "'pool' of 'small': MaxPool takes an image; expected (H, W, C); received (60,)"),
    ((Flatten(name="flat"), Resize(name="big", height=2, width=2)), "'big' of 'small': Resize takes an image"),
    ((Flatten(name="flat"), LRN(name="norm", depth_radius=1, bias=1, alpha=1, beta=1)), "'norm' of 'small': LRN takes an image"),
    (
        (Flatten(name="f"), Conv(name="conv", filters=1, kernel_size=(1, 1), padding="SAME")),
        "'conv' of 'small': Conv takes an image",
    ),
    ((POOL,), "'pool' of 'small': the window does not fit into the input; expected at least 5 positions (VALID); received 4"),
    ((Conv(name="conv", filters=1, kernel_size=(1, 6), padding="VALID"),), "'conv' of 'small': the window does not fit"),
]


@pytest.mark.parametrize(("layers", "message"), UNFIT, ids=[message.split("'")[1] for _, message in UNFIT])
def test_description_that_no_input_fits_is_refused(layers: tuple[Any, ...], message: str) -> None:
    """Where a layer cannot take what the layer before it gives, the shapes are refused by the name of that layer."""
    architecture = small(ReLU(name="relu"), *layers)
    with pytest.raises(InvalidInput) as caught:
        reference.layer_shapes(architecture)
    assert str(caught.value).startswith(f"layer {message}")
    for interpreter in (reference.param_counts, reference.init_params):
        with pytest.raises(InvalidInput, match=r"does not fit|takes an image|takes a vector"):
            interpreter(architecture)


def test_softmax_and_relu_take_vectors_and_images() -> None:
    """Layers that work element by element, or on the last axis, take any input."""
    for layer in (ReLU(name="a"), Softmax(name="b"), Dropout(name="c", rate=0.5)):
        assert reference.output_shape(layer, (4, 5, 3)) == (4, 5, 3)
        assert reference.output_shape(layer, (7,)) == (7,)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kernel_initializer", "he_normal"),
        ("bias_initializer", None),
        ("loss", "mse"),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("batch_size", 0),
        ("batch_size", 64.0),
        ("epsilon", -1e-8),
    ],
)
def test_illegal_recipes_are_refused(field: str, value: Any) -> None:
    """A recipe that nobody could follow is refused on construction, with the field and the value."""
    legal = {"kernel_initializer": "glorot_uniform", "bias_initializer": "zeros", "loss": "sparse_categorical_crossentropy"}
    with pytest.raises(InvalidInput, match=rf"Recipe\.{field} is not allowed.*received {re.escape(repr(value))}"):
        Recipe(**{**legal, field: value})


@pytest.mark.parametrize(
    "wrong",
    [{"name": None}, {"name": True}, {"quotes": "abc"}, {"quotes": (1,)}],
)
def test_illegal_labels_are_refused(wrong: dict[str, Any]) -> None:
    """A name that is no word, and quotes that are no tuple of strings, are refused."""
    with pytest.raises(InvalidInput, match="is not allowed"):
        ReLU(**{"name": "relu", **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": 5},
        {"input_shape": [2, 3, 1]},
        {"input_shape": 5},
        {"fed_shape": (-2, -3)},
        {"fed_shape": [6]},
        {"layers": ("x",)},
        {"layers": []},
    ],
    ids=str,
)
def test_strange_architectures_are_refused(wrong: dict[str, Any]) -> None:
    """Lists for tuples, negative sizes, strings for layers and numbers for names are refused in a line."""
    legal = {"name": "small", "input_shape": (2, 3, 1), "layers": (ReLU(name="relu"),)}
    with pytest.raises(InvalidInput):
        Architecture(**{**legal, **wrong})


def test_numbers_beyond_floats_are_refused() -> None:
    """An integer that no float can hold is refused, not overflowed."""
    with pytest.raises(InvalidInput, match=r"LRN\.alpha is not allowed"):
        LRN(name="lrn", depth_radius=1, bias=1, alpha=10**400, beta=1)
