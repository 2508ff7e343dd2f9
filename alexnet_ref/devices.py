"""What TensorFlow runs on and how: its devices, settings that are put back, and the report that belongs to every measurement.

TensorFlow is imported inside the functions that need it; `describe_host` needs none.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from reference.errors import InvalidInput

Facts = dict[str, str | bool | int]


def devices() -> list[str]:
    """Return the names of the logical devices that TensorFlow can use, such as ["CPU:0", "GPU:0"]: CPUs first, then GPUs.

    Initialises TensorFlow's devices, after which memory growth and logical devices can no longer be set.
    """
    import tensorflow as tf

    return [_short(device.name) for kind in ("CPU", "GPU") for device in tf.config.list_logical_devices(kind)]


def find_device(device: str) -> str:
    """Return the name as `devices` spells it: "gpu", "/GPU:0" and "/device:GPU:0" are GPU:0. InvalidInput lists those present."""
    present = devices()
    name = _short(device).upper()
    name = name if ":" in name else f"{name}:0"
    if name not in present:
        raise InvalidInput("TensorFlow has no such device", expected=f"one of {', '.join(present)}", received=repr(device))
    return name


def _short(name: str) -> str:
    return name.removeprefix("/").removeprefix("device:")


@contextmanager
def settings(
    *,
    device: str | None = None,
    tf32: bool | None = None,
    deterministic: bool | None = None,
    memory_growth: bool | None = None,
) -> Iterator[list[str]]:
    """Run a block on `device` with these settings and put back what was there before; None leaves a setting as it is.

    Yields a list of notes, one for each setting that could not be applied or, after the block, put back.

    deterministic: `tf.config.experimental.enable_op_determinism` has no public counterpart, so that it is put back through
    TensorFlow's own module, `tensorflow.python.framework.config`. Functions already traced may keep what they were traced
    with, and random operations then demand a seed (`keras.utils.set_random_seed`).
    memory_growth: of every GPU. It can be set only before TensorFlow initialises its devices, and for the same reason it stays
    as set once the block has used one: both are noted.
    InvalidInput for an unknown device; nothing remains changed then either.
    """
    import tensorflow as tf
    from tensorflow.python.framework import config  # the public API can neither read nor disable determinism

    notes: list[str] = []
    with ExitStack() as stack:
        if memory_growth is not None:  # first: naming the devices initialises them
            stack.enter_context(_memory_growth(memory_growth, notes))
        if tf32 is not None:
            precision = tf.config.experimental
            read, write = precision.tensor_float_32_execution_enabled, precision.enable_tensor_float_32_execution
            stack.enter_context(_switched(read, write, tf32))
        if deterministic is not None:
            stack.enter_context(_switched(config.is_op_determinism_enabled, _set_determinism, deterministic))
        if device is not None:
            stack.enter_context(tf.device(find_device(device)))
        yield notes


@contextmanager
def _switched(read: Callable[[], bool], write: Callable[[bool], object], value: bool) -> Iterator[None]:
    before = read()
    write(value)
    try:
        yield
    finally:
        write(before)


def _set_determinism(value: bool) -> None:
    from tensorflow.python.framework import config

    (config.enable_op_determinism if value else config.disable_op_determinism)()


def _memory_growth(value: bool, notes: list[str]) -> AbstractContextManager[None]:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")

    def read() -> bool:
        return all(tf.config.experimental.get_memory_growth(gpu) for gpu in gpus)

    def write(value: bool) -> None:
        try:
            for gpu in gpus:
                tf.config.experimental.set_memory_growth(gpu, value)
        except RuntimeError:  # "Physical devices cannot be modified after being initialized"
            late = "TensorFlow has initialised its devices already"
            notes.append(f"memory growth stays {_word(read())}, not {_word(value)}: {late}")

    if not gpus:
        notes.append(f"memory growth is not {_word(value)}: TensorFlow sees no GPU")
    return _switched(read, write, value)


def _word(value: bool) -> str:
    return "on" if value else "off"


def describe(device: str = "CPU:0") -> Facts:
    """Return what a measurement on `device` depends on, in words fit for JSON: `describe_host` and TensorFlow's side of it.

    device, device_kind, device_name; tensorflow and keras (versions); tf32 (allowed: GPUs that have it use it, CPUs have none),
    deterministic, onednn (in force or not);
    intra_op_threads, inter_op_threads: 0 means that TensorFlow chooses, by `cores`. For a GPU also its compute_capability, its
    memory_growth, and the cuda and cudnn versions TensorFlow was built for. InvalidInput for an unknown device.
    """
    import tensorflow as tf
    from tensorflow.python.framework import config  # as in `settings`

    device = find_device(device)
    kind = device.partition(":")[0]
    threading = tf.config.threading
    facts: Facts = {
        **describe_host(),
        "device": device,
        "device_kind": kind,
        "tensorflow": tf.__version__,
        "keras": metadata.version("keras"),
        "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "deterministic": config.is_op_determinism_enabled(),
        "onednn": _onednn(),
        "intra_op_threads": threading.get_intra_op_parallelism_threads() or _environment_threads("TF_NUM_INTRAOP_THREADS"),
        "inter_op_threads": threading.get_inter_op_parallelism_threads() or _environment_threads("TF_NUM_INTEROP_THREADS"),
    }
    return {**facts, **_gpu_facts(device)} if kind == "GPU" else facts


def describe_host() -> Facts:
    """Return what any measurement here depends on, TensorFlow or not.

    device, device_kind, device_name: the CPU and its model; cores: how many this process may use; python, numpy (versions);
    blas: the library that multiplies NumPy's matrices; platform: operating system and processor family.
    """
    cpu = cpu_model()
    blas: Any = np.show_config(mode="dicts")
    library = blas["Build Dependencies"]["blas"]
    return {
        "device": "CPU",
        "device_kind": "CPU",
        "device_name": cpu,
        "cpu": cpu,
        "cores": cores(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{library['name']} {library['version']}",
    }


def cores() -> int:
    """Return the number of logical cores that this process may use: what "TensorFlow chooses" starts from."""
    if hasattr(os, "sched_getaffinity"):  # Linux, where containers and taskset restrict a process
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model() -> str:
    """Return the processor's model name, or its family where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.processor() or platform.machine()


