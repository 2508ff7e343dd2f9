"""A training step on two replicas is the step of one: mirrored over two logical CPUs, and two worker processes on loopback.

Every process is spawned: TensorFlow's devices and collectives are set up once in a process, before anything else.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import reference
from alexnet_ref import step_bounds
from alexnet_ref.bounds import FLOAT32
from alexnet_ref.compare import assert_within
from alexnet_ref.train.distribution import COLLECTIVE_SECONDS, Distribution, Strategy, distribute
from reference import Architecture, Dropout, InvalidInput
from tests.test_train_loop import TINY, digits, masks_of

pytestmark = [pytest.mark.tf, pytest.mark.slow]

Array = NDArray[Any]
State = dict[str, Array]
BATCHES = (8, 8, 6)  # the last of an epoch is smaller
SEED = 3
Key = tuple[str, bool]  # architecture, dropout


def network(key: Key) -> Architecture:
    """Return a tiny network of the document's, with dropout or without."""
    name, dropout = key
    layers = tuple(layer for layer in TINY[name].layers if dropout or not isinstance(layer, Dropout))
    return replace(TINY[name], layers=layers)


def batch(architecture: Architecture, step: int) -> tuple[Array, Array]:
    """Return the digits of a step."""
    start, size = sum(BATCHES[:step]), BATCHES[step]
    x, y = digits(architecture, sum(BATCHES))
    return x[start : start + size], y[start : start + size]


KEYS: list[Key] = [(name, dropout) for name in TINY for dropout in (False, True)]


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that are free now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def tf_config(ports: list[int], rank: int, *, chief: bool = False) -> str:
    """Return TF_CONFIG of workers on loopback; the first may be called the chief."""
    addresses = [f"127.0.0.1:{port}" for port in ports]
    cluster = {"chief": addresses[:1], "worker": addresses[1:]} if chief else {"worker": addresses}
    task = {"type": "worker", "index": rank}
    if chief:
        task = {"type": "worker", "index": rank - 1} if rank else {"type": "chief", "index": 0}
    return json.dumps({"cluster": cluster, "task": task})


