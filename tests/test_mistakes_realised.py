"""Every mistake realised in Keras, PyTorch and ONNX computes what the NumPy interpreter says, each layer fed its own input."""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import reference
from alexnet_ref.compare import compare
from alexnet_ref.mistakes import Mistake, as_ported, mistakes, right, run
from alexnet_ref.mistakes.mistake import documented
from alexnet_ref.mistakes.parts import OddDropout
from reference import InvalidInput
from tests.miniatures import MINIATURES, material
from tests.mistake_bounds import allowed

Array = NDArray[Any]
Outputs = Mapping[str, Array]  # NHWC
Realised = Callable[[Mistake, Any, Array], Outputs]
NAMES = list(reference.ARCHITECTURES)


# ---- Frameworks ----------------------------------------------------------------------------------------------------------


def keras_outputs(mistake: Mistake, params: Any, x: Array) -> Outputs:
    """Return every layer's output of the Keras model."""
    import keras

    from alexnet_ref.mistakes.keras import build

    model = build(mistake, params)
    taps = keras.Model(model.inputs[0], {layer.name: layer.output for layer in model.layers})
    return {name: value.numpy() for name, value in taps(x).items()}


def torch_outputs(mistake: Mistake, params: Any, x: Array) -> Outputs:
    """Return every layer's output of the PyTorch module."""
    import torch

    from alexnet_ref.mistakes.torch import build

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # many small operations: waking threads costs more than they save
    try:
        return _torch_outputs(build(mistake, params), x)
    finally:
        torch.set_num_threads(threads)


def _torch_outputs(module: Any, x: Array) -> Outputs:
    import torch

    with torch.inference_mode():
        outputs = module.outputs(torch.from_numpy(_nchw(x)))
        return {name: _nhwc(value.numpy()) for name, value in outputs.items()}


def onnx_outputs(mistake: Mistake, params: Any, x: Array) -> Outputs:
    """Return every layer's output of the ONNX graph, run by ONNX Runtime."""
    from onnx import TensorProto, helper

    from alexnet_ref.mistakes.onnx import build

    model = build(mistake, params)
    names = [*(["preprocessing"] if mistake.input else []), *(name for name, _ in mistake.network)]
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    onnxruntime: Any = importlib.import_module("onnxruntime")  # it has no types
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return {name: _nhwc(value) for name, value in zip(names, session.run(None, {"images": _nchw(x)}), strict=True)}


def _nchw(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _nhwc(x: Array) -> Array:
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


FRAMEWORKS: dict[str, Realised] = {"keras": keras_outputs, "torch": torch_outputs, "onnx": onnx_outputs}
NEEDS = {"keras": ("tensorflow",), "torch": ("torch",), "onnx": ("onnx", "onnxruntime")}
_FRAMEWORK = [
    pytest.param("keras", marks=pytest.mark.tf),
    *(
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                any(importlib.util.find_spec(package) is None for package in NEEDS[name]),
                reason=f"{' and '.join(NEEDS[name])} must be installed",
            ),
        )
        for name in ("torch", "onnx")
    ),
]
framework = pytest.mark.parametrize("framework", _FRAMEWORK)

# What a framework cannot do, of what shows in inference. (An ONNX graph of inference trains not at all.)
REFUSED = {
    "keras": {"resize.bicubic_pytorch"},
    "torch": {"resize.asymmetric", "resize.bicubic"},
    "onnx": {"resize.bicubic", "precision.tf32_operand"},
}


# ---- Agreement -----------------------------------------------------------------------------------------------------------


def disagreements(mistake: Mistake, realised: Realised) -> list[str]:
    """Return where the realisation differs from the interpreter by more than rounding, the wrong layers' outputs compared."""
    architecture = mistake.architecture
    params, x = material(architecture)
    ported = as_ported(mistake, params)
    outputs = realised(mistake, params, x)
    assert list(outputs) == [*(["preprocessing"] if mistake.input else []), *(name for name, _ in mistake.network)]
    changed = {name for name in params if any(not np.array_equal(ported[name][p], params[name][p]) for p in params[name])}
    own = dict(documented(architecture))
    moved = [name for name, _ in mistake.network] != list(own)
    found, fed = [], x
    entries = [*([("preprocessing", mistake.input)] if mistake.input else []), *mistake.network]
    for name, parts in entries:
        random = any(isinstance(part, OddDropout) and part.active == "always" for part in parts)
        if not random and (moved or mistake.id == "none" or name in changed or own.get(name) != parts):
            expected = run(parts, ported.get(name, {}), fed)
            comparison = compare(outputs[name], expected, allowed(parts, ported.get(name, {}), fed))
            found += [] if comparison.passed else [f"{mistake.id}: {name}: {comparison.fact} ({comparison.ratio} of allowed)"]
        fed = outputs[name]
    return found