def _onednn() -> bool | str:
    """Return whether oneDNN's kernels are in force: the build, the processor and TF_ENABLE_ONEDNN_OPTS decide together.

    TensorFlow's own kernels ask this very function; the variable alone does not tell, since the default depends on the processor.
    """
    try:
        from tensorflow.python.util import _pywrap_util_port
    except ImportError:  # not public: a later TensorFlow may move it
        return "unknown"
    return bool(_pywrap_util_port.IsMklEnabled())


def _environment_threads(variable: str) -> int:
    """Return the number of threads that the environment variable asks TensorFlow for; 0: TensorFlow chooses."""
    text = os.environ.get(variable, "")
    return max(int(text), 0) if text.lstrip("-").isdecimal() else 0


def _gpu_facts(device: str) -> Facts:
    import tensorflow as tf

    gpus, logical = tf.config.get_visible_devices("GPU"), tf.config.list_logical_devices("GPU")
    if len(gpus) == len(logical):  # one to one; where GPUs are divided, TensorFlow does not say which is whose part
        gpus = [gpus[int(device.partition(":")[2])]]
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    build = tf.sysconfig.get_build_info()
    capabilities = {".".join(map(str, detail.get("compute_capability", ("unknown",)))) for detail in details}
    return {
        "device_name": ", ".join(sorted({detail.get("device_name", "unknown") for detail in details})),
        "compute_capability": ", ".join(sorted(capabilities)),
        "memory_growth": all(tf.config.experimental.get_memory_growth(gpu) for gpu in gpus),
        "cuda": str(build.get("cuda_version", "none")),
        "cudnn": str(build.get("cudnn_version", "none")),
    }
