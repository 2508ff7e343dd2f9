"""The same network as other ONNX models: what exporters write, and people. Import behind `pytest.importorskip("onnx")`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from tests.onnx_models import add_tensors, node, replace_nodes, set_attribute, set_input, set_tensor, tensor

make = onnx.helper.make_node
Model = Any
KERNEL = (2, 4, 5)  # rows, columns, channels of what is flattened


def value(model: Model, name: str) -> Any:
    """Return the initialiser's numbers."""
    return onnx.numpy_helper.to_array(tensor(model, name))


def _channels_first_features(kernel: Any) -> Any:
    return kernel.reshape(*KERNEL, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)


def kernel_of_channels_first_features(model: Model) -> None:
    """Flatten without a transposition, as PyTorch exports do: the kernel's rows stand in another order."""
    set_tensor(model, "fc1/kernel", _channels_first_features(value(model, "fc1/kernel")))
    replace_nodes(model, "flatten/nhwc/transpose", [])
    node(model, "flatten").input[0] = "drop"


def squeezed_by_a_full_window(model: Model) -> None:
    """Write the first dense layer as a convolution whose window is the image, the others as convolutions of 1×1."""
    kernel = value(model, "fc1/kernel").reshape(*KERNEL, 8).transpose(3, 2, 0, 1)
    add_tensors(
        model, {"fc1/window": kernel, **{f"{n}/window": value(model, f"{n}/kernel").T[..., None, None] for n in ("fc2", "out")}}
    )
    replace_nodes(model, "flatten/nhwc/transpose", [])
    replace_nodes(model, "flatten", [])
    for name, x in (("fc1", "drop"), ("fc2", "fc1"), ("out", "fc2")):
        conv = make("Conv", [x, f"{name}/window", f"{name}/bias"], [f"{name}/product"], name=name)
        replace_nodes(model, name, [conv])
    flat = make("Flatten", ["out/product"], ["out/flat"], name="squeezed")
    replace_nodes(model, "out/softmax", [flat, make("Softmax", ["out/flat"], ["out"], name="out/softmax", axis=1)])


def product_and_sum(model: Model) -> None:
    """Add biases by nodes of their own, to the convolution as well."""
    add_tensors(model, {"conv/channels": value(model, "conv/bias").reshape(5, 1, 1)})
    del node(model, "conv").input[2]
    replace_nodes(
        model,
        "conv/relu",
        [
            make("Add", ["conv/channels", "conv/product"], ["conv/sum"], name="conv/add"),
            make("Relu", ["conv/sum"], ["conv"], name="conv/relu"),
        ],
    )
    replace_nodes(
        model,
        "fc2",
        [
            make("MatMul", ["fc1", "fc2/kernel"], ["fc2/matmul"], name="fc2"),
            make("Add", ["fc2/matmul", "fc2/bias"], ["fc2/product"], name="fc2/add"),
        ],
    )


def turned_kernel(model: Model) -> None:
    """Lay the dense kernel as (out, in), and tell Gemm so."""
    set_tensor(model, "fc2/kernel", np.ascontiguousarray(value(model, "fc2/kernel").T))
    set_attribute(model, "fc2", "transB", 1)


def computed_from_an_initialiser(model: Model) -> None:
    """Make one kernel a transposed initialiser, another one a constant node that is reshaped."""
    set_tensor(model, "fc2/kernel", np.ascontiguousarray(value(model, "fc2/kernel").T))
    replace_nodes(model, "fc2", [make("Transpose", ["fc2/kernel"], ["fc2/turned"], name="turn"), node(model, "fc2")])
    set_input(model, "fc2", 1, "fc2/turned")
    flat = onnx.numpy_helper.from_array(value(model, "out/kernel").ravel(), "flat")
    add_tensors(model, {"shape": np.array([8, 4], np.int64)})
    replace_nodes(
        model,
        "out",
        [
            make("Constant", [], ["flat"], value=flat),
            make("Reshape", ["flat", "shape"], ["out/turned"], name="shape"),
            node(model, "out"),
        ],
    )
    set_input(model, "out", 1, "out/turned")


