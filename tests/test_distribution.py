"""Who the workers are, how they meet, and what each takes of a batch: all that needs no TensorFlow."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_ref.train import meeting, train
from alexnet_ref.train.cluster import Cluster, read_cluster
from alexnet_ref.train.distribution import Distribution, check_divides
from alexnet_ref.train.meeting import meet
from alexnet_ref.train.schedule import Schedule
from reference import InvalidInput

WORKERS = {"worker": ["a:1", "b:2"]}
FIRST = {"type": "worker", "index": 0}


def config(cluster: object, task: object) -> dict[str, str]:
    """Return an environment with this TF_CONFIG."""
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


# ---- TF_CONFIG -----------------------------------------------------------------------------------------------------------


def test_the_workers_are_read() -> None:
    """Without a chief of its own the first worker is the chief; with one, the chief comes before the workers."""
    two = read_cluster(config(WORKERS, {"type": "worker", "index": 1}))
    assert (two.rank, two.addresses) == (1, ("a:1", "b:2"))
    assert [two.name(rank) for rank in (0, 1)] == ["worker 0 (a:1)", "worker 1 (b:2)"]
    three = read_cluster(config({**WORKERS, "chief": ["[::1]:3"]}, {"type": "worker", "index": 0}))
    assert (three.rank, three.addresses, three.name(0)) == (1, ("[::1]:3", "a:1", "b:2"), "chief 0 ([::1]:3)")
    assert read_cluster(config({**WORKERS, "chief": ["[::1]:3"]}, {"type": "chief", "index": 0})).rank == 0


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "it is not set"),
        ({"TF_CONFIG": ""}, "it is not set"),
        ({"TF_CONFIG": "{"}, "it is not JSON"),
        ({"TF_CONFIG": "[" * 100_000}, "it is not JSON"),
        ({"TF_CONFIG": "[]"}, "it has no cluster or no task"),
        ({"TF_CONFIG": "{}"}, "it has no cluster or no task"),
        (config(WORKERS, None), "it has no cluster or no task"),
        (config({}, FIRST), "cluster.worker names nobody"),
        (config({"worker": []}, FIRST), "cluster.worker names nobody"),
        (config({"chief": ["a:1"]}, {"type": "chief", "index": 0}), "cluster.worker names nobody"),
        (config({"worker": "a:1"}, FIRST), "cluster.worker is no list of host:port"),
        (config({"worker": ["a"]}, FIRST), "cluster.worker is no list of host:port"),
        (config({"worker": ["a:0"]}, FIRST), "cluster.worker is no list of host:port"),
        (config({"worker": ["a:65536"]}, FIRST), "cluster.worker is no list of host:port"),
        (config({"worker": [7]}, FIRST), "cluster.worker is no list of host:port"),
        (config({**WORKERS, "chief": ["c:1", "d:1"]}, FIRST), "cluster.chief is no list of host:port with one entry"),
        (config({**WORKERS, "ps": ["c:1"]}, FIRST), "only a chief and workers train here"),
        (config({"worker": ["a:1", "a:1"]}, FIRST), "each task has an address of its own"),
        (config(WORKERS, {}), "task.type and task.index name nobody"),
        (config(WORKERS, {"type": "worker", "index": 2}), "task.type and task.index name nobody"),
        (config(WORKERS, {"type": "worker", "index": -1}), "task.type and task.index name nobody"),
        (config(WORKERS, {"type": "worker", "index": "0"}), "task.type and task.index name nobody"),
        (config(WORKERS, {"type": "worker", "index": True}), "task.type and task.index name nobody"),
        (config(WORKERS, {"type": "chief", "index": 0}), "task.type and task.index name nobody"),
        (config(WORKERS, {"type": ["worker"], "index": 0}), "task.type and task.index name nobody"),
    ],
)
def test_a_malformed_tf_config_is_one_line(environment: dict[str, str], words: str) -> None:
    """What cannot be used is said with an example of what can."""
    with pytest.raises(InvalidInput, match=r"^TF_CONFIG: cannot be used: ") as caught:
        read_cluster(environment)
    assert words in str(caught.value)
    assert 'expected {"cluster"' in str(caught.value)
    assert len(str(caught.value)) < 600


def test_who_is_missing_is_named() -> None:
    """TensorFlow names a task, an address, or the heartbeat that goes to the chief; a worker never suspects itself."""
    two = read_cluster(config(WORKERS, {"type": "worker", "index": 1}))
    said = "Error reported from /job:worker/task:1: unhealthy: /job:worker/replica:0/task:0. The tasks have crashed."
    assert two.suspects(said) == ["worker 0 (a:1)"]
    assert two.suspects("last error: UNKNOWN: ipv4:b:2: Failed to connect; a:1: too") == ["worker 0 (a:1)"]
    assert two.suspects("Deadline Exceeded\n\nRPC: /tensorflow.CoordinationService/Heartbeat") == ["worker 0 (a:1)"]
    assert replace(two, rank=0).suspects(said) == ["worker 1 (b:2)"]
    assert two.suspects("something else") == []


# ---- The meeting ---------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _retry_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker that comes before the first one try again soon."""
    monkeypatch.setattr(meeting, "RETRY_SECONDS", 0.01)


