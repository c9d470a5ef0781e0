import numpy as np
import pytest

from explain.semantics import templates as module
from explain.semantics.templates import TemplateTally, measure_position
from zoo.outputs import Array

pytestmark = pytest.mark.slow

IMAGES, ROWS, COLUMNS, CLASSES, TEMPLATES = 40, 4, 6, 3, 2
CELLS = ROWS * COLUMNS


def tally(shares: Array, batch: int = 16) -> TemplateTally:
    made = TemplateTally(CLASSES, 5)
    for start in range(0, len(shares), batch):
        made.add(shares[start : start + batch])
    return made


@pytest.fixture
def shares() -> Array:
    """Shares [N, h, w, C * M + 1] of templates, at random."""
    generator = np.random.default_rng(0)
    return generator.dirichlet(np.full(CLASSES * TEMPLATES + 1, 0.3), (IMAGES, ROWS, COLUMNS)).astype(np.float32)


def test_usage(shares: Array) -> None:
    found = tally(shares).measure(seed=0)
    sums = shares[..., :-1].sum(axis=(0, 1, 2), dtype=np.float64).reshape(CLASSES, TEMPLATES)
    np.testing.assert_allclose(found.usage, sums / sums.sum(axis=1, keepdims=True), rtol=1e-5)
    assert ((found.perplexity > 1.9) & (found.perplexity <= 2)).all()
    assert ((found.patch_perplexity > 1) & (found.patch_perplexity < 1.9)).all()


def test_the_batches_do_not_matter(shares: Array) -> None:
    one, other = tally(shares, 7).measure(seed=0), tally(shares, IMAGES).measure(seed=0)
    assert one.strongest == other.strongest
    assert one.position == other.position
    np.testing.assert_allclose(one.usage, other.usage)


def test_one_template_of_a_class_takes_everything() -> None:
    shares = np.zeros((IMAGES, ROWS, COLUMNS, CLASSES * TEMPLATES + 1), np.float32)
    shares[..., 0] = 0.5  # the first of class 0
    shares[..., 2:4] = 0.125  # both of class 1
    shares[..., -1] = 0.25  # none of class 2
    found = tally(shares).measure(seed=0)
    assert found.usage.tolist() == [[1, 0], [0.5, 0.5], [0, 0]]
    assert found.perplexity == pytest.approx([1, 2, 1])
    assert found.patch_perplexity == pytest.approx([1, 2, 1])
    assert found.position.information == found.position.entropy == 0
    assert found.position.patches == IMAGES * CELLS


def test_the_strongest_patches_of_each_template(shares: Array) -> None:
    found = tally(shares).measure(seed=0).strongest
    assert len(found) == CLASSES * TEMPLATES
    for template, matches in enumerate(found):
        own = shares[..., template]
        best = np.sort(own.reshape(IMAGES, -1).max(axis=1))[::-1][:5]
        assert [1 - match.distance for match in matches] == pytest.approx(best.tolist())
        assert len({match.image for match in matches}) == 5
        for match in matches:
            assert own[match.image, match.row, match.column] == pytest.approx(1 - match.distance)


def test_templates_of_the_halves_of_the_grid_know_the_position() -> None:
    classes = np.random.default_rng(0).integers(0, CLASSES, (IMAGES, CELLS))
    halves = np.tile(np.arange(CELLS) // (CELLS // 2), (IMAGES, 1))
    found = measure_position(classes, halves, TEMPLATES, seed=0)
    assert found.information == pytest.approx(found.entropy) == pytest.approx(1, abs=0.01)
    assert all(null.mean < null.quantile < 0.3 for null in found.nulls.values())


def test_templates_by_chance_know_no_more_than_permuted_ones() -> None:
    generator = np.random.default_rng(1)
    classes, chance = (generator.integers(0, count, (400, CELLS)) for count in (CLASSES, TEMPLATES))
    found = measure_position(classes, chance, TEMPLATES, seed=0)
    for null in found.nulls.values():
        assert found.information == pytest.approx(null.mean, rel=0.3)
        assert null.mean < null.quantile


def test_what_the_class_knows_is_not_counted() -> None:
    """The class tells the half of the grid, and the template is that of the class: nothing beyond it."""
    halves = np.tile(np.arange(CELLS) // (CELLS // 2), (IMAGES, 1))
    found = measure_position(halves, halves, TEMPLATES, seed=0)
    assert found.information == pytest.approx(0, abs=1e-9)


def test_a_template_of_a_whole_image_knows_no_position_within_it() -> None:
    """One template in the upper half in some images, the other in the lower half in the others."""
    classes = np.zeros((IMAGES, CELLS), np.int64)
    upper = np.arange(CELLS) < CELLS // 2
    kind = np.arange(IMAGES) % 2
    classes[(kind[:, None] == 0) & ~upper] = classes[(kind[:, None] == 1) & upper] = 1
    templates = np.where(classes == 0, kind[:, None], 0)
    found = measure_position(classes, templates, TEMPLATES, seed=0)
    assert found.information > found.nulls["class"].quantile
    assert found.information == pytest.approx(found.nulls["class and image"].mean)


def test_many_images_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PATCHES", 10 * CELLS + 1)
    classes = np.zeros((IMAGES, CELLS), np.int64)
    assert measure_position(classes, classes, TEMPLATES, seed=0).patches == 10 * CELLS
