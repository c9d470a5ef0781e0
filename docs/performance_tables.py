"""The tables of docs/performance.md."""

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
    """Link to the figure of docs/performance_plot.py."""
    if not any(contenders(variant, COMPARED) for variant in results()):
        return NOT_MEASURED
    return f"![Speed relative to PyTorch eager, by variant]({IMAGE})"


def machines() -> str:
    """Machine on which each variant was measured."""
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
    headings = ["variant", "date", "processor", "threads", "load before", "turns", "peak, G multiply-adds/s"]
    return _table([*headings, "copy, GB/s", "weights", "versions"], "lllrrrrrll", rows)


def speedups() -> str:
    """Speed relative to PyTorch eager: one row per contender, one column per variant."""
    return _by_variant(COMPARED, lambda row: f"{row['times_eager'][0]:.2f}")


def latencies() -> str:
    """Milliseconds for one image: one row per contender, one column per variant."""
    return _by_variant(LATENCY, lambda row: f"{1000 * row['median_seconds']:.2f}")


def comparison() -> str:
    """All numbers of all variants and contenders with the compared batch."""
    rows = []
    for variant in results():
        for name, row in contenders(variant, COMPARED).items():
            speed, took = f"{row['images_per_second']:.0f}", f"{1000 * row['median_seconds']:.1f}"
            rows.append([f"`{variant}`", name, speed, took, f"{row['of_peak']:.0%}", _ratio(row), row["setting"]])
    headings = ["variant", "contender", "images/s", "ms per batch", "of peak", "times eager", "setting"]
    return _table(headings, "llrrrrl", rows)


def batches() -> str:
    """Images per second at all batch sizes, absolute and relative to eager."""
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


def precisions() -> str:
    """The bundled models in the precisions of their ONNX files."""
    rows = []
    for variant, result in results().items():
        folder = ROOT / "weights" / result["weights"]
        if folder.is_dir():  # not for random weights
            package = Package.open(folder)
            there = [precision for precision in ONNX_FILES if precision in result["files"] or package.onnx(precision)]
            rows += [[f"`{variant}`", precision, *_precision(package, result, precision)] for precision in there]
    headings = ["model", "precision", "file, MB", "accuracy, %", "same class, %", "total variation", "1 image, ms"]
    return _table([*headings, "most images/s"], "llrrrrrr", rows)


def semantics() -> str:
    """Cost of the semantic block."""
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
    """Plain exports and ours."""
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
    """timm networks of similar cost."""
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
        "timm's network",
        "multiply-adds",
        "its multiply-adds",
        "ours fp32, images/s",
        "its images/s",
    ]
    return _table([*headings, "its time / ours, a multiply-add"], "llrrrrr", rows)


PERFORMANCE: dict[str, Callable[[], str]] = {
    "image": image,
    "speedups": speedups,
    "comparison": comparison,
    "latencies": latencies,
    "batches": batches,
    "ordinary": ordinary,
    "precisions": precisions,
    "semantics": semantics,
    "exports": exports,
    "machines": machines,
}
"""The tables by the names of their markers."""


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
