import pytest
import torch
from torch import Tensor

from training.composition import compose, rectangle, shrink, texture

SIDE = 32


def plain(*levels: int) -> Tensor:
    """Images of one grey each."""
    return torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, SIDE, SIDE).clone()


def noise(count: int) -> Tensor:
    return torch.randn(SIDE, SIDE, count, generator=torch.Generator().manual_seed(0))


def details() -> Tensor:
    return torch.randint(0, 256, (4, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1)).byte()


def contrast(images: Tensor) -> float:
    """Absolute difference in brightness of centre and border."""
    return float((images[:, :, 12:20, 12:20].mean() - images[:, :, :4].mean()).abs())


def test_a_moved_image_lies_on_a_texture_of_its_neighbour() -> None:
    place = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    pixels, shown = compose(plain(50, 200), torch.zeros(2), place, noise(2), canvas=1.0, cutmix=0.0)
    assert (pixels[0, :, 16:, :16] == 50).all()  # half the side, bottom left
    assert (pixels[0, :, :16] == 200).all()  # the texture of an even image is even
    assert (pixels[1, :, :16, 16:] == 200).all()  # top right
    expected = torch.zeros(8, 8)
    expected[4:, :4] = 1
    assert torch.equal(shown[0], torch.stack([expected, torch.zeros(8, 8)]))


def test_a_pasted_rectangle_is_of_the_neighbour() -> None:
    place = torch.tensor([[0.25, 0.25], [0.5, 0.5], [0.5, 0.0]])
    pixels, shown = compose(plain(50, 200), torch.full((2,), 0.5), place, noise(0), canvas=0.0, cutmix=1.0)
    assert (pixels[0, :, 8:24, 8:24] == 200).all()
    assert (pixels[0] == 200).sum() == 3 * 16 * 16
    assert shown[0, 1].sum() == 16
    assert (pixels[1] == 50).sum() == 3 * 16 * 8  # half of it is outside
    assert torch.equal(shown.sum(dim=1), torch.ones(2, 8, 8))


def test_the_draw_decides_what_is_composed() -> None:
    images = details()
    kind, place = torch.tensor([0.1, 0.4, 0.6, 0.9]), torch.full((3, 4), 0.3)
    pixels, shown = compose(images, kind, place, noise(4), canvas=0.25, cutmix=0.5)
    assert shown[0].sum() < 64  # moved
    assert (shown[1:3, 1].sum(dim=(1, 2)) > 0).all()  # pasted
    assert torch.equal(pixels[3], images[3])
    assert torch.equal(shown[3], torch.stack([torch.ones(8, 8), torch.zeros(8, 8)]))


def test_a_shrunk_image_at_full_size_is_itself() -> None:
    shrunk, inside = shrink(details(), torch.ones(4), torch.full((2, 4), 0.7))
    assert torch.equal(shrunk, details())
    assert inside.all()


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("scale", [0.5, 0.8])
def test_a_shrunk_image_is_inside_its_frame(scale: float, place: float) -> None:
    _, inside = shrink(details(), torch.full((4,), scale), torch.full((2, 4), place))
    assert inside[0].sum().item() == pytest.approx((scale * SIDE) ** 2, rel=0.1)


def test_a_texture_keeps_colour_and_spectrum_but_no_shape() -> None:
    images = details()
    images[:, :, 8:24, 8:24] //= 4
    made = texture(images, noise(4).permute(2, 0, 1)).float()
    # values that leave 0..255 are cut off, so the equality is not exact
    torch.testing.assert_close(made.mean(dim=(2, 3)), images.float().mean(dim=(2, 3)), atol=4, rtol=0)
    spectra = [torch.fft.rfft2(each).abs().flatten(1) for each in (images.float(), made)]
    assert torch.corrcoef(torch.stack([spectra[0][0], spectra[1][0]]))[0, 1] > 0.95
    centre, border = made[:, :, 12:20, 12:20].mean(), made[:, :, :4].mean()
    assert (centre - border).abs() < (
        images[:, :, 12:20, 12:20].float().mean() - images[:, :, :4].float().mean()
    ).abs() / 2


def test_the_area_of_rectangles_is_uniform() -> None:
    place = torch.rand(3, 4000, generator=torch.Generator().manual_seed(2))
    place[1:] = 0.5
    areas = rectangle(SIDE, place).float().mean(dim=(1, 2))
    assert areas.mean().item() == pytest.approx(0.5, abs=0.02)
    assert areas.quantile(0.1).item() == pytest.approx(0.1, abs=0.03)
