"""The tables of docs/serving.md."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from serving_measured import (
    COMPARED_CLIENTS,
    DETAILED,
    IMAGE,
    SOAK_IMAGE,
    closed_loop,
    no_http,
    serving,
    soak,
)

from serve.settings import QUEUE_PER_CORE, Settings
from zoo.reporting import markdown

NOT_MEASURED = "Not measured yet: `python benchmarks/{}`, then `make docs`."
COMPARISON, SOAK = "serving.py", "soak.py"

MACHINE_DEFAULTS = {"max_queue": f"{QUEUE_PER_CORE} per core"}
"""Settings whose default depends on the machine."""


def image() -> str:
    """Link to the figure of the comparison, by docs/serving_plot.py."""
    if not closed_loop(serving(), DETAILED, COMPARED_CLIENTS):
        return NOT_MEASURED.format(COMPARISON)
    return f"![Requests per second and times of the servers]({IMAGE})"


def soak_image() -> str:
    """Link to the figure of the long load."""
    return f"![Memory and times over the minutes]({SOAK_IMAGE})" if soak() else NOT_MEASURED.format(SOAK)


def comparison() -> str:
    """Servers with the compared number of clients, by kind of images."""
    record, rows = serving(), []
    for kind in record.get("closed", {}):
        for precision, speed in no_http(record, kind).items():
            rows.append([kind, f"no HTTP, {precision}", f"{speed:.0f}", *[""] * 8])
        for name, row in closed_loop(record, kind, COMPARED_CLIENTS).items():
            rows.append(
                [
                    kind,
                    name,
                    f"{row.requests_per_second:.0f}",
                    "{:.2f} ({:.2f} to {:.2f})".format(*row.times) if row.times else "",
                    f"{row.of_no_http:.0%}" if row.of_no_http else "",
                    *_latencies(row.latency),
                    f"{row.rejected:.1%}",
                    str(row.failed),
                    f"{row.cpu_ms:.1f}" if row.cpu_ms else "",
                ]
            )
    headings = ["images", "server", "requests/s", "ours fp32 / it", "of no HTTP", "p50, ms", "p90, ms", "p99, ms"]
    return _table([*headings, "refused", "errors", "CPU, ms per request"], "llrrrrrrrrr", rows, COMPARISON)


def by_clients() -> str:
    """Requests per second and latency by number of clients, with the detailed images."""
    loops = {
        clients: closed_loop(serving(), DETAILED, clients) for clients in serving().get("closed", {}).get(DETAILED, {})
    }
    names = dict.fromkeys(name for loop in loops.values() for name in loop)
    rows = []
    for name in names:
        cells = [loop.get(name) for loop in loops.values()]
        rows.append([name, *(_speed_and_time(row.requests_per_second, row.latency) if row else "" for row in cells)])
    return _table(["server", *loops], "l" + "r" * len(loops), rows, COMPARISON)


def open_loop() -> str:
    """Open loops, by load as a share of each server's peak throughput."""
    loads = serving().get("open", {})
    rows = [
        [name, f"{float(share):.0%}", *_load(by_server[name])]
        for name in dict.fromkeys(name for by_server in loads.values() for name in by_server)
        for share, by_server in loads.items()
        if name in by_server
    ]
    headings = ["server", "of peak", "offered load, req/s", "answered, req/s", "p50, ms", "p90, ms", "p99, ms"]
    return _table([*headings, "refused", "errors"], "lrrrrrrrr", rows, COMPARISON)


def machine() -> str:
    """Machine and settings of the comparison."""
    record = serving()
    if not record:
        return NOT_MEASURED.format(COMPARISON)
    own, versions = record["machine"], record["versions"]
    bytes_ = (f"{kind}: {sum(sizes) / len(sizes) / 1000:.1f} kB" for kind, sizes in record["images"].items())
    rows = [
        ["date, model", f"{own['date']}, `{record['model']}`"],
        ["processor", f"{own['processor']}, {own['cores']} cores; load before {own['load']:.2f}"],
        ["turns", f"{record['repeats']} of {record['seconds']:g} s after {record['warmup']:g} s, longer for 4000x3000"],
        ["images", ", ".join(bytes_)],
        ["load generator", f"at most {_generator(record):.0%} of a core, the median of a closed loop's turns"],
        *([f"packages of {who}", _versions(packages)] for who, packages in versions.items()),
        *([f"{name} was skipped", why] for name, why in record["left_out"].items()),
    ]
    return markdown(["", ""], "ll", rows)


