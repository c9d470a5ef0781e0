"""Claim 2: the auxiliary loss with the block beats the auxiliary loss alone, which beats the plain network."""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from explain.stats import Estimate, mean_estimate
from reproduction.claims.finding import Finding, FindingTable, Number, Verdict, shown
from reproduction.claims.inputs import ClaimInputs
from reproduction.plan import FAMILIES
from reproduction.records import Record, mean_and_deviation, read_records
from training.data.images import LabelledImages
from zoo.package import Package
from zoo.predictors.torch import TorchPredictor

RULE = (
    "The claim holds if, in every family, the auxiliary loss with the block is better than the auxiliary loss alone, "
    "which is better than the plain network, with the interval of each difference above 0. It holds in part if the "
    "interval of at least one of these differences is above 0. It is not shown if all intervals contain 0; otherwise "
    "it does not hold."
)


def measure(inputs: ClaimInputs) -> Finding:
    """Measure claim 2 on the whole test split."""
    correct = {variant: _correct(inputs, variant) for family in FAMILIES for variant in family}
    accuracies = {variant: mean_estimate(100 * right, inputs.seed) for variant, right in correct.items()}
    pairs = [
        _compare(other, one, correct[other], correct[one], inputs.seed)
        for family in FAMILIES
        for one, other in combinations(family, 2)
    ]
    steps = [pair for place in (1, 0) for pair in pairs if _is_step(pair, place)]
    seeds = _seeds(inputs)
    images = len(next(iter(correct.values())))
    return Finding(
        verdict=_verdict(steps),
        rule=RULE,
        text=_text(steps, seeds),
        measured_on=f"{inputs.data}, all {images:,} images of the test split, one seed per network",
        numbers=tuple(
            Number.of(f"`{pair['of']}` minus `{pair['than']}`", Estimate(*pair["difference"]), 2, " points")
            for pair in steps
        ),
        tables=(_accuracies_table(accuracies), _pairs_table(pairs), *_seeds_tables(seeds)),
        raw={"accuracy": accuracies, "pairs": pairs, "seeds": seeds},
    )


def _correct(inputs: ClaimInputs, variant: str) -> NDArray[np.float64]:
    """Whether each image of the test split is classified correctly, [N]."""
    package: Package = inputs.package(variant)
    images: LabelledImages = inputs.split("test", package)
    predict = TorchPredictor.open(package)
    right = [predict(pixels).logits.argmax(axis=1) == labels for pixels, labels in images.batches()]
    return np.concatenate(right).astype(np.float64)


def _compare(name: str, than: str, one: NDArray[np.float64], other: NDArray[np.float64], seed: int) -> dict[str, Any]:
    """Difference of two models on the same images in percentage points, with McNemar's exact test."""
    better, worse = int((one > other).sum()), int((one < other).sum())
    p = binomtest(better, better + worse).pvalue if better + worse else 1.0
    difference = mean_estimate(100 * (one - other), seed)
    return {"of": name, "than": than, "difference": difference, "better": better, "worse": worse, "p": float(p)}


def _is_step(pair: dict[str, Any], place: int) -> bool:
    """Whether a pair is a family's network at a place and the next one, as ordered by the claim."""
    return any((pair["than"], pair["of"]) == family[place : place + 2] for family in FAMILIES)


def _verdict(steps: list[dict[str, Any]]) -> Verdict:
    above = [pair["difference"][1] > 0 for pair in steps]
    if all(above):
        return "holds"
    if any(above):
        return "holds in part"
    return "does not hold" if any(pair["difference"][2] < 0 for pair in steps) else "not shown"


def _seeds(inputs: ClaimInputs) -> list[dict[str, Any]]:
    """Recorded runs of the families on the test split, by recipe and epochs, over the common seeds of a family."""
    runs: dict[tuple[Any, ...], dict[str, dict[int, Record]]] = {}
    for record in read_records(inputs.records):
        family = next((family for family in FAMILIES if record.variant in family), None)
        if family and record.data == inputs.data and not record.held_out:
            key = family, record.training.recipe_name or "unnamed", record.epochs
            runs.setdefault(key, {}).setdefault(record.variant, {})[record.seed] = record
    found = []
    for (family, recipe, epochs), by_variant in sorted(runs.items(), key=lambda item: str(item[0])):
        if set(by_variant) != set(family):
            continue
        shared = sorted(set.intersection(*(set(records) for records in by_variant.values())))
        if shared:
            accuracies = {name: [by_variant[name][seed].score.accuracy for seed in shared] for name in family}
            found.append({"recipe": recipe, "epochs": epochs, "seeds": shared, "accuracy": accuracies})
    return found


def _text(steps: list[dict[str, Any]], seeds: list[dict[str, Any]]) -> str:
    above = sum(pair["difference"][1] > 0 for pair in steps)
    below = sum(pair["difference"][2] < 0 for pair in steps)
    most = max((len(group["seeds"]) for group in seeds), default=1)
    spread = (
        f"the records of runs, in the last table, have up to {most} seeds of all three networks of a family."
        if most > 1
        else "the records of runs have one seed as well, so the spread over seeds is not known."
    )
    return (
        f"Of the {len(steps)} differences, {above or 'none'} have their interval above 0 and {below or 'none'} below "
        "it. Intervals and p-values (McNemar's exact test) are over images: they show how certain the order of these "
        f"trained networks is. They do not show what other seeds would give: {spread}"
    )


def _accuracies_table(accuracies: dict[str, Estimate]) -> FindingTable:
    rows = tuple((f"`{name}`", shown(accuracy, 2)) for name, accuracy in accuracies.items())
    return FindingTable("Accuracy", (("network", "l"), ("accuracy, %", "r")), rows)


def _pairs_table(pairs: list[dict[str, Any]]) -> FindingTable:
    rows = tuple(
        (
            *(f"`{pair['of']}`", f"`{pair['than']}`", shown(pair["difference"], 2, "+")),
            *(str(pair["better"]), str(pair["worse"]), f"{pair['p']:.2g}"),
        )
        for pair in pairs
    )
    numbers = ("difference, points", "only the first is right", "only the second is right", "p")
    columns = (("first network", "l"), ("second network", "l"), *((name, "r") for name in numbers))
    return FindingTable("Paired differences", columns, rows)


def _seeds_tables(seeds: list[dict[str, Any]]) -> tuple[FindingTable, ...]:
    rows = [
        (f"`{name}`", group["recipe"], str(group["epochs"]), ", ".join(map(str, group["seeds"])), _spread(values))
        for group in seeds
        for name, values in group["accuracy"].items()
    ]
    columns = (("network", "l"), ("recipe", "l"), ("epochs", "r"), ("seeds", "l"), ("accuracy, %", "r"))
    return (FindingTable("Recorded runs, over seeds", columns, tuple(rows)),) if rows else ()


def _spread(values: list[float]) -> str:
    mean, deviation = mean_and_deviation(values)
    return f"{mean:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")
