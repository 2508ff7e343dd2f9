"""The peer table's command: checks before times, turns, tables, pictures, and the verdict on a slow-down."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import reference
from alexnet_ref.bounds import FLOAT32
from alexnet_ref.devices import describe_host
from alexnet_ref.figures.style import save_png
from benchmarks.material import digits, ends
from benchmarks.peers import __main__ as command
from benchmarks.peers.limits import Rates, blas, work
from benchmarks.peers.measure import FEWEST, Case, Measured, Timing, checked, measure, take_turns
from benchmarks.peers.peer import PEERS, REFERENCE, Array, Peer, Runner
from benchmarks.peers.table import as_json, below, markdown, yardstick
from benchmarks.peers.worker import PeerAnswers, Prepare, Unavailable, limited_to
from reference import LRN, Architecture, Conv, Dense, Flatten, Recipe

RECIPE = Recipe(kernel_initializer="glorot_uniform", bias_initializer="zeros", loss="sparse_categorical_crossentropy")
TINY = Architecture(
    name="tiny",
    input_shape=(6, 5, 2),
    layers=(
        Conv(name="conv", filters=3, kernel_size=(3, 3), strides=(1, 1), padding="SAME", activation="relu"),
        LRN(name="lrn", depth_radius=1, bias=1.0, alpha=0.5, beta=0.75),
        Flatten(name="flatten"),
        Dense(name="out", units=10, activation=None),
    ),
    recipe=RECIPE,
)
RATES = Rates(threads=1, products={"NumPy": 1e9, "PyTorch": 2e9}, bandwidth=1e9)
PROCESSORS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()  # before any test
OURS = next(peer for peer in PEERS if peer.name == REFERENCE)


def images(architecture: Architecture, batch: int) -> Array:
    """Return signed noise, every image another."""
    return np.random.default_rng(1).standard_normal((batch, *architecture.input_shape), np.float32)


def wrong_by(architecture: Architecture, params: reference.Params, _: int, *, factor: float) -> Runner:
    """Build a peer whose last image alone is off by this factor."""

    def run(x: Array) -> Array:
        result = reference.predict(architecture, params, x, np.float32)
        result[-1] *= np.float32(factor)
        return result

    return run


def failing(*_: object) -> Runner:
    """Build no peer."""
    raise RuntimeError("no such kernel\nand more")


def timing(peer: str, *seconds: float, remark: str = "") -> Timing:
    """Return a row."""
    return Timing(peer=peer, version="1.0", seconds=seconds, remark=remark)


def measured(*timings: Timing, batch: int = 2, threads: int = 1, name: str = "tiny") -> Measured:
    """Return a case's rows."""
    architecture = Architecture(name=name, input_shape=TINY.input_shape, layers=TINY.layers, recipe=RECIPE)
    return Measured(case=Case(architecture=architecture, batch=batch, threads=threads), timings=timings, rates=RATES)


# ---- Measuring -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_peers_in_processes_of_their_own() -> None:
    """A right peer is timed so many rounds; a wrong one and one that cannot be built are not, and say why."""
    peers = (
        OURS,
        Peer(name="wrong", build=partial(wrong_by, factor=1.01)),
        Peer(name="known", build=partial(wrong_by, factor=1.01), wrong=True),
        Peer(name="failing", build=failing),
        Peer(name="one image", build=failing, one_image=True),
    )
    (one,) = measure([Case(architecture=TINY, batch=3, threads=1)], peers, seconds=0.0, rounds=2, images=images)
    ours, wrong, known, broken = one.timings
    assert len(ours.seconds) == 2
    assert not ours.remark
    assert (wrong.seconds, wrong.refused) == ((), True)
    assert wrong.remark.startswith("refused, its result is wrong: ")
    assert (len(known.seconds), known.refused, known.remark) == (2, False, "not conforming")
    assert (broken.seconds, broken.remark) == ((), "not measured: RuntimeError: no such kernel")
    assert one.rates.threads == 1
    assert one.rates.bandwidth > 0
    assert 0 < one.limit < math.inf


