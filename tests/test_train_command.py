"""`alexnet-ref train` as a person meets it: lines, a bar, exit codes; and the pictures it leaves."""

from __future__ import annotations

import importlib.util
import io
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

import reference
from alexnet_ref import train as package
from alexnet_ref.cli import OneLineErrors
from alexnet_ref.mnist import load
from alexnet_ref.train import Interrupted, Notice, Row, Step, command, pictures
from alexnet_ref.train.events import Event
from alexnet_ref.train.history import History
from reference import InvalidInput

KERAS_ROW = {"epoch": 1, "step": 907, "loss": 1.0786, "accuracy": 0.5796, "val_loss": 0.1184, "val_accuracy": 0.9665}
METRICS = {
    "test": {"loss": 0.0809, "accuracy": 0.9879, "digits": 10_000},
    "published": {"test": {"loss": 0.0809, "accuracy": 0.9879}},
}


def invoke(monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any], *arguments: str) -> Result:
    """Return what the command does with `run` in place of training."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)  # neither is needed where nothing is trained
    monkeypatch.setattr(package, "train", run)
    group = OneLineErrors("alexnet-ref", commands={"train": command.train})
    return CliRunner().invoke(group, ["train", *arguments])


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notices, a line for each row in the document's words, and the test results; no control characters."""

    def run(_: str, *, on_progress: Callable[[Event], None], **__: Any) -> dict[str, Any]:
        on_progress(Notice("NOT the documented data"))
        on_progress(Step(step=1, steps=2, epoch=1, loss=2.3, accuracy=0.1))
        on_progress(Row({**KERAS_ROW, "dead_dense": 0.5}))
        on_progress(Row({"step": 100, "iter": 6400, "loss": 29724.5, "accuracy": 0.25}))
        return METRICS

    result = invoke(monkeypatch, run, "keras_sequential")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[:3] == [
        "NOT the documented data",
        "Epoch 1 - loss: 1.0786 - accuracy: 0.5796 - val_loss: 0.1184 - val_accuracy: 0.9665",
        "Iter 6400, Minibatch Loss= 29724.500000, Training Accuracy= 0.25000",
    ]
    assert "test: loss 0.0809, accuracy 0.9879 on 10,000 digits" in result.output
    assert result.output.isprintable() or set(result.output) - {"\n"} == {c for c in result.output if c.isprintable()}


def test_options_reach_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option arrives under its name; what is not given is the document's."""
    seen: dict[str, Any] = {}

    def run(architecture: str, **options: Any) -> dict[str, Any]:
        seen.update(options, architecture=architecture)
        return METRICS

    arguments = (
        "tf1_graph --data d --epochs 2 --limit 9 --batch-size 3 --seed 4 --device CPU:0 --strategy mirrored "
        "--without-lrn --out o --resume --checkpoint-every 5"
    )
    assert invoke(monkeypatch, run, *arguments.split()).exit_code == 0
    del seen["on_progress"]
    assert seen == {
        "architecture": "tf1_graph",
        "data": "d",
        "epochs": 2,
        "limit": 9,
        "batch_size": 3,
        "seed": 4,
        "device": "CPU:0",
        "strategy": "mirrored",
        "without_lrn": True,
        "out": Path("o"),
        "resume": True,
        "checkpoint_seconds": 5.0,
    }
    invoke(monkeypatch, run, "tf1_graph")
    assert seen["out"] == Path("runs/tf1_graph-0")
    assert [seen[name] for name in ("data", "epochs", "limit", "batch_size", "device")] == [None] * 5
    assert (seen["strategy"], seen["without_lrn"]) == ("none", False)
    invoke(monkeypatch, run, "tf1_graph", "--without-lrn")
    assert seen["out"] == Path("runs/tf1_graph-without-lrn-0")


