"""Mistakes realised in ONNX, as a converter's graph would be. Shares no arithmetic with `interpret`; needs `onnx` alone."""

from __future__ import annotations

from typing import Any

from alexnet_ref.mistakes.mistake import Mistake
from alexnet_ref.mistakes.parts import OddResize, Part, Rounded
from alexnet_ref.mistakes.shapes import fed_shapes, shape_after
from alexnet_ref.mistakes.weights import as_ported
from reference import InvalidInput, Params, init_params

OPSET = 20  # the first with Gelu; Pad wraps since 19


def build(mistake: Mistake, params: Params | None = None, *, seed: int = 0) -> Any:
    """Return the wrong port as an onnx.ModelProto of inference: "images" (N, C, H, W) float32 in, the last layer out.

    Each layer's output bears the document's name, each weight is an initializer "layer.kernel" (OIHW or (in, out)) or
    "layer.bias". `params` as for the other realisations. InvalidInput where ONNX cannot do it: training above all.
    """
    import onnx
    from onnx import TensorProto, helper

    from alexnet_ref.mistakes.onnx_graph import Graph

    if mistake.shows in ("training", "recipe"):
        raise InvalidInput("an ONNX graph of inference does not train", where=mistake.id)
    for part in (part for _, parts in mistake.network for part in parts):
        _check(mistake, part)
    architecture = mistake.architecture
    ported = as_ported(mistake, init_params(architecture, seed) if params is None else params)
    own = {layer.name: layer for layer in architecture.layers}
    fed, graph = fed_shapes(mistake), Graph("images")
    if mistake.input:
        graph.layer("preprocessing", mistake.input, architecture.input_shape, None, {})
    for name, parts in mistake.network:
        graph.layer(name, parts, fed[name], own.get(name), ported.get(name, {}))
    h, w, c = architecture.input_shape
    result, parts = mistake.network[-1]
    units = shape_after(parts, fed[result], own.get(result))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            architecture.name,
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", c, h, w])],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["N", *units])],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    return model


def _check(mistake: Mistake, part: Part) -> None:
    match part:
        case OddResize(method="bicubic", cubic="tensorflow"):
            raise InvalidInput("ONNX has no such interpolation", where=mistake.id, received="TensorFlow's cubic")
        case Rounded(to="tf32"):
            raise InvalidInput("ONNX has no such format", where=mistake.id, received="TF32")
        case _:
            pass
