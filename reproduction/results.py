"""The document `results.md`, from records of runs: our accuracies beside the paper's, experiments and recipes.

Equal records yield equal bytes. Rows without runs stay empty.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from reproduction.experiment_table import experiment_sections
from reproduction.plan import FAMILIES
from reproduction.plots import Plot
from reproduction.records import Group, Record, grouped, linked_logs, shown, shown_mean
from training.recipe import Recipe
from zoo.files import write_atomically
from zoo.registry import DATA_SETS, OWN_PAPER, info, list_models
from zoo.reporting import markdown

RESULTS_FILE = "results.md"

NUMBERS = ("accuracy, %", "seeds", "patches, %")
PAPER = ("paper, %", "difference")
TRAINING = ("measured on", "training images", "recipe", "epochs", "pixels", "minutes", "device", "logs, by seed")

INTRODUCTION = (
    "This page compares the accuracies measured in this project with those of the paper, and reports experiments that "
    "the paper does not have. `zoo reproduce` trains the runs and writes the page; `zoo reproduce --only-write` "
    "rewrites it from the [records](results) of runs. Each row links to its records, which hold settings, accuracy "
    "after each epoch, machine and digest of the weights. A row without numbers has no run yet. The columns are "
    "explained [below the tables](#columns)."
)

ABOUT_COLUMNS = """\
- `accuracy` and `patches`: mean ± standard deviation (n - 1) over seeds, or a single number for one seed. `patches` \
is the share of all patches whose strongest class is the image's.
- `difference`: accuracy minus the paper's, whose recipe and number of seeds are not known.
- `measured on`: number of images, the whole test split. Experiments are measured on images held out of the training \
split instead, so that no choice depends on the test split.
- `recipe`: one of the [recipes](#recipes); `unnamed` if the run predates the recording of recipe names.
- `minutes`: training time per run; concurrent runs share the device."""

FIELDS_IN_ROWS = ("seed", "epochs", "input_size", "input_sizes")


def write_results(folder: Path, records: Iterable[Record], plots: Iterable[Plot] = ()) -> Path:
    """Write `folder/results.md`; the records are in `folder/results`.

    Arguments:
        folder: output folder.
        records: records of all runs.
        plots: their plots, in the folder.

    Returns:
        The file.
    """
    file = folder / RESULTS_FILE
    write_atomically(file, results_text(list(records), plots).encode())
    return file


def results_text(records: Sequence[Record], plots: Iterable[Plot] = ()) -> str:
    """Markdown text of the results, as for `write_results`."""
    groups = grouped(records)
    tested = [group for group in groups if not group.first.held_out]
    held_out = [group for group in groups if group.first.held_out]
    others = sorted({group.first.data for group in groups} - set(DATA_SETS))
    parts = ["# Results", INTRODUCTION]
    for data in (*DATA_SETS, *others):
        parts += [f"## {data}", _table_of(data, tested)]
    parts += ["## Columns", ABOUT_COLUMNS]
    if shown_plots := [f"![{plot.title}]({plot.file})\n\n{plot.caption}" for plot in plots]:
        parts += ["## Plots", *shown_plots]
    parts += ["## Do patch supervision and the semantic block help?", _compared_variants(tested)]
    parts += ["## Experiments", *experiment_sections(held_out)]
    parts += ["## Recipes", *_recipes(groups)]
    return "\n\n".join(parts) + "\n"


def _table_of(data: str, groups: Sequence[Group]) -> str:
    """The paper's table for a data set, with one row per variant and training."""
    rows: list[list[str]] = []
    for variant in list_models():
        paper = info(variant).paper_accuracy.get(data)
        cell = "" if paper is None else f"{paper:.2f}"
        found = [group for group in groups if (group.first.data, group.first.variant) == (data, variant)]
        if not found and info(variant).origin != OWN_PAPER:
            continue
        for group in found:
            difference = "" if paper is None else f"{statistics.fmean(group.accuracies) - paper:+.2f}"
            rows.append([f"`{variant}`", *_numbers(group), cell, difference, *_training(group)])
        if not found:
            rows.append([f"`{variant}`", *_empty(NUMBERS), cell, "", *_empty(TRAINING)])
    return markdown(["variant", *NUMBERS, *PAPER, *TRAINING], "lrrrrrrrlrlrll", rows)


def _compared_variants(groups: Iterable[Group]) -> str:
    """Table of plain, aux and ours with the same training, over their common seeds."""
    headings = ["network", "data set", "recipe", "epochs", "seeds", "plain, %", "aux, %", "ours, %"]
    headings += ["aux - plain", "ours - aux", "ours - plain"]
    trainings: dict[str, dict[str, Group]] = {}
    for group in groups:
        trainings.setdefault(group.key(without=("variant",)), {})[group.first.variant] = group
    rows: list[list[str]] = []
    for family in FAMILIES:
        network = family[0]
        before = len(rows)
        for members in trainings.values():
            compared = [members.get(variant) for variant in family]
            seeds = [{record.seed for record in group.records} for group in compared if group]
            if len(seeds) > 1 and (common := sorted(set.intersection(*seeds))):
                rows.append([f"`{network}`", *_paired(compared, common)])
        if len(rows) == before:
            rows.append([f"`{network}`", *_empty(headings[1:])])
    about = (
        "The paper's second claim is plain < aux < ours. Each row compares runs from the tables above over the seeds "
        "that all of its networks have in common; differences are means of paired differences over these seeds."
    )
    return f"{about}\n\n{markdown(headings, 'lllrrrrrrrr', rows)}"


def _paired(family: Sequence[Group | None], seeds: Sequence[int]) -> list[str]:
    """Cells of plain, aux and ours, one of which may be missing, over common seeds."""
    by_seed = [{record.seed: record.score.accuracy for record in group.records} if group else {} for group in family]
    first = next(group.first for group in family if group)
    values = [[scores[seed] for seed in seeds] if scores else [] for scores in by_seed]
    plain, aux, ours = values
    differences = [
        [one - other for one, other in zip(left, right, strict=True)] if left and right else []
        for left, right in ((aux, plain), (ours, aux), (ours, plain))
    ]
    return [
        *(first.data, _recipe_name(first), str(first.epochs), str(len(seeds))),
        *(shown_mean(own) for own in values),
        *(shown_mean(own, "+") for own in differences),
    ]


def _numbers(group: Group) -> list[str]:
    """Cells of `NUMBERS`."""
    return [shown_mean(group.accuracies), str(len(group.records)), shown_mean(group.patch_accuracies)]


def _training(group: Group) -> list[str]:
    """Cells of `TRAINING`."""
    first, trainings = group.first, [record.training for record in group.records]
    devices = [
        training.machine.device + (f", {record.at_once} concurrent runs" if record.at_once > 1 else "")
        for record, training in zip(group.records, trainings, strict=True)
    ]
    return [
        f"{first.score.images:,}",
        f"{first.training.images:,}",
        _recipe_name(first),
        str(first.epochs),
        first.pixels,
        f"{statistics.fmean(training.minutes for training in trainings):.1f}",
        "; ".join(dict.fromkeys(devices)),
        linked_logs(group.records),
    ]


def _recipe_name(record: Record) -> str:
    """Name of the recipe with its changes, except those that have a column."""
    changed = [f"{key} = {shown(value)}" for key, value in record.changes.items() if key not in FIELDS_IN_ROWS]
    return ", ".join([record.training.recipe_name or "unnamed", *changed])


def _recipes(groups: Iterable[Group]) -> list[str]:
    """Settings of the recipes, merged for runs with equal settings."""
    recipes: list[tuple[str, dict[str, Any]]] = []
    for group in groups:
        first = group.first
        name = first.training.recipe_name or "unnamed"
        own = {
            key: value
            for key, value in first.settings.items()
            if key not in FIELDS_IN_ROWS and key not in first.changes
        }
        for known, settings in recipes:
            if known == name and all(settings.get(key, value) == value for key, value in own.items()):
                settings.update(own)
                break
        else:
            recipes.append((name, own))
    if not recipes:
        return ["No run yet."]
    order = [item.name for item in fields(Recipe)]
    keys = {key for _, settings in recipes for key in settings}
    settings_in_order = sorted(keys, key=lambda key: (order.index(key) if key in order else len(order), key))
    rows = [[f"`{key}`", *(shown(own[key]) if key in own else "" for _, own in recipes)] for key in settings_in_order]
    about = "Settings that the tables above do not show; `zoo train --help` describes each of them."
    return [about, markdown(["setting", *(name for name, _ in recipes)], "l" * (1 + len(recipes)), rows)]


def _empty(headings: Sequence[str]) -> list[str]:
    return [""] * len(headings)
