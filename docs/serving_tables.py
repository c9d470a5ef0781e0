"""The tables of docs/serving.md, benchmarks/results/serving.md and benchmarks/results/soak.md."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from serving_measured import (
    COMPARED_CLIENTS,
    DEFAULT,
    DETAILED,
    IMAGE,
    SOAK_IMAGE,
    Rival,
    Row,
    by_model,
    closed_loop,
    no_http,
    serving,
    soak,
    strongest_peer,
)

from serve.settings import Settings
from zoo.options import bounds_text, default_text
from zoo.reporting import markdown

NOT_MEASURED = "Not measured yet: `python benchmarks/{}`, then `make docs`."
COMPARISON, SOAK = "serving.py", "soak.py"


def image() -> str:
    """The image of the comparison that docs/serving_plot.py draws."""
    if not closed_loop(serving(), DETAILED, COMPARED_CLIENTS):
        return NOT_MEASURED.format(COMPARISON)
    return f"![Requests per second and times of the servers]({IMAGE})"


def soak_image() -> str:
    """Its image of the long load."""
    return f"![Memory and times over the minutes]({SOAK_IMAGE})" if soak() else NOT_MEASURED.format(SOAK)


def comparison() -> str:
    """Every number of the servers for the compared number of clients, by image size."""
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
    headings = ["images", "server", "requests/s", "ours fp32 / this", "of no HTTP", "p50, ms", "p90, ms", "p99, ms"]
    return _table([*headings, "refused", "errors", "CPU ms/request"], "llrrrrrrrrr", rows, COMPARISON)


def strongest() -> str:
    """Each of our servers beside the fastest peer in single precision and the fastest that computes our int8 file."""
    rows = []
    for model, record in by_model().items():
        for name, row in closed_loop(record, DETAILED, COMPARED_CLIENTS).items():
            if name.startswith(DEFAULT):
                rivals = [strongest_peer(record, DETAILED, COMPARED_CLIENTS, name, one) for one in ("fp32", "int8")]
                if any(rivals):
                    cells = [cell for rival in rivals for cell in _rival(rival)]
                    rows.append([f"`{model}`", name, *_speed_and_last(row), *cells])
    headings = ["model", "server", "requests/s", "p99, ms", "strongest peer, fp32", "times as fast", "its p99, ms"]
    return _table([*headings, "strongest peer, int8", "times as fast", "its p99, ms"], "llrrlrrlrr", rows, COMPARISON)


def speeds() -> str:
    """Requests per second of each server for the compared number of clients: one column per image size."""
    loops = {kind: closed_loop(serving(), kind, COMPARED_CLIENTS) for kind in serving().get("closed", {})}
    rows = [
        [name, *(_speed_and_ratio(loop[name]) if name in loop else "" for loop in loops.values())]
        for name in dict.fromkeys(name for loop in loops.values() for name in loop)
    ]
    bounds = [f"{no_http(serving(), kind).get('fp32', float('nan')):.0f}" for kind in loops]
    rows += [["no HTTP, fp32", *bounds]] if loops else []
    return _table(["server", *loops], "l" + "r" * len(loops), rows, COMPARISON)


def by_clients() -> str:
    """Requests per second and latencies by the number of clients, for the detailed image size."""
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
    """Answers to requests at random times, by offered load relative to each server's peak."""
    loads = serving().get("open", {})
    rows = [
        [name, f"{float(share):.0%}", *_load(by_server[name])]
        for name in dict.fromkeys(name for by_server in loads.values() for name in by_server)
        for share, by_server in loads.items()
        if name in by_server
    ]
    headings = ["server", "of peak", "offered, req/s", "answered, req/s", "p50, ms", "p90, ms", "p99, ms"]
    return _table([*headings, "refused", "errors"], "lrrrrrrrr", rows, COMPARISON)


