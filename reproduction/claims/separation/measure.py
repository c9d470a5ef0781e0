"""Measurements of claims 3a and 3b."""

from collections.abc import Iterable, Mapping
from typing import Any

from explain.stats import Estimate
from reproduction.claims.finding import Finding, FindingTable, Number, shown
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.rules import clusters, groups
from reproduction.claims.rules.clusters import CLUSTER_SEEDS, MEASURES, RIVALS
from reproduction.claims.separation.family import COMPARED, CONTRAST, PLACES, FamilyScores, family_scores
from reproduction.plan import FAMILIES

LABELS = {**MEASURES, CONTRAST: "contrast of the groups"}

Families = Mapping[str, FamilyScores]
"""Scores by the variant with the block."""


def measure_clusters(inputs: ClaimInputs) -> Finding:
    """Measure claim 3a."""
    families = {family[-1]: family_scores(inputs, family) for family in FAMILIES}
    parts = {
        (name, measure): _against_rivals(family, measure) for name, family in families.items() for measure in MEASURES
    }
    return Finding(
        verdict=clusters.verdict(parts.values()),
        text=" ".join(_sentence(name, family, MEASURES) for name, family in families.items())
        + " The output of the block is its input plus class vectors, chosen by the block's own classification of the "
        "patch: it shows that this classification has entered the features. How the input itself compares is in the "
        "table.",
        measured_on=_measured_on(inputs),
        numbers=_numbers(families, MEASURES),
        tables=(_values_table(families, MEASURES), _differences_table(families, MEASURES)),
        raw=_raw(families, MEASURES),
    )


def measure_groups(inputs: ClaimInputs) -> Finding:
    """Measure claim 3b."""
    families = {family[-1]: family_scores(inputs, family) for family in FAMILIES}
    parts = [(_against_rivals(family, CONTRAST), family.p[PLACES[-1]]) for family in families.values()]
    permuted = "; ".join(
        f"`{name}` " + ", ".join(f"{family.p[place]:.3f} ({place})" for place in PLACES)
        for name, family in families.items()
    )
    return Finding(
        verdict=groups.verdict(parts),
        text=" ".join(_sentence(name, family, (CONTRAST,)) for name, family in families.items())
        + f" Share of all groupings of the classes with at least this contrast: {permuted}. So what the block has to "
        "add is measured against networks without it, not against permuted groups alone.",
        measured_on=_measured_on(inputs),
        numbers=_numbers(families, (CONTRAST,)),
        tables=(_values_table(families, (CONTRAST,)), _differences_table(families, (CONTRAST,))),
        raw=_raw(families, (CONTRAST,)),
    )


def _against_rivals(family: FamilyScores, score: str) -> dict[str, Estimate]:
    return {rival: family.differences[score][rival] for rival in RIVALS}


def _sentence(name: str, family: FamilyScores, scores: Iterable[str]) -> str:
    """Where the output of the block is above, below and not clearly different from each other place."""
    parts = []
    for other, place in COMPARED.items():
        sides: dict[str, list[str]] = {"above": [], "below": [], "not clearly different from": []}
        for score in scores:
            difference = family.differences[score][other]
            side = "above" if difference.low > 0 else "below" if difference.high < 0 else "not clearly different from"
            sides[side].append(LABELS[score])
        where = "its input" if other == "input" else place
        parts += [f"{side} {where} in {', '.join(found)}" for side, found in sides.items() if found]
    return f"`{name}`: the output of the block is {'; '.join(parts)}."


def _measured_on(inputs: ClaimInputs) -> str:
    return (
        f"{inputs.data}, {inputs.images:,} images of the test split and as many training images of each network, 2 "
        f"patches per image at the same places; {CLUSTER_SEEDS} seeds of k-means, seed {inputs.seed} of the sample and "
        "the resamples; one trained network per variant, trained on "
        f"{inputs.trained_on([variant for family in FAMILIES for variant in family])} images"
    )


def _numbers(families: Families, scores: Iterable[str]) -> tuple[Number, ...]:
    return tuple(
        Number.of(f"{LABELS[score]}, `{name}` minus {rival}", family.differences[score][rival])
        for score in scores
        for name, family in families.items()
        for rival in RIVALS
    )


def _values_table(families: Families, scores: Iterable[str]) -> FindingTable:
    rows = tuple(
        (f"`{name}`", LABELS[score], *(shown(family.values[place][score]) for place in PLACES))
        for name, family in families.items()
        for score in scores
    )
    columns = (("family of", "l"), ("measure", "l"), *((place, "r") for place in PLACES))
    return FindingTable("Each place", columns, rows)


def _differences_table(families: Families, scores: Iterable[str]) -> FindingTable:
    rows = tuple(
        (f"`{name}`", LABELS[score], *(shown(family.differences[score][other], sign="+") for other in COMPARED))
        for name, family in families.items()
        for score in scores
    )
    columns = (("family of", "l"), ("measure", "l"), *((f"minus {place}", "r") for place in COMPARED.values()))
    return FindingTable("Output of the block minus the others, paired by image", columns, rows)


def _raw(families: Families, scores: Iterable[str]) -> dict[str, Any]:
    """Values by family, place and score; differences by family, score and place; p by family and place."""
    return {
        name: {
            "values": {place: {score: family.values[place][score] for score in scores} for place in PLACES},
            "differences": {score: family.differences[score] for score in scores},
            "p": family.p,
        }
        for name, family in families.items()
    }
