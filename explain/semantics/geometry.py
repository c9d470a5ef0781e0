"""How well patches of one class lie together, before and after the block, and a map of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from openTSNE import TSNE
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import KNeighborsClassifier

from explain.similar.collect import PatchSample
from explain.stats import Estimate, Floats, bootstrap
from explain.tapping import Space
from zoo.outputs import Array

NEIGHBOURS = 10
SILHOUETTE_PATCHES = 4000
"""A seeded choice: the silhouette takes every pair of patches."""
MAP_PATCHES = 2000
"""A seeded choice: the exact neighbours of each patch are looked for."""
MAP_COMPONENTS = 50
PERPLEXITY = 30


class SpaceQuality(NamedTuple):
    """How well a space separates classes; a patch's class is its image's. 1 is best."""

    knn_accuracy: Estimate
    """Accuracy of the majority of the 10 nearest patches of training images."""
    silhouette: Estimate
    """Mean of P. Rousseeuw's index (1987) with the classes as clusters, -1 to 1."""
    nmi: Estimate
    """Normalised mutual information of classes with C clusters, found by k-means on training patches."""


class Geometry(NamedTuple):
    qualities: dict[Space, SpaceQuality]
    changes: dict[Space, SpaceQuality]
    """Each space less `before`, paired by image; no entry for `before`."""


class PatchMap(NamedTuple):
    """Some patches on a plane, one for each space."""

    chosen: NDArray[np.int64]
    """[P], indices of patches of the sample."""
    positions: dict[Space, Array]
    """[P, 2]"""


class _SpaceScores(NamedTuple):
    """Scores of patches [M] in one space."""

    hits: NDArray[np.bool_]
    silhouette: Floats
    """[m], of the chosen patches."""
    cluster: NDArray[np.int64]


def measure_geometry(train: PatchSample, sample: PatchSample, images: int, classes: int, seed: int) -> Geometry:
    """The quality of each space, with intervals over images.

    Features are standardised channel by channel with mean and deviation on training patches, as the batch normalisation
    of the last stage, which reads them, does.

    Arguments:
        train: patches of training images, on which neighbours and clusters are found.
        sample: patches of the split.
        images: N, of the split.
        classes: C.
        seed: of choices and of the bootstrap.
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
    """Lay patches out by t-SNE (L. van der Maaten, G. Hinton, 2008) of their 50 principal components."""
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
    """Both arrays [M, d], standardised by the mean and deviation of each channel of the first."""
    mean, deviation = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-6)
    return (train - mean) / deviation, (features - mean) / deviation


def mutual_information(table: Floats) -> float:
    """Normalised mutual information of a table of counts [C, K], by the mean of the entropies."""
    joint = table / table.sum()
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    entropy = [_entropy(rows), _entropy(columns), _entropy(joint.ravel())]
    mean = (entropy[0] + entropy[1]) / 2
    return (entropy[0] + entropy[1] - entropy[2]) / mean if mean > 0 else 1.0


class _SampledPatches:
    """The sampled patches of a split, for statistics that weight images."""

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
    neighbours = KNeighborsClassifier(min(NEIGHBOURS, len(fitted)), algorithm="brute").fit(fitted, fitted_labels)
    means = KMeans(min(classes, len(fitted)), n_init=4, random_state=seed).fit(fitted)
    several = 1 < len(np.unique(labels[chosen])) < len(chosen)
    silhouette = silhouette_samples(features[chosen], labels[chosen]) if several else np.zeros(len(chosen))
    return _SpaceScores(neighbours.predict(features) == labels, silhouette, means.predict(features).astype(np.int64))


def _quality(numbers: Floats) -> SpaceQuality:
    return SpaceQuality(*(Estimate(*map(float, row)) for row in numbers))


def _entropy(shares: Floats) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
