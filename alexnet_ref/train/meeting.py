"""The workers meet before TensorFlow starts. The standard library alone.

TensorFlow waits for the workers of a cluster without end, deaf to Ctrl-C, and compares nothing that they were told. So they first
meet here: every worker tells the chief what it is about to train, and the chief answers when all have come.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from alexnet_ref.train.cluster import Cluster
from reference.errors import InvalidInput

MEETING_SECONDS = 300.0  # for a person to start the other workers
RETRY_SECONDS = 0.2  # where the first worker does not listen yet
ANSWER_SECONDS = 10.0  # between two messages of workers that are there
MOST_BYTES = 1 << 16  # of a message
Facts = dict[str, Any]


def meet(cluster: Cluster, facts: Facts, *, seconds: float | None = None, tell: Callable[[str], None] = lambda _: None) -> None:
    """Wait until every worker is here and about to do the same; InvalidInput, on all of them, where not.

    facts: what must be the same everywhere, by names for people. The chief listens at its address, which TensorFlow takes over.
    """
    deadline = time.monotonic() + (MEETING_SECONDS if seconds is None else seconds)
    facts = json.loads(json.dumps(facts))  # as the others' will arrive
    if len(cluster.addresses) == 1:
        return
    tell(f"waiting for {len(cluster.addresses)} workers to meet at {cluster.addresses[0]}")
    try:
        verdict = _receive(cluster, facts, deadline) if cluster.rank == 0 else _report(cluster, facts, deadline)
    except OSError as error:
        raise InvalidInput(
            "the workers could not meet",
            where=cluster.name(cluster.rank),
            expected=f"{len(cluster.addresses)} workers at {cluster.addresses[0]} before the waiting time is over",
            received=str(error),
            hint="Start the same command on every machine, with its own task.index in TF_CONFIG",
        ) from None
    if verdict:
        raise InvalidInput(
            "the workers are not about to train the same", received=verdict, hint="Give every worker the same options and data"
        )


def _receive(cluster: Cluster, facts: Facts, deadline: float) -> str:
    """Collect every other worker's facts, and answer all of them with one verdict: "" when they agree."""
    came: dict[int, socket.socket] = {}
    verdict = ""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_listen(_port(cluster)))
        while len(came) < len(cluster.addresses) - 1:
            server.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                connection, _ = server.accept()
            except TimeoutError:
                missing = [cluster.name(rank) for rank in range(1, len(cluster.addresses)) if rank not in came]
                raise TimeoutError(f"nothing from {', '.join(missing)}") from None
            stack.enter_context(connection)
            connection.settimeout(ANSWER_SECONDS)
            message = _read(connection)
            rank = message.get("rank") if message else None
            if message is None or type(rank) is not int or not 0 < rank < len(cluster.addresses):
                continue  # somebody else's
            came[rank] = connection
            verdict = verdict or _differences(cluster, rank, facts, message)
        for connection in came.values():
            connection.sendall(json.dumps({"verdict": verdict}).encode() + b"\n")
        for connection in came.values():
            with contextlib.suppress(OSError):
                connection.recv(1)  # until the other side closes it, which leaves the port free for TensorFlow
    return verdict


def _report(cluster: Cluster, facts: Facts, deadline: float) -> str:
    """Tell the chief this worker's facts, as soon as it listens, and return its verdict."""
    host, port = cluster.addresses[0].rpartition(":")[0].strip("[]"), _port(cluster)
    message = json.dumps({"rank": cluster.rank, "workers": cluster.addresses, "facts": facts}).encode() + b"\n"
    while True:
        with contextlib.suppress(ConnectionError, TimeoutError), socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(message)
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            if answer := _read(connection):
                return str(answer["verdict"])
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer from {cluster.name(0)}")
        time.sleep(RETRY_SECONDS)


def _listen(port: int) -> socket.socket:
    """Listen on every interface, as TensorFlow will."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _port(cluster: Cluster) -> int:
    return int(cluster.addresses[0].rpartition(":")[2])


def _read(connection: socket.socket) -> Facts | None:
    """Return the JSON object of one line, None where there is none."""
    try:
        with connection.makefile("rb") as file:
            message = json.loads(file.readline(MOST_BYTES))
    except (ValueError, RecursionError, OSError):
        return None
    return message if isinstance(message, dict) else None


def _differences(cluster: Cluster, rank: int, facts: Facts, message: Facts) -> str:
    """Return what another worker is about to do differently, "" if nothing."""
    told = message.get("facts")
    theirs = {**(told if isinstance(told, dict) else {}), "workers": message.get("workers")}
    return "; ".join(_each_difference(cluster, rank, {**facts, "workers": list(cluster.addresses)}, theirs))


def _each_difference(cluster: Cluster, rank: int, ours: Facts, theirs: Facts) -> Iterator[str]:
    for key in dict.fromkeys([*ours, *theirs]):
        if ours.get(key) != theirs.get(key):
            yield f"{key}: {theirs.get(key, 'nothing')} at {cluster.name(rank)}, {ours.get(key, 'nothing')} at {cluster.name(0)}"
