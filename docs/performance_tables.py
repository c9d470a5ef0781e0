"""The tables of docs/performance.md and of benchmarks/results/inference.md."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from measured import COMPARED, IMAGE, LATENCY, ROOT, Row, contenders, results, semantics_costs

from zoo.package import ONNX_FILES, Package
from zoo.reporting import markdown
from zoo.runtime import Precision

NOT_MEASURED = "Not measured yet: `python benchmarks/inference.py`, then `make docs`."

DETAILED = ("wrn16-ours", "dn100-ours-c")
"""Variants whose batches of all sizes are shown."""

ORDINARY = "timm resnet"


def image() -> str:
    """The image that docs/performance_plot.py draws."""
    if not any(contenders(variant, COMPARED) for variant in results()):
        return NOT_MEASURED
    return f"![Speed relative to PyTorch eager, by variant]({IMAGE})"


def machines() -> str:
    """The machine that each variant was measured on, and the versions of the packages."""
    rows = []
    for variant, result in results().items():
        machine, peak = result["machine"], result["peak"]
        texts = [
            machine["date"],
            f"{machine['processor']}, {machine['cores']} cores",
            str(machine["threads"]),
            f"{machine['load']:.2f}",
            str(result["repeats"]),
            f"{peak['multiply_adds_per_second']['fp32'] / 1e9:.0f}",
            f"{peak['bytes_per_second'] / 1e9:.0f}",
            "random" if result["weights"] == "random" else "trained",
            ", ".join(f"{name} {number}" for name, number in machine["versions"].items()),
        ]
        rows.append([f"`{variant}`", *texts])
    headings = ["variant", "date", "processor", "threads", "load average before", "rounds", "peak, G multiply-adds/s"]
    return _table([*headings, "memory copy, GB/s", "weights", "versions"], "lllrrrrrll", rows)


def speedups() -> str:
    """Speed-up over PyTorch eager: one row per contender, one column per variant."""
    return _by_variant(COMPARED, lambda row: f"{row['times_eager'][0]:.2f}")


def latencies() -> str:
    """Milliseconds for one image: one row per contender, one column per variant."""
    return _by_variant(LATENCY, lambda row: f"{1000 * row['median_seconds']:.2f}")


def comparison() -> str:
    """Every number for the compared batch size: one row per variant and contender."""
    rows = []
    for variant in results():
        for name, row in contenders(variant, COMPARED).items():
            speed, took = f"{row['images_per_second']:.0f}", f"{1000 * row['median_seconds']:.1f}"
            rows.append([f"`{variant}`", name, speed, took, f"{row['of_peak']:.0%}", _ratio(row), row["setting"]])
    headings = ["variant", "contender", "images/s", "ms/batch", "of peak", "speed-up over eager", "setting"]
    return _table(headings, "llrrrrl", rows)


def batches() -> str:
    """Images per second at each batch size, with the speed-up over PyTorch eager."""
    shown = [variant for variant in DETAILED if variant in results()]
    sizes = sorted({int(batch) for variant in shown for batch in results()[variant]["batches"]})
    rows = []
    for variant in shown:
        measured = {size: contenders(variant, str(size)) for size in sizes}
        for name in _union(measured.values()):
            cells = [measured[size].get(name) for size in sizes]
            texts = [f"{row['images_per_second']:.0f}, {_ratio(row)}" if row else "" for row in cells]
            rows.append([f"`{variant}`", name, *texts])
    return _table(["variant", "contender", *map(str, sizes)], "ll" + "r" * len(sizes), rows)


def best() -> str:
    """The fastest of this project's rows beside the fastest other one, at each batch size."""
    rows = []
    for variant in (one for one in DETAILED if one in results()):
        for batch in sorted(results()[variant]["batches"], key=int):
            measured = {name: row for name, row in contenders(variant, batch).items() if name != ORDINARY}
            groups = [name for name in measured if is_ours(name)], [name for name in measured if not is_ours(name)]
            if not all(groups):
                continue
            ours, other = (max(group, key=lambda name: measured[name]["images_per_second"]) for group in groups)
            turns = [a / b for a, b in zip(measured[other]["seconds"], measured[ours]["seconds"], strict=True)]
            ratio = f"{statistics.median(turns):.2f} ({min(turns):.2f} to {max(turns):.2f})"
            speeds = [f"{measured[name]['images_per_second']:.0f}" for name in (ours, other)]
            rows.append([f"`{variant}`", batch, ours, speeds[0], other, speeds[1], ratio])
    headings = ["variant", "batch", "fastest of ours", "images/s", "fastest peer", "images/s", "ours / peer"]
    return _table(headings, "lrlrlrr", rows)


def is_ours(contender: str) -> bool:
    """Whether a contender is this project's."""
    return contender.startswith("ours ")


def precisions() -> str:
    """Size, accuracy and speed of the bundled models in each precision."""
    rows = []
    for variant, result in results().items():
        folder = ROOT / "weights" / result["weights"]
        if folder.is_dir():  # not for random weights
            package = Package.open(folder)
            there = [precision for precision in ONNX_FILES if precision in result["files"] or package.onnx(precision)]
            rows += [[f"`{variant}`", precision, *_precision(package, result, precision)] for precision in there]
    headings = ["model", "precision", "file, MB", "accuracy, %", "agreement, %", "total variation", "1 image, ms"]
    return _table([*headings, "peak images/s"], "llrrrrrr", rows)


