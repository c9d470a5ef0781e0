"""Generate the tables of the documents from the registry, the models and measurements, between markers.

python docs/tables.py           write them
python docs/tables.py --check   fail if they are not up to date
"""

import json
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from faithfulness_tables import FAITHFULNESS
from performance_tables import PERFORMANCE
from serving_tables import SERVING

from zoo.package import Package
from zoo.registry import DATA_SETS, info, list_models
from zoo.reporting import markdown

ROOT = Path(__file__).resolve().parents[1]


def variants_table() -> str:
    """Variants with their sizes and the paper's accuracies."""
    rows = []
    for name in list_models():
        variant = info(name)
        paper = [f"{variant.paper_accuracy[data]:.2f}" if variant.paper_accuracy else "" for data in DATA_SETS]
        size = f"{variant.fixed_parameters:,} + {variant.parameters_per_class:,} C"
        rows.append([f"`{name}`", variant.mechanism, size, f"{variant.multiply_adds / 1e6:.1f} M", *paper])
    return markdown(["variant", "mechanism", "parameters, C classes", "multiply-adds", *DATA_SETS], "llrrrrr", rows)


def models_table() -> str:
    """Bundled models with their measurements."""
    rows = []
    for folder in sorted(ROOT.glob("weights/*/config.json")):
        package = Package.open(folder.parent)
        metrics, config = package.metrics(), package.config
        training, test = metrics["training"], metrics["test"]["torch"]
        paper = info(config.variant).paper_accuracy.get(config.data)
        rows.append(
            [
                f"[`{config.name}`](weights/{config.name})",
                f"{test['accuracy']:.2f}",
                f"{paper:.2f}" if paper else "",
                f"{test['patch_accuracy']:.2f}",
                str(training["recipe"]["epochs"]),
                str(training["recipe"]["seed"]),
                training["machine"]["device"].partition(",")[0],
            ]
        )
    return markdown(["model", "accuracy, %", "paper, %", "patches, %", "epochs", "seed", "trained on"], "lrrrrrl", rows)


def speed_table() -> str:
    """Training speed of ours and the peers in images per second, from benchmarks/training_speed.py."""
    measured = json.loads((ROOT / "benchmarks/results/training_speed.json").read_text())
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
    return markdown(["variant", "trainer", "images/s", "ours / it", "of peak"], "llrrr", rows)


DOCUMENTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"variants": variants_table, "models": models_table},
    "docs/training.md": {"speed": speed_table},
    "docs/performance.md": PERFORMANCE,
    "docs/serving.md": SERVING,
    "docs/explain.md": FAITHFULNESS,
}


def filled(document: str, text: str) -> str:
    """Text of a document with every table between its markers `<!-- NAME -->` and `<!-- /NAME -->`."""
    for name, table in DOCUMENTS[document].items():
        marked = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        before, *places, after = marked.split(text)
        if len(places) != 2:
            raise SystemExit(f"{document} has {len(places) // 2} places for the table {name!r}, expected 1")
        text = f"{before}{places[0]}{table()}\n{places[1]}{after}"
    return text


if __name__ == "__main__":
    for document in DOCUMENTS:
        current = (ROOT / document).read_text()
        wanted = filled(document, current)
        if "--check" not in sys.argv[1:]:
            (ROOT / document).write_text(wanted)
        elif current != wanted:
            raise SystemExit(f"the tables of {document} are not up to date; run: make docs")
