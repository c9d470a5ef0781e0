"""Geometry of patch features before and after the block: how well classes cluster, and t-SNE maps."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from openTSNE import TSNE
from scipy.special import entr
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import KNeighborsClassifier

from explain.semantics.collect import PatchSample
from explain.stats import Estimate, Floats, bootstrap
from explain.tapping import Space
from zoo.outputs import Array

NEIGHBOURS = 10
SILHOUETTE_PATCHES = 4000
"""Number of randomly sampled patches for the silhouette, whose cost is quadratic."""
MAP_PATCHES = 2000
"""Number of randomly sampled patches on a map, which needs exact neighbours."""
MAP_COMPONENTS = 50
PERPLEXITY = 30


class SpaceQuality(NamedTuple):
    """Separation of the classes in a space; the class of a patch is that of its image, and 1 is best."""

    knn_accuracy: Estimate
    """Accuracy of a 10-nearest-neighbour classifier fitted on training patches."""
    silhouette: Estimate
    """Mean silhouette (P. Rousseeuw, 1987) with the classes as clusters, -1 to 1."""
    nmi: Estimate
    """Normalised mutual information of the classes and C k-means clusters of training patches."""


class Geometry(NamedTuple):
    qualities: dict[Space, SpaceQuality]
    changes: dict[Space, SpaceQuality]
    """Paired differences of the other spaces to `before`."""


class PatchMap(NamedTuple):
    """Two-dimensional layout of P patches, for each space."""

    chosen: NDArray[np.int64]
    """Indices of the patches in the sample, [P]."""
    positions: dict[Space, Array]
    """Positions [P, 2] by space."""


class _SpaceScores(NamedTuple):
    """Scores of patches [M] in one space."""

    hits: NDArray[np.bool_]
    silhouette: Floats
    """Silhouette of the chosen patches, [m]."""
    cluster: NDArray[np.int64]


def measure_geometry(train: PatchSample, sample: PatchSample, images: int, classes: int, seed: int) -> Geometry:
    """Measure the quality of each space, with bootstrap intervals over images.

    Features are standardised per channel with the mean and standard deviation of training patches, similar to the batch
    normalisation of the last stage, which reads them.

    Arguments:
        train: patches of training images, on which neighbours and clusters are fitted.
        sample: patches of the split.
        images: number of images of the split, N.
        classes: number of classes, C.
        seed: seed for sampling and for the bootstrap.
    """
    generator = np.random.default_rng(seed)
    count = min(SILHOUETTE_PATCHES, len(sample.label))
    chosen = np.sort(generator.choice(len(sample.label), count, replace=False))
    scores: dict[Space, _SpaceScores] = {}
    for space, features in sample.spaces.items():
        fitted, measured = standardise(train.spaces[space], features)
        scores[space] = _score(fitted, train.label, measured, sample.label, chosen, classes, seed)
    spaces = list(scores)
    sampled = _SampledPatches(sample, chosen, classes)

    def statistic(counts: Floats) -> Floats:
        values = np.array([sampled.qualities(scores[space], counts) for space in spaces])
        return np.concatenate([values, values - values[0]]).ravel()

    numbers = np.array(bootstrap(statistic, images, seed)).reshape(2, len(spaces), 3, 3)
    found, changed = ({space: _quality(row) for space, row in zip(spaces, part, strict=True)} for part in numbers)
    changed.pop(spaces[0])
    return Geometry(found, changed)


def layout_patches(train: PatchSample, sample: PatchSample, spaces: tuple[Space, ...], seed: int) -> PatchMap:
    """Lay out patches by t-SNE (L. van der Maaten, G. Hinton, 2008) of their first 50 principal components."""
    count = min(MAP_PATCHES, len(sample.label))
    chosen = np.sort(np.random.default_rng(seed).choice(len(sample.label), count, replace=False))
    positions = {}
    for space in spaces:
        _, features = standardise(train.spaces[space], sample.spaces[space][chosen])
        kept = PCA(min(MAP_COMPONENTS, *features.shape), random_state=seed).fit_transform(features)
        tsne = TSNE(perplexity=min(PERPLEXITY, (count - 1) / 3), random_state=seed, n_jobs=1, neighbors="exact")
        positions[space] = np.asarray(tsne.fit(kept), dtype=np.float32)
    return PatchMap(chosen, positions)


def standardise(train: Array, features: Array) -> tuple[Array, Array]:
    """Standardise two arrays [M, d] by the channel-wise mean and standard deviation of the first one."""
    mean, deviation = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-6)
    return (train - mean) / deviation, (features - mean) / deviation


def neighbour_hits(
    fitted: Array, fitted_labels: NDArray[np.int64], features: Array, labels: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether the 10 nearest training patches of each patch have its label by majority, [M]."""
    neighbours = KNeighborsClassifier(min(NEIGHBOURS, len(fitted)), algorithm="brute").fit(fitted, fitted_labels)
    return np.asarray(neighbours.predict(features) == labels)


def silhouettes(features: Array, labels: NDArray[np.int64]) -> Floats:
    """Silhouette of each patch with the labels as clusters, [M]; 0 where there is only one label."""
    several = 1 < len(np.unique(labels)) < len(labels)
    return np.asarray(silhouette_samples(features, labels), np.float64) if several else np.zeros(len(labels))


def find_clusters(fitted: Array, features: Array, clusters: int, seed: int) -> NDArray[np.int64]:
    """Cluster of each patch, [M], by k-means of training patches."""
    means = KMeans(min(clusters, len(fitted)), n_init=4, random_state=seed).fit(fitted)
    return np.asarray(means.predict(features), np.int64)


def mutual_information(table: Floats) -> float:
    """Normalised mutual information of a contingency table [C, K], normalised by the mean of the entropies."""
    # scikit-learn's score takes labels; a resample has counts.
    joint = table / table.sum()
    rows, columns = entr(joint.sum(axis=1)).sum(), entr(joint.sum(axis=0)).sum()
    mean = (rows + columns) / 2
    return float((rows + columns - entr(joint).sum()) / mean) if mean > 0 else 1.0


class _SampledPatches:
    """Sampled patches of a split, for statistics with weighted images."""

    def __init__(self, sample: PatchSample, chosen: NDArray[np.int64], classes: int) -> None:
        self._image, self._chosen_image = sample.image, sample.image[chosen]
        self._label, self._classes = sample.label, classes

    def qualities(self, scores: _SpaceScores, counts: Floats) -> list[float]:
        weights, chosen = counts[self._image], counts[self._chosen_image]
        cells = self._label * self._classes + scores.cluster
        table = np.bincount(cells, weights, minlength=self._classes**2).reshape(self._classes, -1).astype(np.float64)
        silhouette = float(np.dot(chosen, scores.silhouette) / max(chosen.sum(), 1))
        return [float(np.dot(weights, scores.hits) / weights.sum()), silhouette, mutual_information(table)]


def _score(
    fitted: Array,
    fitted_labels: NDArray[np.int64],
    features: Array,
    labels: NDArray[np.int64],
    chosen: NDArray[np.int64],
    classes: int,
    seed: int,
) -> _SpaceScores:
    hits = neighbour_hits(fitted, fitted_labels, features, labels)
    silhouette = silhouettes(features[chosen], labels[chosen])
    return _SpaceScores(hits, silhouette, find_clusters(fitted, features, classes, seed))


def _quality(numbers: Floats) -> SpaceQuality:
    return SpaceQuality(*(Estimate(*map(float, row)) for row in numbers))
