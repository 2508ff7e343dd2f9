"""The lines that put a layer right, run: each is the document's layer, in its framework's own meaning of every number."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import reference
from alexnet_ref import bounds
from alexnet_ref.arithmetic import FLOAT32
from alexnet_ref.candidates.step import Framework
from alexnet_ref.compare import assert_within
from alexnet_ref.diagnosis.fix import right_line
from alexnet_ref.power.miniature import miniature
from reference import LRN, Conv, Dropout, Layer, Resize, param_shapes
from reference.forward import apply
from reference.shapes import layer_inputs

Array = NDArray[Any]
LAYERS = [
    pytest.param(layer, layer_inputs(network)[layer.name], id=f"{network.name}-{layer.name}")
    for network in map(miniature, reference.ARCHITECTURES.values())
    for layer in network.layers
]


def code(layer: Layer, shape: tuple[int, ...], framework: Framework) -> tuple[str, str, str]:
    """Return the line's expression, what comes before it, and the activation behind it."""
    line = right_line(layer, shape, framework).removeprefix("Write it as ").removesuffix(".")
    line = re.split(r", (?:or|the) | on ", line)[0]  # words for the reader
    line, _, activation = line.partition(", then ")
    before, _, expression = line.rpartition(" before ")
    return expression, before, activation.lower()


def judged(layer: Layer, shape: tuple[int, ...], run: Any) -> None:
    """Hold run(x, params), of NHWC or vectors in float32, against the oracle."""
    rng = np.random.default_rng(0)
    params = {part: rng.standard_normal(size).astype(np.float32) for part, size in param_shapes(layer, shape).items()}
    x = (30 * rng.standard_normal((2, *shape))).astype(np.float32)
    exact, x64 = {part: value.astype(np.float64) for part, value in params.items()}, x.astype(np.float64)
    assert_within(run(x, params), apply(layer, exact, x64), bounds.allowed(layer, exact, x64, FLOAT32))


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_torch_line(layer: Layer, shape: tuple[int, ...]) -> None:
    """What the line for PyTorch computes is the document's layer."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    expression, before, activation = code(layer, shape, "torch")

    def run(x: Array, params: dict[str, Array]) -> Array:
        y = torch.from_numpy(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x)
        y = eval(before, names, {"x": y}) if before else y  # noqa: S307 - our own lines
        made = eval(expression, names, {"x": y})  # noqa: S307
        if params:
            kernel = params["kernel"].transpose(3, 2, 0, 1) if isinstance(layer, Conv) else params["kernel"].T
            made.load_state_dict({"weight": torch.from_numpy(kernel.copy()), "bias": torch.from_numpy(params["bias"])})
        with torch.inference_mode():
            y = made.eval()(y) if isinstance(made, torch.nn.Module) else made
        y = {"": lambda y: y, "relu": torch.relu, "softmax": lambda y: torch.softmax(y, 1)}[activation](y)
        result: Array = y.numpy()
        return result.transpose(0, 2, 3, 1) if result.ndim == 4 else result

    if isinstance(layer, Dropout):
        assert eval(expression, names).p == layer.rate  # noqa: S307
    judged(layer, shape, run)


@pytest.mark.tf
@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_keras_line(layer: Layer, shape: tuple[int, ...]) -> None:
    """What the line for Keras computes is the document's layer."""
    import keras
    import tensorflow as tf

    expression, _, _ = code(layer, shape, "keras")

    def run(x: Array, params: dict[str, Array]) -> Array:
        made = eval(expression, {"keras": keras, "tf": tf}, {"x": tf.constant(x)})  # noqa: S307 - our own lines
        if isinstance(layer, LRN):
            return np.asarray(made)
        made.build((None, *shape))
        made.set_weights([params[part] for part in ("kernel", "bias")] if params else [])
        return np.asarray(made(x))

    if isinstance(layer, Dropout):
        assert eval(expression, {"keras": keras}).rate == layer.rate  # noqa: S307
    judged(layer, shape, run)


@pytest.mark.parametrize(("layer", "shape"), [each for each in LAYERS if not isinstance(each.values[0], Resize)])
def test_onnx_line(layer: Layer, shape: tuple[int, ...]) -> None:
    """What a node with the line's attributes computes, in ONNX Runtime, is the document's layer."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'alexnet-ref[onnx]'")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'alexnet-ref[onnx]'")
    from alexnet_ref.candidates.onnx_runtimes import onnx_runtime

    expression, before, activation = code(layer, shape, "onnx")
    kind, _, attributes = expression.partition(" with ") if "=" in expression else (expression.split()[0], "", "")
    values = eval(f"dict({attributes})") if not isinstance(layer, Dropout) else {}  # noqa: S307 - our own lines

    values |= {name: float(values[name]) for name in ("alpha", "beta", "bias") if name in values}  # ONNX tells 1 from 1.0

    def run(x: Array, params: dict[str, Array]) -> Array:
        nodes, last = [], "x"
        if before:
            nodes.append(onnx.helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 2, 3, 1]))
            last = "turned"
        inputs = [last, *(part for part in ("kernel", "bias") if part in params)]
        nodes.append(onnx.helper.make_node(kind, inputs, ["y"], **values))
        if activation:
            nodes.append(onnx.helper.make_node(activation.replace("relu", "Relu").replace("soft", "Soft"), ["y"], ["z"]))
        feed = {"x": x.transpose(0, 3, 1, 2) if x.ndim == 4 else x}
        if params:
            kernel = params["kernel"].transpose(3, 2, 0, 1) if isinstance(layer, Conv) else params["kernel"]
            feed |= {"kernel": kernel, "bias": params["bias"]}
        given = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in feed]
        result = onnx.helper.make_tensor_value_info(nodes[-1].output[0], onnx.TensorProto.FLOAT, None)
        graph = onnx.helper.make_graph(nodes, "line", given, [result])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        y = np.asarray(onnx_runtime().prepare(model)(feed)[0])
        return y.transpose(0, 2, 3, 1) if y.ndim == 4 else y

    judged(layer, shape, run)


def test_a_wrong_line_is_seen() -> None:
    """The comparison itself: PyTorch's LRN with the alpha of TensorFlow is not the document's."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    norm = reference.ARCHITECTURES["tf1_graph"]["norm1"]
    assert isinstance(norm, LRN)
    wrong = torch.nn.LocalResponseNorm(norm.window, alpha=norm.alpha, beta=norm.beta, k=norm.bias)

    def run(x: Array, _: dict[str, Array]) -> Array:
        y: Array = wrong(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
        return y

    with pytest.raises(AssertionError):
        judged(norm, (5, 4, 12), run)
