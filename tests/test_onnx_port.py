"""ONNX models written in other ways: what computes the document's network conforms, however it is put together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference import Dense, Dropout, InvalidInput, MaxPool, ReLU
from reference.forward import apply

onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'alexnet-ref[onnx]'")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'alexnet-ref[onnx]'")

from alexnet_ref.arithmetic import FLOAT32  # noqa: E402 - after the skips
from alexnet_ref.bounds import allowed  # noqa: E402
from alexnet_ref.candidates import NotCheckable  # noqa: E402
from alexnet_ref.candidates.onnx import OnnxPort  # noqa: E402
from alexnet_ref.candidates.onnx_runtimes import onnx_runtime  # noqa: E402
from alexnet_ref.checks.agreement import check_agreement  # noqa: E402
from alexnet_ref.compare import assert_within  # noqa: E402
from alexnet_ref.verify import verify  # noqa: E402
from tests.onnx_models import (  # noqa: E402
    TINY,
    TINY_IMAGES,
    add_tensors,
    failures,
    judged,
    node,
    replace_nodes,
    set_attribute,
    set_input,
    tiny,
)
from tests.onnx_rewrites import OTHER_WAYS, fixed_batch  # noqa: E402

make = onnx.helper.make_node


@pytest.mark.parametrize(
    "rewrite",
    [
        pytest.param(way, id=way.__name__, marks=[] if i % 3 == 2 else pytest.mark.slow)  # LRN and the input's form among them
        for i, way in enumerate(OTHER_WAYS)
    ],
)
def test_the_same_network_in_another_way_conforms(rewrite: Callable[[Any], None]) -> None:
    """Every layer's probes pass, and the weights are read back bit for bit, whichever way the network is written."""
    model, params = tiny()
    rewrite(model)
    onnx.checker.check_model(model)
    report = judged(model, params)
    assert report.conforms, failures(report)
    made = {check.id for check in report.of("passed")}
    assert {"conv.exact[conv]", "pool.exact[pool]", "lrn.probe[norm]", "dense.exact[fc1]", "dense.impulses[out]"} <= made
    assert {f"dense.weights[{name}]" for name in ("fc1", "fc2", "out")} | {"conv.weights[conv]"} <= made


def test_attributes_are_read_in_the_documents_words() -> None:
    """Every step says its name, its operator, its shape and its weights, in the vocabulary where that has a word."""
    steps = {step.name: step for step in OnnxPort(tiny()[0], architecture=TINY).steps()}
    assert [(step.kind, step.output_shape, step.params) for step in steps.values()] == [
        ("Conv", (5, 4, 7), 95),
        ("Relu", (5, 4, 7), 0),
        ("MaxPool", (5, 2, 4), 0),
        ("LRN", (5, 2, 4), 0),
        ("Dropout", (5, 2, 4), 0),
        ("Transpose", (2, 4, 5), 0),
        ("Flatten", (40,), 0),
        ("Gemm", (8,), 328),
        ("Relu", (8,), 0),
        ("Gemm", (8,), 72),
        ("Relu", (8,), 0),
        ("Gemm", (4,), 36),
        ("Softmax", (4,), 0),
    ]
    assert steps["pool"].means == MaxPool(name="port", pool_size=(2, 2), strides=(2, 2), padding="SAME")
    assert steps["drop"].means == Dropout(name="port", rate=0.2)
    assert steps["fc2"].means == Dense(name="port", units=8)
    assert steps["conv/relu"].means == ReLU(name="port")
    assert steps["flatten"].means == "reshape"


def test_an_even_window_has_no_word() -> None:
    """An LRN over an even number of channels is none of the vocabulary's, and says its numbers."""
    model, _ = tiny()
    set_attribute(model, "norm", "size", 4)
    port = OnnxPort(model, runtime="reference")  # ONNX Runtime has none
    step = next(step for step in port.steps() if step.name == "norm")
    assert (step.means, step.kind) == (None, "LRN (size 4, alpha 1.5, beta 0.75, bias 1.0)")