def start(kind: Strategy, environment: dict[str, str]) -> Distribution:
    """Set this process up for a strategy, on CPUs alone."""
    os.environ.update(environment, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    import tensorflow as tf

    from alexnet_ref.train.cluster import read_cluster

    if kind == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return distribute(kind, read_cluster() if kind == "multiworker" else None)


def make_steps(kind: Strategy, environment: dict[str, str], folder: Path) -> None:
    """Make each step from the state that one process had before it; write what came of it, and of their graph."""
    from alexnet_ref.devices import settings
    from alexnet_ref.train.loop import Trainer

    with settings(tf32=False, deterministic=True):
        distribution = start(kind, environment)
        assert distribution.replicas == (1 if kind == "none" else 2)
        for key in KEYS:
            architecture = network(key)
            trainer = Trainer(architecture, SEED, distribution)
            for step in range(len(BATCHES)):
                if kind != "none":
                    trainer.restore(dict(np.load(folder.parent / "none" / f"{key[0]}-{key[1]}-{step}.npz")))
                state = trainer.state()
                np.savez(folder / f"{key[0]}-{key[1]}-{step}.npz", **state)  # type: ignore[arg-type]  # names of arrays
                share = distribution.share(np.arange(BATCHES[step]))
                x, y = batch(architecture, step)
                loss, correct, stop = trainer.step(x[share], y[share], step, stop=step == 1 and distribution.rank > 0)
                told = {"told/loss": np.array(loss), "told/correct": np.array(correct), "told/stop": np.array(stop)}
                np.savez(folder / f"{key[0]}-{key[1]}-{step}-after.npz", **trainer.state(), **told)  # type: ignore[arg-type]  # the same
            train: Any = trainer._train
            graph = train.get_concrete_function().graph
            waiting = {op.get_attr("timeout_seconds") for op in graph.get_operations() if "Collective" in op.type}
            (folder / "waiting.json").write_text(json.dumps(sorted(waiting)))
            (folder / "unguarded.json").write_text(json.dumps(unguarded(graph)))
            if distribution.workers > 1:
                check_the_chiefs(distribution)
        distribution.part()


def unguarded(graph: Any) -> dict[str, list[str]]:
    """Return the operations that change a variable, each with the sums over the workers that it does not wait for."""
    operations = graph.get_operations()
    sums = {operation.name for operation in operations if "Collective" in operation.type and "Reduce" in operation.type}
    result = {}
    for operation in operations:
        if operation.type.startswith(("Assign", "ResourceApply")):
            before, left = set(), [operation]
            while left:
                one = left.pop()
                for other in [*(tensor.op for tensor in one.inputs), *one.control_inputs]:
                    if other.name not in before:
                        before.add(other.name)
                        left.append(other)
            result[operation.name] = sorted(sums - before) if sums else ["there are none"]
    return result


def check_the_chiefs(distribution: Distribution) -> None:
    """Hold what every worker is told of the chief's against it, to the bit."""
    special = np.array([[-0.0, np.float32(1e-45)], [np.inf, 3.5]], np.float32)
    chiefs: State = {"special": special, "count": np.array(2**40 + 1, np.int64)}
    others = {name: np.zeros_like(array) for name, array in chiefs.items()}
    received = distribution.arrays_from_chief(chiefs if distribution.chief else others)
    for name, array in chiefs.items():
        assert (received[name].tobytes(), received[name].dtype, received[name].shape) == (
            array.tobytes(),
            array.dtype,
            array.shape,
        )
    assert distribution.from_chief({"é": [1, None]} if distribution.chief else "x" * 1000) == {"é": [1, None]}
    assert distribution.from_chief(None if distribution.chief else 5) is None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with what one process, two mirrored replicas and two workers made of the same steps."""
    folder = tmp_path_factory.mktemp("steps")
    context = multiprocessing.get_context("spawn")
    ports = free_ports(2)
    runs: list[list[tuple[str, Strategy, dict[str, str]]]] = [
        [("none", "none", {})],
        [
            ("mirrored", "mirrored", {}),
            *((f"worker{rank}", "multiworker", {"TF_CONFIG": tf_config(ports, rank, chief=True)}) for rank in (0, 1)),
        ],
    ]
    for together in runs:
        processes = []
        for name, kind, environment in together:
            (folder / name).mkdir()
            processes.append(context.Process(target=make_steps, args=(kind, environment, folder / name)))
            processes[-1].start()
        for process in processes:
            process.join(300)
            if process.is_alive():
                process.kill()
        assert [process.exitcode for process in processes] == [0] * len(processes)
    return folder


def expected(key: Key, step: int, before: State) -> tuple[State, State]:
    """Return the oracle's weights and slots after the step, its loss too, and what one float32 implementation may differ."""
    from alexnet_ref.devices import settings
    from alexnet_ref.train.loop import Trainer

    architecture = network(key)
    x, y = batch(architecture, step)
    params: dict[str, dict[str, Array]] = {}
    for name, array in before.items():
        kind, _, rest = name.partition("/")
        if kind == "weights":
            layer, _, part = rest.partition("/")
            params.setdefault(layer, {})[part] = array
    with settings(deterministic=True):
        masks = masks_of(Trainer(architecture, SEED), len(x), step)
    exact = reference.loss_and_gradients(architecture, params, x, y, masks=masks)
    allowed = step_bounds.end_to_end(architecture, params, x, y, arithmetic=FLOAT32, masks=masks)
    recipe = {"learning_rate": architecture.recipe.learning_rate, "epsilon": architecture.recipe.epsilon}

    def slots(kind: str) -> dict[str, dict[str, Array]]:
        names = {
            layer: {part: f"adam/{architecture.name}_{layer}_{part}_{kind}" for part in parts} for layer, parts in params.items()
        }
        return {layer: {part: before[name].astype(np.float64) for part, name in parts.items()} for layer, parts in names.items()}

    m, v = slots("momentum"), slots("velocity")
    theta, state = reference.adam_step(params, exact.gradients, reference.AdamState(t=step, m=m, v=v), **recipe)
    values: State = {"told/loss": np.array([exact.loss])}
    limits: State = {"told/loss": np.array([allowed.loss])}
    nothing = np.zeros(())
    for layer, parts in params.items():
        for part, array in parts.items():
            limit, moved = step_bounds.adam(
                array.astype(np.float64),
                exact.gradients[layer][part],
                allowed.gradients[layer][part],
                step_bounds.AdamArray(t=step, m=m[layer][part], v=v[layer][part], dm=nothing, dv=nothing),
                arithmetic=FLOAT32,
                **recipe,
            )
            slot = f"adam/{architecture.name}_{layer}_{part}"
            values |= {f"weights/{layer}/{part}": theta[layer][part], f"{slot}_momentum": state.m[layer][part]}
            values |= {f"{slot}_velocity": state.v[layer][part]}
            limits |= {f"weights/{layer}/{part}": limit, f"{slot}_momentum": moved.dm, f"{slot}_velocity": moved.dv}
    return values, limits


def state_of(folder: Path, key: Key, step: int, *, after: bool) -> State:
    """Return what a process wrote."""
    return dict(np.load(folder / f"{key[0]}-{key[1]}-{step}{'-after' if after else ''}.npz"))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key[0]}-{'dropout' if key[1] else 'plain'}")
