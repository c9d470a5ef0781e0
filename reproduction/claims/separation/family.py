"""Comparison of the three networks of a family: plain, aux and ours, at the same place."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from explain.semantics.class_vectors import CLASS_GROUPS, build_hierarchy, class_means, measure_separation
from explain.stats import Estimate, Floats, bootstrap_repeats
from reproduction.claims.finding import ClaimsError
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.patches import split_patches
from reproduction.claims.rules.clusters import CLUSTER_SEEDS, MEASURES
from reproduction.claims.separation.scores import SpaceScores, score_space

CONTRAST = "contrast"
SCORES = (*MEASURES, CONTRAST)
PLACES = ("plain", "aux", "ours, input", "ours, output")
"""Features that enter the last stage of the plain network and of that with the auxiliary loss, and the input and output
of the block."""
OUTPUT = PLACES[-1]
COMPARED = {"plain": "plain", "aux": "aux", "input": "ours, input"}
"""Places with which the output of the block is compared; the rules consider the first two."""


class FamilyScores(NamedTuple):
    """Scores of a family."""

    values: dict[str, dict[str, Estimate]]
    """By place and score."""
    differences: dict[str, dict[str, Estimate]]
    """Output of the block minus other places, by score and name in `COMPARED`."""
    p: dict[str, float]
    """Share of the groupings of the classes with at least this contrast, by place."""


@cache
def family_scores(inputs: ClaimInputs, family: tuple[str, str, str]) -> FamilyScores:
    """Score a family: the plain variant, that with the auxiliary loss, and that with the block.

    Raises:
        ClaimsError: the groups of the classes are not known, or a class has no patches.
        PackageError: there is no model of a variant.
    """
    classes = inputs.package(family[0]).config.classes
    if (groups := CLASS_GROUPS.get(inputs.data)) is None:
        raise ClaimsError(f"the animals and vehicles of {inputs.data} are not known; use {', '.join(CLASS_GROUPS)}")
    [first, _] = groups.values()
    spaces = _spaces(inputs, family, len(classes))
    values, differences = compare(spaces, np.isin(classes, first), inputs.seed)
    p = {}
    for place, space in spaces.items():
        means = class_means(space.features.astype(np.float32), space.label, len(classes))
        if means is None:
            raise ClaimsError("a class has no test images; use more --images")
        p[place] = measure_separation(build_hierarchy(means), classes, groups).p
    return FamilyScores(values, differences, p)


def compare(
    spaces: dict[str, SpaceScores], group: NDArray[np.bool_], seed: int
) -> tuple[dict[str, dict[str, Estimate]], dict[str, dict[str, Estimate]]]:
    """Scores of each place, and differences of the block's output to the others, with intervals over images and seeds.

    Arguments:
        spaces: scores of the same images and patches by place, as in `PLACES`.
        group: whether a class is in the first group, [C].
        seed: seed of the resamples.
    """
    images = int(spaces[OUTPUT].image.max()) + 1
    others = [PLACES.index(place) for place in COMPARED.values()]

    def statistic(counts: Floats, drawn: NDArray[np.int64]) -> Floats:
        found = np.array(
            [
                [*spaces[place].quality(counts, int(repeat)), spaces[place].contrast(counts, group)]
                for place, repeat in zip(PLACES, drawn, strict=True)
            ]
        )
        return np.concatenate([found, found[-1] - found[others]]).ravel()

    found = bootstrap_repeats(statistic, images, CLUSTER_SEEDS, len(PLACES), seed)
    width = len(SCORES)
    rows = [dict(zip(SCORES, found[start : start + width], strict=True)) for start in range(0, len(found), width)]
    values = dict(zip(PLACES, rows[: len(PLACES)], strict=True))
    against = dict(zip(COMPARED, rows[len(PLACES) :], strict=True))
    return values, {score: {name: against[name][score] for name in COMPARED} for score in SCORES}


def _spaces(inputs: ClaimInputs, family: tuple[str, str, str], classes: int) -> dict[str, SpaceScores]:
    plain, aux, ours = family
    places = zip(PLACES, ((plain, "before"), (aux, "before"), (ours, "before"), (ours, "after")), strict=True)
    spaces = {}
    for place, (variant, space) in places:
        train, test = (split_patches(inputs, variant, split).sample for split in ("train", "test"))
        spaces[place] = score_space(train, test, space, classes, CLUSTER_SEEDS)
    return spaces