def test_a_quantised_kernel_is_read_as_what_it_stands_for() -> None:
    """An int8 kernel with its scale is read, judged, and set, as the numbers that the layer multiplies by."""
    model, params = tiny()
    numbers = np.clip(np.round(params["fc2"]["kernel"] * 50), -127, 127).astype(np.int8)
    add_tensors(model, {"q": numbers, "scale": np.array(0.02, np.float32), "zero": np.array(0, np.int8)})
    replace_nodes(model, "fc2", [make("DequantizeLinear", ["q", "scale", "zero"], ["fc2/real"], name="dq"), node(model, "fc2")])
    set_input(model, "fc2", 1, "fc2/real")
    port = OnnxPort(model, architecture=TINY)
    assert np.array_equal(port.weights()["fc2"]["kernel"], numbers * np.float32(0.02))
    plain = onnx_runtime(optimization="disabled")  # at "all" it fails float32's bounds: eight-bit products, it seems
    report = judged(model, runtime=plain)
    assert report.conforms, failures(report)
    assert {"dense.weights[fc2]"} == set(failures(judged(model, params, runtime=plain)))  # they are not those it should have


def test_shared_weights_are_set_one_layer_at_a_time() -> None:
    """Two layers that share their tensors are read alike, and probed each with weights of its own."""
    model, params = tiny()
    third = make("Gemm", ["fc2", "fc2/kernel", "fc2/bias"], ["again"], name="again")
    relu = make("Relu", ["again"], ["more"], name="again/relu")
    replace_nodes(model, "out", [third, relu, node(model, "out")])
    set_input(model, "out", 0, "more")
    port = OnnxPort(model)
    names = [step.name for step in port.steps()]
    x = np.ones((2, 8), np.float32)
    other = {"kernel": np.eye(8, dtype=np.float32), "bias": np.zeros(8, np.float32)}
    assert np.array_equal(port.weights()["again"]["kernel"], params["fc2"]["kernel"])
    first, last = names.index("fc2"), names.index("again")
    received = port.run(first, last, x, {"again": other})
    dense = Dense(name="d", units=8, activation="relu")
    exact = {part: value.astype(np.float64) for part, value in params["fc2"].items()}
    assert_within(received, apply(dense, exact, x.astype(np.float64)), allowed(dense, exact, x.astype(np.float64), FLOAT32))


def test_weights_of_a_call_are_the_calls_alone() -> None:
    """After weights were set, the port has its own again, bit for bit, and the model is untouched."""
    model, params = tiny()
    before = model.SerializeToString(deterministic=True)
    port = OnnxPort(model)
    first = [step.name for step in port.steps()].index("fc2")
    x = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    own = port.run(first, first, x, {})
    zero = {part: np.zeros_like(value) for part, value in params["fc2"].items()}
    assert not port.run(first, first, x, {"fc2": zero}).any()
    assert np.array_equal(port.run(first, first, x, {}), own)
    assert model.SerializeToString(deterministic=True) == before


def test_a_computed_kernel_cannot_be_read() -> None:
    """A kernel that is a product in the model is not read, is said not to be, and is probed all the same."""
    model, params = tiny()
    add_tensors(model, {"two": np.array(2, np.float32)})
    replace_nodes(model, "fc2", [make("Mul", ["fc2/kernel", "two"], ["fc2/twice"], name="twice"), node(model, "fc2")])
    set_input(model, "fc2", 1, "fc2/twice")
    with pytest.raises(NotCheckable, match="kernel of fc2 is computed"):
        OnnxPort(model, architecture=TINY).weights()
    statuses = {check.id: check.status for check in judged(model).checks}
    assert (statuses["network.weights"], statuses["dense.exact[fc2]"]) == ("not checkable", "passed")
    params["fc2"]["kernel"] *= 2
    assert not any(check.kind == "isolated" and check.status == "failed" for check in judged(model, params).checks)


def test_training_is_not_to_be_had() -> None:
    """Dropout's checks in training are not checkable, and the reason is told."""
    port = OnnxPort(tiny()[0])
    drop = [step.name for step in port.steps()].index("drop")
    with pytest.raises(NotCheckable, match="an inference graph has no training mode"):
        port.run(drop, drop, np.ones((1, 5, 2, 4), np.float32), {}, training=True)


