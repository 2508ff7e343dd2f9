"""Every layer carries the sentence it comes from: character for character the document's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reference import Architecture, Conv, Dense, Layer
from reference.documented import documented_params, documented_shape
from tests import golden

FILES = {"keras_sequential": "alexnet-with-tensorflow.txt", "tf1_graph": "alexnet-in-tensorflow.txt"}


def misquoted(text: str, layers: tuple[Layer, ...]) -> list[str]:
    """Return "layer: quote" for each quote that does not occur in the text."""
    return [f"{layer.name}: {quote}" for layer in layers for quote in layer.quotes if quote not in text]


def test_quotes_occur_in_the_document(architecture: Architecture, documents: Path) -> None:
    """Every quote of every layer, and the title, occurs in the document, character for character."""
    text = (documents / FILES[architecture.name]).read_text(encoding="utf-8")
    assert misquoted(text, architecture.layers) == []
    assert text.startswith(architecture.title)


def test_quotes_of_the_other_document_do_not_occur(architecture: Architecture, documents: Path) -> None:
    """The quotes tell the documents apart: every layer has one that the other document lacks."""
    (other,) = set(FILES.values()) - {FILES[architecture.name]}
    text = (documents / other).read_text(encoding="utf-8")
    assert {line.split(":")[0] for line in misquoted(text, architecture.layers)} == {layer.name for layer in architecture.layers}


def test_every_layer_is_quoted_in_its_place(architecture: Architecture) -> None:
    """Every layer says where in the document it stands, and quotes it at least once; keras_sequential by the summary's row."""
    for number, layer in enumerate(architecture.layers, 1):
        assert layer.place
        assert type(layer.quotes) is tuple
        assert layer.quotes
        assert all(type(quote) is str and quote.strip() for quote in layer.quotes)
        if architecture.name == "keras_sequential":
            assert layer.place == f"summary row {number}"


@pytest.mark.parametrize("wrong", ["Conv2D(97, 11", "conv2D(96, 11", "Conv2D(96,11", "Conv2D(96,  11"])
def test_wrong_quote_is_found(wrong: str) -> None:
    """A digit, a letter's case, a missing or a doubled space that the document does not have is a misquotation."""
    layer = Conv(name="conv2d", filters=96, kernel_size=(11, 11), padding="SAME", quotes=("layers.Conv2D(96, 11",))
    text = "model.add(layers.Conv2D(96, 11, strides=4, padding='same'))"
    assert misquoted(text, (layer,)) == []
    assert misquoted(text, (replace(layer, quotes=(*layer.quotes, wrong)),)) == [f"conv2d: {wrong}"]


def test_documented_numbers_are_read_from_quotes(architecture: Architecture) -> None:
    """What a quote says of shapes and parameters is what it says: the summary's rows, the listing's variables."""
    for layer, row in zip(architecture.layers, golden.ROWS[architecture.name], strict=True):
        summary = architecture.name == "keras_sequential"
        assert documented_shape(layer) == (row.shape if summary else None)
        assert documented_params(layer) == (row.params if summary or isinstance(layer, Conv | Dense) else None)


def test_documented_numbers_follow_the_quote_alone(architecture: Architecture) -> None:
    """The numbers come from the characters: another row or variable gives other numbers, none gives none."""
    layer = architecture.layers[0]
    row = replace(layer, quotes=("anything", "conv2d (Conv2D) (None, 5, 66, 777) 8888"))
    assert (documented_shape(row), documented_params(row)) == ((5, 66, 777), 8888)
    variables = ("'w': tf.Variable(tf.random_normal([4*4*7, 11]))", "'b': tf.Variable(tf.random_normal([n_classes]))")
    assert documented_params(replace(layer, quotes=variables)) == 4 * 4 * 7 * 11 + 10
    assert documented_shape(replace(layer, quotes=variables)) is None
    assert documented_params(replace(layer, quotes=("anything",))) is None
