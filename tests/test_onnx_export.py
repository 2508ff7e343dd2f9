"""Networks exported to ONNX: the judge finds them to conform, whatever the network, and their weights are what they were."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import strategies as st

import alexnet_ref
import reference
from alexnet_ref.cli import OneLineErrors
from alexnet_ref.compare import assert_within
from reference import LRN, Architecture, Conv, InvalidInput, MaxPool, Softmax
from tests.networks import end_to_end, networks

onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'alexnet-ref[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'alexnet-ref[onnx]'")

from alexnet_ref.candidates.onnx import OnnxPort  # noqa: E402 - after the skips
from alexnet_ref.candidates.onnx_file import read  # noqa: E402
from alexnet_ref.export.command import export  # noqa: E402
from alexnet_ref.export.onnx import export_onnx  # noqa: E402
from tests.miniatures import MINIATURES  # noqa: E402
from tests.onnx_models import TINY, TINY_IMAGES, failures, small, tensor, tiny  # noqa: E402

LAYOUTS = pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
NO_TRAINING = "an inference graph has no training mode"


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        pytest.param("tf1_graph", "NHWC", marks=pytest.mark.slow),
        pytest.param("tf1_graph", "NCHW", marks=pytest.mark.slow),
        pytest.param("keras_sequential", "NHWC", marks=pytest.mark.slow),
        pytest.param("keras_sequential", "NCHW", marks=pytest.mark.slow),
    ],
)
def test_a_small_document_conforms(name: str, layout: Any) -> None:
    """Both networks, with few channels, pass every check but dropout's in training, which an inference graph has not."""
    model, params = small(name, layout)
    report = alexnet_ref.verify(model, MINIATURES[name], batch_size=2, params=params)
    assert report.conforms, failures(report)
    skipped = {check.id.partition("[")[0] for check in report.of("not checkable") if check.fact == NO_TRAINING}
    assert skipped == {"dropout.scaling", "dropout.kept", "dropout.independent"}
    unseen = {check.id for check in report.of("not checkable") if check.layer and check.fact != NO_TRAINING}
    assert unseen == (
        {"conv.unseen[conv2d_3]", "conv.unseen[conv2d_4]", "flatten.order[flatten]"} if name == "keras_sequential" else set()
    )


@pytest.mark.slow
@LAYOUTS
def test_a_document_conforms(architecture: Architecture, layout: Any) -> None:
    """Both networks, whole, read from the bytes of a file, conform in both layouts."""
    params = reference.init_params(architecture, 3)
    model = read(export_onnx(architecture, params, layout=layout).SerializeToString())
    report = alexnet_ref.verify(model, architecture, batch_size=2, params=params)
    assert report.conforms, failures(report)


@hypothesis.given(drawn=networks(), layout=st.sampled_from(["NCHW", "NHWC"]))
def test_any_network_conforms(drawn: tuple[Architecture, reference.Params, Any], layout: Any) -> None:
    """Whatever network is exported, the judge finds no fault with it, and its weights bit for bit what they were."""
    architecture, params, x = drawn
    hypothesis.assume(not _undecided(architecture))
    port = OnnxPort(export_onnx(architecture, params, layout=layout), architecture=architecture)
    report = alexnet_ref.verify(port, architecture, images=x, params=params)
    assert report.conforms, failures(report)


def _undecided(architecture: Architecture) -> bool:
    """Tell whether a network has what neither an ONNX model nor its runtime can decide.

    Images whose three sizes are equal: no shape tells which axis is which. Like windows of which one is SAME and one VALID: where
    neither pads, no number tells which is which. A softmax on a convolution's image, which is no activation that it may have.
    ONNX Runtime refuses an LRN whose alpha or beta is 0.
    """
    layers = architecture.layers
    paddings: dict[Any, set[str]] = {}
    for layer in layers:
        if isinstance(layer, (Conv, MaxPool)):
            paddings.setdefault(dataclasses.replace(layer, name="like", padding="SAME"), set()).add(layer.padding)
    return (
        any(len(shape) == 3 and len(set(shape)) == 1 for shape in reference.layer_shapes(architecture).values())
        or any(len(words) > 1 for words in paddings.values())
        or any(isinstance(a, Conv) and isinstance(b, Softmax) for a, b in itertools.pairwise(layers))
        or any(isinstance(layer, LRN) and (not layer.alpha or layer.beta < 1e-30) for layer in layers)
    )