def padded_before(model: Model) -> None:
    """Write SAME as a Pad node with zeros, and a convolution without padding."""
    add_tensors(model, {"widths": np.array([0, 0, 0, 1, 0, 0, 1, 1], np.int64)})
    source = node(model, "conv").input[0]
    replace_nodes(model, "conv", [make("Pad", [source, "widths"], ["padded"], name="pad"), node(model, "conv")])
    set_input(model, "conv", 0, "padded")
    set_attribute(model, "conv", "pads", [0, 0, 0, 0])


def same_upper(model: Model) -> None:
    """Call SAME as ONNX does."""
    for name in ("conv", "pool"):
        set_attribute(model, name, "pads", None)
        set_attribute(model, name, "auto_pad", "SAME_UPPER")


def ceil_mode(model: Model) -> None:
    """Write SAME as a pool whose size is rounded up: the last window reaches beyond the image."""
    set_attribute(model, "pool", "pads", None)
    set_attribute(model, "pool", "ceil_mode", 1)


def handwritten_lrn(model: Model) -> None:
    """Write LRN as a square, a sum over neighbours by an average of windows, a power and a quotient."""
    add_tensors(
        model,
        {
            "channels": np.array([0, 1, -1, 8], np.int64),
            "image": np.array([0, 5, 2, 4], np.int64),
            "three halves": np.array(1.5, np.float32),
            "one": np.array(1, np.float32),
            "beta": np.array(0.75, np.float32),
        },
    )
    replace_nodes(
        model,
        "norm",
        [
            make("Mul", ["pool", "pool"], ["square"]),
            make("Reshape", ["square", "channels"], ["rows"]),
            make("AveragePool", ["rows"], ["mean"], kernel_shape=[3, 1], pads=[1, 0, 1, 0], count_include_pad=1),
            make("Reshape", ["mean", "image"], ["back"]),
            make("Mul", ["back", "three halves"], ["scaled"]),  # alpha 0.5, times 3 for the mean
            make("Add", ["scaled", "one"], ["shifted"]),
            make("Pow", ["shifted", "beta"], ["power"]),
            make("Div", ["pool", "power"], ["norm"], name="by hand"),
        ],
    )


def without_dropout(model: Model) -> None:
    """Leave dropout out, as most exporters do."""
    replace_nodes(model, "drop", [])
    set_input(model, "flatten/nhwc/transpose", 0, "norm")


def clip_for_relu(model: Model) -> None:
    """Write ReLU as a Clip without an upper end."""
    add_tensors(model, {"zero": np.array(0, np.float32)})
    replace_nodes(model, "fc2/relu", [make("Clip", ["fc2/product", "zero"], ["fc2"], name="clip")])


def intermediate_outputs(model: Model) -> None:
    """Give intermediate tensors as well as the result."""
    for name, shape in (("pool", ["N", 5, 2, 4]), ("fc1", ["N", 8])):
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))


def open_sizes(model: Model) -> None:
    """Leave every size of the input open."""
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["N", "C", None, "W"]))


def flat_input(model: Model) -> None:
    """Take the images flat, as tf1_graph does, and reshape them."""
    add_tensors(model, {"image": np.array([-1, 2, 8, 7], np.int64), "last": np.array([-1, 8, 7, 2], np.int64)})
    place = model.graph.node[0].name
    nodes = [
        make("Reshape", ["images", "last"], ["images/rows"], name="rows"),
        make("Transpose", ["images/rows"], ["images/planes"], name="planes", perm=[0, 3, 1, 2]),
        model.graph.node[0],
    ]
    replace_nodes(model, place, nodes)
    set_input(model, place, 0, "images/planes")
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["N", 112]))


def fixed_batch(model: Model) -> None:
    """Take two images at a time, and say so where they are reshaped."""
    add_tensors(model, {"two": np.array([2, 40], np.int64)})
    replace_nodes(model, "flatten", [make("Reshape", ["flatten/nhwc", "two"], ["flatten"], name="flatten")])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2


OTHER_WAYS: list[Callable[[Model], None]] = [
    kernel_of_channels_first_features,
    squeezed_by_a_full_window,
    product_and_sum,
    turned_kernel,
    computed_from_an_initialiser,
    padded_before,
    same_upper,
    ceil_mode,
    handwritten_lrn,
    without_dropout,
    clip_for_relu,
    intermediate_outputs,
    open_sizes,
    flat_input,
    fixed_batch,
]
