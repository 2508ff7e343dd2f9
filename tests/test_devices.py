"""The device machinery, with a second logical CPU in place of a GPU, and the benchmarks upon it.

Logical devices can be set only before TensorFlow initialises, so that each of these functions runs in a fresh Python, kept for
all tests of this file. It is spawned: a process that is forked after a TensorFlow operation hangs.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from alexnet_ref import devices
from reference import InvalidInput

pytestmark = pytest.mark.tf

ROOT = Path(__file__).parents[1]
STEP = "test_inference_step[tf1_graph-batch1-{}]"

Run = Callable[..., Any]


def _two_cpus_and_no_gpu() -> None:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tf.config.set_visible_devices([], "GPU")


@pytest.fixture(scope="module")
def fresh() -> Iterator[Run]:
    """Return run(function, *args): the function's result in a Python of its own, where TensorFlow has two CPUs and no GPU."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_two_cpus_and_no_gpu) as pool:
        yield lambda function, *args: pool.submit(function, *args).result()


def _pytest(*arguments: str) -> tuple[int, str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        # This process has imported the package that the plugin belongs to, whose asserts pytest can no longer rewrite.
        ignored = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = pytest.main([f"--rootdir={ROOT}", "-p", "no:cacheprovider", *ignored, *arguments])
    return int(code), output.getvalue()


def test_devices_are_listed(fresh: Run) -> None:
    """Both logical CPUs are listed, by short names."""
    assert fresh(devices.devices) == ["CPU:0", "CPU:1"]


@pytest.mark.parametrize("spelling", ["CPU:1", "cpu:1", "/CPU:1", "/device:CPU:1"])
def test_spellings_of_a_device(fresh: Run, spelling: str) -> None:
    """TensorFlow's own spellings of a device, in either case, name it."""
    assert fresh(devices.find_device, spelling) == "CPU:1"


def test_kind_alone_is_the_first_of_its_kind(fresh: Run) -> None:
    """Without a number a kind of device is its first."""
    assert fresh(devices.find_device, "cpu") == "CPU:0"


@pytest.mark.parametrize("device", ["GPU:0", "CPU:2", "toaster", ""])
def test_unknown_device_is_refused(fresh: Run, device: str) -> None:
    """An unknown device is refused in one line that lists those present."""
    with pytest.raises(InvalidInput) as caught:
        fresh(devices.find_device, device)
    assert str(caught.value) == f"TensorFlow has no such device; expected one of CPU:0, CPU:1; received {device!r}"


def _places(device: str) -> set[str]:
    """Return the devices of a model's weights, of its result and of its loss."""
    import numpy as np
    import tensorflow as tf

    from alexnet_ref.models import build_model, compile_model

    with devices.settings(device=device):
        model = compile_model(build_model("tf1_graph"), "tf1_graph")
        x, y = tf.constant(np.ones((2, 28, 28, 1), np.float32)), tf.constant(np.eye(10, dtype=np.float32)[:2])
        loss = tf.function(model.train_step)((x, y))["loss"]
        tensors = [tf.function(model)(x), loss, *(variable.value for variable in model.variables)]
    return {tensor.device.rpartition("device:")[2] for tensor in tensors}


@pytest.mark.parametrize("device", ["CPU:0", "CPU:1"])
def test_model_runs_on_the_device(fresh: Run, device: str) -> None:
    """A model built and run under a device has its weights, its result and its loss there, and nowhere else."""
    assert fresh(_places, device) == {device}


def _state() -> dict[str, Any]:
    import tensorflow as tf

    facts = devices.describe()
    return {"tf32": facts["tf32"], "deterministic": facts["deterministic"], "place": tf.constant(0.0).device[-5:]}


def _before_within_after(start: bool, how: str) -> list[dict[str, Any]]:
    """Return the state before, within and after a block that ends by itself, by an error, or never begins."""
    device = "CPU:9" if how == "unknown device" else "CPU:1"
    with devices.settings(tf32=start, deterministic=start):
        states = [_state()]
        with (
            contextlib.suppress(InvalidInput, ZeroDivisionError),
            devices.settings(device=device, tf32=not start, deterministic=not start),
        ):
            states.append(_state())
            if how == "error":
                raise ZeroDivisionError
        return [*states, _state()]


@pytest.mark.parametrize("start", [True, False])
@pytest.mark.parametrize("how", ["itself", "error"])
def test_settings_are_put_back(fresh: Run, start: bool, how: str) -> None:
    """TF32, determinism and device hold within the block, and are what they were after it, also when it raises."""
    before, within, after = fresh(_before_within_after, start, how)
    assert before == after == {"tf32": start, "deterministic": start, "place": "CPU:0"}
    assert within == {"tf32": not start, "deterministic": not start, "place": "CPU:1"}


def test_refused_settings_change_nothing(fresh: Run) -> None:
    """An unknown device leaves the settings beside it as they were."""
    before, after = fresh(_before_within_after, True, "unknown device")
    assert before == after


def test_none_leaves_settings_alone(fresh: Run) -> None:
    """A setting that is not given is not touched."""
    assert fresh(_untouched) == [True, True]


def _untouched() -> list[bool]:
    states = []
    for start in (True, False):
        with devices.settings(tf32=start, deterministic=start):
            before = _state()
            with devices.settings():
                states.append(_state() == before)
    return states


def test_memory_growth_without_a_gpu(fresh: Run) -> None:
    """Memory growth without a GPU is noted, not refused."""
    assert fresh(_growth_notes) == ["memory growth is not on: TensorFlow sees no GPU"]


def _growth_notes() -> list[str]:
    import tensorflow as tf

    # Of physical GPUs, which stay in the list when they are made invisible.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.config, "list_physical_devices", lambda _: [])
        with devices.settings(memory_growth=True) as notes:
            pass
        return notes


@pytest.mark.parametrize("late", [False, True])
def test_memory_growth_of_a_gpu(monkeypatch: pytest.MonkeyPatch, late: bool) -> None:
    """Memory growth is set on every GPU and put back; when it is too late for that, it is noted and left."""
    import tensorflow as tf

    growth = {"first": False, "second": False}  # two GPUs played by a dict, since few machines have one

    def write(gpu: str, value: bool) -> None:
        if late and growth[gpu] != value:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        growth[gpu] = value

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: list(growth))
    monkeypatch.setattr(tf.config.experimental, "get_memory_growth", growth.__getitem__)
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", write)
    with devices.settings(memory_growth=True) as notes:
        assert growth == dict.fromkeys(growth, not late)
    assert growth == {"first": False, "second": False}
    assert notes == ["memory growth stays off, not on: TensorFlow has initialised its devices already"] * late