def test_any_number_of_images_goes_through_a_fixed_batch() -> None:
    """A model for two images gives three images what a free one gives them."""
    model, _ = tiny()
    x = np.ascontiguousarray(TINY_IMAGES.transpose(0, 3, 1, 2))
    free = OnnxPort(model).outputs(x)
    fixed_batch(model)
    fixed = OnnxPort(model).outputs(x)
    assert [y.shape for y in fixed] == [y.shape for y in free]
    report = verify(model, TINY, images=TINY_IMAGES, batch_size=3, checks=[check_agreement])
    assert report.conforms, failures(report)


def test_a_runtime_that_rewrites_nothing_conforms() -> None:
    """ONNX Runtime without graph optimisation conforms, and the report says that there was none."""
    model, params = tiny()
    report = judged(model, params, runtime=onnx_runtime(optimization="disabled"))
    assert report.conforms, failures(report)
    assert report.environment["runtime"].endswith("graph optimisation disabled")


def _lrn_is_right() -> bool:
    """Tell whether ONNX's own evaluator normalises every channel: up to 1.23.2, as many as there are images (onnx/onnx#7805)."""
    from onnx.reference import ReferenceEvaluator

    graph = onnx.helper.make_graph([make("LRN", ["x"], ["y"], size=1, alpha=1.0)], "lrn", [_image("x")], [_image("y")])
    [y] = ReferenceEvaluator(onnx.helper.make_model(graph)).run(None, {"x": np.ones((1, 2, 1, 1), np.float32)})
    return bool(y[0, 0, 0, 0] == y[0, 1, 0, 0])


def _image(name: str) -> Any:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", "C", "H", "W"])


def test_onnx_own_evaluator_is_judged() -> None:
    """ONNX's reference evaluator conforms layer by layer, but for its LRN where that is the one with the wrong loop."""
    report = judged(tiny()[0], runtime="reference")
    wrong = {check.layer for check in report.of("failed") if check.kind != "end_to_end"}
    assert wrong == (set() if _lrn_is_right() else {"norm"})
    assert report.environment["runtime"] == f"onnx.reference {onnx.__version__}"


def test_a_runtime_that_is_wrong_is_rejected() -> None:
    """A runtime of one's own is a function; one whose maximum is off by some roundings fails the pool's own check alone."""

    def wrong(part: Any) -> Any:
        run = onnx_runtime().prepare(part)
        alone = [n.op_type for n in part.graph.node] == ["MaxPool"]
        return lambda feed: [y * np.float32(1 + 2**-20) if alone else y for y in run(feed)]

    report = judged(tiny()[0], runtime=wrong)
    assert set(failures(report)) == {"pool.exact[pool]"}
    assert "wrong" in report.environment["runtime"]


def test_unknown_runtimes_are_refused() -> None:
    """A runtime that there is not, and a way to optimise that there is not, are refused in a line."""
    with pytest.raises(InvalidInput, match="no such ONNX runtime"):
        OnnxPort(tiny()[0], runtime="tflite")
    with pytest.raises(InvalidInput, match="no such graph optimisation"):
        onnx_runtime(optimization="most")  # type: ignore[arg-type]  # on purpose


def test_the_environment_says_what_ran() -> None:
    """Versions of ONNX, runtime and model are in the report, and a producer's control characters are not."""
    model, _ = tiny()
    model.producer_name = "evil\x1b[31m"
    environment = OnnxPort(model).environment()
    assert environment["onnx"] == onnx.__version__
    assert environment["model"] == r"opset 17, IR version 8, by evil\x1b[31m 0.1.0"
    assert "CPUExecutionProvider, graph optimisation all" in environment["runtime"]


def test_no_other_framework_is_imported() -> None:
    """Judging an ONNX model loads neither TensorFlow, Keras, PyTorch nor JAX."""
    code = """
import sys, reference
from alexnet_ref.candidates.onnx import OnnxPort
from alexnet_ref.export.onnx import export_onnx
from alexnet_ref.verify import verify
tf1 = reference.ARCHITECTURES["tf1_graph"]
small = reference.Architecture(name="tf1_graph", input_shape=(28, 28, 1), fed_shape=(784,), layers=tf1.layers[1:4])
report = verify(export_onnx(small, {}), small, batch_size=1)
assert report.conforms, report.sentence
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"tensorflow", "keras", "torch", "jax"}))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    assert result.stdout.strip() == ""
    assert result.stderr == ""
