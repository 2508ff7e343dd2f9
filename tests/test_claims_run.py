"""Claims that take a training run or a clock, decided on runs and times made up for the purpose."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from alexnet_ref.claims import CLAIMS, Evidence, Finding, speed
from alexnet_ref.claims.clock import ROUNDS, SHORT_ROUNDS, Timed, Work, least_wins, time_pair
from alexnet_ref.claims.run import read_run, train_command
from alexnet_ref.mnist import load
from reference import ARCHITECTURES, InvalidInput

SAMPLE = load()
BY_ID = {claim.id: claim for claim in CLAIMS}
KERAS_ROWS = [
    {"epoch": 1, "step": 907, "loss": 1.1, "accuracy": 0.6, "val_loss": 0.1, "val_accuracy": 0.9700, "dead_activation": 0.125},
    {"epoch": 2, "step": 1814, "loss": 0.2, "accuracy": 0.9, "val_loss": 0.1, "val_accuracy": 0.9850, "dead_activation": 0.25},
]
TF1_ROWS = [{"step": step, "iter": 64 * step, "loss": 2.0, "accuracy": 0.95} for step in [*range(100, 4700, 100), 4687]]


def write_run(folder: Path, rows: list[dict[str, Any]], **metrics: Any) -> Path:
    """Write a run of keras_sequential on all of MNIST, but for what is given."""
    folder.mkdir()
    configuration = {"network": "abc", "batch size": 64, "training digits": 58_000, "seed": 0, **metrics.pop("configuration", {})}
    test = {"digits": 10_000, "loss": 0.08, "accuracy": metrics.pop("accuracy", 0.9881)}
    everything = {
        "architecture": "keras_sequential",
        "without_lrn": False,
        "steps": 907 * len(rows),
        "epochs": float(len(rows)),
        "configuration": configuration,
        "test_all": test,
        "test": test,
    }
    (folder / "metrics.json").write_text(json.dumps({**everything, **metrics}), encoding="utf-8")
    with (folder / "history.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def write_tf1(folder: Path, rows: list[dict[str, Any]] = TF1_ROWS, **metrics: Any) -> Path:
    """Write a run of tf1_graph."""
    own: dict[str, Any] = {"architecture": "tf1_graph", "steps": 4687, "epochs": 5.45, "accuracy": 0.95}
    own["configuration"] = {"training digits": 55_000, **metrics.pop("configuration", {})}
    return write_run(folder, rows, **{**own, **metrics})


def find(id_: str, **given: Any) -> Finding:
    """Decide the claim."""
    claim = BY_ID[id_]
    return claim.find(Evidence(architecture=ARCHITECTURES[claim.architecture], mnist=SAMPLE, **given))


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.needs == "training"], ids=lambda claim: claim.id)
def test_without_a_run_nothing_is_decided(claim: Any) -> None:
    """What takes a run says so where there is none."""
    finding = find(claim.id)
    assert finding.verdict == "not checkable here"
    assert "--run DIR" in finding.measured


@pytest.mark.parametrize(
    ("id_", "accuracies", "verdict"),
    [
        ("val_accuracy_1", [0.97], "holds"),
        ("val_accuracy_1", [0.93], "not checkable here"),
        ("val_accuracy_2", [0.97], "not checkable here"),
        ("val_accuracy_2", [0.97, 0.985], "holds"),
        ("val_accuracy_2", [0.97, 1.0], "not checkable here"),
        ("val_accuracy_40", [0.97] * 39 + [0.993], "holds"),
        ("val_accuracy_40", [0.97] * 40, "not checkable here"),
        ("above_98_throughout", [0.981, 0.985], "holds"),
        ("above_98_throughout", [0.97, 0.985, 0.99], "holds with a correction"),
        ("above_98_throughout", [0.97, 0.985, 0.97], "contradicted"),
        ("one_epoch_enough", [0.981], "holds"),
        ("one_epoch_enough", [0.97, 0.99], "contradicted"),
    ],
)
def test_validation_accuracy(tmp_path: Path, id_: str, accuracies: list[float], verdict: str) -> None:
    """The verdict follows the run's validation accuracies."""
    rows = [{**KERAS_ROWS[0], "epoch": i, "val_accuracy": accuracy} for i, accuracy in enumerate(accuracies, 1)]
    assert find(id_, run=write_run(tmp_path / "run", rows)).verdict == verdict


