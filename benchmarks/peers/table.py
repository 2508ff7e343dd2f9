"""The table as Markdown and JSON, and the verdict on a slow-down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers.limits import work
from benchmarks.peers.measure import Case, Measured, Timing
from benchmarks.peers.peer import REFERENCE, TENSORFLOW
from benchmarks.table import duration

# Whom speeds are related to: the first that was timed.
YARDSTICKS = (TENSORFLOW, "PyTorch", "ONNX Runtime", "JAX", REFERENCE)


def yardstick(timings: Sequence[Timing]) -> Timing | None:
    """Return TensorFlow's row, or that of the next in line that has a time."""
    timed = {timing.peer: timing for timing in timings if timing.seconds}
    return next((timed[name] for name in YARDSTICKS if name in timed), None)


def speed(timing: Timing, other: Timing) -> float:
    """Return how many times as fast as `other`: the least time of many over that of the other. NaN where one has none."""
    return other.least / timing.least


def below(measured: Sequence[Measured], ratio: float) -> dict[Case, float]:
    """Return {case: reference.predict's speed, TensorFlow's being 1}, where it is less than the ratio or was not measured."""
    found = {}
    for one in measured:
        rows = {timing.peer: timing for timing in one.timings}
        got = speed(rows.get(REFERENCE, Timing(peer=REFERENCE)), rows.get(TENSORFLOW, Timing(peer=TENSORFLOW)))
        if not got >= ratio:  # also NaN: nothing was compared
            found[one.case] = got
    return found


def spelled(case: Case) -> str:
    """Return the case in words."""
    return f"{case.architecture.name}, batch {case.batch}, {case.threads} thread{'s' * (case.threads > 1)}"


def markdown(measured: Sequence[Measured], *, command: str, host: Mapping[str, object], blas: str) -> str:
    """Return the page: how it was made, on what, and a table for each case."""
    lines = [
        "# Peers",
        "",
        "A forward pass in each framework that is installed, one process each, in turn. Each result was first held against the",
        "oracle's, within what rounding explains: what is wrong is not timed, or is marked where it is known to be wrong.",
        "",
        "```sh",
        command,
        "```",
        "",
        f"- Processor: {host['cpu']}, {host['cores']} cores; {host['platform']}; Python {host['python']}, NumPy {host['numpy']}.",
        f"- NumPy's products: {blas}.",
    ]
    for rates in {one.case.threads: one.rates for one in measured}.values():
        products = ", ".join(f"{name} {rate / 1e9:,.0f} GFLOP/s" for name, rate in rates.products.items())
        plural = "s" * (rates.threads > 1)
        lines.append(
            f"- With {rates.threads} thread{plural}: float32 product of matrices, {products}; "
            f"memory read at {rates.bandwidth / 1e9:,.0f} GB/s."
        )
    lines += [
        "",
        "Speed is the other's least time over this one's. The limit is that of the equations as written, at the faster of the",
        "rates above: who needs fewer operations, or finds weights in a cache, may pass it.",
        "",
    ]
    for one in measured:
        lines += [*_case(one), ""]
    return "\n".join(lines)


def _case(one: Measured) -> list[str]:
    base, needed = yardstick(one.timings), work(one.case.architecture, one.case.batch)
    title = f"speed, {base.peer} = 1" if base else "speed"
    lines = [
        f"## {spelled(one.case)}",
        "",
        f"| run by | version | least | median | runs | {title} | limit / least | |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    timed = sorted((row for row in one.timings if row.seconds), key=lambda row: row.least)
    for row in [*timed, *(row for row in one.timings if not row.seconds)]:
        figures = ["", "", "", "", ""]
        if row.seconds and base:
            share = f"{one.limit / row.least:.0%}"
            figures = [duration(row.least), duration(row.median), str(len(row.seconds)), f"{speed(row, base):.2f}", share]
        remark = row.remark.replace("|", "\\|")
        lines.append(f"| {row.peer} | {row.version} | {' | '.join(figures)} | {remark} |")
    amounts = f"{needed.operations / 1e9:.3g} GFLOP, {needed.bytes / 1e6:.3g} MB"
    return [*lines, f"| the limit | | {duration(one.limit)} | | | | | {amounts} |"]


def as_json(measured: Sequence[Measured], *, command: str, host: Mapping[str, object], blas: str) -> dict[str, Any]:
    """Return everything that was measured, every run's seconds included."""
    cases = [
        {
            "architecture": one.case.architecture.name,
            "batch": one.case.batch,
            "threads": one.case.threads,
            "limit": one.limit,
            "products": one.rates.products,
            "bandwidth": one.rates.bandwidth,
            "timings": [
                {"peer": row.peer, "version": row.version, "seconds": list(row.seconds), "remark": row.remark}
                for row in one.timings
            ],
        }
        for one in measured
    ]
    return {"command": command, "host": dict(host), "blas": blas, "cases": cases}


def told(found: Mapping[Case, float], ratio: float) -> list[str]:
    """Return a line for each case that is below the ratio."""
    return [
        f"{spelled(case)}: {REFERENCE} has "
        + ("no time to compare" if math.isnan(got) else f"{got:.2f} of {TENSORFLOW}'s speed, less than {ratio:g}")
        for case, got in found.items()
    ]