def clusters(count: int) -> list[Cluster]:
    """Return the cluster as each of its workers sees it; the chief's port is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    addresses = (f"127.0.0.1:{port}", *(f"127.0.0.1:{i}" for i in range(1, count)))  # nobody calls the others
    tasks = tuple(("worker", rank) for rank in range(count))
    return [Cluster(tasks=tasks, addresses=addresses, rank=rank) for rank in range(count)]


def met(workers: list[Cluster], facts: list[dict[str, Any]], seconds: float = 20.0) -> list[str | None]:
    """Let the workers meet, each in a thread; return what each is refused with."""
    results: list[str | None] = ["never came back"] * len(workers)

    def one(position: int) -> None:
        try:
            meet(workers[position], facts[position], seconds=seconds)
            results[position] = None
        except InvalidInput as error:
            results[position] = str(error)

    threads = [threading.Thread(target=one, args=(position,)) for position in range(len(workers))]
    for thread in reversed(threads):  # the chief last: the others wait for it
        thread.start()
    for thread in threads:
        thread.join(seconds + 15)
    return results


def test_workers_that_agree_meet() -> None:
    """Three workers with the same facts go on, and the chief's port is free for TensorFlow at once."""
    workers = clusters(3)
    facts = {"seed": 0, "data": "0123", "shape": (1, 2)}
    assert met(workers, [facts] * 3) == [None] * 3
    socket.create_server(("127.0.0.1", int(workers[0].addresses[0].rpartition(":")[2]))).close()


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_workers_that_differ_are_all_refused(odd: int) -> None:
    """One worker with another seed: all end, and read where the difference is."""
    workers = clusters(3)
    results = met(workers, [{"seed": int(rank == odd), "data": "0123"} for rank in range(3)])
    assert all(result is not None and "not about to train the same" in result for result in results)
    assert len(set(results)) == 1
    who = odd or 1 + ("worker 2" in str(results[0]))  # where the chief is the odd one, whoever came first
    words = f"seed: {int(odd != 0)} at {workers[0].name(who)}, {int(odd == 0)} at {workers[0].name(0)}"
    assert words in str(results[0])
    assert "data" not in str(results[0]).replace("options and data", "")


def test_another_list_of_workers_is_refused() -> None:
    """Two workers whose TF_CONFIG names others besides do not train together."""
    workers = clusters(2)
    workers[1] = replace(workers[1], addresses=(workers[0].addresses[0], "elsewhere:1"))
    assert all(result is not None and "workers: [" in result for result in met(workers, [{}] * 2))


@pytest.mark.parametrize("missing", [0, 1])
def test_who_does_not_come_is_not_waited_for_without_end(missing: int) -> None:
    """When the waiting time is over a worker says who is missing."""
    workers = clusters(2)
    began = time.monotonic()
    with pytest.raises(InvalidInput, match="the workers could not meet") as caught:
        meet(workers[1 - missing], {}, seconds=0.3)
    assert f"{workers[0].name(missing)}; " in str(caught.value) or f"{workers[0].name(missing)}. " in str(caught.value)
    assert time.monotonic() - began < 10


