"""Runtimes of ONNX models: a runtime makes a function of a model, which takes inputs by name and returns the outputs in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import onnx

from alexnet_ref.candidates.step import Array
from reference import InvalidInput

Run = Callable[[Mapping[str, Array]], Sequence[Any]]
Optimization = Literal["all", "extended", "basic", "disabled"]


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """`prepare` turns a model into a function; `description` names it, with its version and settings, for the report."""

    prepare: Callable[[onnx.ModelProto], Run]
    description: str


def as_runtime(runtime: str | Runtime | Callable[[onnx.ModelProto], Run]) -> Runtime:
    """Return "onnxruntime", "reference" (ONNX's own, in NumPy), or one's own: a function from a model to a function of inputs."""
    if isinstance(runtime, Runtime):
        return runtime
    if callable(runtime):
        return Runtime(prepare=runtime, description=getattr(runtime, "__qualname__", type(runtime).__name__))
    match runtime:
        case "onnxruntime":
            return onnx_runtime()
        case "reference":
            return Runtime(prepare=_reference, description=f"onnx.reference {onnx.__version__}")
        case _:
            raise InvalidInput("no such ONNX runtime", expected="onnxruntime, reference or a function", received=repr(runtime))


def onnx_runtime(*, optimization: Optimization = "all") -> Runtime:
    """Return ONNX Runtime on the CPU with its own number of threads; `optimization` is how far it may rewrite the graph."""
    try:
        import onnxruntime
    except ImportError:
        hint = "pip install 'alexnet-ref[onnx]'"
        raise InvalidInput("ONNX Runtime is not installed", where="ONNX model", hint=hint) from None
    levels = onnxruntime.GraphOptimizationLevel
    words = {
        "all": levels.ORT_ENABLE_ALL,
        "extended": levels.ORT_ENABLE_EXTENDED,
        "basic": levels.ORT_ENABLE_BASIC,
        "disabled": levels.ORT_DISABLE_ALL,
    }
    if optimization not in words:
        raise InvalidInput("no such graph optimisation", expected=", ".join(words), received=repr(optimization))

    def prepare(model: onnx.ModelProto) -> Run:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised, and told once
        options.graph_optimization_level = words[optimization]
        # Its threads would go on asking for work after each call, and keep the processors from everything else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return lambda feed: session.run(None, dict(feed))

    version = onnxruntime.__version__
    return Runtime(
        prepare=prepare, description=f"ONNX Runtime {version}, CPUExecutionProvider, graph optimisation {optimization}"
    )


def _reference(model: onnx.ModelProto) -> Run:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    return lambda feed: evaluator.run(None, dict(feed))