def semantics() -> str:
    """Time with the semantic block relative to the time without it."""
    rows = [
        [
            f"`{variant}` / `{cost['plain']}`",
            str(cost["batch"]),
            f"{cost['multiply_adds_ratio']:.3f}",
            f"{cost['ratio']:.3f} ({cost['range'][0]:.3f} to {cost['range'][1]:.3f})",
        ]
        for variant, cost in sorted(semantics_costs().items())
    ]
    return _table(["variants", "batch", "ratio of multiply-adds", "ratio of times"], "lrrr", rows)


def exports() -> str:
    """Export times and graph sizes: `torch.onnx.export` as it is, and `zoo export`."""
    rows = []
    for variant, result in results().items():
        files = [result["files"].get(kind) for kind in ("plain", "fp32", "int8")]
        seconds = [f"{file['seconds']:.1f}" if file else "" for file in files]
        nodes = [str(file["nodes"]) if file else "" for file in files[:2]]
        compiled = [row.get("torch.compile") for row in (contenders(variant, batch) for batch in result["batches"])]
        longest = max((row["setup_seconds"] for row in compiled if row), default=None)
        rows.append([f"`{variant}`", *seconds, f"{longest:.0f}" if longest else "", *nodes])
    headings = [
        "variant",
        "plain, s",
        "ours fp32, s",
        "ours int8, s",
        "torch.compile, s",
        "plain, nodes",
        "ours, nodes",
    ]
    return _table(headings, "lrrrrrr", rows)


def ordinary() -> str:
    """Networks of timm with nearly as many multiply-adds."""
    rows = []
    for variant, result in results().items():
        measured, network = contenders(variant, COMPARED), result["ordinary"]
        if not network or not {ORDINARY, "ours fp32"} <= measured.keys():
            continue
        own, other = measured["ours fp32"], measured[ORDINARY]
        each = [row["median_seconds"] / row["multiply_adds"] for row in (own, other)]
        rows.append(
            [
                f"`{variant}`",
                f"{network['name']}, {network['side']} x {network['side']}",
                f"{own['multiply_adds'] / 1e6:.0f} M",
                f"{network['multiply_adds'] / 1e6:.0f} M",
                f"{own['images_per_second']:.0f}",
                f"{other['images_per_second']:.0f}",
                f"{each[1] / each[0]:.2f}",
            ]
        )
    headings = [
        "variant",
        "timm network",
        "multiply-adds, ours",
        "multiply-adds, timm",
        "images/s, ours fp32",
        "images/s, timm",
    ]
    return _table([*headings, "time per multiply-add, timm / ours"], "llrrrrr", rows)


PERFORMANCE: dict[str, Callable[[], str]] = {
    "image": image,
    "speedups": speedups,
    "latencies": latencies,
    "best": best,
    "ordinary": ordinary,
    "precisions": precisions,
    "semantics": semantics,
}
"""Tables of the page, by the names of their markers."""

INFERENCE: dict[str, Callable[[], str]] = {
    f"Batches of {COMPARED} images": comparison,
    "By batch size": batches,
    "Export": exports,
    "Machine and versions": machines,
}
"""Tables of benchmarks/results/inference.md, by their headings."""


def _by_variant(batch: str, cell: Callable[[Row], str]) -> str:
    measured = {variant: contenders(variant, batch) for variant in results()}
    measured = {variant: rows for variant, rows in measured.items() if rows}
    lines = [
        [name, *(cell(rows[name]) if name in rows else "" for rows in measured.values())]
        for name in _union(measured.values())
        if name != ORDINARY
    ]
    return _table(["contender", *(f"`{variant}`" for variant in measured)], "l" + "r" * len(measured), lines)


def _precision(package: Package, result: Mapping[str, Any], precision: Precision) -> list[str]:
    """Cells of a model in a precision: of the bundled file where there is one, else of the one that was measured."""
    file = package.onnx(precision)
    size = file.stat().st_size if file else result["files"][precision]["bytes"]
    test = package.metrics().get("test", {}).get("onnx" if precision == "fp32" else f"onnx-{precision}")
    parity = next(iter(package.parity().get(precision, {}).values()), None)
    rows = {
        int(batch): measured["contenders"][f"ours {precision}"]
        for batch, measured in result["batches"].items()
        if f"ours {precision}" in measured["contenders"]
    }
    fastest = max(rows, key=lambda batch: rows[batch]["images_per_second"], default=None)
    return [
        f"{size / 1e6:.2f}",
        f"{test['accuracy']:.2f}" if test else "",
        f"{100 * parity['agreement']['logits']:.2f}" if parity else "",
        f"{parity['total_variation']:.1e}" if parity else "",
        f"{1000 * rows[1]['median_seconds']:.2f}" if 1 in rows else "",
        f"{rows[fastest]['images_per_second']:.0f} (batch {fastest})" if fastest else "",
    ]


def _ratio(row: Row) -> str:
    median, low, high = row["times_eager"]
    return f"{median:.2f}" if low == high else f"{median:.2f} ({low:.2f} to {high:.2f})"


def _union(measured: Iterable[Mapping[str, Row]]) -> list[str]:
    """Names of all contenders, in the order of the longest list."""
    return list(dict.fromkeys(name for rows in sorted(measured, key=len, reverse=True) for name in rows))


def _table(headings: list[str], alignment: str, rows: list[list[str]]) -> str:
    return markdown(headings, alignment, rows) if rows else NOT_MEASURED
