"""Named mixtures in made-up shares of four classes: `wing` is a mixture of the first two."""

import numpy as np
import pytest

from reproduction.claims.mixtures import occurrences
from reproduction.claims.mixtures.occurrences import OURS, SOURCES, compare, count_occurrences, share_and_enrichment
from reproduction.claims.rules.entities import NULLS, passes, verdict

WING = {"wing": [0, 1]}
CELLS, IMAGES = 4, 120
LABELS = np.arange(IMAGES) % 4


def shares(wings: float, seed: int) -> np.ndarray:
    """Shares [N, L, C]: pure patches of the image's class; a part of the patches of wing images are mixtures."""
    generator = np.random.default_rng(seed)
    found = np.eye(4)[LABELS][:, None].repeat(CELLS, 1)
    mixed = (generator.random((IMAGES, CELLS)) < wings) & np.isin(LABELS, [0, 1])[:, None]
    found[mixed] = [0.5, 0.5, 0, 0]
    found = found + 0.01 * generator.random(found.shape)
    return (found / found.sum(axis=-1, keepdims=True)).astype(np.float32)


def test_patches_of_a_mixture_are_counted_by_image() -> None:
    train, test = shares(0.5, 0), shares(0.5, 1)
    [found] = count_occurrences(train, test, [[0, 1]], seed=0, entities=8)
    np.testing.assert_array_equal(found, (test.max(axis=-1) < 0.7).sum(axis=1))
    [none] = count_occurrences(shares(0.0, 0), test, [[0, 1]], seed=0, entities=4)
    assert not none.any()


def test_share_and_enrichment() -> None:
    inside = np.array([True, False, False, False])
    assert share_and_enrichment(np.array([2.0, 1, 1, 0]), inside, 4, np.ones(4)) == [4 / 16, (2 / 4) / (1 / 4)]
    assert share_and_enrichment(np.array([2.0, 1, 1, 0]), inside, 4, np.array([2.0, 1, 1, 0])) == [
        6 / 16,
        (4 / 6) / 0.5,
    ]
    assert share_and_enrichment(np.zeros(4), inside, 4, np.ones(4)) == [0, 1]


def made(rates: dict[str, tuple[float, float]], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a mixture passes that occurs at these rates in images of its classes and in others, by source."""
    monkeypatch.setattr(occurrences, "CLUSTER_SEEDS", 3)
    generator = np.random.default_rng(0)
    inside = np.isin(LABELS, [0, 1])
    counts = {source: generator.binomial(CELLS, np.where(inside, *rates[source]), (3, 1, IMAGES)) for source in SOURCES}
    _, differences = compare(counts, LABELS, WING, CELLS, seed=0)
    assert (verdict(differences.values()) == "holds") == passes(differences["wing"])
    return passes(differences["wing"])


@pytest.mark.parametrize(
    ("own", "plain", "dirichlet", "expected"),
    [
        ((0.6, 0.02), (0.2, 0.10), (0.1, 0.1), True),
        ((0.2, 0.02), (0.2, 0.02), (0.1, 0.1), False),  # as the plain network
        ((0.6, 0.60), (0.2, 0.20), (0.1, 0.1), False),  # frequent, but not enriched
        ((0.1, 0.00), (0.2, 0.10), (0.1, 0.1), False),  # enriched, but rare
        ((0.2, 0.02), (0.1, 0.05), (0.4, 0.4), False),  # rarer than without structure
    ],
)
def test_both_nulls_must_be_beaten_in_both_measures(
    own: tuple[float, float],
    plain: tuple[float, float],
    dirichlet: tuple[float, float],
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert made({OURS: own, NULLS[0]: plain, NULLS[1]: dirichlet}, monkeypatch) is expected


def test_values_and_differences_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occurrences, "CLUSTER_SEEDS", 2)
    generator = np.random.default_rng(1)
    counts = {source: generator.integers(CELLS, size=(2, 2, IMAGES)) for source in SOURCES}
    values, differences = compare(counts, LABELS, {"wing": [0, 1], "fur": [2, 3]}, CELLS, seed=0)
    for mixture, by_measure in differences.items():
        for measure, by_null in by_measure.items():
            of = values[mixture][measure]
            assert by_null["plain"].value == pytest.approx(of[OURS].value - of["plain"].value)
    assert values["fur"]["share"][OURS].value == pytest.approx(counts[OURS][:, 1].mean() / CELLS)
