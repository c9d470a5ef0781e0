"""Rule of claim 4: new entities arise as mixtures of classes.

Everything is compared on shares of the classes alone, without `none`. The nulls are

- the plain network: its class activation map, as a softmax over the classes at the temperature at which the mean
  entropy of its training patches is that of the block's, so that softness is not the difference;
- a Dirichlet distribution without structure: mean and concentration (total variance) of the block's training patches,
  drawn independently for each patch.

Each has the same number of patches and the same number K of entities as the block. A block with several templates per
class has K templates instead of clusters; it is not measured yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from explain.stats import Estimate
from reproduction.claims.finding import Verdict
from reproduction.claims.rules.parts import exceeds_all, verdict_of_parts

NAMED: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "cifar10": {
            "wing": ("airplane", "bird"),
            "tyre": ("automobile", "truck"),
            "fur": ("cat", "deer", "dog", "horse"),
        }
    }
)
"""Mixtures named in the paper, by data set. It names no classes for fur but "many animals"; these have some."""

NULLS = ("plain", "Dirichlet")
MEASURES = {"share": "share of the patches", "enrichment": "enrichment"}

ENTITIES = 64
"""K, the number of clusters of training patches, by k-means of the square roots of the shares."""
CLUSTER_SEEDS = 10
"""Number of k-means seeds (and, for the Dirichlet distribution, of draws). Each resample of the images draws one for
the block and for each null, so that they are in the interval."""

TOGETHER = 0.75
"""Minimum share of the classes of a named mixture together."""
EACH, EACH_OF = 0.15, 3
"""Minimum share of each of its classes, or of this number of them if there are more."""
LARGEST = 0.7
"""A class with at least this share makes an entity pure."""

RULE = (
    f"Patches of training images are clustered into {ENTITIES} entities by the shares of their classes. An entity is a "
    f"named mixture if its classes have together at least {TOGETHER} of the mean share, both of them (of fur: "
    f"{EACH_OF} of the 4) at least {EACH}, and none {LARGEST} or more. Compared are the share of the patches nearest "
    "to such an entity, and its enrichment: the share of these patches that is in images of its classes, divided by "
    "the share of all images that is of its classes (1 if there is no such patch). A mixture passes in a family if "
    "both are above those of both nulls, with the interval of each difference above 0: the plain network's class "
    "activation maps at equal mean entropy, and structureless Dirichlet shares with equal mean and concentration. The "
    "claim holds if every named mixture passes in both families, and in part if one does in one family; otherwise it "
    f"does not hold. Intervals are over images and over {CLUSTER_SEEDS} seeds of k-means and of the Dirichlet draws."
)


def is_mixture(shares: Sequence[float], classes: Sequence[int]) -> bool:
    """Whether an entity is a mixture of some classes.

    Arguments:
        shares: mean shares of all classes in the entity, [C], with sum 1.
        classes: indices of the classes of the mixture.
    """
    own = np.sort(np.asarray(shares, np.float64)[list(classes)])[::-1]
    return bool(own.sum() >= TOGETHER and own[min(len(own), EACH_OF) - 1] >= EACH and max(shares) < LARGEST)


def passes(differences: Mapping[str, Mapping[str, Estimate]]) -> bool:
    """Whether a mixture passes in a family, given the differences by measure and null."""
    return set(differences) == set(MEASURES) and all(
        set(by_null) == set(NULLS) and exceeds_all(by_null) for by_null in differences.values()
    )


def verdict(parts: Iterable[Mapping[str, Mapping[str, Estimate]]]) -> Verdict:
    """Verdict from the differences by measure and null, for every named mixture in every family."""
    return verdict_of_parts(map(passes, parts))
