"""SavedModel folders: the serving signature is judged layer by layer, and what would do more than compute is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alexnet_ref
from reference import Architecture, InvalidInput
from tests import keras_ports
from tests.miniatures import MINIATURES, material

pytestmark = pytest.mark.tf

TF1 = MINIATURES["tf1_graph"]
PARAMS, _ = material(TF1)


def saved(folder: Path, function: Any, shape: tuple[int, ...] = (28, 28, 1)) -> Path:
    """Save a function of images as a SavedModel."""
    import tensorflow as tf

    module = tf.Module()
    module.call = tf.function(function, autograph=False, input_signature=[tf.TensorSpec([None, *shape], tf.float32)])
    tf.saved_model.save(module, folder, signatures=module.call)
    return folder


def tf1_function(architecture: Architecture, *, wrong: str | None = None) -> Any:
    """Return the network in TensorFlow's own operations; the LRN called `wrong` has ten times its alpha."""
    import tensorflow as tf

    def function(x: Any) -> Any:
        for i in "123":
            own = PARAMS[f"conv{i}"]
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, own["kernel"], 1, "SAME"), own["bias"]))
            x = tf.nn.max_pool2d(x, 2, 2, "SAME")
            alpha = 0.001 / 9.0 * (10 if wrong == f"norm{i}" else 1)
            x = tf.nn.local_response_normalization(x, 4, 1.0, alpha, 0.75)
        x = tf.reshape(x, [-1, PARAMS["fc1"]["kernel"].shape[0]])
        for name in ("fc1", "fc2"):
            x = tf.nn.relu(x @ PARAMS[name]["kernel"] + PARAMS[name]["bias"])
        return x @ PARAMS["out"]["kernel"] + PARAMS["out"]["bias"]

    del architecture
    return function


def judged(path: Path, **options: Any) -> Any:
    """Return the report on a folder."""
    from alexnet_ref.candidates.saved_model import load_saved_model

    images = np.random.default_rng(0).random((2, *TF1.input_shape), np.float32)
    return alexnet_ref.verify(load_saved_model(path, **options), TF1, images=images, diagnosis=False)


def test_a_right_graph_conforms_layer_by_layer(tmp_path: Path) -> None:
    """TensorFlow's own operations, cut layer by layer, conform, by probes with weights of the judge's own as well."""
    report = judged(saved(tmp_path / "model", tf1_function(TF1)))
    assert report.conforms, [f"{check.id}: {check.fact}" for check in report.of("failed")]
    assert {"conv.exact[conv2]", "lrn.probe[norm1]", "dense.exact[fc1]", "network.weights"} <= {c.id for c in report.of("passed")}


def test_a_wrong_graph_is_rejected_where_it_is_wrong(tmp_path: Path) -> None:
    """Ten times the documented alpha in the second LRN is found there, by attribute and by number."""
    report = judged(saved(tmp_path / "model", tf1_function(TF1, wrong="norm2")))
    assert report.first_wrong_layer == "norm2"
    assert {"lrn.hyperparameters[norm2]", "lrn.probe[norm2]"} <= {check.id for check in report.of("failed")}


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["eager", "XLA"])
def test_an_exported_keras_model_conforms(tmp_path: Path, execution: str) -> None:
    """What model.export writes, with LRN out of operations, conforms, run as a function or compiled by XLA."""
    keras_ports.built(TF1, PARAMS, keras_ports.handwritten_lrn).export(tmp_path / "model", verbose=False)
    report = judged(tmp_path / "model", execution=execution)
    assert report.conforms, [f"{check.id}: {check.fact}" for check in report.of("failed")]


def hostile(name: str, folder: Path) -> Any:
    """Return a function of images that does more than compute."""
    import tensorflow as tf

    def function(x: Any) -> Any:
        match name:
            case "WriteFile":
                tf.io.write_file(str(folder / "written"), "x")
            case "ReadFile":
                x = x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
            case "PyFunc":
                x = tf.ensure_shape(tf.numpy_function(lambda v: v, [x], tf.float32), x.shape)
            case "EagerPyFunc":
                x = tf.ensure_shape(tf.py_function(lambda v: v, [x], tf.float32), x.shape)
            case "Print":
                x = tf.compat.v1.Print(x, [x])
            case "RandomUniform":
                x = x + tf.random.uniform([1])
        return tf.reduce_sum(x, [1, 2])

    return function


@pytest.mark.parametrize("name", ["WriteFile", "ReadFile", "PyFunc", "EagerPyFunc", "Print", "RandomUniform"])
def test_what_does_more_than_compute_is_refused(tmp_path: Path, name: str) -> None:
    """Operations on files, Python functions, printing and random numbers in the signature are refused before loading."""
    from alexnet_ref.candidates.saved_model_file import check_saved_model

    path = saved(tmp_path / "model", hostile(name, tmp_path))
    with pytest.raises(InvalidInput, match=rf"not allowed; .* received {name}") as caught:
        check_saved_model(path)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "written").exists()


def test_saving_and_restoring_may_not_be_part_of_the_signature(tmp_path: Path) -> None:
    """SaveV2, which every SavedModel has in its functions, is refused where the signature reaches it."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    from alexnet_ref.candidates.saved_model_file import check_saved_model

    path = saved(tmp_path / "model", lambda x: tf.reduce_sum(x, [1, 2]))
    check_saved_model(path)
    file = path / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    graph = model.meta_graphs[0]
    functions = graph.graph_def.library.function
    saving = next(f.signature.name for f in functions if any(node.op == "SaveV2" for node in f.node_def))
    called = next(f for f in functions if any(node.op == "Sum" for node in f.node_def))
    node = called.node_def.add(name="evil", op="StatefulPartitionedCall")
    node.attr["f"].func.name = saving
    file.write_bytes(model.SerializeToString())
    with pytest.raises(InvalidInput, match="not allowed"):
        check_saved_model(path)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    """An empty folder, other files, links, assets and damaged graphs are refused in a line."""
    from alexnet_ref.candidates.saved_model import load_saved_model

    def refusal() -> str:
        with pytest.raises(InvalidInput) as caught:
            load_saved_model(tmp_path)
        assert str(caught.value).isprintable()
        return str(caught.value)

    assert "is no SavedModel" in refusal()
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert "holds no graph" in refusal()
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 50)
    assert "is no intact SavedModel" in refusal()
    (tmp_path / "\x1b[2J").write_text("x")
    assert "\\x1b[2J: is no part of a SavedModel" in refusal()
    (tmp_path / "\x1b[2J").unlink()
    (tmp_path / "variables").symlink_to("/etc")
    assert "points elsewhere" in refusal()
    (tmp_path / "variables").unlink()
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "vocabulary").write_text("x")
    assert "Assets and extensions are not read" in refusal()


def test_two_inputs_and_other_signatures_are_refused(tmp_path: Path) -> None:
    """A model without a serving signature, and one with two inputs, are refused by name."""
    import tensorflow as tf

    from alexnet_ref.candidates.saved_model import load_saved_model

    module = tf.Module()
    spec = tf.TensorSpec([None, 3], tf.float32)
    module.two = tf.function(lambda x, y: x + y, input_signature=[spec, spec])
    tf.saved_model.save(module, tmp_path / "two", signatures=module.two)
    tf.saved_model.save(module, tmp_path / "other", signatures={"other": module.two})
    with pytest.raises(InvalidInput, match="has not one input"):
        load_saved_model(tmp_path / "two")
    with pytest.raises(InvalidInput, match="no such signature; expected serving_default; received other"):
        load_saved_model(tmp_path / "other")