def test_description_is_complete_and_fit_for_json(fresh: Run) -> None:
    """The report names the device asked for, all versions and settings, in plain words, numbers and truth values."""
    facts = fresh(devices.describe, "cpu:1")
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["device"], facts["device_kind"]) == ("CPU:1", "CPU")
    assert {"tf32", "deterministic", "onednn", "intra_op_threads", "inter_op_threads", "platform", "blas"} <= set(facts)
    assert all(facts[name] for name in ("device_name", "cpu", "cores", "python", "numpy", "tensorflow", "keras"))


def _environment(variables: dict[str, str]) -> None:
    import os

    os.environ.update(variables)


@pytest.mark.slow  # TensorFlow is started anew, with other variables
def test_description_tells_onednn_off_and_threads() -> None:
    """oneDNN switched off, and threads asked for, in the environment of TensorFlow's start are reported."""
    variables = {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_NUM_INTRAOP_THREADS": "1"}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_environment, initargs=(variables,)) as pool:
        facts = pool.submit(devices.describe).result()
    assert facts["onednn"] is False
    assert facts["intra_op_threads"] == 1


def test_benchmarks_have_an_item_for_each_device(fresh: Run) -> None:
    """A timed run has an id for the second CPU, and one for the GPU that is not there."""
    code, output = fresh(_pytest, str(ROOT / "benchmarks"), "--collect-only", "-q", "-m", "tf")
    assert code == 0
    ids = [line.partition("::")[2] for line in output.splitlines() if "::" in line]
    for device in ("CPU:0", "CPU:1", "GPU:0"):
        assert f"test_train_step[keras_sequential-batch64-{device}-documented]" in ids
        assert STEP.format(device) in ids
    # Architectures, batches, devices: inference, and three implementations of the training step; the input has no device.
    assert len(ids) == 2 * 2 * 3 * (1 + 3) + 2 * 2


def test_benchmark_runs_on_the_second_cpu(fresh: Run, tmp_path: Path) -> None:
    """A benchmark timed on the second CPU passes, stores the device and what the time depends on, and closes with the table."""
    item = f"{ROOT / 'benchmarks' / 'test_inference_step.py'}::{STEP.format('CPU:1')}"
    code, output = fresh(_pytest, item, f"--benchmark-json={tmp_path / 'run.json'}", "--benchmark-max-time=0.01")
    assert code == 0, output
    assert "closing table" in output
    (record,) = json.loads((tmp_path / "run.json").read_text())["benchmarks"]
    assert record["group"] == "tf1_graph inference batch1"
    stored = record["extra_info"]
    assert (stored["device"], stored["runner"]) == ("CPU:1", "CPU:1")
    assert (stored["architecture"], stored["kind"], stored["batch"]) == ("tf1_graph", "inference", 1)
    assert {"tensorflow", "keras", "numpy", "python", "tf32", "onednn", "intra_op_threads", "cores"} <= set(stored)


@pytest.mark.slow  # TensorFlow is started anew
@pytest.mark.parametrize(("options", "code", "outcome"), [([], 0, "1 skipped"), (["--require-gpu"], 1, "1 error")])
def test_absent_gpu_is_skipped_or_fails(fresh: Run, options: list[str], code: int, outcome: str) -> None:
    """Without a GPU its benchmarks are skipped with the reason; under --require-gpu they fail with it."""
    item = f"{ROOT / 'benchmarks' / 'test_inference_step.py'}::{STEP.format('GPU:0')}"
    received, output = fresh(_pytest, item, *options)
    assert (received, outcome in output) == (code, True), output
    assert "needs a GPU: TensorFlow sees none" in output