def machine() -> str:
    """Machine, image sizes and package versions of the comparison."""
    record = serving()
    if not record:
        return NOT_MEASURED.format(COMPARISON)
    own, versions, default = record["machine"], record["versions"], record.get("default")
    bytes_ = (f"{kind}: {sum(sizes) / len(sizes) / 1000:.1f} kB" for kind, sizes in record["images"].items())
    rows = [
        ["date, model", f"{own['date']}, `{record['model']}`"],
        ["processor", f"{own['processor']}, {own['cores']} cores; load average before {own['load']:.2f}"],
        [
            "rounds",
            f"{record['repeats']} of {record['seconds']:g} s after {record['warmup']:g} s, longer for 4000x3000",
        ],
        ["images", ", ".join(bytes_)],
        ["load generator", f"at most {_generator(record):.0%} of a core (median over the rounds of a closed loop)"],
        *([["default settings", "{precision}, {device}".format(**default)]] if default else []),
        *([f"packages, {who}", _versions(packages)] for who, packages in versions.items()),
        *([f"{name}: left out", why] for name, why in record["left_out"].items()),
    ]
    return markdown(["", ""], "ll", rows)


def steady() -> str:
    """The long load, minute by minute."""
    rows = []
    for minute, load in enumerate(soak().get("steady", {}).get("minutes", []), start=1):
        sizes = soak()["steady"]["memory"][60 * (minute - 1) : 60 * minute]
        memory = f"{max(sizes) / 1e6:.0f}" if sizes else ""
        rows.append([str(minute), *_load({"rate": soak()["steady"]["rate"]} | load), memory])
    headings = ["minute", "offered, req/s", "answered, req/s", "p50, ms", "p90, ms", "p99, ms", "refused"]
    return _table([*headings, "errors", "memory, MB"], "rrrrrrrrr", rows, SOAK)


def overload() -> str:
    """A load of several times the peak."""
    record = soak()
    if not record:
        return NOT_MEASURED.format(SOAK)
    load, most = record["overload"], record["capacity"]["requests_per_second"]
    refusals = [f"{load['rejection'].get(share, float('nan')):.1f}" for share in ("p50", "p99")]
    row = [f"{most:.0f}", *_load(load), *refusals, f"{max(load['memory'], default=0) / 1e6:.0f}"]
    headings = ["peak, req/s", "offered", "answered", "p50, ms", "p90, ms", "p99, ms", "refused", "errors"]
    return markdown([*headings, "refusal p50, ms", "refusal p99, ms", "memory, MB"], "r" * 11, [row])


def settings() -> str:
    """Every setting of the server."""
    rows = []
    for item in fields(Settings):
        flag, variable = f"`--{item.name.replace('_', '-')}`", f"`ZOO_{item.name.upper()}`"
        values = (f"`{one}`" if one else "" for one in (default_text(item), bounds_text(item)))
        rows.append([flag, variable, *values, item.metadata["help"]])
    return markdown(["flag", "variable", "default", "range", "meaning"], "lllll", rows)


SERVING: dict[str, Callable[[], str]] = {
    "image": image,
    "strongest": strongest,
    "speeds": speeds,
    "by-clients": by_clients,
    "soak-image": soak_image,
    "overload": overload,
    "settings": settings,
}
"""Tables of the page, by the names of their markers."""

SERVERS: dict[str, Callable[[], str]] = {
    f"Closed loops of {COMPARED_CLIENTS} clients": comparison,
    f"Open loops, images of {DETAILED}": open_loop,
    "Machine and versions": machine,
}
"""Tables of benchmarks/results/serving.md, by their headings."""

LONG_LOAD: dict[str, Callable[[], str]] = {"Minute by minute": steady}
"""Tables of benchmarks/results/soak.md, by their headings."""


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


def _speed_and_last(row: Row) -> list[str]:
    return [f"{row.requests_per_second:.0f}", f"{row.latency['p99']:.0f}" if row.latency else ""]


def _rival(rival: Rival | None) -> list[str]:
    if rival is None:
        return [""] * 3
    return [
        f"{rival.name}: {rival.row.requests_per_second:.0f}/s",
        "{:.2f} ({:.2f} to {:.2f})".format(*rival.times),
        _speed_and_last(rival.row)[1],
    ]


def _speed_and_ratio(row: Row) -> str:
    return f"{row.requests_per_second:.0f}" + (f" ({row.times[0]:.2f})" if row.times else "")


def _generator(record: Mapping[str, Any]) -> float:
    loops = ((kind, clients) for kind, loops in record["closed"].items() for clients in loops)
    return max((row.generator for loop in loops for row in closed_loop(record, *loop).values()), default=0.0)


def _versions(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in packages.items())


def _table(headings: list[str], alignment: str, rows: Iterable[list[str]], script: str) -> str:
    rows = list(rows)
    return markdown(headings, alignment, rows) if rows else NOT_MEASURED.format(script)