def test_another_worker_says_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is not the chief prints notices and who has the results; without TF_CONFIG it is refused in one line."""

    def run(_: str, *, on_progress: Callable[[Event], None], **__: Any) -> dict[str, Any]:
        on_progress(Notice("resuming after step 1 of 2"))
        on_progress(Step(step=1, steps=2, epoch=1, loss=2.3, accuracy=0.1))
        on_progress(Row(dict(KERAS_ROW)))
        return {}

    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}')
    result = invoke(monkeypatch, run, "tf1_graph", "--strategy", "multiworker")
    assert result.output == "resuming after step 1 of 2\nworker 1 (b:1) is done; worker 0 (a:1) writes the results\n"
    monkeypatch.delenv("TF_CONFIG")
    result = invoke(monkeypatch, run, "tf1_graph", "--strategy", "multiworker")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("alexnet-ref: TF_CONFIG: cannot be used: it is not set; expected {")


def test_ctrl_c_exits_as_a_shell_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted: exit code 130, and one line that says how to go on."""

    def run(*_: Any, **__: Any) -> None:
        raise Interrupted("stopped after step 2 of 9, saved: the same command with --resume goes on")

    result = invoke(monkeypatch, run, "tf1_graph")
    assert result.exit_code == 128 + signal.SIGINT
    assert result.stderr == "alexnet-ref: stopped after step 2 of 9, saved: the same command with --resume goes on\n"


def test_bad_input_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """InvalidInput: exit code 2 and one line."""

    def run(*_: Any, **__: Any) -> None:
        raise InvalidInput("this folder holds a checkpoint")

    result = invoke(monkeypatch, run, "tf1_graph")
    assert (result.exit_code, result.stderr) == (2, "alexnet-ref: this folder holds a checkpoint\n")


@pytest.mark.parametrize("missing", ["tensorflow", "matplotlib"])
def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Without TensorFlow or Matplotlib the command says how to install it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else name)
    group = OneLineErrors("alexnet-ref", commands={"train": command.train})
    result = CliRunner().invoke(group, ["train", "tf1_graph"])
    assert result.exit_code == 2
    assert f"{missing} is not installed" in result.stderr
    assert "pip install" in result.stderr


def test_the_bar_shows_numbers_and_time() -> None:
    """On a terminal: loss, accuracy, steps per second, counts, and rows above the bar."""
    screen = io.StringIO()
    with command.Bar(Console(file=screen, force_terminal=True, width=160)) as bar:
        bar(Notice("resuming after step 3 of 9"))
        for step in range(4, 10):
            bar(Step(step=step, steps=9, epoch=2, loss=0.5, accuracy=0.875))
        bar(Row(KERAS_ROW))
    for words in (
        "resuming after step 3 of 9",
        "epoch 2",
        "loss 0.5000 accuracy 0.8750",
        "steps/s",
        "9/9",
        "Epoch 1 - loss: 1.0786",
    ):
        assert words in screen.getvalue()


def test_plain_lines_tell_speed_and_time_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every half minute a line: two steps a second leave 36,000 steps five hours."""
    clock = iter([0.0, 0.0, 29.0, 30.0])
    monkeypatch.setattr("alexnet_ref.train.command.time.monotonic", lambda: next(clock))
    plain = command.Plain()
    for step in (1, 59, 61):
        plain(Step(step=step, steps=36_061, epoch=1, loss=2.0, accuracy=0.5))
    out = capsys.readouterr().out
    assert out == "step 61 of 36061, epoch 1: loss 2.0000, accuracy 0.5000, 2.00 steps/s, 5:00:00 left\n"


def test_no_speed_is_told_after_one_step(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A first step that took longer than half a minute to come tells neither a speed nor a time left."""
    clock = iter([0.0, 31.0])
    monkeypatch.setattr("alexnet_ref.train.command.time.monotonic", lambda: next(clock))
    command.Plain()(Step(step=2, steps=4, epoch=2, loss=2.0, accuracy=0.5))
    assert capsys.readouterr().out == "step 2 of 4, epoch 2: loss 2.0000, accuracy 0.5000\n"


