"""Scores of patch features in one space: how well they cluster by class, and how far two groups of classes are apart.

All are functions of the number of times that each image counts, for the bootstrap over images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explain.semantics.class_vectors import group_distances
from explain.semantics.collect import PatchSample
from explain.semantics.geometry import find_clusters, mutual_information, neighbour_hits, silhouettes, standardise
from explain.stats import Floats
from explain.tapping import Space


@dataclass(frozen=True, slots=True)
class SpaceScores:
    """Scores of M patches of N images in one space, with R seeds of k-means."""

    image: NDArray[np.int64]
    label: NDArray[np.int64]
    hits: NDArray[np.bool_]
    """Whether the nearest training patches have the patch's class, [M]."""
    silhouettes: Floats
    """[M]"""
    clusters: NDArray[np.int64]
    """Cluster of each patch by seed of k-means, [R, M]."""
    features: Floats
    """Features [M, d], standardised by the training patches."""
    classes: int

    def quality(self, counts: Floats, repeat: int) -> list[float]:
        """Accuracy of the nearest patches, silhouette and mutual information.

        Arguments:
            counts: number of times that each image counts, [N].
            repeat: index of the seed of k-means.
        """
        weights = counts[self.image]
        total = max(weights.sum(), 1)
        cells = self.label * self.classes + self.clusters[repeat]
        table = np.bincount(cells, weights, minlength=self.classes**2).reshape(self.classes, -1).astype(np.float64)
        return [
            float(weights @ self.hits / total),
            float(weights @ self.silhouettes / total),
            mutual_information(table),
        ]

    def distances(self, counts: Floats) -> Floats:
        """Cosine distances of the mean features of the classes, [C, C]; 1 for a class without patches."""
        members = np.zeros((len(self.label), self.classes))
        members[np.arange(len(self.label)), self.label] = counts[self.image]
        means = members.T @ self.features  # the cosine does not depend on the number of patches
        directions = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        return 1 - directions @ directions.T

    def contrast(self, counts: Floats, group: NDArray[np.bool_]) -> float:
        """Mean distance between two groups of classes minus that within them; `group` [C] marks the first."""
        within, between = group_distances(self.distances(counts), group)
        return between - within


def score_space(train: PatchSample, test: PatchSample, space: Space, classes: int, seeds: int) -> SpaceScores:
    """Score the patches of test images; neighbours, clusters and the standardisation are fitted on training patches.

    Arguments:
        train: patches of training images.
        test: patches of test images.
        space: space of the features.
        classes: number of classes, and of clusters.
        seeds: number of k-means seeds, from 0 up.
    """
    fitted, features = standardise(train.spaces[space], test.spaces[space])
    return SpaceScores(
        image=test.image,
        label=test.label,
        hits=neighbour_hits(fitted, train.label, features, test.label),
        silhouettes=silhouettes(features, test.label),
        clusters=np.array([find_clusters(fitted, features, classes, seed) for seed in range(seeds)]),
        features=features.astype(np.float64),
        classes=classes,
    )
