"""The closing table's arithmetic, on made-up records."""

import pytest

from benchmarks.table import Case, Record, closing_rows, duration, render

TRAINING: Case = ("keras_sequential", "training", 64)
INFERENCE: Case = ("tf1_graph", "inference", 1)

CPU_TRAINING = Record(case=TRAINING, runner="CPU:0", median=0.570)
GPU_TRAINING = Record(case=TRAINING, runner="GPU:0", median=0.0285)
CPU_INFERENCE = Record(case=INFERENCE, runner="CPU:0", median=0.004)
NUMPY_INFERENCE = Record(case=INFERENCE, runner="NumPy float32", median=0.010)


def test_gpu_over_cpu_and_over_the_published_time() -> None:
    """A GPU's time is held against the CPU's and, for the documented step alone, both against the published 114 ms."""
    cpu, gpu, published = closing_rows([CPU_TRAINING, GPU_TRAINING], absent={})
    assert cpu.ratios == {"here/published": 0.570 / 0.114}
    assert gpu.ratios == {"GPU/CPU": 0.0285 / 0.570, "here/published": 0.0285 / 0.114}
    assert (published.runner, published.time, published.ratios) == ("published, on the author's GPU", "114 ms", {})


@pytest.mark.parametrize("case", [("keras_sequential", "training", 1), ("keras_sequential", "inference", 64), INFERENCE])
def test_published_time_stands_beside_its_own_step_only(case: Case) -> None:
    """No other architecture, step or batch is held against the published time."""
    (row,) = closing_rows([Record(case=case, runner="CPU:0", median=0.570)], absent={})
    assert row.ratios == {}


def test_numpy_over_tensorflow() -> None:
    """NumPy's time is held against TensorFlow's on the CPU, in whatever order they were measured."""
    for records in ([CPU_INFERENCE, NUMPY_INFERENCE], [NUMPY_INFERENCE, CPU_INFERENCE]):
        cpu, numpy = closing_rows(records, absent={})
        assert cpu.ratios == {}
        assert numpy.ratios == {"NumPy/TensorFlow": 0.010 / 0.004}


def test_ratios_stay_within_a_case() -> None:
    """A time is never held against that of another architecture, step or batch."""
    training, _, numpy = closing_rows([CPU_TRAINING, NUMPY_INFERENCE], absent={})
    assert (training.case, numpy.case) == (TRAINING, INFERENCE)
    assert numpy.ratios == {}


def test_second_cpu_and_second_gpu() -> None:
    """Every GPU is held against the first CPU; a second CPU has a row and no ratio."""
    times = {"CPU:0": 0.4, "CPU:1": 0.8, "GPU:0": 0.1, "GPU:1": 0.2}
    rows = closing_rows([Record(case=INFERENCE, runner=name, median=time) for name, time in times.items()], absent={})
    assert [row.runner for row in rows] == list(times)
    assert [row.ratios for row in rows] == [{}, {}, {"GPU/CPU": 0.1 / 0.4}, {"GPU/CPU": 0.2 / 0.4}]


def test_absent_gpu() -> None:
    """A GPU that the run asked for and did not find has a row that says so, in every case of TensorFlow's and in no other."""
    rows = closing_rows([CPU_TRAINING, NUMPY_INFERENCE], absent={"GPU:0": "no GPU"})
    assert [(row.case, row.time) for row in rows if row.runner == "GPU:0"] == [(TRAINING, "not measured: no GPU")]
    assert "not measured: no GPU" in render(rows, width=130)


def test_nothing_measured() -> None:
    """Without a record there is no row, whatever was absent."""
    assert closing_rows([], absent={"GPU:0": "no GPU"}) == []


def test_rendered_rows() -> None:
    """Each row is one line: its case where the case begins, who ran it, the time, the ratios."""
    text = render(closing_rows([CPU_TRAINING, GPU_TRAINING, CPU_INFERENCE], absent={}), width=130)
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert lines[1] == ["keras_sequential", "training", "64", "CPU:0", "570", "ms", "here/published", "5"]
    assert lines[2] == ["GPU:0", "28.5", "ms", "GPU/CPU", "0.05,", "here/published", "0.25"]
    assert lines[-1] == ["tf1_graph", "inference", "1", "CPU:0", "4.00", "ms"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.114, "114 ms"),
        (0.00001234, "0.0123 ms"),
        (0.0999, "99.9 ms"),
        (0.09996, "100 ms"),
        (5.4321, "5,430 ms"),
        (0.003, "3.00 ms"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    """Times are milliseconds with three significant digits."""
    assert duration(seconds) == text


def test_fast_beside_the_listing() -> None:
    """A fast implementation's ratio is the one measured in turn with the listing; fetching a batch is held against every step."""
    records = [
        CPU_TRAINING,
        Record(case=TRAINING, runner="CPU:0", median=0.285, implementation="fast", speedup=2.1),
        Record(case=TRAINING, runner="CPU:0", median=0.00057, implementation="input"),
        Record(case=TRAINING, runner="GPU:0", median=0.01, implementation="fast"),
    ]
    _, fast, fetched, gpu, _ = closing_rows(records, absent={})
    assert (fast.runner, fast.ratios) == ("CPU:0 fast", {"documented/fast": 2.1, "here/published": 0.285 / 0.114})
    assert (fetched.runner, fetched.ratios) == (
        "CPU:0 input",
        {"input/documented": 0.00057 / 0.570, "input/fast": 0.00057 / 0.285},
    )
    assert gpu.ratios == {"here/published": 0.01 / 0.114}
