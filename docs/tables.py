"""Write the tables of README.md from the registry and the model directories, between their markers.

python docs/tables.py           write them
python docs/tables.py --check   fail if they are not what would be written
"""

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from zoo.package import Package
from zoo.registry import DATA_SETS, info, list_models

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def variants_table() -> str:
    """The variants with their sizes and the paper's accuracies."""
    rows = []
    for name in list_models():
        variant = info(name)
        paper = [f"{variant.paper_accuracy[data]:.2f}" if variant.paper_accuracy else "" for data in DATA_SETS]
        size = f"{variant.fixed_parameters:,} + {variant.parameters_per_class:,} C"
        rows.append([f"`{name}`", variant.mechanism, size, f"{variant.multiply_adds / 1e6:.1f} M", *paper])
    return markdown(["variant", "mechanism", "weights, C classes", "multiply-adds", *DATA_SETS], "llrrrrr", rows)


def models_table() -> str:
    """The bundled models with what was measured."""
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


def markdown(headings: Iterable[str], alignment: str, rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; `alignment` has `l` or `r` for each column."""
    ruler = [{"l": "---", "r": "--:"}[side] for side in alignment]
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, ruler, *rows))


TABLES: dict[str, Callable[[], str]] = {"variants": variants_table, "models": models_table}


def filled(text: str) -> str:
    """The text with every table between its markers `<!-- NAME -->` and `<!-- /NAME -->`."""
    for name, table in TABLES.items():
        marked = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        before, *places, after = marked.split(text)
        if len(places) != 2:
            raise SystemExit(f"README.md has {len(places) // 2} places for the table {name!r}, expected 1")
        text = f"{before}{places[0]}{table()}\n{places[1]}{after}"
    return text


if __name__ == "__main__":
    current = README.read_text()
    wanted = filled(current)
    if "--check" in sys.argv[1:]:
        if current != wanted:
            raise SystemExit("the tables of README.md are not up to date; run: make docs")
    else:
        README.write_text(wanted)
