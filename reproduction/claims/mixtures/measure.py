"""Measurement of claim 4."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from explain.stats import Floats
from reproduction.claims.finding import ClaimsError, Finding, FindingTable, Number, shown
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.mixtures.nulls import class_maps, dirichlet_parameters, match_temperature, mean_entropy
from reproduction.claims.mixtures.occurrences import OURS, SOURCES, Scores, compare, count_occurrences
from reproduction.claims.patches import split_patches
from reproduction.claims.rules.entities import CLUSTER_SEEDS, ENTITIES, MEASURES, NAMED, NULLS, passes, verdict
from reproduction.plan import FAMILIES
from zoo.networks.load import load_package
from zoo.outputs import Array


class Shares(NamedTuple):
    """Class shares of training and test patches, [N, h * w, C] each."""

    train: Array
    test: Array


class FamilyMixtures(NamedTuple):
    """Named mixtures in a family."""

    values: Scores
    differences: Scores
    entropy: float
    """Mean entropy of the block's training patches, and of the plain network's."""
    temperature: float
    """Temperature at which the plain network's class activation maps have it."""
    concentration: float
    """Sum of the parameters of the Dirichlet distribution."""
    with_mixture: dict[str, dict[str, int]]
    """Number of the seeds with at least one patch in the mixture, by mixture and source."""


def measure(inputs: ClaimInputs) -> Finding:
    """Measure claim 4.

    Raises:
        ClaimsError: the paper names no mixtures of the data set's classes.
    """
    if inputs.data not in NAMED:
        raise ClaimsError(f"the paper names no mixtures of the classes of {inputs.data}; use {', '.join(NAMED)}")
    families = {family[-1]: _family(inputs, family[0], family[-1]) for family in FAMILIES}
    variants = [variant for plain, _, ours in FAMILIES for variant in (plain, ours)]
    parts = [differences for family in families.values() for differences in family.differences.values()]
    return Finding(
        verdict=verdict(parts),
        text=" ".join(_sentence(name, family) for name, family in families.items())
        + " An entity that is a mixture of bird and airplane does not prove that its patches are wings.",
        measured_on=(
            f"{inputs.data}, all patches of {inputs.images:,} images of the test split, {ENTITIES} entities found on "
            f"as many training images of each network, {CLUSTER_SEEDS} seeds; one trained network per variant, "
            f"trained on {inputs.trained_on(variants)} images"
        ),
        numbers=tuple(
            Number.of(f"{_named(inputs.data, mixture)}, {MEASURES[measure]}, `{name}` minus {null}", found, 4)
            for name, family in families.items()
            for mixture, by_measure in family.differences.items()
            for measure, by_null in by_measure.items()
            for null, found in by_null.items()
        ),
        tables=(_table(families),),
        raw={name: family._asdict() for name, family in families.items()},
    )


def _family(inputs: ClaimInputs, plain: str, ours: str) -> FamilyMixtures:
    classes = inputs.package(ours).config.classes
    mixtures = {name: [classes.index(one) for one in of] for name, of in NAMED[inputs.data].items()}
    found = {split: split_patches(inputs, ours, split) for split in ("train", "test")}
    assert found["train"].shares is not None
    assert found["test"].shares is not None
    own = Shares(found["train"].shares, found["test"].shares)
    entropy = mean_entropy(own.train)
    logits = _class_maps(inputs, plain)
    temperature = match_temperature(logits.train, entropy)
    of_plain = Shares(*(softmax(part / temperature, axis=-1) for part in logits))
    parameters = dirichlet_parameters(own.train)
    indices = list(mixtures.values())

    def occurrences(source: str) -> NDArray[np.int64]:
        counts = []
        for seed in range(CLUSTER_SEEDS):
            shares = {OURS: own, "plain": of_plain}.get(source) or _draw(parameters, own, seed)
            counts.append(count_occurrences(shares.train, shares.test, indices, seed))
        return np.array(counts)

    counted = {source: occurrences(source) for source in SOURCES}
    values, differences = compare(counted, found["test"].labels, mixtures, own.test.shape[1], inputs.seed)
    with_mixture = {
        name: {source: int((counted[source][:, number].sum(axis=1) > 0).sum()) for source in SOURCES}
        for number, name in enumerate(mixtures)
    }
    return FamilyMixtures(values, differences, entropy, temperature, float(parameters.sum()), with_mixture)


def _class_maps(inputs: ClaimInputs, variant: str) -> Shares:
    package = inputs.package(variant)
    network = load_package(package)
    return Shares(*(class_maps(network, inputs.split(split, package, inputs.images)) for split in ("train", "test")))


def _draw(parameters: Floats, like: Shares, seed: int) -> Shares:
    generator = np.random.default_rng(seed)
    return Shares(*(generator.dirichlet(parameters, part.shape[:2]).astype(np.float32) for part in like))


def _named(data: str, mixture: str) -> str:
    return f"{mixture} ({' + '.join(NAMED[data][mixture])})"


def _sentence(name: str, family: FamilyMixtures) -> str:
    passed = [mixture for mixture, differences in family.differences.items() if passes(differences)]
    failed = [
        f"{mixture} ({', '.join(missed)})"
        for mixture, differences in family.differences.items()
        if mixture not in passed
        and (
            missed := [
                f"{MEASURES[measure]} not above {null}"
                for measure, by_null in differences.items()
                for null, found in by_null.items()
                if found.low <= 0
            ]
        )
    ]
    sides = [f"above both nulls: {', '.join(passed)}"] if passed else []
    sides += [f"not above both: {'; '.join(failed)}"] if failed else []
    return (
        f"`{name}`: {'; '.join(sides)} (mean entropy of the patches {family.entropy:.2f}, which the plain network's "
        f"maps have at temperature {family.temperature:.2f}; Dirichlet concentration {family.concentration:.2f})."
    )


def _table(families: dict[str, FamilyMixtures]) -> FindingTable:
    rows = tuple(
        (
            f"`{name}`",
            mixture,
            MEASURES[measure],
            *(shown(family.values[mixture][measure][source], 4) for source in SOURCES),
            *(shown(family.differences[mixture][measure][null], 4, "+") for null in NULLS),
            *(str(family.with_mixture[mixture][source]) for source in SOURCES),
        )
        for name, family in families.items()
        for mixture in family.values
        for measure in MEASURES
    )
    numbers = (*SOURCES, *(f"minus {null}" for null in NULLS), *(f"seeds, {source}" for source in SOURCES))
    columns = (("network", "l"), ("mixture", "l"), ("measure", "l"), *((name, "r") for name in numbers))
    title = f"Named mixtures; `seeds`: of {CLUSTER_SEEDS} seeds, those with at least one patch in such an entity"
    return FindingTable(title, columns, rows)
