"""A SavedModel folder from a stranger, checked before TensorFlow loads it: its files, and every operation that its graphs name.

A TensorFlow graph is a program: some operations read and write files, or call Python. Only such are allowed as compute, and those
that every SavedModel has in the functions which save and restore it, as long as the signature does not reach them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alexnet_ref.mnist.parts import unreadable
from alexnet_ref.printable import printable
from reference.errors import InvalidInput

GRAPH_MOST = 1 << 27  # bytes of saved_model.pb; the variables are kept beside it
FOLDER_MOST = 1 << 30  # bytes in all, as of a .keras file
FILES_MOST = 64
FILES = re.compile(
    r"saved_model\.pb|fingerprint\.pb|keras_metadata\.pb|variables/variables\.(index|data-\d{5}-of-\d{5})"
    r"|assets|variables|assets\.extra"
)
_COMPUTING = """
    Abs Add AddN AddV2 ArgMax AvgPool AvgPool3D BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd BroadcastArgs
    BroadcastTo Cast CheckNumerics ClipByValue Concat ConcatV2 Const Conv2D Conv3D CropAndResize DepthToSpace
    DepthwiseConv2dNative Div DivNoNan Einsum Elu Enter Equal Exit Exp ExpandDims Expm1 Fill Floor FloorDiv FloorMod
    FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual Identity IdentityN If Inv
    Invert LRN LeakyRelu Less LessEqual LinSpace Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul MatrixBandPart
    Max MaxPool MaxPool3D MaxPoolV2 Maximum Mean Merge Min Minimum MirrorPad Mul MulNoNan Neg NextIteration NoOp NotEqual
    OneHot OnesLike Pack Pad PadV2 PartitionedCall Placeholder PlaceholderWithDefault Pow PreventGradient Prod Range Rank
    ReadVariableOp RealDiv Reciprocal Relu Relu6 Reshape ResizeBicubic ResizeBilinear ResizeNearestNeighbor ReverseV2 Round
    Rsqrt ScaleAndTranslate Select SelectV2 Selu Shape ShapeN Sigmoid Sign Size Slice Softmax Softplus SpaceToBatchND
    SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StatefulPartitionedCall StatelessIf StopGradient
    StridedSlice Sub Sum Switch Tanh Tile Transpose TruncateDiv Unpack VarHandleOp Where ZerosLike
"""
# What the functions that save and restore have besides, and what a training signature may have kept: no part of the signature.
_KEEPING = """
    AssignVariableOp AssignAddVariableOp AssignSubVariableOp Assert DisableCopyOnRead MergeV2Checkpoints RestoreV2 SaveV2
    ShardedFilename StaticRegexFullMatch StringJoin VarIsInitializedOp StatelessRandomUniformV2 StatelessRandomGetKeyCounter
    StatelessRandomGetAlg StatelessRandomNormalV2 RngReadAndSkip RandomUniform RandomStandardNormal
"""
COMPUTING, KEEPING = frozenset(_COMPUTING.split()), frozenset(_KEEPING.split())
OBJECTS = {"user_object", "function", "variable", "bare_concrete_function", "constant", "captured_tensor"}


def check_saved_model(path: Path) -> None:
    """Refuse whatever is no SavedModel folder of plain computation; InvalidInput, and nothing else."""
    try:
        data = _read(path)
    except OSError as error:
        raise unreadable(path, error) from error
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(data)
    except (DecodeError, RecursionError) as error:
        raise InvalidInput("is no intact SavedModel", where=f"{path}/saved_model.pb", received=printable(error)) from error
    if not model.meta_graphs:
        raise InvalidInput("holds no graph", where=f"{path}/saved_model.pb")
    for graph in model.meta_graphs:
        _check_graph(graph, f"{path}/saved_model.pb")


def _read(path: Path) -> bytes:
    files = sorted(path.rglob("*"))[: FILES_MOST + 1]
    if len(files) > FILES_MOST:
        raise InvalidInput("holds too many files", where=str(path), expected=f"at most {FILES_MOST}")
    for file in files:
        name = file.relative_to(path).as_posix()
        if file.is_symlink() or not (file.is_file() or file.is_dir()):
            raise InvalidInput("points elsewhere", where=f"{path}: {printable(name)}", expected="files and folders of its own")
        if not FILES.fullmatch(name):
            hint = "Assets and extensions are not read" if name.startswith("assets") else None
            expected = "saved_model.pb and variables/"
            raise InvalidInput("is no part of a SavedModel", where=f"{path}: {printable(name)}", expected=expected, hint=hint)
    graph = path / "saved_model.pb"
    if not graph.is_file():
        raise InvalidInput("is no SavedModel", where=str(path), expected="a folder with saved_model.pb in it", received="none")
    sizes = {
        "saved_model.pb": (graph.stat().st_size, GRAPH_MOST),
        "all files": (sum(f.stat().st_size for f in files), FOLDER_MOST),
    }
    for name, (size, most) in sizes.items():
        if size > most:
            raise InvalidInput("is too large", where=f"{path}: {name}", expected=f"at most {most} bytes", received=str(size))
    return graph.read_bytes()


def _check_graph(graph: Any, where: str) -> None:
    for item in graph.object_graph_def.nodes:
        kind = item.WhichOneof("kind")
        if kind not in OBJECTS or item.registered_saver or item.registered_name:
            expected = "functions, variables and their containers"
            raise InvalidInput("holds an object that would act when loaded", where=where, expected=expected, received=str(kind))
    functions = {function.signature.name: function.node_def for function in graph.graph_def.library.function}
    roots = [value.name for signature in graph.signature_def.values() for value in signature.outputs.values()]
    reached = _reached(graph.graph_def.node, roots, functions)
    for name, nodes in functions.items():
        _check_nodes(nodes, COMPUTING if name in reached else COMPUTING | KEEPING, where)
    _check_nodes(graph.graph_def.node, COMPUTING | KEEPING, where)


def _reached(nodes: Iterable[Any], roots: list[str], functions: dict[str, Any]) -> set[str]:
    """Return the functions that the signatures' outputs need, directly or through others."""
    by_name = {node.name: node for node in nodes}
    seen: set[str] = set()
    reached: set[str] = set()
    stack = [_node(name) for name in roots]
    while stack:
        name = stack.pop()
        if name in seen or name not in by_name:
            continue
        seen.add(name)
        node = by_name[name]
        stack.extend(map(_node, node.input))
        waiting = _called(node)
        while waiting:
            function = waiting.pop()
            if function not in reached and function in functions:
                reached.add(function)
                waiting.extend(called for inner in functions[function] for called in _called(inner))
    return reached


def _node(name: str) -> str:
    return name.removeprefix("^").partition(":")[0]


def _called(node: Any) -> list[str]:
    names = [value.func.name for value in node.attr.values() if value.HasField("func")]
    return names + [function.name for value in node.attr.values() for function in value.list.func] + [node.op]


def _check_nodes(nodes: Iterable[Any], allowed: frozenset[str], where: str) -> None:
    for node in nodes:
        if node.op not in allowed:
            raise InvalidInput(
                "holds an operation that is not allowed",
                where=f"{where}: {printable(node.name)}",
                expected="operations that only compute",
                received=printable(node.op),
                hint="What reads or writes files, calls Python or draws numbers is no part of a port's inference",
            )