def test_the_command_has_help() -> None:
    """Every option has a sentence."""
    assert isinstance(command.train, click.Command)
    options = [option for option in command.train.params if isinstance(option, click.Option)]
    assert all(option.help or option.name == "resume" for option in options)


# ---- Pictures ------------------------------------------------------------------------------------------------------------


def rows(count: int) -> History:
    """Return a history of that many epochs."""
    return History(rows=[{**KERAS_ROW, "epoch": epoch, "dead_dense": 0.25} for epoch in range(1, count + 1)])


@pytest.mark.parametrize(("epochs", "expected"), [(1, [0.9665]), (2, [0.9665, 0.9845]), (40, [0.9665, 0.9845, 0.9930])])
def test_published_points_are_marked(epochs: int, expected: list[float]) -> None:
    """Two panels, each with training, validation and the document's points as far as the run has come."""
    pytest.importorskip("matplotlib")
    loss, accuracy = pictures.curves(reference.ARCHITECTURES["keras_sequential"], rows(epochs)).axes
    lines = {line.get_label(): line for line in accuracy.get_lines()}
    assert list(lines) == ["training (with dropout)", "validation", "published, training", "published, validation"]
    assert list(lines["published, validation"].get_ydata()) == expected
    assert (loss.get_title(), accuracy.get_title()) == (
        "Training Loss vs Validation Loss",
        "Training Accuracy vs Validation Accuracy",
    )
    assert (loss.get_ylabel(), accuracy.get_ylabel(), accuracy.get_xlabel()) == ("loss", "accuracy", "epoch")


def test_steps_are_whole_numbers() -> None:
    """A run that was displayed once has whole steps along its axis, and no label twice."""
    pytest.importorskip("matplotlib")
    row = {"step": 93, "iter": 5952, "loss": 40920.0, "accuracy": 0.67, "dead_fc1": 0.4}
    for draw in (pictures.curves, pictures.dead_relus):
        figure = draw(reference.ARCHITECTURES["tf1_graph"], History(rows=[row]))
        figure.draw_without_rendering()
        lowest, highest = figure.axes[-1].get_xlim()
        labels = {
            tick: label.get_text()
            for tick, label in zip(figure.axes[-1].get_xticks(), figure.axes[-1].get_xticklabels(), strict=True)
        }
        assert [text for tick, text in labels.items() if lowest <= tick <= highest] == ["93"]


def test_the_confusion_matrix_counts(tmp_path: Path) -> None:
    """Rows are true digits and columns predictions: 3 taken for 5 twice stands in row 3, column 5."""
    pytest.importorskip("matplotlib")
    labels, predicted = np.array([3, 3, 3, 9]), np.array([5, 5, 3, 9])
    figure = pictures.confusion(reference.ARCHITECTURES["tf1_graph"], labels, predicted)
    cells = {text.get_position()[::-1]: text.get_text() for text in figure.axes[0].texts}
    assert cells == {(3, 5): "2", (3, 3): "1", (9, 9): "1"}
    pictures.save(figure, tmp_path / "confusion.svg")
    assert "<svg" in (tmp_path / "confusion.svg").read_text()


def test_the_worst_come_first() -> None:
    """The digit whose truth got the least probability is first, however small all of them are."""
    pytest.importorskip("matplotlib")
    sample = load()
    labels = sample.test_labels.astype(np.int64)
    logs = np.full((300, 10), -50_000.0)
    logs[np.arange(300), labels] = 0.0
    for position, log in ((5, -70_000.0), (17, -90_000.0)):
        logs[position, labels[position]], logs[position, (labels[position] + 1) % 10] = log, 0.0
    figure = pictures.worst(reference.ARCHITECTURES["tf1_graph"], sample.test_images, labels, logs)
    first, second = figure.axes[:2]
    assert first.get_xlabel().endswith("#17")
    assert second.get_xlabel().endswith("#5")
    assert first.get_title() == f"{labels[17]} taken for {(labels[17] + 1) % 10}"
    assert "10^{-39087}" in first.get_xlabel()  # 90,000 / ln 10 = 39,086.5
