"""Every way to run a network's forward pass, taken in turn: what a machine with other work to do tells about their ratios.

    python -m benchmarks.interleaved [--seconds 20]

A benchmark's runs follow one another, so that a minute in which the machine was busy is one framework's alone. Here a round has
one run of each, and the least of many rounds is compared: the time in which nothing else ran. Results are checked first.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, FLOAT64
from alexnet_ref.models import build_model
from benchmarks import others
from benchmarks.material import check_result, digits, params
from reference import ARCHITECTURES, Architecture, forward, predict

Runner = Callable[[], NDArray[Any]]


def runners(architecture: Architecture, batch: int, images: NDArray[np.float32]) -> dict[str, Runner]:
    """Return {name: a forward pass}: NumPy's, and those of the frameworks that are installed."""
    weights, last = params(architecture.name), architecture.layers[-1].name
    found: dict[str, Runner] = {
        "NumPy float32": lambda: predict(architecture, weights, images, np.float32),
        "NumPy float32, every output": lambda: forward(architecture, weights, images, np.float32)[last],
        "NumPy float64": lambda: predict(architecture, weights, images, np.float64),
    }
    if importlib.util.find_spec("tensorflow"):
        found["TensorFlow"] = _tensorflow(architecture, images)
    if importlib.util.find_spec("torch"):
        torch = others.pytorch(architecture, weights)
        found["PyTorch"] = lambda: torch(images)
    if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
        runtime = others.onnx_runtime(architecture, weights)
        found["ONNX Runtime"] = lambda: runtime(images)
    if importlib.util.find_spec("onnx") and batch == 1:
        evaluator = others.onnx_reference(architecture, weights)
        found["ONNX reference evaluator"] = lambda: evaluator(images)
    return found


def _tensorflow(architecture: Architecture, images: NDArray[np.float32]) -> Runner:
    import tensorflow as tf

    model = build_model(architecture, params(architecture.name))
    call, x = tf.function(lambda x: model(x, training=False)), tf.constant(images)
    return lambda: np.asarray(call(x))


@click.command()
@click.option("--seconds", default=20.0, show_default=True, help="for each architecture and batch")
def main(seconds: float) -> None:
    """Print the least and the median time of each, and the least over NumPy's in float32."""
    for name in ARCHITECTURES:
        for batch in (1, 64):
            measure(ARCHITECTURES[name], batch, seconds)


def measure(architecture: Architecture, batch: int, seconds: float) -> None:
    """Check every result, then time the runs in turn for so long, and print a line for each."""
    images, _ = digits(architecture, batch)
    runs = runners(architecture, batch, images)
    for name, run in runs.items():
        if name != "ONNX reference evaluator":  # whose LRN is wrong: see others.onnx_reference
            check_result(run(), architecture, images, FLOAT64 if name == "NumPy float64" else FLOAT32)
    times: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not times["NumPy float32"]:
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    least = min(times["NumPy float32"])
    for name, own in times.items():
        figures = f"{min(own) * 1e3:9.2f} ms{np.median(own) * 1e3:9.2f} ms{min(own) / least:8.2f}"
        click.echo(f"{architecture.name:18}{batch:3}  {name:30}{figures}  ({len(own)} runs)")


if __name__ == "__main__":
    main()
