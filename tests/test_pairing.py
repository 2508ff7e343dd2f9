"""A port's steps are cut into the document's layers as a reader would cut them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import reference
from alexnet_ref.candidates.pairing import Pairing, pair
from alexnet_ref.candidates.step import Step
from reference import InvalidInput
from reference.shapes import layer_inputs, layer_shapes, param_counts

KERAS, TF1 = (reference.ARCHITECTURES[name] for name in ("keras_sequential", "tf1_graph"))


def documented(architecture: reference.Architecture) -> list[Step]:
    """Return a step for each layer, named s0, s1 and so on."""
    shapes, counts = layer_shapes(architecture), param_counts(architecture)
    return [
        Step(name=f"s{place}", kind="", means=layer, output_shape=shapes[layer.name], params=counts[layer.name])
        for place, layer in enumerate(architecture.layers)
    ]


def cut(pairing: Pairing, steps: list[Step]) -> dict[str, list[str]]:
    """Return {layers: names of their steps}."""
    return {"+".join(block.layers): [step.name for step in steps[block.first : block.last + 1]] for block in pairing.blocks}


def inserted(steps: list[Step], place: int, **changes: Any) -> list[Step]:
    """Return the steps with another before this place."""
    step = Step(name="other", kind="", **changes)
    return [*steps[:place], step, *steps[place:]]


@pytest.mark.parametrize("architecture", [KERAS, TF1], ids=lambda architecture: architecture.name)
def test_a_step_a_layer(architecture: reference.Architecture) -> None:
    """The documents' own steps are found, and nothing is guessed."""
    steps = documented(architecture)
    pairing = pair(architecture, steps)
    assert pairing.natural
    assert cut(pairing, steps) == {layer.name: [f"s{place}"] for place, layer in enumerate(architecture.layers)}


def test_a_pad_is_the_next_layers() -> None:
    """A pool that gives fewer rows than it should is not made right by the padding of the convolution behind it."""
    place = next(i for i, layer in enumerate(KERAS.layers) if layer.name == "max_pooling2d_1")
    shape = layer_inputs(KERAS)["conv2d_2"]
    steps = documented(KERAS)
    steps[place] = replace(steps[place], output_shape=(2, 2, shape[2]))
    steps = inserted(steps, place + 1, means="pad", output_shape=shape, pads=((0, 1), (0, 1)))
    found = cut(pair(KERAS, steps), steps)
    assert found["max_pooling2d_1"] == [f"s{place}"]
    assert found["conv2d_2"] == ["other", f"s{place + 1}"]


def test_weights_belong_to_a_layer_with_weights() -> None:
    """A step that no word describes, but that has weights, is the convolution's before it, not the ReLU's behind it."""
    place = next(i for i, layer in enumerate(KERAS.layers) if layer.name == "activation_4")
    steps = inserted(documented(KERAS), place, means=None, output_shape=layer_inputs(KERAS)["activation_4"], params=256)
    found = cut(pair(KERAS, steps), steps)
    assert found["activation_4"] == [f"s{place}"]
    assert found["conv2d_4"] == [f"s{place - 1}", "other"]


def test_an_unknown_step_where_dropout_should_be_is_dropout() -> None:
    """A mask written by hand takes the place that nothing else has."""
    place = next(i for i, layer in enumerate(TF1.layers) if layer.name == "drop2")
    steps = documented(TF1)
    steps[place] = replace(steps[place], means=None)
    pairing = pair(TF1, steps)
    assert not pairing.natural
    assert cut(pairing, steps)["drop2"] == [f"s{place}"]


def test_a_layer_without_a_step_is_missing() -> None:
    """A norm that the port lacks has no step, and its neighbours keep theirs."""
    place = next(i for i, layer in enumerate(TF1.layers) if layer.name == "norm2")
    steps = documented(TF1)
    del steps[place]
    found = cut(pair(TF1, steps), steps)
    assert found["norm2"] == []
    assert (found["pool2"], found["drop2"]) == ([f"s{place - 1}"], [f"s{place + 1}"])


def test_names_go_before_kinds() -> None:
    """What the user names is taken for that layer, whatever it is; a name that is no step's is refused."""
    steps = documented(TF1)
    unknown = [replace(step, means=None) if step.name in ("s2", "s3") else step for step in steps]
    assert cut(pair(TF1, unknown, {"norm1": "s2", "drop1": "s3"}), unknown)["drop1"] == ["s3"]
    with pytest.raises(InvalidInput, match="the port has no such step"):
        pair(TF1, steps, {"norm1": "nobody"})