def keras_run(folder: Path, accuracy: float, **configuration: Any) -> Path:
    """Write a run of one epoch with this validation accuracy."""
    return write_run(folder, [{**KERAS_ROWS[0], "val_accuracy": accuracy}], configuration=configuration)


@pytest.mark.parametrize(
    ("others", "verdict"),
    [
        ([0.93], "not checkable here"),
        ([0.93, 0.94], "contradicted"),
        ([0.93, 0.97], "holds"),
        ([0.97], "holds"),
    ],
)
def test_three_seeds_contradict(tmp_path: Path, others: list[float], verdict: str) -> None:
    """A published accuracy is contradicted where none of three seeds comes near it, and holds where one does."""
    seeds = tuple(keras_run(tmp_path / str(seed), accuracy, seed=seed) for seed, accuracy in enumerate(others, 1))
    run = keras_run(tmp_path / "0", 0.93)
    finding = find("val_accuracy_1", run=run, seeds=seeds)
    assert finding.verdict == verdict
    assert finding.measured.startswith(", ".join(f"{accuracy:.4f}" for accuracy in [0.93, *others]) + " beside 0.9665: ")


def test_other_trainings_are_no_seeds(tmp_path: Path) -> None:
    """A further run on less, in other batches, without LRN or of the other network does not count among the seeds."""
    more = (
        keras_run(tmp_path / "less", 0.97, **{"training digits": 300}),
        keras_run(tmp_path / "small", 0.97, **{"batch size": 32}),
        write_run(tmp_path / "bare", [{**KERAS_ROWS[0], "val_accuracy": 0.97}], without_lrn=True),
        write_tf1(tmp_path / "tf1"),
    )
    finding = find("val_accuracy_1", run=keras_run(tmp_path / "0", 0.93), seeds=more)
    assert finding.measured.startswith("0.9300 beside")


@pytest.mark.parametrize(
    ("epochs", "accuracy", "verdict"), [(40, 0.9881, "holds"), (40, 0.97, "contradicted"), (39, 0.9879, "not checkable here")]
)
def test_test_accuracy(tmp_path: Path, epochs: int, accuracy: float, verdict: str) -> None:
    """The test accuracy is compared after forty epochs, and then with the published one."""
    rows = [{**KERAS_ROWS[0], "epoch": i} for i in range(1, epochs + 1)]
    run, *seeds = (write_run(tmp_path / str(seed), rows, accuracy=accuracy) for seed in range(3))
    assert find("test_accuracy", run=run, seeds=tuple(seeds)).verdict == verdict


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ([1.0, 0.5, 0.4], "holds"),
        ([1.0, 0.5, 0.6], "holds with a correction"),
        ([1.0, 2.0], "contradicted"),
        ([1.0], "not checkable here"),
    ],
)
def test_loss_decreases(tmp_path: Path, losses: list[float], verdict: str) -> None:
    """The verdict follows the run's training losses."""
    rows = [{**KERAS_ROWS[0], "epoch": i, "loss": loss} for i, loss in enumerate(losses, 1)]
    assert find("loss_decreases_consistently", run=write_run(tmp_path / "run", rows)).verdict == verdict


@pytest.mark.parametrize(("dead", "verdict"), [(0.25, "holds"), (0.0, "contradicted")])
def test_dying(tmp_path: Path, dead: float, verdict: str) -> None:
    """The verdict follows the run's dead units."""
    run = write_run(tmp_path / "run", [{**KERAS_ROWS[0], "dead_activation": dead}])
    assert find("relu_dying_in_training", run=run).verdict == verdict


