import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from training.augment import beta, crop_and_flip, cutout, flip, mixup, resize

PADDING = 2


def noise(count: int, size: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def augment(images: Tensor, padding: int = PADDING, mirror: bool = True, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shift = torch.randint(-padding, padding + 1, (2, len(images)), generator=generator)
    mirrored = (torch.rand(len(images), generator=generator) < 0.5) & mirror
    return crop_and_flip(images, shift, mirrored)


def every_crop(image: Tensor, padding: int) -> dict[tuple[int, int, bool], Tensor]:
    """All crops of an image [3, S, S] by PyTorch's own padding, by row, column and whether it is mirrored."""
    size = image.shape[-1]
    padded = F.pad(image[None].float(), (padding,) * 4, mode="reflect")[0].to(image.dtype)
    crops = {}
    for row in range(2 * padding + 1):
        for column in range(2 * padding + 1):
            crop = padded[:, row : row + size, column : column + size]
            crops[row, column, False], crops[row, column, True] = crop, crop.flip(2)
    return crops


def choices(images: Tensor, augmented: Tensor, padding: int = PADDING) -> list[tuple[int, int, bool]]:
    """Which crop of each image was taken."""
    found = []
    for image, result in zip(images, augmented, strict=True):
        [choice] = [key for key, crop in every_crop(image, padding).items() if torch.equal(crop, result)]
        found.append(choice)
    return found


def test_each_image_is_a_crop_of_its_reflected_border_and_all_crops_occur() -> None:
    images = noise(400)
    chosen = choices(images, augment(images))
    assert set(chosen) == set(every_crop(images[0], PADDING))
    assert 140 < sum(mirrored for _, _, mirrored in chosen) < 260


def test_the_widest_border() -> None:
    images = noise(50, size=3)
    for image, result in zip(images, augment(images, padding=2), strict=True):
        assert any(torch.equal(crop, result) for crop in every_crop(image, 2).values())


def test_without_flip_no_image_is_mirrored() -> None:
    images = noise(100)
    assert not any(mirrored for _, _, mirrored in choices(images, augment(images, mirror=False)))


def test_without_border_images_are_only_mirrored() -> None:
    images = noise(40)
    augmented = augment(images, padding=0)
    kept = [torch.equal(*pair) for pair in zip(images, augmented, strict=True)]
    assert 5 < sum(kept) < 35
    for image, result, same in zip(images, augmented, kept, strict=True):
        assert same or torch.equal(result, image.flip(2))


def test_without_border_and_flip_nothing_changes() -> None:
    assert torch.equal(augment(noise(5), padding=0, mirror=False), noise(5))


def test_images_of_a_batch_are_treated_differently() -> None:
    image = noise(1).expand(50, -1, -1, -1)
    assert len({tuple(result.flatten().tolist()) for result in augment(image)}) > 10


def test_the_result_is_channels_last() -> None:
    augmented = augment(noise(4))
    assert augmented.dtype == torch.uint8
    assert augmented.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [16, 24])
def test_resize_is_bilinear_with_antialiasing(size: int) -> None:
    images = noise(3, size=32)
    resized = resize(images, size)
    assert resized.dtype == torch.uint8
    expected = F.interpolate(images.float(), size=(size, size), mode="bilinear", antialias=True)
    assert (resized.float() - expected).abs().max() <= 1


def test_resize_to_the_same_size_changes_nothing() -> None:
    images = noise(3)
    assert torch.equal(resize(images, 9), images)


def test_flip_mirrors_the_chosen_ones() -> None:
    images = noise(3)
    flipped = flip(images, torch.tensor([True, False, True]))
    assert torch.equal(flipped[1], images[1])
    assert torch.equal(flipped[[0, 2]], images[[0, 2]].flip(3))


@pytest.mark.parametrize(
    ("centre", "rows", "columns"),
    [((4, 4), (2, 6), (2, 6)), ((0, 8), (0, 2), (6, 9)), ((8, 1), (6, 9), (0, 3))],
)
def test_cutout_paints_a_square(centre: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> None:
    images = noise(1)
    expected = images.clone()
    expected[0, :, slice(*rows), slice(*columns)] = torch.tensor([1, 2, 3], dtype=torch.uint8)[:, None, None]
    assert torch.equal(cutout(images, 4, torch.tensor(centre)[:, None], torch.tensor([1.0, 2.0, 3.0])), expected)


@pytest.mark.parametrize("count", [1, 4, 5])
def test_mixup_mixes_neighbours(count: int) -> None:
    images, targets = noise(count), torch.eye(count)
    share = torch.linspace(0.1, 0.9, count)
    pixels, mixed = mixup(images, targets, share)
    for index in range(count):
        neighbour = min(index ^ 1, count - 1)
        own = float(share[index])
        expected = (own * images[index].float() + (1 - own) * images[neighbour].float()) / 255
        torch.testing.assert_close(pixels[index], expected)
        torch.testing.assert_close(mixed[index], own * targets[index] + (1 - own) * targets[neighbour])


def test_shares_are_drawn_from_a_beta_distribution_for_pairs() -> None:
    share = beta(0.5, 20_001, seed=3)
    assert len(share) == 20_001
    assert torch.equal(share[:-1:2], share[1::2])
    assert float(share.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(share.var()) == pytest.approx(1 / (4 * (2 * 0.5 + 1)), abs=0.01)
    assert torch.equal(share, beta(0.5, 20_001, seed=3))
