import numpy as np
import pytest

from explain.semantics.collect import PatchSample
from reproduction.claims.rules import clusters, groups
from reproduction.claims.rules.clusters import MEASURES, RIVALS
from reproduction.claims.separation import family
from reproduction.claims.separation.family import CONTRAST, OUTPUT, PLACES, compare
from reproduction.claims.separation.scores import SpaceScores, score_space

pytestmark = pytest.mark.slow

CLASSES = 4
GROUP = np.array([True, True, False, False])


def sample(images: int, seed: int, strength: float) -> PatchSample:
    """Two patches per image of four classes in two groups; the distance of the groups grows faster with `strength`."""
    generator = np.random.default_rng(seed)
    label = np.repeat(np.arange(images) % CLASSES, 2)
    centres = strength * np.eye(CLASSES, 8) + strength**2 * np.eye(2, 8, 4)[[0, 0, 1, 1]]
    features = generator.normal(size=(2 * images, 8)) + centres[label]
    return PatchSample(np.repeat(np.arange(images), 2), label, label, {"x": features.astype(np.float32)})


def space(seed: int, strength: float, monkeypatch: pytest.MonkeyPatch) -> SpaceScores:
    monkeypatch.setattr(family, "CLUSTER_SEEDS", 2)
    return score_space(sample(80, seed, strength), sample(120, seed + 1, strength), "x", CLASSES, 2)


def verdicts(strengths: tuple[float, ...], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Verdicts of claims 3a and 3b for one family with these strengths at `PLACES`."""
    spaces = {place: space(10 * number, strength, monkeypatch) for number, (place, strength) in
              enumerate(zip(PLACES, strengths, strict=True))}  # fmt: skip
    _, differences = compare(spaces, GROUP, seed=0)
    against = {score: {rival: found[rival] for rival in RIVALS} for score, found in differences.items()}
    return clusters.verdict(against[measure] for measure in MEASURES), groups.verdict([(against[CONTRAST], 0.01)])


def test_a_block_that_separates_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts((0.3, 0.4, 0.4, 3.0), monkeypatch) == ("holds", "holds")


def test_one_that_changes_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts((0.5, 0.5, 0.5, 0.5), monkeypatch) == ("does not hold", "does not hold")


def test_one_that_is_above_its_input_but_not_above_aux_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts((0.3, 3.0, 0.3, 3.0), monkeypatch) == ("does not hold", "does not hold")


def test_values_and_differences_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    spaces = {place: space(number, 1.0 + number, monkeypatch) for number, place in enumerate(PLACES)}
    values, differences = compare(spaces, GROUP, seed=0)
    for score, by_place in differences.items():
        assert by_place["aux"].value == pytest.approx(values[OUTPUT][score].value - values["aux"][score].value)
    for estimates in values.values():
        assert all(found.low <= found.value <= found.high for found in estimates.values())


def test_cluster_seeds_are_inside_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two seeds, one with perfect clusters and one with all in one: the interval spans both."""
    found = space(0, 3.0, monkeypatch)
    perfect, none = found.label, np.zeros_like(found.label)
    clusters_of = np.stack([perfect, none])
    made = SpaceScores(found.image, found.label, found.hits, found.silhouettes, clusters_of, found.features, CLASSES)
    values, _ = compare(dict.fromkeys(PLACES, made), GROUP, seed=0)
    assert values[OUTPUT]["nmi"] == pytest.approx((0.5, 0, 1), abs=1e-6)


def test_distances_are_those_of_the_class_means(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.spatial.distance import pdist, squareform

    from explain.semantics.class_vectors import class_means

    found = space(0, 1.0, monkeypatch)
    means = class_means(found.features.astype(np.float32), found.label, CLASSES)
    assert means is not None
    np.testing.assert_allclose(found.distances(np.ones(120)), squareform(pdist(means, "cosine")), atol=1e-5)
