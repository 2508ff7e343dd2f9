"""ONNX models that differ from the document's network do not conform, and the first wrong layer is the one that was changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alexnet_ref
from reference import Resize

onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'alexnet-ref[onnx]'")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'alexnet-ref[onnx]'")

from alexnet_ref.candidates.onnx import OnnxPort  # noqa: E402 - after the skips
from alexnet_ref.export.onnx import export_onnx  # noqa: E402
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
    set_tensor,
    tensor,
    tiny,
)

make = onnx.helper.make_node
# Kinds of checks that compare numbers: what a model computes, whatever it says of itself.
NUMBERS = {"exact", "probe", "isolated", "impulses", "bias", "variance"}


def _attribute(name: str, attribute: str, value: Any) -> Callable[[Any], None]:
    return lambda model: set_attribute(model, name, attribute, value)


def _without(name: str, source: str, user: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        replace_nodes(model, name, [])
        set_input(model, user, 0, source)

    return change


def _same_lower(model: Any) -> None:
    set_attribute(model, "conv", "pads", None)
    set_attribute(model, "conv", "auto_pad", "SAME_LOWER")


def _no_softmax(model: Any) -> None:
    replace_nodes(model, "out/softmax", [])
    model.graph.output[0].name = "out/product"


def _rounded_down(model: Any) -> None:
    set_attribute(model, "pool", "pads", None)
    set_tensor(model, "fc1/kernel", onnx.numpy_helper.to_array(tensor(model, "fc1/kernel"))[:30])  # 2·3·5 features are left


def _average(model: Any) -> None:
    pool = make("AveragePool", ["conv"], ["pool"], name="pool", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 1])
    replace_nodes(model, "pool", [pool])


def _pool_with_zeros(model: Any) -> None:
    add_tensors(model, {"widths": np.array([0, 0, 0, 0, 0, 0, 0, 1], np.int64)})
    pad = make("Pad", ["conv/product", "widths"], ["padded"], name="pad")
    set_attribute(model, "pool", "pads", None)
    set_input(model, "pool", 0, "conv/product")
    replace_nodes(model, "pool", [pad, node(model, "pool"), make("Relu", ["pooled"], ["pool"], name="relu")])
    set_input(model, "pool", 0, "padded")
    node(model, "pool").output[0] = "pooled"


def _leaky(model: Any) -> None:
    replace_nodes(model, "fc1/relu", [make("LeakyRelu", ["fc1/product"], ["fc1"], name="fc1/relu", alpha=1e-3)])


def _clipped(model: Any) -> None:
    add_tensors(model, {"zero": np.array(0, np.float32), "six": np.array(6, np.float32)})
    replace_nodes(model, "fc1/relu", [make("Clip", ["fc1/product", "zero", "six"], ["fc1"], name="fc1/relu")])


def _training(model: Any) -> None:
    add_tensors(model, {"training": np.array(True)})
    node(model, "drop").input.append("training")


def _scaled_dropout(model: Any) -> None:
    add_tensors(model, {"keep": np.array(0.8, np.float32)})
    replace_nodes(model, "drop", [make("Mul", ["norm", "keep"], ["drop"], name="drop")])


def _scrambled_flatten(model: Any) -> None:
    set_attribute(model, "flatten/nhwc/transpose", "perm", [0, 3, 2, 1])


def _half_precision(model: Any) -> None:
    kernel = onnx.numpy_helper.to_array(tensor(model, "fc2/kernel")).astype(np.float16)
    set_tensor(model, "fc2/kernel", kernel)
    set_tensor(model, "fc2/bias", onnx.numpy_helper.to_array(tensor(model, "fc2/bias")).astype(np.float16))
    replace_nodes(
        model,
        "fc2",
        [
            make("Cast", ["fc1"], ["fc1/half"], name="to half", to=onnx.TensorProto.FLOAT16),
            make("Gemm", ["fc1/half", "fc2/kernel", "fc2/bias"], ["fc2/half"], name="fc2"),
            make("Cast", ["fc2/half"], ["fc2/product"], name="to single", to=onnx.TensorProto.FLOAT),
        ],
    )


def _without_bias(model: Any) -> None:
    del node(model, "fc2").input[2]


WRONG: dict[str, tuple[str, Callable[[Any], None]]] = {
    "SAME is symmetric": ("conv", _attribute("conv", "pads", [1, 1, 1, 1])),
    "SAME_LOWER": ("conv", _same_lower),
    "no ReLU after conv": ("conv", _without("conv/relu", "conv/product", "pool")),
    "pool pads before": ("pool", _attribute("pool", "pads", [0, 1, 0, 0])),
    "pool rounds down": ("pool", _rounded_down),
    "average pool": ("pool", _average),
    "LRN's alpha divided twice": ("norm", _attribute("norm", "alpha", 0.5)),
    "LRN's alpha 1 % off": ("norm", _attribute("norm", "alpha", 1.515)),
    "LRN's beta": ("norm", _attribute("norm", "beta", 0.5)),
    "LRN's bias": ("norm", _attribute("norm", "bias", 2.0)),
    "LRN's window": ("norm", _attribute("norm", "size", 5)),
    "no LRN": ("norm", _without("norm", "pool", "drop")),
    "dropout in training": ("drop", _training),
    "dropout scales at inference": ("drop", _scaled_dropout),
    "flattened in another order": ("flatten", _scrambled_flatten),
    "leaky ReLU": ("fc1", _leaky),
    "ReLU6": ("fc1", _clipped),
    "alpha 2": ("fc2", _attribute("fc2", "alpha", 2.0)),
    "no bias": ("fc2", _without_bias),
    "half precision": ("fc2", _half_precision),
    "no softmax": ("out", _no_softmax),
    "softmax over the batch": ("out", _attribute("out/softmax", "axis", 0)),
}


# Without --slow, one or two of each layer.
FIRST = (
    "SAME is symmetric",
    "pool pads before",
    "LRN's alpha divided twice",
    "no LRN",
    "dropout scales at inference",
    "flattened in another order",
    "leaky ReLU",
    "no bias",
    "softmax over the batch",
)


@pytest.mark.parametrize(
    ("layer", "change"),
    [pytest.param(*case, id=name, marks=[] if name in FIRST else pytest.mark.slow) for name, case in WRONG.items()],
)
def test_a_wrong_model_is_rejected_at_its_layer(layer: str, change: Callable[[Any], None]) -> None:
    """The model does not conform; the first layer that is wrong is the changed one, and no layer before it is."""
    model, params = tiny()
    change(model)
    report = judged(model, params)
    assert not report.conforms
    wrong = {check.layer for check in report.of("failed") if check.kind in NUMBERS} or _unsaid(report)
    order = [known.name for known in TINY.layers]
    assert min(order.index(name) for name in wrong if name) == order.index(layer), failures(report)


def _unsaid(report: Any) -> set[str | None]:
    """Return the layers that the port lacks, where no number is wrong."""
    return {check.layer for check in report.checks if check.fact == "the candidate has no such layer"}


def test_zeros_around_a_pool_are_rejected() -> None:
    """A maximum over padding of zeros differs from one over none where the data are negative."""
    model, _ = tiny()
    _pool_with_zeros(model)
    assert not judged(model).conforms


@pytest.mark.parametrize("activation", ["relu", None])
def test_zeros_before_a_pool_are_judged_by_what_it_can_be_fed(activation: Any) -> None:
    """They never win behind a ReLU, and are right there; behind no activation they are wrong."""
    network = dataclasses.replace(TINY, layers=(dataclasses.replace(TINY["conv"], activation=activation), *TINY.layers[1:]))
    model = export_onnx(network, tiny()[1])
    add_tensors(model, {"widths": np.array([0, 0, 0, 0, 0, 0, 0, 1], np.int64)})
    replace_nodes(model, "pool", [make("Pad", ["conv", "widths"], ["padded"], name="pad"), node(model, "pool")])
    set_attribute(model, "pool", "pads", None)
    set_input(model, "pool", 0, "padded")
    report = alexnet_ref.verify(OnnxPort(model, architecture=network), network, images=TINY_IMAGES, diagnosis=False)
    assert ("pool.exact[pool]" in failures(report)) == (not report.conforms) == (activation is None)


def test_what_is_no_matter_of_order_is_not_told_as_one() -> None:
    """A weight that is no number fails, and no mistake in the order of the layers, which is right, is named for it."""
    model, _ = tiny()
    value = np.array(onnx.numpy_helper.to_array(tensor(model, "conv/kernel")))
    value.ravel()[0] = np.nan
    set_tensor(model, "conv/kernel", value)
    report = alexnet_ref.verify(OnnxPort(model, architecture=TINY), TINY, images=TINY_IMAGES)
    assert set(failures(report)) == {"network.weights"}
    assert report.diagnoses == ()


@pytest.mark.parametrize(
    ("layer", "part"),
    [
        ("conv", "kernel"),
        pytest.param("fc1", "kernel", marks=pytest.mark.slow),
        pytest.param("fc2", "kernel", marks=pytest.mark.slow),
        ("fc1", "bias"),
    ],
)
def test_weights_that_were_moved_wrongly_are_rejected(layer: str, part: str) -> None:
    """One weight that is another's, where the right ones are known, fails the check of this layer's weights and no other."""
    model, params = tiny()
    value = np.array(onnx.numpy_helper.to_array(tensor(model, f"{layer}/{part}")))
    value.ravel()[[0, -1]] = value.ravel()[[-1, 0]]
    set_tensor(model, f"{layer}/{part}", value)
    report = judged(model, params)
    assert {check for check in failures(report) if ".weights[" in check} == {
        f"{'conv' if layer == 'conv' else 'dense'}.weights[{layer}]"
    }


def test_rows_for_another_order_of_features_are_rejected() -> None:
    """A kernel whose rows are not put into the order in which the model flattens is no network of these weights."""
    model, params = tiny()
    replace_nodes(model, "flatten/nhwc/transpose", [])
    set_input(model, "flatten", 0, "drop")
    assert "dense.weights[fc1]" in failures(judged(model, params))


@pytest.mark.parametrize("mode", ["asymmetric", "align_corners"])
def test_another_resize_is_rejected(mode: str) -> None:
    """Bilinear interpolation between other centres is seen by its numbers; it has no word, and so no wrong hyperparameters."""
    resizing = dataclasses.replace(TINY, layers=(Resize(name="resize", height=12, width=5),))
    model = export_onnx(resizing, {})
    assert alexnet_ref.verify(OnnxPort(model, architecture=resizing), resizing, images=TINY_IMAGES).conforms
    set_attribute(model, "resize", "coordinate_transformation_mode", mode)
    report = alexnet_ref.verify(OnnxPort(model, architecture=resizing), resizing, images=TINY_IMAGES, diagnosis=False)
    assert {"resize.probe[resize]", "resize.isolated[resize]"} <= set(failures(report))