def _sample(name: str, framework: str) -> list[Mistake]:
    """Return the right network, and one mistake of each name that the framework can realise, fewer of Keras, which is slow.

    The last layer's: tf1_graph's pool3 alone pads.
    """
    last: dict[str, Mistake] = {}
    for mistake in mistakes(MINIATURES[name]):
        kind = f"{mistake.family}.{mistake.word}"
        if mistake.shows not in ("training", "recipe") and kind not in REFUSED[framework]:
            last[kind] = mistake
    return [right(MINIATURES[name]), *list(last.values())[:: 8 if framework == "keras" else 1]]


@pytest.mark.slow
@framework
def test_mistakes_realised_agree_with_numpy(framework: str) -> None:
    """tf1_graph's mistakes, one of each name, compute in each framework what they compute in NumPy."""
    sample = _sample("tf1_graph", framework)
    assert len(sample) > (10 if framework == "keras" else 100)
    assert [line for mistake in sample for line in disagreements(mistake, FRAMEWORKS[framework])] == []


@pytest.mark.slow
@framework
@pytest.mark.parametrize("name", NAMES)
def test_mistakes_realised_all(framework: str, name: str) -> None:
    """All mistakes that show in inference are realised, but for those that the framework cannot do, and agree with NumPy."""
    found, counts = [], Counter[str]()
    for mistake in [right(MINIATURES[name]), *mistakes(MINIATURES[name])]:
        if mistake.shows in ("training", "recipe"):
            continue
        try:
            found += disagreements(mistake, FRAMEWORKS[framework])
            counts["realised"] += 1
        except InvalidInput:
            assert f"{mistake.family}.{mistake.word}" in REFUSED[framework]
            counts["refused"] += 1
    print(f"{framework}, {name}: {dict(counts)}")  # noqa: T201 - how many each framework realises
    assert found == []


@framework
def test_mistakes_realised_beside_a_name_alike(framework: str) -> None:
    """A layer of several steps, whose document has others named dense_1 and dense_2, takes the name of none of them."""
    mistake = next(m for m in mistakes(MINIATURES["keras_sequential"]) if m.id == "bias.missing[dense]")
    assert disagreements(mistake, FRAMEWORKS[framework]) == []


@framework
def test_mistakes_realised_differently_are_found(framework: str) -> None:
    """The comparison itself: a realisation of another mistake is seen."""
    architecture = MINIATURES["tf1_graph"]
    one, other = (
        next(m for m in mistakes(architecture) if m.id == name) for name in ("lrn.one_sided[norm1]", "lrn.wraps_around[norm1]")
    )
    assert disagreements(one, FRAMEWORKS[framework]) == []
    assert disagreements(one, lambda _, params, x: FRAMEWORKS[framework](other, params, x)) != []


@framework
def test_mistakes_refused_are_told(framework: str) -> None:
    """What a framework cannot do is refused with the mistake's name."""
    for name in NAMES:
        params, x = material(MINIATURES[name])
        refused = [m for m in mistakes(MINIATURES[name]) if f"{m.family}.{m.word}" in REFUSED[framework]]
        for mistake in refused:
            with pytest.raises(InvalidInput, match=mistake.word):
                FRAMEWORKS[framework](mistake, params, x)


@pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="onnx must be installed")
def test_mistakes_in_training_are_refused_by_onnx() -> None:
    """A graph of inference says nothing of training: every mistake of dropout's training and of the recipe is refused."""
    from alexnet_ref.mistakes.onnx import build

    training = [m for m in mistakes(MINIATURES["tf1_graph"]) if m.shows in ("training", "recipe")]
    assert training
    for mistake in training:
        with pytest.raises(InvalidInput, match="does not train"):
            build(mistake)