def test_answers() -> None:
    """A peer's process answers with the result of the images that it was last given, and with a run's time."""
    answers, x = PeerAnswers(OURS, 1), images(TINY, 4)
    for batch in (4, 1):
        result = answers(Prepare(architecture=TINY, images=x[:batch]))
        assert np.array_equal(result, reference.predict(TINY, reference.init_params(TINY), x[:batch], np.float32))
        assert answers("time") > 0


def judged(change: Callable[[Array], Array], *, wrong: bool = False, gpu: bool = False) -> Timing | None:
    """Return the row of a peer with a changed result for three images."""
    params, x = reference.init_params(TINY), images(TINY, 3)
    expected = ends(TINY, params, x, FLOAT32)
    peer = Peer(name="changed", build=failing, wrong=wrong, gpu=gpu)
    return checked(peer, lambda: change(reference.predict(TINY, params, x, np.float32)), expected, 3)


def test_a_right_result_may_be_timed() -> None:
    """The oracle's own result in float32 is neither refused nor remarked upon."""
    row = judged(lambda result: result)
    assert row is not None
    assert (row.remark, row.refused) == ("", False)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y * np.array([[1], [1], [1.001]]),
        lambda y: y * np.array([[1.001], [1], [1]]),
        lambda y: np.where(np.arange(10) == 3, np.nan, y),
        lambda y: np.where(np.arange(3)[:, None] == 1, np.nan, y),
        lambda y: y[:2],
        lambda y: y[[0, 2]],
        lambda y: y[[0, 1, 1, 2]],
        lambda y: y[:, :9],
        lambda y: y[::-1],
    ],
    ids=[
        "last-image",
        "first-image",
        "nan",
        "nan-between",
        "last-missing",
        "one-missing",
        "one-too-many",
        "class-missing",
        "images-exchanged",
    ],
)
def test_a_wrong_result_is_refused(change: Callable[[Array], Array]) -> None:
    """What rounding does not explain is not timed; where it is known to be wrong, it is timed and marked."""
    row, known = judged(change), judged(change, wrong=True)
    assert row is not None
    assert row.refused
    assert known is not None
    assert (known.refused, known.remark) == (False, "not conforming")


def test_absent_gpu_has_no_row() -> None:
    """A GPU's peer without a GPU is left out; any other that is not available says why."""

    def absent(_: Array) -> Array:
        raise Unavailable("no GPU")

    row = judged(absent)
    assert row is not None
    assert row.remark == "not measured: no GPU"
    assert judged(absent, gpu=True) is None


def test_turns() -> None:
    """A round has one run of each, and every other round goes backwards."""
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return 0.25

    times = take_turns({name: partial(run, name) for name in "abc"}, seconds=0.0, rounds=3)
    assert "".join(order) == "abc" + "cba" + "abc"
    assert times == {name: [0.25] * 3 for name in "abc"}


def test_the_slowest_has_fewer_runs() -> None:
    """With a time to keep to, who takes a tenth of it stops after a few; with rounds alone nobody does."""
    runs = {"slow": lambda: 1.0, "fast": lambda: 0.0}
    assert len(take_turns(runs, seconds=0.01, rounds=FEWEST + 2)["slow"]) == FEWEST
    assert len(take_turns(runs, seconds=0.01, rounds=FEWEST + 2)["fast"]) >= FEWEST + 2
    assert len(take_turns(runs, seconds=0.0, rounds=FEWEST + 2)["slow"]) == FEWEST + 2


def test_limits_without_prescribed_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that measures the machine can be started without the variable, which is there again after the block."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert blas().endswith(", with OPENBLAS_CORETYPE=Haswell set")
    with limited_to(1, without=("OPENBLAS_CORETYPE",)):
        assert "OPENBLAS_CORETYPE" not in os.environ
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    assert "OPENBLAS_CORETYPE" not in blas()


