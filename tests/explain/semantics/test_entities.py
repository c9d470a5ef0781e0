from collections.abc import Callable

import numpy as np
import pytest
from support.patches import CLASSES, mixed

from explain.semantics.entities import classify_mixture, find_entities, find_occurrences
from zoo.outputs import Array
from zoo.search.image_index import ImageIndex

MakeIndex = Callable[..., ImageIndex]


@pytest.mark.parametrize(
    ("mixture", "kind", "name"),
    [
        (mixed(0.9, 0.05, 0, 0, 0.05), "pure", "airplane"),
        (mixed(0.45, 0.1, 0, 0, 0.45), "pure", "airplane"),  # of what is left without the slack
        (mixed(0.3, 0.1, 0, 0, 0.6), "none", "none"),
        (mixed(0.4, 0.5, 0.05, 0.05, 0), "pair", "bird + airplane"),
        (mixed(0.65, 0.13, 0.12, 0.1, 0), "generic", "generic: airplane bird cat"),
        (mixed(0.1, 0.2, 0.4, 0.3, 0), "generic", "generic: cat dog bird"),
    ],
)
def test_kinds_by_fixed_limits(mixture: Array, kind: str, name: str) -> None:
    found = classify_mixture(mixture)
    assert (found.kind, found.name(CLASSES)) == (kind, name)


PLANTED = {
    "airplane": mixed(0.96, 0.01, 0.01, 0.01, 0.01),
    "bird": mixed(0.01, 0.96, 0.01, 0.01, 0.01),
    "airplane + bird": mixed(0.55, 0.43, 0.0, 0.0, 0.02),
    "generic: cat dog bird": mixed(0.1, 0.2, 0.4, 0.3, 0.0),
    "none": mixed(0.05, 0.05, 0.05, 0.05, 0.8),
}


def planted(images: int) -> tuple[Array, list[int]]:
    """Image n is of class n mod 4; its four patches are of the n-th planted mixtures, nearly."""
    generator = np.random.default_rng(0)
    mixtures = list(PLANTED.values())
    chosen = np.array([[mixtures[(n + k) % 5] for k in range(4)] for n in range(images)])
    shares = np.clip(chosen + generator.normal(0, 0.004, chosen.shape), 0, None).astype(np.float32)
    shares /= shares.sum(axis=-1, keepdims=True)
    return shares.reshape(images, 2, 2, 5), [n % 4 for n in range(images)]


def test_planted_mixtures_are_found_and_named(make_index: MakeIndex) -> None:
    shares, labels = planted(200)
    entities = find_entities(make_index(shares, labels), "tests", seed=0, clusters=12)
    found = {entity.name: entity for entity in entities.entities}
    assert set(found) == set(PLANTED)  # 12 clusters: those of one name are one entity
    for name, mixture in PLANTED.items():
        np.testing.assert_allclose(found[name].mixture, mixture, atol=0.02)
        assert found[name].frequency == pytest.approx(0.2, abs=0.01)
    assert entities.weights_sha256 == "ab" * 32
    assert entities.found_on.patches == 800


def test_the_same_seed_finds_the_same(make_index: MakeIndex) -> None:
    shares, labels = planted(60)
    index = make_index(shares, labels)
    assert find_entities(index, "tests", seed=3, clusters=8) == find_entities(index, "tests", seed=3, clusters=8)


def test_occurrences_are_counted_by_class(make_index: MakeIndex) -> None:
    shares, labels = planted(100)
    index = make_index(shares, labels)
    entities = find_entities(index, "tests", seed=0, clusters=12)
    found = find_occurrences(index, entities, seed=0, examples=3)
    place = [entity.name for entity in entities.entities].index("airplane + bird")
    truth = (np.array([(n + np.arange(4)) % 5 for n in range(100)]) == 2).sum(axis=1)
    by_class = [int(truth[np.array(labels) == c].sum()) for c in range(4)]
    assert found.by_class[place].tolist() == by_class
    assert found.frequency[place].value == pytest.approx(0.2)
    assert found.frequency[place].low < 0.2 < found.frequency[place].high
    assert len(found.examples[place]) == 3
    for match in found.examples[place]:
        assert (match.image + 2 * match.row + match.column) % 5 == 2
