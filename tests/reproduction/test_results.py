import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reproduction.plots import Plot
from reproduction.records import Record, parse_record, run_name
from reproduction.results import results_text, write_results
from zoo.package.metrics import HELD_OUT_SHARE
from zoo.registry import OWN_PAPER, info, list_models

OWN = [name for name in list_models() if info(name).origin == OWN_PAPER]


def record(
    variant: str = "wrn16-ours",
    accuracy: float = 90.0,
    seed: int = 0,
    *,
    data: str = "cifar10",
    name: str | None = "fast",
    held_out: bool = False,
    device: str = "CPU, x86_64",
    at_once: int = 1,
    epochs: int = 2,
    recipe: Mapping[str, Any] = MappingProxyType({}),
    **changes: Any,
) -> Record:
    settings = {"epochs": epochs, "seed": seed, "batch_size": 128, "patch_weight": 0.25, "assignment": "softmax"}
    columns = {"epoch": [1, 2, 3], "input_size": [16, 16, 32], "accuracy": [0.4, 0.5, 0.6]}
    about = {
        "name": run_name(variant, data, name, changes, HELD_OUT_SHARE * held_out, seed),
        "variant": variant,
        "data": data,
        "weights_sha256": "0" * 64,
        "changes": changes,
        "at_once": at_once,
        "training": {
            "images": 50_000,
            "recipe": settings | dict(recipe) | changes,
            "minutes": 10.0 + seed,
            "machine": {"device": device},
            "history": {key: values[-epochs:] for key, values in columns.items()},
            "recipe_name": name,
        },
        "held-out" if held_out else "test": {
            "torch": {"images": 10_000, "accuracy": accuracy, "patch_accuracy": accuracy - 10}
        },
    }
    return parse_record(json.dumps(about), "here")


def table(text: str, heading: str) -> list[dict[str, str]]:
    """The rows of the table under a heading, by the headings of its columns."""
    section = text.split(f"# {heading}", 1)[1].split("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    columns, ruler, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    assert {len(row) for row in (columns, ruler, *rows)} == {len(columns)}
    return [dict(zip(columns, row, strict=True)) for row in rows]


def test_without_runs_only_the_papers_numbers() -> None:
    text = results_text([])
    for data in ("cifar10", "cifar100", "mini-imagenet"):
        rows = table(text, data)
        assert [row["variant"].strip("`") for row in rows] == OWN
        assert {"".join(cell for key, cell in row.items() if key not in ("variant", "paper, %")) for row in rows} == {
            ""
        }
    assert table(text, "mini-imagenet")[-1]["paper, %"] == "68.93"
    assert table(text, "How much does each trick")[0]["arm"] == "unchanged"
    assert [row["network"] for row in table(text, "Do patch")] == ["`rn26`", "`wrn16`"]
    assert text.endswith("## Recipes\n\nNo run yet.\n")


def test_a_row() -> None:
    records = [record(accuracy=value, seed=seed, device="GPU", at_once=4) for seed, value in enumerate((90, 91, 92))]
    [row] = [row for row in table(results_text(records), "cifar10") if row["accuracy, %"]]
    assert row == {
        "variant": "`wrn16-ours`",
        "accuracy, %": "91.00 ± 1.00",
        "seeds": "3",
        "patches, %": "81.00 ± 1.00",
        "paper, %": "91.10",
        "difference": "-0.10",
        "measured on": "10,000",
        "training images": "50,000",
        "recipe": "fast",
        "epochs": "2",
        "pixels": "16-32",
        "minutes": "11.0",
        "device": "GPU, 4 concurrent runs",
        "logs, by seed": " ".join(f"[{seed}](results/wrn16-ours.cifar10.fast.seed{seed}.json)" for seed in range(3)),
    }


def test_one_seed_has_no_deviation() -> None:
    [row] = [row for row in table(results_text([record(accuracy=91.2)]), "cifar10") if row["seeds"]]
    assert (row["accuracy, %"], row["difference"]) == ("91.20", "+0.10")


def test_trainings_are_rows_of_their_own() -> None:
    records = [record(epochs=3), record(), record(name=None), record(batch_size=64), record(seed=1, device="GPU")]
    rows = [row for row in table(results_text(records), "cifar10") if row["variant"] == "`wrn16-ours`"]
    assert [(row["recipe"], row["epochs"], row["seeds"]) for row in rows] == [
        ("fast, batch_size = 64", "2", "1"),
        ("fast", "2", "2"),
        ("unnamed", "2", "1"),
        ("fast", "3", "1"),
    ]
    assert rows[1]["device"] == "CPU, x86_64; GPU"


def test_a_data_set_that_the_paper_does_not_have() -> None:
    text = results_text([record("wrn16-aux", data="my images")])
    [row] = [row for row in table(text, "my images") if row["seeds"]]
    assert (row["paper, %"], row["difference"]) == ("", "")
    assert "(results/wrn16-aux.my%20images.fast.seed0.json)" in row["logs, by seed"]


def test_held_out_images_are_no_row_of_the_papers_table() -> None:
    text = results_text([record(held_out=True)])
    assert not any(row["seeds"] for row in table(text, "cifar10"))
    assert [row["seeds"] for row in table(text, "How much does each trick")] == ["1", *[""] * 7]


def test_the_second_claim_is_of_common_seeds() -> None:
    records = [record("wrn16", value, seed) for seed, value in enumerate((90, 92, 99))]
    records += [record("wrn16-aux", value, seed) for seed, value in enumerate((91, 92))]
    records += [record("wrn16-ours", value, seed) for seed, value in enumerate((93, 94))]
    records += [record("rn26"), record("rn26-ours", epochs=3)]
    empty, row = table(results_text(records), "Do patch")
    assert row == {
        "network": "`wrn16`",
        "data set": "cifar10",
        "recipe": "fast",
        "epochs": "2",
        "seeds": "2",
        "plain, %": "91.00 ± 1.41",
        "aux, %": "91.50 ± 0.71",
        "ours, %": "93.50 ± 0.71",
        "aux - plain": "+0.50 ± 0.71",
        "ours - aux": "+2.00 ± 0.00",
        "ours - plain": "+2.50 ± 0.71",
    }
    assert set(empty.values()) == {"`rn26`", ""}


def test_the_second_claim_without_aux_or_common_seeds() -> None:
    records = [record("rn26", 90), record("rn26-ours", 92), record("wrn16"), record("wrn16-ours", seed=1)]
    without_aux, empty = table(results_text(records), "Do patch")
    assert (without_aux["aux, %"], without_aux["aux - plain"], without_aux["ours - plain"]) == ("", "", "+2.00")
    assert set(empty.values()) == {"`wrn16`", ""}


def test_recipes_are_shown_once() -> None:
    records = [record(), record(seed=1), record(held_out=True, patch_weight=0.5), record(name=None)]
    [batch_size, patch_weight, assignment] = table(results_text(records), "Recipes")
    assert patch_weight == {"setting": "`patch_weight`", "fast": "0.25", "unnamed": "0.25"}
    assert (batch_size["fast"], assignment["unnamed"]) == ("128", "softmax")


def test_the_same_records_make_the_same_bytes(tmp_path: Path) -> None:
    records = [record(variant, seed=seed) for variant in ("rn26", "wrn16") for seed in range(2)]
    plot = Plot("results.svg", "Ours", "What it shows.")
    file = write_results(tmp_path, records, [plot])
    first = file.read_bytes()
    assert write_results(tmp_path, reversed(records), [plot]).read_bytes() == first
    assert "![Ours](results.svg)\n\nWhat it shows.\n" in first.decode()