def test_limited_to_puts_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads and processors are what they were after the block, and as asked for inside."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    with limited_to(1):
        assert (os.environ["OMP_NUM_THREADS"], os.environ["TF_NUM_INTRAOP_THREADS"]) == ("1", "1")
        assert not PROCESSORS or len(os.sched_getaffinity(0)) == 1
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
    assert not PROCESSORS or os.sched_getaffinity(0) == PROCESSORS


# ---- The limit -----------------------------------------------------------------------------------------------------------


def test_work_of_the_documents() -> None:
    """keras_sequential for 64 images: 21.2 GFLOP, and its weights but the 1,966,080 that meet padding alone."""
    needed = work(reference.ARCHITECTURES["keras_sequential"], 64)
    assert round(needed.operations / 1e9, 1) == 21.2
    assert needed.bytes == 4 * (21_622_154 - 1_966_080 + 64 * (32 * 32 * 3 + 10))


def test_a_batch_may_be_larger_than_the_sample(architecture: reference.Architecture) -> None:
    """The sweep's 256 images are digits of the sample, after the last the first again; the last image is not the first."""
    images, labels = digits(architecture, 256)
    assert images.shape == (256, *architecture.input_shape)
    assert labels.shape[0] == 256
    assert not np.array_equal(images[0], images[-1])
    assert np.array_equal(images[:16], images[240:])


def test_limit_is_the_slower_of_both() -> None:
    """Operations over the fastest library's rate, or bytes over the bandwidth, whichever takes longer."""
    needed = work(TINY, 1)
    slow_memory = Rates(threads=1, products={"NumPy": 1e15}, bandwidth=1e3)
    assert needed.limit(slow_memory) == needed.bytes / 1e3
    slow_products = Rates(threads=1, products={"NumPy": 1.0, "PyTorch": 2.0}, bandwidth=1e15)
    assert needed.limit(slow_products) == needed.operations / 2.0


def test_best_of_two_rates() -> None:
    """Each figure is the better one of two measurements, and a library of one alone is kept."""
    assert RATES.best(Rates(threads=1, products={"other": 4e9}, bandwidth=0.0)).fastest == "other"
    other = Rates(threads=1, products={"NumPy": 3e9, "PyTorch": 1e9}, bandwidth=5e8)
    assert RATES.best(other) == Rates(threads=1, products={"NumPy": 3e9, "PyTorch": 2e9}, bandwidth=1e9)


# ---- Tables, pictures, the verdict ---------------------------------------------------------------------------------------


def test_table() -> None:
    """The fastest comes first; speeds are ratios of least times to TensorFlow's; who has no time comes last and says why."""
    one = measured(timing(REFERENCE, 0.5, 0.4, 0.9), timing("TensorFlow", 0.2, 0.3), timing("JAX", remark="not measured: why"))
    page = markdown([one], command="the command", host=describe_host(), blas="a library")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    assert rows[0][5] == "speed, TensorFlow = 1"
    assert [row[0] for row in rows[2:]] == ["TensorFlow", REFERENCE, "JAX", "the limit"]
    assert rows[2][2:6] == ["200 ms", "250 ms", "2", "1.00"]
    assert rows[3][2:6] == ["400 ms", "500 ms", "3", "0.50"]
    assert rows[3][6] == f"{one.limit / 0.4:.0%}"
    assert rows[4][2:] == ["", "", "", "", "", "not measured: why"]
    assert "the command" in page
    assert "a library" in page


def test_yardstick_without_tensorflow() -> None:
    """Without TensorFlow's time speeds are PyTorch's, and without any framework's the reference's own."""
    ours, torch = timing(REFERENCE, 0.5), timing("PyTorch", 0.1)
    assert yardstick([ours, timing("TensorFlow"), torch]) is torch
    assert yardstick([ours]) is ours
    assert yardstick([]) is None


def test_json_has_every_run() -> None:
    """Every run's seconds are kept."""
    page = as_json([measured(timing(REFERENCE, 0.5, 0.4))], command="c", host={}, blas="b")
    assert page["cases"][0]["timings"][0]["seconds"] == [0.5, 0.4]


