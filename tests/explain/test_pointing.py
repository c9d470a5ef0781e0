import pytest
import torch

from explain.pointing import build_mosaics, pointing_scores, require_divisible
from zoo.errors import InputError


def test_a_mosaic_has_four_classes_and_no_image_twice() -> None:
    labels = torch.arange(40) % 5
    # Each image is of one grey, its index.
    images = torch.arange(40, dtype=torch.uint8)[:, None, None, None].expand(40, 3, 4, 4)
    mosaics = build_mosaics(images, labels, 100, seed=0)
    corners = mosaics.pixels[:, 0, ::4, ::4].flatten(1)
    assert mosaics.pixels.shape == (10, 3, 8, 8)
    assert corners.unique().numel() == 40
    for quadrants, asked, label in zip(corners.long(), mosaics.quadrants, mosaics.classes, strict=True):
        assert labels[quadrants].unique().numel() == 4
        assert labels[quadrants[asked]] == label
    for row, column in ((0, 0), (0, 4), (4, 0), (4, 4)):
        assert (mosaics.pixels[:, :, row : row + 4, column : column + 4].flatten(1).amax(1)
                == mosaics.pixels[:, 0, row, column]).all()  # fmt: skip


def test_the_seed_chooses() -> None:
    images, labels = torch.rand(40, 3, 4, 4), torch.arange(40) % 5
    first, again, other = (build_mosaics(images, labels, 5, seed) for seed in (0, 0, 1))
    assert torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.pixels, other.pixels)


def test_too_few_classes_are_refused() -> None:
    with pytest.raises(InputError, match="four classes"):
        build_mosaics(torch.rand(9, 3, 4, 4), torch.arange(9) % 3, 5, seed=0)


def test_a_side_whose_patches_would_lie_on_two_quadrants_is_refused() -> None:
    require_divisible(84)
    with pytest.raises(InputError, match="input size 34"):
        require_divisible(34)


def test_mass_and_hit() -> None:
    importance = torch.zeros(4, 4, 4)
    importance[0, 0, 3] = 2.0  # top right
    importance[1] = 1.0
    importance[2] = -1.0
    importance[3, 3, 0], importance[3, 0, 0], importance[3, 1, 1] = 2.0, 1.5, 1.5  # bottom left has the largest
    mass, hit = pointing_scores(importance, torch.tensor([1, 3, 0, 2]))
    torch.testing.assert_close(mass, torch.tensor([1.0, 0.25, 0.0, 0.4]))
    assert hit[[0, 3]].tolist() == [1, 1]