def test_weights_are_exported_as_they_are() -> None:
    """Initialisers hold the weights bit for bit, OIHW or (in, out), and the port reads them back as they were."""
    model, params = tiny()
    assert np.array_equal(
        onnx.numpy_helper.to_array(tensor(model, "conv/kernel")), params["conv"]["kernel"].transpose(3, 2, 0, 1)
    )
    assert np.array_equal(onnx.numpy_helper.to_array(tensor(model, "fc1/kernel")), params["fc1"]["kernel"])
    weights = OnnxPort(model).weights()
    assert {(name, part): value.tobytes() for name, parts in weights.items() for part, value in parts.items()} == {
        (name, part): value.tobytes() for name, parts in params.items() for part, value in parts.items()
    }


def test_the_runtime_alone_computes_what_the_oracle_does() -> None:
    """A plain ONNX Runtime session, without any adapter, gives the network's result for images of the file's layout."""
    for layout, axes in (("NHWC", (0, 1, 2, 3)), ("NCHW", (0, 3, 1, 2))):
        model, params = tiny(layout)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        [y] = session.run(None, {"images": np.ascontiguousarray(TINY_IMAGES.transpose(axes))})
        expected, allowed = end_to_end(TINY, params, TINY_IMAGES)["out"]
        assert_within(y, expected, allowed)


def test_what_is_no_network_is_refused() -> None:
    """Another layout, other params, a layer with the input's name: one line each."""
    _, params = tiny()
    with pytest.raises(InvalidInput, match="no such layout"):
        export_onnx(TINY, params, layout="HWCN")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidInput, match="differ from the architecture's"):
        export_onnx("tf1_graph", params)
    images = dataclasses.replace(TINY, layers=(reference.ReLU(name="images"),))
    with pytest.raises(InvalidInput, match="input's name"):
        export_onnx(images, {})


def _export(*arguments: str) -> Any:
    return CliRunner().invoke(OneLineErrors(commands=[export]), ["export", *arguments])


def test_the_command_writes_a_file_that_can_be_read(tmp_path: Path) -> None:
    """`export` writes the model with the seed's weights."""
    file = tmp_path / "port.onnx"
    assert _export("tf1_graph", "--out", str(file), "--seed", "5").exit_code == 0
    bias = reference.init_params("tf1_graph", 5)["out"]["bias"]
    assert np.array_equal(onnx.numpy_helper.to_array(tensor(read(file), "out/bias")), bias)


@pytest.mark.slow
def test_the_command_writes_given_weights(tmp_path: Path) -> None:
    """`export` writes the model with the weights of an .npz."""
    file, archive = tmp_path / "port.onnx", tmp_path / "params.npz"
    params = reference.init_params("tf1_graph", 6)
    np.savez(archive, **{f"{layer}/{part}": value for layer, parts in params.items() for part, value in parts.items()})  # type: ignore[arg-type]  # its stub
    assert _export("tf1_graph", "--out", str(file), "--params", str(archive), "--layout", "NHWC").exit_code == 0
    assert np.array_equal(onnx.numpy_helper.to_array(tensor(read(file), "out/bias")), params["out"]["bias"])


@pytest.mark.parametrize("archive", [b"", b"no archive", b"PK\x03\x04" + bytes(60)])
def test_the_command_refuses_what_are_no_weights(tmp_path: Path, archive: bytes) -> None:
    """Weights that cannot be read end in one line and exit code 2, and the file that was there stays."""
    file, params = tmp_path / "port.onnx", tmp_path / "params.npz"
    file.write_bytes(b"before")
    params.write_bytes(archive)
    result = _export("tf1_graph", "--out", str(file), "--params", str(params))
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert file.read_bytes() == b"before"


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A folder that is not there ends in one line and exit code 2."""
    result = _export("tf1_graph", "--out", str(tmp_path / "none" / "port.onnx"))
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