@pytest.mark.parametrize(
    ("with_lrn", "without", "adds_nothing", "improves"),
    [
        (0.9880, 0.9875, "holds", "contradicted"),
        (0.9950, 0.9800, "contradicted", "holds"),
        (0.9800, 0.9950, "holds", "contradicted"),
    ],
)
def test_lrn_and_accuracy(tmp_path: Path, with_lrn: float, without: float, adds_nothing: str, improves: str) -> None:
    """The two documents' opposite statements follow the two runs' test accuracies, beyond what chance explains."""
    run = write_run(tmp_path / "a", KERAS_ROWS, accuracy=with_lrn)
    bare = write_run(tmp_path / "b", KERAS_ROWS, accuracy=without, without_lrn=True)
    assert find("lrn_adds_no_accuracy", run=run, other_run=bare).verdict == adds_nothing
    assert find("lrn_adds_no_accuracy", run=run, other_run=run).verdict == "not checkable here"
    assert find("lrn_adds_no_accuracy", run=bare, other_run=run).verdict == "not checkable here", "the wrong way round"
    run = write_tf1(tmp_path / "c", accuracy=with_lrn)
    bare = write_tf1(tmp_path / "d", accuracy=without, without_lrn=True)
    assert find("lrn_improves_generalization", run=run, other_run=bare).verdict == improves


@pytest.mark.parametrize(("steps", "verdict"), [(4_687, "contradicted"), (300_000, "holds")])
def test_iterations(tmp_path: Path, steps: int, verdict: str) -> None:
    """The verdict follows the number of steps that the run made."""
    assert find("iterations_run", run=write_tf1(tmp_path / "run", steps=steps)).verdict == verdict


def test_display_step(tmp_path: Path) -> None:
    """Every hundredth step must have its row; the last step's own is no mistake, any other is."""
    assert find("display_step", run=write_tf1(tmp_path / "a")).verdict == "holds"
    assert find("display_step", run=write_tf1(tmp_path / "b", TF1_ROWS[1:])).verdict == "contradicted"
    extra = [{**TF1_ROWS[0], "step": 50}, *TF1_ROWS]
    assert find("display_step", run=write_tf1(tmp_path / "c", extra)).verdict == "contradicted"


@pytest.mark.parametrize(("test", "verdict"), [(0.95, "holds"), (0.80, "contradicted")])
def test_overfitting(tmp_path: Path, test: float, verdict: str) -> None:
    """A test accuracy far below the last batches' is overfitting."""
    assert find("dropout_prevents_overfitting", run=write_tf1(tmp_path / "run", accuracy=test)).verdict == verdict


@pytest.mark.parametrize("wrong", [{"training digits": 300}, {"batch size": 32}])
def test_other_trainings_decide_nothing(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """A run on a part of MNIST, or in other batches, is not the document's."""
    finding = find("val_accuracy_1", run=write_run(tmp_path / "run", KERAS_ROWS, configuration=wrong))
    assert finding.verdict == "not checkable here"
    assert "did not train on all of MNIST" in finding.measured


def test_the_other_network_s_run_decides_nothing(tmp_path: Path) -> None:
    """A run of tf1_graph says nothing about keras_sequential."""
    assert find("val_accuracy_1", run=write_tf1(tmp_path / "run")).measured == "the run trained tf1_graph"


def test_a_run_without_lrn_decides_nothing_alone(tmp_path: Path) -> None:
    """The network without LRN is not the document's, however it was trained."""
    finding = find("val_accuracy_1", run=write_run(tmp_path / "run", KERAS_ROWS, without_lrn=True))
    assert finding.measured == "the run trained the network without LRN"


def test_the_command_that_trains_it_again() -> None:
    """What is the document's own is left out of the command, and what is not is in it."""
    run: dict[str, Any] = {"training_digits": 58_000, "batch_size": 64, "steps": 1814, "epochs": 2.0, "seed": 0}
    assert train_command("keras_sequential", **run) == "alexnet-ref train keras_sequential --data keras --epochs 2"
    run = {"training_digits": 55_000, "batch_size": 64, "steps": 4687, "epochs": 5.45, "seed": 0}
    assert train_command("tf1_graph", **run) == "alexnet-ref train tf1_graph --data keras"
    assert train_command("tf1_graph", without_lrn=True, **run).endswith("keras --without-lrn")
    run = {"training_digits": 640, "batch_size": 32, "steps": 20, "epochs": 1.0, "seed": 3}
    assert train_command("keras_sequential", **run).endswith("--epochs 1 --limit 640 --batch-size 32 --seed 3")
    run = {"training_digits": 55_000, "batch_size": 64, "steps": 859, "epochs": 859 / 860, "seed": 0}  # train --epochs 1
    assert train_command("tf1_graph", **run).endswith("--epochs 1")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("metrics.json", "{", "is not JSON"),
        ("metrics.json", "[]", "is no JSON object"),
        ("metrics.json", "{}", "is not what `alexnet-ref train` writes"),
        ("metrics.json", '{"architecture": 1, "configuration": 2, "test_all": 3}', "is not what `alexnet-ref train` writes"),
        ("history.csv", "", "is no history"),
        ("history.csv", "a,b\n1,2\n", "is no history"),
        ("history.csv", "loss,accuracy\n1,x\n", "holds what is no number"),
        ("history.csv", "loss,accuracy\n1\n", "holds what is no number"),
        ("history.csv", "loss,accuracy\n1,nan\n", "holds NaN or infinity"),
        ("history.csv", "epoch,loss,accuracy\n2,1,1\n", "skips epochs"),
    ],
)
def test_a_damaged_run_is_refused(tmp_path: Path, file: str, text: str, message: str) -> None:
    """Whatever is no run's folder is InvalidInput, and says what is wrong with it."""
    run = write_run(tmp_path / "run", KERAS_ROWS)
    (run / file).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=re.escape(message)):
        read_run(run)


