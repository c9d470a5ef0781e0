"""Write the generated tables of the documentation from the registry, the models, the commands and the measurements.

python docs/tables.py           write them
python docs/tables.py --check   fail if a file is not up to date
"""

import importlib.metadata
import json
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import typer
from classify_tables import CLASSIFY
from corruption_tables import CORRUPTED
from faithfulness_tables import DIFFERENCES, FAITHFULNESS
from gpu_tables import GPU, NOT_MEASURED
from measured import COMPARED, LATENCY, contenders, results
from performance_tables import INFERENCE, PERFORMANCE
from quantization_tables import QUANTIZATION
from search_tables import SEARCH
from serving_tables import LONG_LOAD, SERVERS, SERVING

from zoo.cli import app
from zoo.package import WEIGHTS_FILE, Package
from zoo.registry import DATA_SETS, OWN_PAPER, Variant, info, list_models
from zoo.reporting import markdown

ROOT = Path(__file__).resolve().parents[1]

EXTRAS = {
    "zoo": "`onnx` or `torch`",
    "training": "`train`",
    "export": "`export`",
    "serve": "`serve`",
    "explain": "`explain`",
    "reproduction": "`explain`",
}
"""Extras that the commands of each package need."""

SIZES = ("parameters, C classes", "multiply-adds")

WITHOUT_EXTRA = ("list", "info", "publish")
"""Commands that need no extra."""


def variants_table() -> str:
    """The paper's variants with their sizes and the paper's accuracies."""
    rows = []
    for name in list_models():
        variant = info(name)
        if variant.origin != OWN_PAPER:
            continue
        paper = [f"{variant.paper_accuracy[data]:.2f}" if variant.paper_accuracy else "" for data in DATA_SETS]
        rows.append([f"`{name}`", variant.mechanism, *_sizes(variant), *paper])
    return markdown(["variant", "mechanism", *SIZES, *DATA_SETS], "llrrrrr", rows)


def other_variants_table() -> str:
    """The networks of other papers with their sizes."""
    variants = [info(name) for name in list_models() if info(name).origin != OWN_PAPER]
    return markdown(["variant", *SIZES], "lrr", [[f"`{one.name}`", *_sizes(one)] for one in variants])


def _sizes(variant: Variant) -> list[str]:
    """Cells of the columns `SIZES`."""
    size = f"{variant.fixed_parameters:,} + {variant.parameters_per_class:,} C"
    return [size, f"{variant.multiply_adds / 1e6:.1f} M"]


def models_table() -> str:
    """Accuracy, size and speed of the bundled models."""
    rows = []
    for package in _bundled():
        config, test = package.config, package.metrics()["test"]["torch"]
        measured = results().get(config.variant, {}) and {
            batch: contenders(config.variant, batch) for batch in (LATENCY, COMPARED)
        }
        rows.append(
            [
                f"[`{config.variant}`](weights/{config.name}/README.md)",
                f"{test['accuracy']:.2f}",
                f"{test['patch_accuracy']:.2f}",
                f"{config.parameters / 1e6:.2f} M",
                f"{(package.path / WEIGHTS_FILE).stat().st_size / 1e6:.1f}",
                _cell(measured, LATENCY, "ours fp32", lambda row: f"{1000 * row['median_seconds']:.2f}"),
                _cell(measured, COMPARED, "ours fp32", lambda row: f"{row['images_per_second']:.0f}"),
                _cell(measured, COMPARED, "ours int8", lambda row: f"{row['images_per_second']:.0f}"),
            ]
        )
    headings = ["model", "accuracy, %", "patch accuracy, %", "parameters", "weights, MB", "1 image, fp32, ms"]
    return markdown([*headings, "images/s, fp32", "images/s, int8"], "lrrrrrrr", rows)


def _cell(measured: Mapping[str, Any], batch: str, contender: str, text: Callable[[Any], str]) -> str:
    row = measured.get(batch, {}).get(contender)
    return text(row) if row else ""


def _bundled() -> Iterable[Package]:
    return (Package.open(file.parent) for file in sorted(ROOT.glob("weights/*/config.json")))


def expected_table() -> str:
    """Time and accuracy of the bundled models' training runs, as their directories record them."""
    rows = []
    for package in _bundled():
        metrics = package.metrics()
        training, test = metrics["training"], metrics["test"]["torch"]
        machine, recipe = training["machine"], training["recipe"]
        rows.append(
            [
                f"[`{package.config.name}`](../weights/{package.config.name}/metrics.json)",
                training.get("recipe_name") or "unnamed",
                str(recipe["epochs"]),
                f"{training['images']:,}",
                f"{training['minutes']:.0f}",
                f"{machine['device']}, {machine['threads']} thread{'s' if machine['threads'] > 1 else ''}",
                f"{test['accuracy']:.2f}",
                f"{test['patch_accuracy']:.2f}",
            ]
        )
    headings = ["model", "recipe", "epochs", "training images", "minutes", "machine", "accuracy, %"]
    return markdown([*headings, "patch accuracy, %"], "llrrrlrr", rows)


