"""A plane on which patches with like features lie together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from openTSNE import TSNE
from sklearn.decomposition import PCA

from explain.semantics.collect import Sample
from explain.semantics.geometry import standardise
from explain.tapping import Space
from zoo.predictors import Array

PATCHES = 2000
"""A seeded choice: the exact neighbours of each patch are looked for."""
COMPONENTS = 50
PERPLEXITY = 30


class PatchMap(NamedTuple):
    """Some patches on one plane for each space."""

    chosen: NDArray[np.int64]
    """[P], of the sample's patches, by index."""
    places: dict[Space, Array]
    """[P, 2]"""


def draw_map(train: Sample, sample: Sample, spaces: tuple[Space, ...], seed: int) -> PatchMap:
    """Lay patches out by t-SNE (L. van der Maaten, G. Hinton, 2008) of their 50 principal components."""
    count = min(PATCHES, len(sample.label))
    chosen = np.sort(np.random.default_rng(seed).choice(len(sample.label), count, replace=False))
    places = {}
    for space in spaces:
        _, features = standardise(train.spaces[space], sample.spaces[space][chosen])
        kept = PCA(min(COMPONENTS, *features.shape), random_state=seed).fit_transform(features)
        tsne = TSNE(perplexity=min(PERPLEXITY, (count - 1) / 3), random_state=seed, n_jobs=1, neighbors="exact")
        places[space] = np.asarray(tsne.fit(kept), dtype=np.float32)
    return PatchMap(chosen, places)