def test_no_run_is_refused(tmp_path: Path) -> None:
    """An empty folder is InvalidInput that says which command writes one."""
    with pytest.raises(InvalidInput, match="alexnet-ref train --out"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("rounds", "wins", "order"), [(20, 20, -1), (20, 17, -1), (20, 16, 0), (20, 4, 0), (20, 3, 1), (100, 64, -1), (100, 63, 0)]
)
def test_the_rule_of_the_clock(rounds: int, wins: int, order: int) -> None:
    """17 of 20 rounds decide, 16 do not; ties are won by nobody but the second."""
    timed = Timed(first=(1.0,) * rounds, second=(2.0,) * wins + (0.5,) * (rounds - wins))
    assert (timed.wins, timed.order) == (wins, order)
    assert f"in {wins} of {rounds} rounds" in timed.words("a", "b")


def test_few_rounds_decide_nothing() -> None:
    """Where even all wins are likely by chance, no number of wins is enough."""
    assert least_wins(4) == 5
    assert Timed(first=(1.0,) * 4, second=(2.0,) * 4).order == 0


def test_the_clock_takes_turns() -> None:
    """Both are called equally often, and each is first in half of the rounds."""
    calls: list[str] = []
    timed = time_pair(lambda: calls.append("a"), lambda: calls.append("b"))
    assert len(timed.first) == len(timed.second) == SHORT_ROUNDS > ROUNDS
    rounds = ["".join(calls[i : i + 2]) for i in range(4, len(calls), 2)]
    assert rounds == ["ba", "ab"] * (SHORT_ROUNDS // 2)


@pytest.mark.tf
@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.needs == "timing"], ids=lambda claim: claim.id)
@pytest.mark.parametrize(
    ("wins", "verdict"), [pytest.param(20, "holds", marks=pytest.mark.slow), (0, "contradicted"), (10, "not checkable here")]
)
def test_timing_decides(claim: Any, wins: int, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each timing claim's verdict follows the clock; both pieces of work run, once, where --slow builds them."""
    if wins != 20:
        for made in ("_pass", "_step"):
            monkeypatch.setattr(speed, made, lambda *_, **__: None)

    def clock(first: Work, second: Work) -> Timed:
        if wins == 20:  # once is enough
            first()
            second()
        return Timed(first=(1.0,) * 20, second=(2.0,) * wins + (0.5,) * (20 - wins))

    assert find(claim.id, time=clock).verdict == verdict
