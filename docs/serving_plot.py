"""Draw docs/serving.svg, the servers compared, and docs/serving-soak.svg, the long load.

python docs/serving_plot.py
"""

from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measured import ROOT
from serving_measured import COMPARED_CLIENTS, DETAILED, IMAGE, SOAK_IMAGE, closed_loop, no_http, serving, soak

from zoo.files import write_atomically
from zoo.reporting import COLORS, STYLE, svg

SHOWN = {
    "ours int8": COLORS[1],
    "ours fp32": COLORS[0],
    "LitServe": COLORS[2],
    "BentoML": COLORS[3],
    "FastAPI, tuned, fp32": COLORS[4],
    "FastAPI, one process per core": COLORS[5],
}
"""Servers with their colours."""

Points = list[tuple[float, float]]

HEADROOM = 0.2
"""Above what is drawn, relative to it."""


def draw_comparison() -> Figure | None:
    """Throughput of each server, and its latency by offered load; None without measurements."""
    record = serving()
    if not closed_loop(record, DETAILED, COMPARED_CLIENTS):
        return None
    figure = Figure(figsize=(10, 4), layout="constrained")
    speeds, times = figure.subplots(1, 2)
    _draw_speeds(speeds, record)
    _draw_times(times, record)
    figure.legend(*times.get_legend_handles_labels(), loc="outside upper center", ncols=len(SHOWN), frameon=False)
    return figure


def _draw_speeds(axes: Axes, record: dict[str, Any]) -> None:
    """One row per image size and one bar per server, relative to what is possible without HTTP."""
    kinds = list(record["closed"])
    height = 0.8 / len(SHOWN)
    for line, kind in enumerate(kinds):
        bound = no_http(record, kind)["fp32"]
        rows = closed_loop(record, kind, COMPARED_CLIENTS)
        for place, (name, color) in enumerate(SHOWN.items()):
            if name in rows:
                speed = rows[name].requests_per_second
                y = line + (place - (len(SHOWN) - 1) / 2) * height
                bar = axes.barh(y, speed / bound, height * 0.9, color=color)
                axes.bar_label(bar, [f"{speed:.0f}/s"], padding=2, fontsize=7)
    axes.axvline(1, color="#999999", linewidth=1)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.margins(x=HEADROOM)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"requests/s with {COMPARED_CLIENTS} clients, relative to fp32 without HTTP")


def _draw_times(axes: Axes, record: dict[str, Any]) -> None:
    """One line per server: the 99th percentile of its latency by offered load."""
    for name, color in SHOWN.items():
        loads = [by_server[name] for by_server in record.get("open", {}).values() if name in by_server]
        points = [(load["rate"], load["latency"]["p99"]) for load in loads if load["latency"]]
        if points:
            axes.plot(*_columns(points), "o-", color=color, markersize=4, label=name)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(f"offered load, requests/s at random times, {DETAILED}")
    axes.set_ylabel("p99 latency, ms")


def draw_soak() -> Figure | None:
    """Memory second by second and latency minute by minute; None without measurements."""
    if not soak():
        return None
    steady = soak()["steady"]
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    axes = figure.add_subplot()
    sizes = [(second / 60, size / 1e6) for second, size in enumerate(steady["memory"], start=1)]
    axes.plot(*_columns(sizes), color=COLORS[0])
    _begin_at_zero(axes, sizes)
    axes.set_xlabel("minutes")
    axes.set_ylabel("memory, MB", color=COLORS[0])
    times = axes.twinx()
    minutes = [
        (minute + 0.5, load["latency"]["p99"]) for minute, load in enumerate(steady["minutes"]) if load["latency"]
    ]
    times.plot(*_columns(minutes), "o", color=COLORS[1], markersize=4)
    _begin_at_zero(times, minutes)
    times.set_ylabel("p99 latency, ms", color=COLORS[1])
    times.grid(visible=False)
    times.spines["right"].set_visible(True)
    return figure


def _begin_at_zero(axes: Axes, points: Points) -> None:
    axes.set_ylim(0, (1 + HEADROOM) * max((y for _, y in points), default=1.0))


def _columns(points: Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def write(name: str, draw: Callable[[], Figure | None]) -> None:
    """Write an image; remove it where there is nothing to draw."""
    file = ROOT / "docs" / name
    with matplotlib.rc_context(STYLE):
        figure = draw()
    if figure is None:
        file.unlink(missing_ok=True)
        return
    write_atomically(file, svg(figure, "docs/serving_plot.py"))


if __name__ == "__main__":
    write(IMAGE, draw_comparison)
    write(SOAK_IMAGE, draw_soak)
