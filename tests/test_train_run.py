"""A run from its first step to its folder: resumed to the bit, stopped and refused in one line."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from alexnet_ref import files
from alexnet_ref.candidates.params_file import read_params
from alexnet_ref.mnist import load
from alexnet_ref.train import Interrupted, Notice, Row, Step, checkpoint, pictures, results, train
from alexnet_ref.train.checkpoint import SLOTS, Checkpoint, Checkpoints
from alexnet_ref.train.events import Event
from reference import LRN, Architecture, InvalidInput
from tests.miniatures import SMALLER
from tests.test_train_loop import TINY, TINY_KERAS, TINY_TF1, tiny

__all__ = ["tiny"]  # the fixture

pytestmark = [
    pytest.mark.tf,
    # Keras reads its variables for saving in a way that NumPy 2 will drop; the file is right.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

# keras_sequential: 3 epochs of 3 steps, the last of each with 8 digits; tf1_graph: 7, which cross into the next order.
OPTIONS: dict[str, Any] = {"epochs": 3, "limit": 40, "batch_size": 16, "checkpoint_seconds": 0.0}
STEPS = {"keras_sequential": 9, "tf1_graph": 7}


class CrashError(Exception):
    """Stands for whatever ends a process."""


def at(step: int, action: Callable[[], Any]) -> Callable[[Event], None]:
    """Return an observer that acts when a step is done."""

    def observe(event: Event) -> None:
        if isinstance(event, Step) and event.step == step:
            action()

    return observe


def crash() -> None:
    """End the run without its cooperation."""
    raise CrashError


def final_bits(folder: Path) -> dict[str, bytes]:
    """Return what must be equal to the bit: history, params, and every array of the last checkpoint with its position."""
    newest = max((checkpoint._verify(path)["generation"], path) for path in Checkpoints(folder=folder).paths)[1]
    header = checkpoint._verify(newest)
    position = {key: value for key, value in header["position"].items() if key != "seconds"}
    arrays = checkpoint._read_arrays(newest, header["arrays"])
    return {
        "history": (folder / "history.csv").read_bytes(),
        "position": json.dumps(position).encode(),
        **{name: array.tobytes() for name, array in arrays.items()},
        **{name: array.tobytes() for name, array in np.load(folder / "params.npz").items()},
    }


@pytest.fixture(scope="module", params=SMALLER)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Architecture, Path, list[Event]]:
    """Return a run that nothing interrupted, its folder and what it told."""
    folder = tmp_path_factory.mktemp("whole")
    events: list[Event] = []
    train(TINY[request.param], out=folder, on_progress=events.append, **OPTIONS)
    return TINY[request.param], folder, events


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing, which takes longer than these runs; `whole`, made before this, has its pictures."""
    monkeypatch.setattr(pictures, "draw_all", lambda *_, **__: None)


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(5, marks=pytest.mark.slow)])
def test_resumed_equals_uninterrupted(whole: tuple[Architecture, Path, list[Event]], tmp_path: Path, step: int) -> None:
    """Ended in the middle of an epoch or at its end and resumed, the run has the same weights, slots and history to the bit."""
    architecture, folder, _ = whole
    with pytest.raises(CrashError):
        train(architecture, out=tmp_path, on_progress=at(step + 1, crash), **OPTIONS)
    assert not (tmp_path / "params.npz").exists()
    told: list[Event] = []
    train(architecture, out=tmp_path, resume=True, on_progress=told.append, **OPTIONS)
    assert Notice(f"resuming after step {step} of {STEPS[architecture.name]}") in told
    assert final_bits(tmp_path) == final_bits(folder)


def test_seed_and_dropout_matter(whole: tuple[Architecture, Path, list[Event]], tmp_path: Path) -> None:
    """What the comparison of bits compares does change: with another seed it differs."""
    architecture, folder, _ = whole
    train(architecture, out=tmp_path, seed=1, **OPTIONS)
    assert final_bits(tmp_path) != final_bits(folder)


