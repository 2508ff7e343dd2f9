"""The table as dots, and the sweeps over batch sizes and threads as lines, the limit drawn in. 800 pixels wide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alexnet_ref.figures.style import new_figure
from benchmarks.peers.measure import Measured
from benchmarks.peers.peer import REFERENCE
from benchmarks.peers.table import spelled
from benchmarks.table import duration

# Okabe & Ito 2008: told apart with every kind of colour vision; and each line has a marker of its own.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#5b5b5b", "#a08a00", "#7f3f98", "#999999", "#000000")
MARKERS = "s^vDPX<>*h"
OURS, OTHERS = "#D55E00", "#0072B2"


def dots(measured: Sequence[Measured]) -> Any:
    """Return a panel for each case: least times as dots on a logarithmic axis, the shortest above; the median as a tick.

    The dot of what does not conform is hollow. No bars: a logarithmic axis has no zero for them to begin at.
    """
    heights = [sum(bool(row.seconds) for row in one.timings) for one in measured]
    figure = new_figure(0.9 * len(measured) + 0.3 * sum(heights) + 0.4)
    panels = figure.subplots(len(measured), 1, squeeze=False, gridspec_kw={"height_ratios": [height + 2 for height in heights]})
    for axes, one in zip(panels[:, 0], measured, strict=True):
        rows = sorted((row for row in one.timings if row.seconds), key=lambda row: row.least)
        for place, row in enumerate(rows):
            colour = OURS if row.peer == REFERENCE else OTHERS
            least, median = row.least * 1e3, row.median * 1e3
            axes.plot([least, median], [place] * 2, color=colour, linewidth=2)
            axes.plot(median, place, marker="|", markersize=12, markeredgewidth=2, color=colour)
            axes.plot(least, place, marker="o", markersize=8, color=colour, markerfacecolor="white" if row.remark else colour)
            words = duration(row.least) + (f", {row.remark}" if row.remark else "")
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # legible where the limit's line passes
            offset = {"xytext": (9, 0), "textcoords": "offset points", "va": "center", "fontsize": 9, "bbox": box}
            axes.annotate(words, (median, place), **offset)
        axes.axvline(one.limit * 1e3, color="black", linestyle="--")
        shortest = min([one.limit, *(row.least for row in rows)])
        longest = max([one.limit, *(row.median for row in rows)])
        axes.set(
            xscale="log",
            ylim=(-0.7, len(rows) - 0.3),
            xlim=(shortest * 1e3 / 2, longest * 1e3 * (30 if any(row.remark for row in rows) else 6)),
            yticks=range(len(rows)),
        )
        axes.set_yticklabels([row.peer for row in rows])
        axes.invert_yaxis()
        axes.set_title(f"{spelled(one.case)}; limit {duration(one.limit)}", fontsize=10, loc="left")
        axes.grid(axis="x", alpha=0.3)
        _plain(axes.xaxis)
    panels[-1, 0].set_xlabel("milliseconds: least (dot), median (tick), limit of the machine (dashed)")
    return figure


def sweep(measured: Sequence[Measured], *, batch: int, threads: int) -> Any:
    """Return a row for each network: time for an image over batch sizes (with so many threads), over threads (at this batch)."""
    names = list(dict.fromkeys(one.case.architecture.name for one in measured))
    peers = list(dict.fromkeys(row.peer for one in measured for row in one.timings if row.seconds))
    peers = [REFERENCE] * (REFERENCE in peers) + [peer for peer in peers if peer != REFERENCE]
    figure = new_figure(3.4 * len(names) + 0.9)
    panels = figure.subplots(len(names), 2, squeeze=False, sharey="row")
    for row, name in zip(panels, names, strict=True):
        own = [one for one in measured if one.case.architecture.name == name]
        over_batches = [one for one in own if one.case.threads == threads]
        over_threads = [one for one in own if one.case.batch == batch]
        _lines(row[0], over_batches, peers, lambda one: one.case.batch)
        _lines(row[1], over_threads, peers, lambda one: one.case.threads)
        row[0].set(ylabel="milliseconds for an image")
        row[0].set_title(f"{name}, {threads} thread{'s' * (threads > 1)}", fontsize=10)
        row[1].set_title(f"{name}, batch {batch}", fontsize=10)
    panels[-1, 0].set_xlabel("batch size")
    panels[-1, 1].set_xlabel("threads")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _lines(axes: Any, measured: Sequence[Measured], peers: Sequence[str], along: Callable[[Measured], int]) -> None:
    measured = sorted(measured, key=along)
    others = [peer for peer in peers if peer != REFERENCE]
    for peer in peers:
        points = [(along(one), row.least * 1e3 / one.case.batch) for one in measured for row in one.timings if row.peer == peer]
        if peer == REFERENCE:
            look: dict[str, Any] = {"color": OURS, "marker": "o", "linewidth": 2.5, "zorder": 3}
        else:
            look = {"color": COLOURS[others.index(peer) % len(COLOURS)], "marker": MARKERS[others.index(peer) % len(MARKERS)]}
        axes.plot([x for x, _ in points], [y for _, y in points], label=peer, markersize=5, **look)
    places = list(dict.fromkeys(map(along, measured)))
    limits = [one.limit * 1e3 / one.case.batch for one in measured]
    axes.plot(places, limits, "--", marker="_", color="black", label="limit of the machine")
    axes.set(yscale="log")
    axes.set_xscale("log", base=2)
    axes.set_xticks(places, [str(place) for place in places])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    _plain(axes.yaxis)


def _plain(axis: Any) -> None:
    """Write 0.3, 10, 3,000 instead of powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 3.0), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:.2g}"))
    axis.set_minor_formatter(NullFormatter())
