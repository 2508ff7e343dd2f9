"""Who is compared: each way to run a network's forward pass, a NumPy array in and a NumPy array out."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ref.bounds import FLOAT32, FLOAT64, TF32, Arithmetic
from benchmarks import others
from reference import Architecture, Params, forward, predict

Array = NDArray[Any]
Runner = Callable[[Array], Array]
Build = Callable[[Architecture, Params, int], Runner]  # the int: threads

REFERENCE = "reference.predict"
TENSORFLOW = "TensorFlow"


class Absent(Exception):  # noqa: N818 - names the fact, as InvalidInput does
    """What this peer runs on is not there: its text says what."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One way to run a network; `build` is called in a process of the peer's own, and may import what it likes."""

    name: str
    needs: tuple[str, ...] = ()  # packages, the first of which gives the version
    build: Build
    arithmetic: Arithmetic = FLOAT32
    one_image: bool = False  # only timed for one image: seconds for each
    wrong: bool = False  # known to compute something else: timed, and marked
    gpu: bool = False

    @property
    def version(self) -> str:
        """The installed version, "numpy 2.4.1"; a package may be installed under another name, such as tensorflow-cpu."""
        package = self.needs[0] if self.needs else "numpy"
        names = _distributions().get(package, [])
        return f"{names[0]} {metadata.version(names[0])}" if names else ""


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def installed(peers: tuple[Peer, ...]) -> list[Peer]:
    """Return those whose packages are all installed; those of a GPU where the system has a driver for one."""
    found = [peer for peer in peers if all(importlib.util.find_spec(package) for package in peer.needs)]
    return [peer for peer in found if not peer.gpu or gpu_driver()]


def gpu_driver() -> bool:
    """Whether the system has a GPU's driver: seen without a framework, whose import takes seconds. NVIDIA, AMD, WSL."""
    return any(Path(name).exists() for name in ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/kfd", "/dev/dxg"))


def _predict(architecture: Architecture, params: Params, _: int, *, dtype: type = np.float32) -> Runner:
    return lambda x: predict(architecture, params, x, dtype)


def _forward(architecture: Architecture, params: Params, _: int) -> Runner:
    last = architecture.layers[-1].name
    return lambda x: forward(architecture, params, x, np.float32)[last]


def _tensorflow(architecture: Architecture, params: Params, threads: int, *, gpu: bool = False) -> Runner:
    import tensorflow as tf

    from alexnet_ref.models import build_model

    if gpu and not tf.config.list_physical_devices("GPU"):
        raise Absent("TensorFlow sees no GPU")
    _tensorflow_threads(tf, threads)
    with tf.device("/GPU:0" if gpu else "/CPU:0"):
        model = build_model(architecture, params)
    call = tf.function(lambda x: model(x, training=False))

    def run(x: Array) -> Array:
        with tf.device("/GPU:0" if gpu else "/CPU:0"):
            return np.asarray(call(tf.constant(x)))

    return run


def _tensorflow_threads(tf: Any, threads: int) -> None:
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:  # once: before TensorFlow has begun
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def _torch(architecture: Architecture, params: Params, threads: int, *, gpu: bool = False) -> Runner:
    import torch

    if gpu and not torch.cuda.is_available():
        raise Absent("PyTorch sees no GPU")
    torch.set_num_threads(threads)
    return others.pytorch(architecture, params, device="cuda" if gpu else "cpu")


def _onnx_runtime(architecture: Architecture, params: Params, threads: int) -> Runner:
    return others.onnx_runtime(architecture, params, threads=threads)


def _onnx_reference(architecture: Architecture, params: Params, _: int) -> Runner:
    return others.onnx_reference(architecture, params)


def _jax(architecture: Architecture, params: Params, _: int) -> Runner:
    os.environ["JAX_PLATFORMS"] = "cpu"  # this process is JAX's alone
    from benchmarks.peers.jax_networks import jax_network

    return jax_network(architecture, params)


def _keras_numpy(architecture: Architecture, params: Params, _: int) -> Runner:
    # This process is Keras's alone: its back end is chosen when it is imported.
    os.environ["KERAS_BACKEND"], os.environ["JAX_PLATFORMS"] = "numpy", "cpu"
    from benchmarks.peers.jax_networks import keras_network

    return keras_network(architecture, params)


PEERS = (
    Peer(name=REFERENCE, build=_predict),
    Peer(name="reference.forward, every output", build=_forward),
    Peer(name="reference.predict, float64", build=partial(_predict, dtype=np.float64), arithmetic=FLOAT64),
    Peer(name=TENSORFLOW, needs=("tensorflow", "keras"), build=_tensorflow),
    Peer(name="ONNX Runtime", needs=("onnxruntime", "onnx"), build=_onnx_runtime),
    Peer(name="PyTorch", needs=("torch",), build=_torch),
    Peer(name="JAX", needs=("jax",), build=_jax),
    Peer(name="Keras, NumPy back end", needs=("keras", "jax"), build=_keras_numpy),  # whose convolutions are JAX's
    # Whose LRN is wrong: see others.onnx_reference.
    Peer(name="ONNX reference evaluator", needs=("onnx",), build=_onnx_reference, one_image=True, wrong=True),
    # PyTorch and TensorFlow use TF32 where a GPU has it.
    Peer(name="TensorFlow, GPU", needs=("tensorflow", "keras"), build=partial(_tensorflow, gpu=True), arithmetic=TF32, gpu=True),
    Peer(name="PyTorch, GPU", needs=("torch",), build=partial(_torch, gpu=True), arithmetic=TF32, gpu=True),
)