def steady() -> str:
    """The long load by minute."""
    rows = []
    for minute, load in enumerate(soak().get("steady", {}).get("minutes", []), start=1):
        sizes = soak()["steady"]["memory"][60 * (minute - 1) : 60 * minute]
        memory = f"{max(sizes) / 1e6:.0f}" if sizes else ""
        rows.append([str(minute), *_load({"rate": soak()["steady"]["rate"]} | load), memory])
    headings = ["minute", "offered load, req/s", "answered, req/s", "p50, ms", "p90, ms", "p99, ms", "refused"]
    return _table([*headings, "errors", "memory, MB"], "rrrrrrrrr", rows, SOAK)


def overload() -> str:
    """The overload."""
    record = soak()
    if not record:
        return NOT_MEASURED.format(SOAK)
    load, most = record["overload"], record["capacity"]["requests_per_second"]
    refusals = [f"{load['rejection'].get(share, float('nan')):.1f}" for share in ("p50", "p99")]
    row = [f"{most:.0f}", *_load(load), *refusals, f"{max(load['memory'], default=0) / 1e6:.0f}"]
    headings = ["peak, req/s", "offered load, req/s", "answered, req/s", "p50, ms", "p90, ms", "p99, ms", "refused"]
    return markdown([*headings, "errors", "refusal p50, ms", "refusal p99, ms", "memory, MB"], "r" * 11, [row])


def settings() -> str:
    """Every setting of the server."""
    rows = []
    for item in fields(Settings):
        default = item.default
        if item.name in MACHINE_DEFAULTS:
            shown = MACHINE_DEFAULTS[item.name]
        elif isinstance(default, tuple):
            shown = ", ".join(f"`{one}`" for one in default)
        else:
            shown = f"`{default}`" if default not in ("", None) else ""
        rows.append([f"`--{item.name.replace('_', '-')}`", f"`ZOO_{item.name.upper()}`", shown, item.metadata["help"]])
    return markdown(["flag", "variable", "default", "description"], "llll", rows)


SERVING: dict[str, Callable[[], str]] = {
    "image": image,
    "comparison": comparison,
    "by-clients": by_clients,
    "open-loop": open_loop,
    "machine": machine,
    "soak-image": soak_image,
    "steady": steady,
    "overload": overload,
    "settings": settings,
}
"""The tables by the names of their markers."""


def _load(load: Mapping[str, Any]) -> list[str]:
    """Cells of an open loop."""
    requests = max(load["requests"], 1)
    return [
        f"{load['rate']:.0f}",
        f"{load['requests_per_second']:.0f}",
        *_latencies(load["latency"]),
        f"{load['rejected'] / requests:.1%}",
        str(load["failed"] + load["unanswered"]),
    ]


def _latencies(latency: Mapping[str, float]) -> list[str]:
    return [f"{latency[share]:.1f}" if share in latency else "" for share in ("p50", "p90", "p99")]


def _speed_and_time(speed: float, latency: Mapping[str, float]) -> str:
    return f"{speed:.0f}/s, {latency['p50']:.0f} and {latency['p99']:.0f} ms" if latency else f"{speed:.0f}/s"


def _generator(record: Mapping[str, Any]) -> float:
    loops = ((kind, clients) for kind, loops in record["closed"].items() for clients in loops)
    return max((row.generator for loop in loops for row in closed_loop(record, *loop).values()), default=0.0)


def _versions(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in packages.items())


def _table(headings: list[str], alignment: str, rows: Iterable[list[str]], script: str) -> str:
    rows = list(rows)
    return markdown(headings, alignment, rows) if rows else NOT_MEASURED.format(script)