@pytest.mark.parametrize(("ratio", "cases"), [(0.79, 0), (0.8, 0), (0.81, 1)])
def test_below(ratio: float, cases: int) -> None:
    """The least times decide: 0.8 of TensorFlow's speed is below 0.81 and not below 0.8."""
    one = measured(timing(REFERENCE, 0.5, 9.0), timing("TensorFlow", 0.4, 0.4))
    assert len(below([one], ratio)) == cases


def test_nothing_compared_is_below() -> None:
    """Without a time of either there is no passing."""
    assert below([measured(timing(REFERENCE, 0.5))], 0.1)
    assert below([measured(timing("TensorFlow", 0.5))], 0.1)


def invoke(monkeypatch: pytest.MonkeyPatch, rows: tuple[Timing, ...], *options: str) -> tuple[int, str]:
    """Run the command on given figures; return its exit code and what it printed."""
    monkeypatch.setattr(command, "measure", lambda *_, **__: [measured(*rows)])
    monkeypatch.setattr(command, "installed", list)
    result = CliRunner().invoke(command.main, list(options))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_exit_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """0 fast enough, 1 too slow or any result wrong."""
    rows = (timing(REFERENCE, 0.5), timing("TensorFlow", 0.4))
    assert invoke(monkeypatch, rows)[0] == 0
    assert invoke(monkeypatch, rows, "--fail-below", "0.7")[0] == 0
    code, text = invoke(monkeypatch, rows, "--fail-below", "0.9")
    assert code == 1
    assert "reference.predict has 0.80 of TensorFlow's speed, less than 0.9" in text
    refused = Timing(peer="JAX", remark="refused, its result is wrong: by much", refused=True)
    assert invoke(monkeypatch, (*rows, refused))[0] == 1


def test_bad_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """2, before anything is measured, where there is nothing to compare with, no such folder, or no such threads."""
    rows = (timing(REFERENCE, 0.5),)
    for options in (
        ("--fail-below", "0.8", "--peer", "PyTorch"),
        ("--markdown", str(tmp_path / "absent" / "peers.md")),
        ("--threads", "0"),
        ("--threads", "1,100000"),
        ("--threads", "some"),
    ):
        code, text = invoke(monkeypatch, rows, *options)
        assert code == 2, options
        assert text.startswith("error: ")
        assert text.count("\n") == 1


def test_planned_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five batch sizes with all threads, and 64 images with every lower number; each case once."""
    monkeypatch.setattr(command, "cores", lambda: 3)
    cases = [(case.threads, case.batch) for case in command.planned(["tf1_graph"], (), None, sweep=True)]
    assert cases == [(3, 1), (3, 4), (3, 16), (3, 64), (3, 256), (2, 64), (1, 64)]
    assert [case.batch for case in command.planned(["tf1_graph"], (), None, sweep=False)] == [1, 64]


@pytest.mark.slow
def test_pictures(tmp_path: Path) -> None:
    """Both pictures are 800 pixels wide, and name every peer that has a time, and the limit."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from PIL import Image

    from benchmarks.peers import pictures

    rows = (timing(REFERENCE, 0.5, 0.6), timing("TensorFlow", 0.4), timing("JAX", remark="not measured: why"))
    cases = [measured(*rows, batch=batch, threads=threads) for batch, threads in ((1, 2), (64, 2), (64, 1))]
    swept = pictures.sweep(cases, batch=64, threads=2)
    assert [text.get_text() for text in swept.legends[0].get_texts()] == [REFERENCE, "TensorFlow", "limit of the machine"]
    left, right = swept.axes
    assert [list(line.get_xdata()) for line in (left.lines[0], right.lines[0])] == [[1, 64], [1, 2]]
    assert [float(y) for y in left.lines[0].get_ydata()] == [500.0, 500.0 / 64]
    drawn = pictures.dots(cases)
    assert [text.get_text() for text in drawn.axes[0].get_yticklabels()] == ["TensorFlow", REFERENCE]
    for number, figure in enumerate((swept, drawn)):
        save_png(figure, tmp_path / f"{number}.png")
        with Image.open(tmp_path / f"{number}.png") as picture:
            assert picture.width == 800