def speed_table(name: str = "training_speed.json") -> str:
    """Training throughput of ours and of the peers, as benchmarks/training_speed.py measured it."""
    file = ROOT / "benchmarks/results" / name
    if not file.is_file():
        return NOT_MEASURED
    measured = json.loads(file.read_text())
    rows = []
    for variant, result in measured["variants"].items():
        speeds = result["images_per_second"]
        peak = max(speed for turn in result["peak_multiply_adds_per_second"] for speed in turn.values())
        work = 3 * info(variant).multiply_adds * (measured["size"] / 32) ** 2
        for trainer, own in speeds.items():
            ratios = [mine / other for mine, other in zip(speeds["ours"], own, strict=True)]
            speed = statistics.median(own)
            spread = "" if trainer == "ours" else f" ({min(ratios):.2f} to {max(ratios):.2f})"
            ratio = f"{statistics.median(ratios):.2f}{spread}"
            rows.append([f"`{variant}`", trainer, f"{speed:.0f}", ratio, f"{speed * work / peak:.0%}"])
    return markdown(["variant", "trainer", "images/s", "ours / this", "of peak"], "llrrr", rows)


def commands_table() -> str:
    """Every command of the program, with the first sentence of its help and the extra that it needs."""
    for entry_point in importlib.metadata.entry_points(group="zoo.commands"):
        entry_point.load()(app)
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    rows = []
    for package, extra in EXTRAS.items():
        for name, command in commands.items():
            if command.callback.__module__.partition(".")[0] == package:
                sentence = command.help.partition("\n\n")[0].replace("\n", " ")
                rows.append([f"`zoo {name}`", sentence, "" if name in WITHOUT_EXTRA else extra])
    return markdown(["command", "does", "needs"], "lll", rows)


DOCUMENTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"models": models_table, "commands": commands_table},
    "docs/variants.md": {"variants": variants_table, "other-variants": other_variants_table} | CORRUPTED,
    "docs/training.md": {"expected": expected_table, "speed": speed_table},
    "docs/classify.md": CLASSIFY,
    "docs/embeddings.md": SEARCH,
    "docs/performance.md": PERFORMANCE | QUANTIZATION,
    "docs/gpu.md": GPU | {"gpu-training": partial(speed_table, "training_speed.cuda.json")},
    "docs/serving.md": SERVING,
    "docs/explain.md": FAITHFULNESS,
}
"""Pages with generated tables between markers: the table of each marker."""

RAW: dict[str, tuple[str, str, dict[str, Callable[[], str]]]] = {
    "inference": ("Inference on the CPU", "performance", INFERENCE),
    "serving": ("Servers", "serving", SERVERS),
    "soak": ("A long load", "serving", LONG_LOAD),
    "faithfulness": ("Faithfulness of maps", "explain", DIFFERENCES),
}
"""Files of benchmarks/results that are tables only: title, page that explains them, and tables by heading."""


def filled(document: str, text: str) -> str:
    """A document's text with every table between its markers `<!-- NAME -->` and `<!-- /NAME -->`."""
    for name, table in DOCUMENTS[document].items():
        marked = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        before, *places, after = marked.split(text)
        if len(places) != 2:
            raise SystemExit(f"{document} has {len(places) // 2} places for the table {name!r}, expected 1")
        text = f"{before}{places[0]}{table()}\n{places[1]}{after}"
    return text


def raw(name: str) -> str:
    """The text of a file of tables, beside the JSON file that they show."""
    title, page, tables = RAW[name]
    start = (
        f"# {title}: all numbers\n\nEvery number of [{name}.json]({name}.json), written by `make docs`. What they mean "
        f"and how they were measured: [{page}](../../docs/{page}.md).\n"
    )
    return start + "".join(f"\n## {heading}\n\n{table()}\n" for heading, table in tables.items())


def main() -> None:
    wanted = {document: filled(document, (ROOT / document).read_text()) for document in DOCUMENTS}
    wanted |= {f"benchmarks/results/{name}.md": raw(name) for name in RAW}
    for document, text in wanted.items():
        file = ROOT / document
        if "--check" not in sys.argv[1:]:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            raise SystemExit(f"{document} is not up to date; run: make docs")


if __name__ == "__main__":
    main()
