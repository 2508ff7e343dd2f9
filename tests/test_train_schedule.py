"""The order of the digits and the number of steps: what the documents' code does, replayed step by step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import reference
from alexnet_ref.train import schedule
from alexnet_ref.train.schedule import Schedule, documented_schedule, dropout_seeds, order
from reference import InvalidInput

KERAS_SEQUENTIAL, TF1_GRAPH = reference.ARCHITECTURES["keras_sequential"], reference.ARCHITECTURES["tf1_graph"]


def test_keras_sequential_makes_the_printed_number_of_steps() -> None:
    """58,000 digits in batches of 64 are the printed 907 steps, the last of 16 digits, and 40 epochs of them."""
    plan = documented_schedule(KERAS_SEQUENTIAL, digits=60_000 - 2_000)
    assert plan.steps_per_epoch == 907
    assert plan.steps == 40 * 907 == 36_280
    assert [len(plan.batch(step)) for step in (0, 905, 906, 907)] == [64, 64, 16, 64]
    assert [plan.epoch(step) for step in (0, 906, 907, 36_279)] == [0, 0, 1, 39]
    assert [step for step in range(2000) if plan.ends_row(step)] == [906, 1813]


def test_keras_sequential_is_evaluated_in_the_printed_number_of_steps() -> None:
    """10,000 test digits in batches of 32 are the printed 313 steps."""
    assert -(-10_000 // schedule.TEST_BATCH) == 313


def test_tf1_graph_makes_as_many_steps_as_the_loop_in_its_listing() -> None:
    """The loop "while step * batch_size < training_iters", run as written, makes 4,687 steps and displays 46 of them."""
    step, displayed = 1, []
    while step * 64 < 300_000:
        if step % 100 == 0:
            displayed.append(step)
        step += 1
    plan = documented_schedule(TF1_GRAPH, digits=55_000)
    assert plan.steps == step - 1 == 4_687
    rows = [step + 1 for step in range(plan.steps) if plan.ends_row(step)]
    assert rows == [*displayed, 4_687]
    assert len(displayed) == 46


@pytest.mark.parametrize(("digits", "batch_size", "epochs"), [(1, 1, 2), (10, 4, 3), (9, 3, 2), (64, 64, 2), (5, 7, 9)])
def test_tf1_graph_loops_the_same_at_every_size(digits: int, batch_size: int, epochs: int) -> None:
    """The closed form of the number of steps is the loop's, where the digits divide by the batch and where not."""
    step = 1
    while step * batch_size < epochs * digits:
        step += 1
    plan = documented_schedule(TF1_GRAPH, digits=digits, batch_size=batch_size, epochs=epochs)
    assert plan.steps == step - 1


@pytest.mark.parametrize(("digits", "batch_size"), [(10, 3), (12, 4), (5, 8), (1, 1)])
def test_an_epoch_shows_every_digit_once(digits: int, batch_size: int) -> None:
    """Keras's epochs are permutations of all digits, whatever is left for the last batch."""
    plan = documented_schedule(KERAS_SEQUENTIAL, digits=digits, batch_size=batch_size, epochs=3, seed=1)
    for epoch in range(3):
        steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
        assert sorted(np.concatenate([plan.batch(step) for step in steps]).tolist()) == list(range(digits))


@pytest.mark.parametrize("make", [KERAS_SEQUENTIAL, TF1_GRAPH])
def test_no_two_epochs_or_seeds_share_an_order(make: reference.Architecture) -> None:
    """Every epoch has an order of its own, and every seed; of 60! orders none repeats by chance."""
    plans = [documented_schedule(make, digits=60, batch_size=60, epochs=4, seed=seed) for seed in (0, 1)]
    batches = [tuple(plan.batch(step)) for plan in plans for step in range(3)]
    assert len(set(batches)) == len(batches)


@pytest.mark.parametrize(("digits", "batch_size"), [(10, 3), (12, 4), (3, 8), (1, 5), (7, 7)])
def test_tf1_graph_fills_batches_as_next_batch_does(digits: int, batch_size: int) -> None:
    """`next_batch` of TensorFlow 1, written as its source has it, with our orders in place of numpy.random.shuffle."""
    plan = Schedule(digits=digits, batch_size=batch_size, seed=3, steps=20, continuous=True)
    orders = (order(3, epoch, digits) for epoch in itertools.count())
    images, index = next(orders), 0  # "Shuffle for the first epoch"
    for step in range(20):
        batch: list[int] = []
        while len(batch) < batch_size:
            if index == digits:  # "Finished epoch": the rest has been taken; "Shuffle the data"
                images, index = next(orders), 0
            batch.append(int(images[index]))
            index += 1
        assert plan.batch(step).tolist() == batch


def test_the_step_is_the_whole_state() -> None:
    """Steps asked for in any order, and with the cache emptied, give the same digits and the same dropout seeds."""
    plan = documented_schedule(TF1_GRAPH, digits=50, batch_size=7, epochs=5)
    forward = [plan.batch(step).tolist() for step in range(plan.steps)]
    order.cache_clear()
    np.random.default_rng(0).random()
    assert [plan.batch(step).tolist() for step in reversed(range(plan.steps))] == forward[::-1]
    assert dropout_seeds(0, 5, 3).tolist() == dropout_seeds(0, 5, 3).tolist()


def test_dropout_seeds_differ_everywhere() -> None:
    """No layer, step or run repeats another's seed."""
    seeds = [tuple(row) for seed in (0, 1) for step in range(200) for row in dropout_seeds(seed, step, 3).tolist()]
    assert len(set(seeds)) == len(seeds) == 1200


def test_the_digest_tells_orders_apart() -> None:
    """The digest is the epoch's: equal within it, different after it and under another seed."""
    plan = documented_schedule(KERAS_SEQUENTIAL, digits=30, batch_size=10, epochs=2)
    other = documented_schedule(KERAS_SEQUENTIAL, digits=30, batch_size=10, epochs=2, seed=1)
    assert plan.order_digest(0) == plan.order_digest(2)
    assert len({plan.order_digest(0), plan.order_digest(3), other.order_digest(0)}) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch size is out of range"),
        ({"epochs": 0}, "epochs is out of range"),
        ({"seed": -1}, "seed is out of range"),
        ({"batch_size": 64, "epochs": 1, "digits": 64}, "this would train nothing"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(options: dict[str, int], message: str) -> None:
    """Numbers out of range, and a loop that ends before its first step, are refused by name."""
    with pytest.raises(InvalidInput, match=message):
        documented_schedule(TF1_GRAPH, **{"digits": 100, **options})
