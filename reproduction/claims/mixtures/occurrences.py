"""Occurrences of named mixtures among the entities of patches, and what a source of shares adds over its nulls."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

from explain.stats import Estimate, Floats, bootstrap_repeats
from reproduction.claims.rules.entities import CLUSTER_SEEDS, ENTITIES, MEASURES, NULLS, is_mixture
from zoo.outputs import Array

OURS = "ours"
SOURCES = (OURS, *NULLS)

Scores = dict[str, dict[str, dict[str, Estimate]]]
"""Estimates by mixture, measure and source (values) or null (differences)."""


def count_occurrences(
    train: Array, test: Array, mixtures: Sequence[Sequence[int]], seed: int, entities: int = ENTITIES
) -> NDArray[np.int64]:
    """Number of patches per image that are nearest to an entity that is a named mixture, [mixtures, N].

    Arguments:
        train: class shares of training patches [n, L, C], which are clustered by their square roots.
        test: class shares of test patches, [N, L, C].
        mixtures: class indices of each named mixture.
        seed: seed of k-means.
        entities: K, the number of clusters.
    """
    patches = train.reshape(-1, train.shape[-1])
    means = MiniBatchKMeans(min(entities, len(patches)), batch_size=4096, n_init=3, random_state=seed)
    members = means.fit_predict(np.sqrt(patches))
    nearest = means.predict(np.sqrt(test.reshape(-1, test.shape[-1]))).reshape(test.shape[:2])
    found = np.zeros((len(mixtures), len(test)), np.int64)
    for entity in np.unique(members).tolist():
        shares = patches[members == entity].mean(axis=0, dtype=np.float64)
        for number, classes in enumerate(mixtures):
            if is_mixture(shares.tolist(), classes):
                found[number] += (nearest == entity).sum(axis=1)
    return found


def share_and_enrichment(occurrences: Floats, inside: NDArray[np.bool_], cells: int, counts: Floats) -> list[float]:
    """Share of the patches in an entity, and its enrichment in images of its classes.

    Arguments:
        occurrences: number of its patches in each image, [N].
        inside: whether an image is of its classes, [N].
        cells: number of patches per image.
        counts: number of times that each image counts, [N].
    """
    patches, images = float(counts @ occurrences), float(counts.sum())
    frequency = float(counts @ inside) / images
    if not patches or not frequency:
        return [patches / (images * cells), 1.0]
    return [patches / (images * cells), float((counts * inside) @ occurrences) / patches / frequency]


def compare(
    occurrences: Mapping[str, NDArray[np.int64]],
    labels: NDArray[np.int64],
    mixtures: Mapping[str, Sequence[int]],
    cells: int,
    seed: int,
) -> tuple[Scores, Scores]:
    """Values of each source, and differences of ours to the nulls, with intervals over images and seeds.

    Arguments:
        occurrences: number of patches by source, [seeds, mixtures, N].
        labels: classes of the images, [N].
        mixtures: class indices of each mixture, by name.
        cells: number of patches per image.
        seed: seed of the resamples.
    """
    inside = [np.isin(labels, classes) for classes in mixtures.values()]

    def statistic(counts: Floats, drawn: NDArray[np.int64]) -> Floats:
        found = np.array(
            [
                [
                    share_and_enrichment(occurrences[source][repeat, number].astype(np.float64), of, cells, counts)
                    for source, repeat in zip(SOURCES, drawn, strict=True)
                ]
                for number, of in enumerate(inside)
            ]
        )
        return np.concatenate([found, found[:, :1] - found[:, 1:]], axis=1).ravel()

    shape = len(mixtures), len(SOURCES) + len(NULLS), len(MEASURES)
    found = bootstrap_repeats(statistic, len(labels), CLUSTER_SEEDS, len(SOURCES), seed)
    table = np.array(found).reshape(*shape, len(Estimate._fields))
    values: Scores = {}
    differences: Scores = {}
    for mixture, rows in zip(mixtures, table, strict=True):
        for number, measure in enumerate(MEASURES):
            estimates = [Estimate(*row[number].tolist()) for row in rows]
            values.setdefault(mixture, {})[measure] = dict(zip(SOURCES, estimates[: len(SOURCES)], strict=True))
            differences.setdefault(mixture, {})[measure] = dict(zip(NULLS, estimates[len(SOURCES) :], strict=True))
    return values, differences
