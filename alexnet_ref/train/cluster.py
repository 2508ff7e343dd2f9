"""The workers of a run, as TF_CONFIG names them. The standard library alone."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from reference.errors import InvalidInput

EXAMPLE = '{"cluster": {"worker": ["host0:2345", "host1:2345"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The workers of a run, the chief first, and which of them this process is."""

    tasks: tuple[tuple[str, int], ...]  # TF_CONFIG's ("chief" or "worker", index)
    addresses: tuple[str, ...]  # "host:port"
    rank: int

    def name(self, rank: int) -> str:
        """Return how people know a worker: worker 1 (host1:2345)."""
        task, index = self.tasks[rank]
        return f"{task} {index} ({self.addresses[rank]})"

    def suspects(self, text: str) -> list[str]:
        """Return the other workers that TensorFlow's message names, by task or address; its heartbeats all go to the chief."""
        found = {(task, int(index)) for task, index in re.findall(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)", text)}
        named = [rank for rank, task in enumerate(self.tasks) if task in found or self.addresses[rank] in text]
        if "CoordinationService/" in text and not named:
            named = [0]
        return [self.name(rank) for rank in named if rank != self.rank]


def read_cluster(environment: Mapping[str, str] = os.environ) -> Cluster:
    """Return what TF_CONFIG says; InvalidInput where it is missing, or is not what TensorFlow documents."""
    text = environment.get("TF_CONFIG", "")
    if not text:
        raise _malformed("it is not set", "nothing")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed("it is not JSON", repr(text[:200])) from None
    cluster, task = (config.get(key) if isinstance(config, dict) else None for key in ("cluster", "task"))
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _malformed("it has no cluster or no task", repr(text[:200]))
    if strangers := sorted(set(cluster) - {"chief", "worker"}):
        raise _malformed("only a chief and workers train here", f"cluster.{strangers[0]}")
    tasks, addresses = [], []
    for kind, most in (("chief", 1), ("worker", None)):
        listed = cluster.get(kind, [])
        if not isinstance(listed, list) or not all(map(_is_address, listed)) or len(listed) > (most or len(listed)):
            raise _malformed(f"cluster.{kind} is no list of host:port" + (" with one entry" if most else ""), repr(listed))
        tasks += [(kind, index) for index in range(len(listed))]
        addresses += listed
    if not cluster.get("worker"):
        raise _malformed("cluster.worker names nobody", repr(cluster))
    if twice := [address for address in addresses if addresses.count(address) > 1]:
        raise _malformed("each task has an address of its own", f"{twice[0]} more than once")
    own = (task.get("type"), task.get("index"))
    if type(own[1]) is not int or own not in tasks:
        raise _malformed("task.type and task.index name nobody in the cluster", repr(task))
    return Cluster(tasks=tuple(tasks), addresses=tuple(addresses), rank=tasks.index(own))


def _is_address(value: object) -> bool:
    match = re.fullmatch(r"\S+:(\d{1,5})", value) if isinstance(value, str) else None
    return match is not None and 0 < int(match[1]) < 1 << 16


def _malformed(what: str, received: str) -> InvalidInput:
    return InvalidInput(f"cannot be used: {what}", where="TF_CONFIG", expected=EXAMPLE, received=received)
