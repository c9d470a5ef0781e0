import pytest
import torch
from torch import Tensor

from explain.slack.scenes import make_scenes, make_textures
from zoo.errors import InputError


def images(count: int, side: int = 32, level: int = 200) -> Tensor:
    return torch.full((count, 3, side, side), level, dtype=torch.uint8)


@pytest.mark.parametrize(("side", "shrunk"), [(32, 4), (84, 10), (16, 2)])
def test_patches_show_the_image_or_the_background(side: int, shrunk: int) -> None:
    scenes = make_scenes(images(50, side), images(50, side, 10), seed=0)
    assert scenes.pixels.shape == (50, 3, side, side)
    assert (scenes.covered.sum(dim=(1, 2)) == shrunk**2).all()
    shown = scenes.covered.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    assert torch.equal(scenes.pixels, torch.where(shown[:, None], 200, 10).byte().expand_as(scenes.pixels))


def test_the_image_is_the_original_at_half_its_side() -> None:
    original = torch.arange(8).repeat_interleave(4)[None, :].expand(32, 32).byte() * 30
    scenes = make_scenes(original.expand(1, 3, 32, 32), images(1), seed=3)
    rows, columns = scenes.covered[0].nonzero().T
    top, left = 4 * int(rows.min()), 4 * int(columns.min())
    shown = scenes.pixels[0, 0, top : top + 16, left : left + 16].float()
    assert (shown[:, 1:] >= shown[:, :-1]).all()
    torch.testing.assert_close(shown[0], original.float().view(32, 16, 2).mean(2)[0], atol=12, rtol=0)


def test_places_are_random_and_those_of_the_seed() -> None:
    one, same, other = (make_scenes(images(200), images(200, level=0), seed).covered for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len({tuple(map(int, each.flatten().nonzero()[0])) for each in one}) == 25


@pytest.mark.parametrize("side", [12, 30])
def test_images_that_cannot_be_placed(side: int) -> None:
    with pytest.raises(InputError, match=f"input size {side}"):
        make_scenes(images(2, side), images(2, side), seed=0)


def test_textures_are_those_of_the_seed() -> None:
    details = torch.randint(0, 256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(1)).byte()
    assert torch.equal(make_textures(details, 0), make_textures(details, 0))
    assert not torch.equal(make_textures(details, 0), make_textures(details, 1))