def test_a_stranger_at_the_door_is_ignored() -> None:
    """Who connects and talks nonsense is no worker."""
    workers = clusters(2)
    port = int(workers[0].addresses[0].rpartition(":")[2])

    def disturb() -> None:
        for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\xff\n", b"", b'{"rank": 0}\n', b'{"rank": 9}\n', b"[]\n", b"[" * 70_000):
            for _ in range(100):
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                        connection.sendall(nonsense)
                    break
                except ConnectionError:
                    time.sleep(0.02)

    results: list[str] = []

    def host() -> None:
        meet(workers[0], {}, seconds=20.0)
        results.append("met")

    chief = threading.Thread(target=host)
    chief.start()
    disturb()
    meet(workers[1], {}, seconds=20.0)
    chief.join(20)
    assert results == ["met"]


def test_one_worker_needs_no_meeting() -> None:
    """A cluster of one goes on at once."""
    meet(clusters(1)[0], {}, seconds=0.0)


# ---- The batch -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("continuous", [False, True])
def test_the_workers_shares_are_the_batch(workers: int, continuous: bool) -> None:
    """One after another, the workers' parts are the batch of one process, digit by digit, and all are of a size."""
    plan = Schedule(digits=40, batch_size=16, seed=3, steps=5, continuous=continuous)
    seen = [replace(cluster, rank=rank) for rank, cluster in enumerate(clusters(workers))]
    for step in range(plan.steps):
        batch = plan.batch(step)
        shares = [Distribution(kind="multiworker", strategy=None, cluster=cluster).share(batch) for cluster in seen]
        assert np.array_equal(np.concatenate(shares), batch)
        assert {len(share) for share in shares} == {len(batch) // workers}


def plan(digits: int, batch_size: int, *, continuous: bool = False) -> Schedule:
    """Return a schedule of one step."""
    return Schedule(digits=digits, batch_size=batch_size, seed=0, steps=1, continuous=continuous)


def test_documented_batches_divide() -> None:
    """Both documents' batches can be shared by 2, 4, 8 and 16 replicas, keras_sequential's last one of 16 digits as well."""
    for replicas in (1, 2, 4, 8, 16):
        check_divides(plan(58_000, 64), replicas)
        check_divides(plan(55_000, 64, continuous=True), replicas)
    check_divides(plan(55_000, 64, continuous=True), 64)  # its batches are all whole


@pytest.mark.parametrize(
    ("schedule", "replicas", "words"),
    [
        (
            plan(58_000, 64),
            3,
            "3 replicas: the batch does not divide by the replicas; expected a multiple of 3 digits; received 64",
        ),
        (
            plan(58_000, 64),
            32,
            "the last batch of each epoch does not divide by the replicas; expected a multiple of 32 digits; received 16",
        ),
        (plan(55_000, 64, continuous=True), 5, "expected a multiple of 5 digits; received 64"),
        (
            plan(10, 16),
            4,
            "the last batch of each epoch does not divide by the replicas; expected a multiple of 4 digits; received 10",
        ),
    ],
)
def test_a_batch_that_does_not_divide_is_refused(schedule: Schedule, replicas: int, words: str) -> None:
    """Expected and received are said, for whole batches and for the smaller one at an epoch's end."""
    with pytest.raises(InvalidInput) as caught:
        check_divides(schedule, replicas)
    assert words in str(caught.value)


def test_it_is_refused_before_anybody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three workers and a batch of 16: every one of them refuses at once, and makes no folder."""
    monkeypatch.setenv("TF_CONFIG", config({"worker": ["a:1", "b:1", "c:1"]}, FIRST)["TF_CONFIG"])
    with pytest.raises(InvalidInput, match="3 replicas: the batch does not divide"):
        train("tf1_graph", out=tmp_path / "run", limit=64, batch_size=16, strategy="multiworker")
    assert not (tmp_path / "run").exists()


def test_a_device_beside_a_strategy_is_refused(tmp_path: Path) -> None:
    """One of the two chooses the devices."""
    with pytest.raises(InvalidInput, match="expected --strategy mirrored or --device CPU:0; received both"):
        train("tf1_graph", out=tmp_path / "run", device="CPU:0", strategy="mirrored")
    assert not (tmp_path / "run").exists()