@pytest.mark.parametrize("many", ["mirrored", "worker0"])
def test_two_replicas_make_the_step_of_one(made: Path, many: str, key: Key) -> None:
    """From the same state, every weight, both of Adam's slots and the loss are those of one process and of the oracle.

    Within what one float32 implementation may differ from the exact step; within twice that of one another. The first slot is
    0.1 times the gradient after the first step: it shows a wrong scale of the loss, which Adam's update itself would not.
    """
    for step in range(len(BATCHES)):
        before = state_of(made / "none", key, step, after=False)
        values, limits = expected(key, step, before)
        one, two = (state_of(made / name, key, step, after=True) for name in ("none", many))
        assert one["told/correct"] == two["told/correct"]
        for name, value in values.items():
            assert_within(np.reshape(two[name], value.shape), value, limits[name])
            assert_within(np.reshape(two[name], value.shape), np.reshape(one[name], value.shape), 2 * limits[name])
        assert two["adam/iteration"] == step + 1
        assert {name for name in two if not name.startswith("told/")} <= {*values, "adam/iteration", "adam/learning_rate"}


def test_both_workers_hold_the_same_bits(made: Path) -> None:
    """After every step, weights, slots, loss, counts and the wish to stop are the same on both workers, to the bit."""
    for key in KEYS:
        for step in range(len(BATCHES)):
            first, second = (state_of(made / name, key, step, after=True) for name in ("worker0", "worker1"))
            assert {name: a.tobytes() for name, a in first.items()} == {name: a.tobytes() for name, a in second.items()}
            assert bool(first["told/stop"]) == (step == 1)  # asked of the other worker alone


def test_nothing_changes_before_every_sum_is_there(made: Path) -> None:
    """In the workers' graph each change of a variable waits for every sum over the workers: a lost one leaves the state whole.

    And no sum waits without end.
    """
    found = json.loads((made / "worker0" / "unguarded.json").read_text())
    assert len(found) == 3 * 6 + 1  # six arrays with two slots each, and the iteration
    assert {name: sums for name, sums in found.items() if sums} == {}
    assert json.loads((made / "worker0" / "waiting.json").read_text()) == [COLLECTIVE_SECONDS]


def late(environment: dict[str, str]) -> None:
    """Use TensorFlow, then ask for the workers' strategy."""
    os.environ.update(environment, TF_CPP_MIN_LOG_LEVEL="3")
    import tensorflow as tf

    tf.constant(1.0)
    with pytest.raises(InvalidInput, match="TensorFlow is in use already"):
        distribute("multiworker")


def test_a_process_that_used_tensorflow_cannot_become_a_worker() -> None:
    """It is refused in one line."""
    ports = free_ports(1)
    process = multiprocessing.get_context("spawn").Process(target=late, args=({"TF_CONFIG": tf_config(ports, 0)},))
    process.start()
    process.join(120)
    assert process.exitcode == 0