def test_the_folder_is_complete(whole: tuple[Architecture, Path, list[Event]]) -> None:
    """All files are there, no temporary one is, and metrics.json names configuration, environment and results."""
    architecture, folder, events = whole
    names = "history.csv curves.png curves.svg dead_relus.png confusion.png worst.png metrics.json model.keras params.npz .lock"
    assert {path.name for path in folder.iterdir()} == {*names.split(), *SLOTS}
    for name in ("curves", "dead_relus", "confusion", "worst"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["configuration"]["batch size"] == 16
    assert {"tensorflow", "keras", "numpy", "python", "device_name", "deterministic"} <= set(metrics["environment"])
    assert metrics["environment"]["deterministic"] is True
    assert metrics["steps"] == STEPS[architecture.name]
    assert metrics["test_all"]["digits"] == 300
    assert metrics["test"]["digits"] == {"keras_sequential": 300, "tf1_graph": 256}[architecture.name]
    assert metrics["test"]["steps"] == {"keras_sequential": 10, "tf1_graph": 1}[architecture.name]
    assert [event.step for event in events if isinstance(event, Step)] == list(range(1, STEPS[architecture.name] + 1))
    assert any(isinstance(event, Notice) and "shipped sample" in event.text for event in events)


def test_the_history_holds_what_was_told(whole: tuple[Architecture, Path, list[Event]]) -> None:
    """Rows per epoch or per displayed step, with the dead share of every ReLU layer; numbers are read back exactly."""
    architecture, folder, events = whole
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    told = [event.values for event in events if isinstance(event, Row)]
    assert [{key: float(value) for key, value in row.items()} for row in rows] == told
    if architecture.name == "keras_sequential":
        assert [row["epoch"] for row in rows] == ["1", "2", "3"]
        assert list(rows[0]) == "epoch step loss accuracy val_loss val_accuracy dead_conv dead_fc".split()  # noqa: SIM905 - a header
        last = [event for event in events if isinstance(event, Step)][-1]
        assert (told[-1]["loss"], told[-1]["accuracy"]) == (last.loss, last.accuracy)
    else:
        assert [(row["step"], row["iter"]) for row in rows] == [("7", "112")]
        assert list(rows[0]) == "step iter loss accuracy dead_conv dead_fc".split()  # noqa: SIM905 - a header


def test_the_model_loads_in_safe_mode(whole: tuple[Architecture, Path, list[Event]]) -> None:
    """model.keras loads in safe mode; it and params.npz hold the same weights, which the oracle accepts."""
    import keras

    from alexnet_ref.weights import get_params

    architecture, folder, _ = whole
    model = keras.saving.load_model(folder / "model.keras", safe_mode=True)
    params = read_params(folder / "params.npz", architecture)
    reference.check_params(architecture, params)
    ours = get_params(model, architecture)
    assert {(layer, part) for layer in ours for part in ours[layer]} == {
        (layer, part) for layer in params for part in params[layer]
    }
    assert all(np.array_equal(ours[layer][part], params[layer][part]) for layer in ours for part in ours[layer])


@pytest.mark.parametrize(
    ("tiny", "number"),
    [pytest.param("keras_sequential", signal.SIGINT, marks=pytest.mark.slow), ("tf1_graph", signal.SIGTERM)],
    indirect=["tiny"],
)
def test_a_signal_saves_and_says_how_to_go_on(tiny: Architecture, tmp_path: Path, number: int) -> None:
    """Ctrl-C ends the run after its step, with a checkpoint although none was due; the handlers are put back."""
    handler = signal.getsignal(number)
    options = {**OPTIONS, "checkpoint_seconds": 1e9}
    with pytest.raises(Interrupted, match=r"after step 2 of .* saved: the same command with --resume goes on"):
        train(tiny, out=tmp_path, on_progress=at(2, lambda: os.kill(os.getpid(), number)), **options)
    assert signal.getsignal(number) is handler
    told: list[Event] = []
    train(tiny, out=tmp_path, resume=True, on_progress=told.append, **options)
    assert [event.step for event in told if isinstance(event, Step)] == list(range(3, STEPS[tiny.name] + 1))


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    """Asked twice, the run ends at once, even if its step never ends."""

    def impatient() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        train(TINY_TF1, out=tmp_path, on_progress=at(2, impatient), **OPTIONS)
    assert not isinstance(caught.value, Interrupted)


def test_divergence_stops_with_step_and_layer(tmp_path: Path) -> None:
    """A learning rate beyond reason is one line with the step and a layer, and the checkpoint from before it stays."""
    wild = replace(TINY_TF1, recipe=replace(TINY_TF1.recipe, learning_rate=3e38))
    with pytest.raises(InvalidInput, match=r"^step 2: training has diverged: the output of conv is not finite"):
        train(wild, out=tmp_path, **OPTIONS)
    assert [checkpoint._verify(path)["position"]["step"] for path in Checkpoints(folder=tmp_path).paths] == [1]


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up at the third checkpoint: one line, and the run resumes from the second when there is room."""

    def full_disk(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        fill = at(3, lambda: patch.setattr(checkpoint, "_write", full_disk))
        with pytest.raises(InvalidInput, match=os.strerror(errno.ENOSPC)) as caught:
            train(TINY_TF1, out=tmp_path, on_progress=fill, **OPTIONS)
    assert "\n" not in str(caught.value)
    told: list[Event] = []
    train(TINY_TF1, out=tmp_path, resume=True, on_progress=told.append, **OPTIONS)
    assert next(event.step for event in told if isinstance(event, Step)) == 3


SLOWER = ("history.csv", "confusion.png", "model.keras", "metrics.json")
FILES = ["params.npz", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOWER)]


@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_at_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """No room for a file, after half of it was written: one line names it, nothing half-written stays, and resuming completes."""
    pytest.importorskip("matplotlib")
    if name.endswith(".png"):
        monkeypatch.setattr(pictures, "draw_all", draw_confusion)
    with monkeypatch.context() as patch:
        sync = files.sync

        def full(path: Path) -> None:
            if path.name == f".partial.{name}":
                os.truncate(path, path.stat().st_size // 2)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(path)

        patch.setattr(files, "sync", full)
        with pytest.raises(InvalidInput, match=os.strerror(errno.ENOSPC)) as caught:
            train(TINY_KERAS, out=tmp_path, **OPTIONS)
    assert str(caught.value).startswith(f"{tmp_path / name}: cannot be written; ")
    assert "--resume" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / name).exists()
    assert not list(tmp_path.glob(".partial*"))
    train(TINY_KERAS, out=tmp_path, resume=True, **OPTIONS)
    assert (tmp_path / name).exists()
    assert (tmp_path / "metrics.json").exists()


def draw_confusion(folder: Path, architecture: Architecture, *_: Any, labels: Any, logs: Any, **__: Any) -> None:
    """Draw one picture of them all, which takes longer than these runs as it is."""
    pictures.save(pictures.confusion(architecture, labels, logs.argmax(axis=-1)), folder / "confusion.png")


def test_a_device_without_room_is_one_line(tmp_path: Path) -> None:
    """The operating system's own ENOSPC, from /dev/full, is the same line, and the device is still there."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, which is Linux's")
    (tmp_path / ".partial.history.csv").symlink_to("/dev/full")
    with pytest.raises(InvalidInput, match=rf"history\.csv: cannot be written; received {os.strerror(errno.ENOSPC)}"):
        train(TINY_KERAS, out=tmp_path, **OPTIONS)
    assert Path("/dev/full").is_char_device()
    assert {path.name for path in tmp_path.iterdir()} <= {".lock", *SLOTS}


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt this process: one that was started in the background may have been told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_in_the_final_evaluation(
    whole: tuple[Architecture, Path, list[Event]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while the test set is evaluated, the run says how to go on; resumed, it trains no more and has the same results."""
    architecture, folder, _ = whole

    def interrupted(run: Any) -> None:
        del run
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)  # Python handles it between two of its own steps, not within the call
        raise AssertionError("the signal comes first")

    with monkeypatch.context() as patch:
        patch.setattr(results, "_test", interrupted)
        steps = STEPS[architecture.name]
        with pytest.raises(Interrupted, match=f"stopped after step {steps} of {steps}, saved: the same command with --resume"):
            train(architecture, out=tmp_path, **OPTIONS)
    assert not (tmp_path / "metrics.json").exists()
    told: list[Event] = []
    train(architecture, out=tmp_path, resume=True, on_progress=told.append, **OPTIONS)
    assert not [event for event in told if isinstance(event, Step)]
    assert final_bits(tmp_path) == final_bits(folder)
    one, other = (json.loads((path / "metrics.json").read_text()) for path in (folder, tmp_path))
    one["seconds"] = other["seconds"] = None
    assert one == other


def copied(folder: Path, out: Path, **changed: dict[str, Any]) -> None:
    """Copy a run's newest checkpoint, with other entries in its position or environment."""
    newest = max((checkpoint._verify(path)["generation"], path) for path in Checkpoints(folder=folder).paths)[1]
    header = checkpoint._verify(newest)
    entries = {key: header[key] for key in ("configuration", "position", "history", "environment")}
    for key, values in changed.items():
        entries[key] = {**entries[key], **values}
    out.mkdir(exist_ok=True)
    Checkpoints(folder=out).save(Checkpoint(arrays=checkpoint._read_arrays(newest, header["arrays"]), **entries))


def test_another_order_of_the_digits_is_refused(whole: tuple[Architecture, Path, list[Event]], tmp_path: Path) -> None:
    """A checkpoint whose order of digits this NumPy does not draw, as another NumPy may have, is refused with both versions."""
    architecture, folder, _ = whole
    copied(folder, tmp_path, position={"order": "0" * 64}, environment={"numpy": "1.0"})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InvalidInput, match=r"shuffled in another order than before; expected NumPy 1\.0, which wrote") as caught:
        train(architecture, out=tmp_path, resume=True, **OPTIONS)
    assert f"received NumPy {np.__version__}" in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != ".lock"} == before


def test_a_changed_environment_is_told(whole: tuple[Architecture, Path, list[Event]], tmp_path: Path) -> None:
    """What has changed since the checkpoint is named, the number of replicas as well; what has not is not."""
    architecture, folder, _ = whole
    copied(folder, tmp_path / "same")
    copied(folder, tmp_path / "other", environment={"tensorflow": "1.0", "replicas": 2})
    told: dict[str, list[Event]] = {"same": [], "other": []}
    for name, events in told.items():
        train(architecture, out=tmp_path / name, resume=True, on_progress=events.append, **OPTIONS)
    notices = {
        name: [e.text for e in events if isinstance(e, Notice) and "environment" in e.text] for name, events in told.items()
    }
    import tensorflow as tf

    words = f"tensorflow 1.0 → {tf.__version__}, replicas 2 → 1"
    assert notices == {"same": [], "other": [f"the environment has changed ({words}): the result may differ in low bits"]}


@pytest.mark.slow  # two runs
def test_without_lrn_is_another_network(whole: tuple[Architecture, Path, list[Event]], tmp_path: Path) -> None:
    """Without LRN the folder says so, holds no LRN layer, differs in its network alone, and is not resumed with LRN."""
    import keras

    from alexnet_ref.claims.run import read_run

    architecture, folder, _ = whole
    train(architecture, out=tmp_path, without_lrn=True, **OPTIONS)
    with_lrn, without = (json.loads((path / "metrics.json").read_text()) for path in (folder, tmp_path))
    assert (with_lrn["without_lrn"], without["without_lrn"]) == (False, True)
    different = {key for key, value in with_lrn["configuration"].items() if without["configuration"][key] != value}
    assert different == {"network"}
    names = [layer.name for layer in keras.saving.load_model(tmp_path / "model.keras", safe_mode=True).layers]
    assert names == [layer.name for layer in architecture.layers if layer.name != "norm"]
    one, other = read_run(folder), read_run(tmp_path)  # as `alexnet-ref claims --run … --without-lrn …` reads them
    assert (one.architecture, one.steps) == (other.architecture, other.steps)
    assert one.network != other.network
    with pytest.raises(InvalidInput, match=r"network: .* there, .* here"):
        train(architecture, out=tmp_path, resume=True, **OPTIONS)


def test_a_damaged_checkpoint_is_told(whole: tuple[Architecture, Path, list[Event]], tmp_path: Path) -> None:
    """With the newest checkpoint damaged, the run goes on from the older one, says so, and ends in the same bits."""
    architecture, folder, _ = whole
    with pytest.raises(CrashError):
        train(architecture, out=tmp_path, on_progress=at(4, crash), **OPTIONS)
    newest = tmp_path / SLOTS[3 % 2]
    newest.write_bytes(newest.read_bytes()[:-100])
    told: list[Event] = []
    train(architecture, out=tmp_path, resume=True, on_progress=told.append, **OPTIONS)
    assert Notice(f"{newest.name}: is damaged: its SHA-256 is wrong. Going on from the other one, {SLOTS[0]}") in told
    assert final_bits(tmp_path) == final_bits(folder)


@pytest.mark.slow  # three runs
def test_more_epochs_may_follow(tmp_path: Path) -> None:
    """A finished run resumed with more epochs ends where one ends that was asked for all of them."""
    train(TINY_KERAS, out=tmp_path / "a", **{**OPTIONS, "epochs": 1})
    train(TINY_KERAS, out=tmp_path / "a", resume=True, **OPTIONS)
    train(TINY_KERAS, out=tmp_path / "b", **OPTIONS)
    assert final_bits(tmp_path / "a") == final_bits(tmp_path / "b")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"batch_size": 8}, "batch size: 16 there, 8 here"),
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"limit": 41}, "training digits: 40 there, 41 here; data: "),
    ],
)
def test_another_configuration_is_refused(
    whole: tuple[Architecture, Path, list[Event]], changed: dict[str, int], words: str
) -> None:
    """Resuming with other options names those that differ, and changes nothing."""
    architecture, folder, _ = whole
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InvalidInput, match="another configuration") as caught:
        train(architecture, out=folder, resume=True, **{**OPTIONS, **changed})
    assert words in str(caught.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_another_network_or_data_is_refused(whole: tuple[Architecture, Path, list[Event]], tmp_path: Path) -> None:
    """A changed hyperparameter is another network, and digits in which one pixel differs are other data."""
    architecture, folder, _ = whole
    other = replace(architecture, layers=tuple(replace(v, alpha=0.2) if isinstance(v, LRN) else v for v in architecture.layers))
    with pytest.raises(InvalidInput, match=r"network: .* there, .* here"):
        train(other, out=folder, resume=True, **OPTIONS)
    sample = load()
    images = sample.train_images.copy()
    images[0, 14, 14] ^= 1
    arrays: dict[str, Any] = {"y_train": sample.train_labels, "x_test": sample.test_images, "y_test": sample.test_labels}
    np.savez(tmp_path / "mnist.npz", x_train=images, **arrays)
    with pytest.raises(InvalidInput, match=r"data: .* there, .* here"):
        train(architecture, data=tmp_path / "mnist.npz", out=folder, resume=True, **OPTIONS)


def test_a_folder_with_a_checkpoint_is_not_written_over(whole: tuple[Architecture, Path, list[Event]]) -> None:
    """Without --resume, a run in a used folder is refused, and nothing is lost."""
    architecture, folder, _ = whole
    with pytest.raises(InvalidInput, match=r"this folder holds a checkpoint.*--resume"):
        train(architecture, out=folder, **OPTIONS)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"limit": 241}, "expected 1 to 240; received 241. This is the shipped sample: --data names"),
        ({"limit": 0}, "expected 1 to 240; received 0"),
        ({"device": "GPU:77"}, "TensorFlow has no such device"),
        ({"data": "missing.npz"}, "missing.npz"),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    """Options that make no sense are one line, before anything is trained."""
    with pytest.raises(InvalidInput, match=message):
        train(TINY_TF1, out=tmp_path / "run", **{**OPTIONS, **changed})
