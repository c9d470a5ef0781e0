from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.transparent import TRANSPARENT
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

import zoo
from zoo.images.decode import decode_pixels
from zoo.images.preprocess import CROP_AREA

Networks = Callable[..., zoo.Network]


@pytest.fixture
def made() -> zoo.Network:
    network = zoo.create("wrn16")
    network.input_size = 48
    return network


@pytest.mark.parametrize("size", [(451, 300), (48, 48), (47, 90), (33, 32), (1, 1)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_the_pixels_are_the_networks_own(size: tuple[int, int], mode: str, made: zoo.Network) -> None:
    noise = np.random.default_rng(0).integers(256, size=(*size[::-1], 4), dtype=np.uint8)
    image = Image.fromarray(noise[..., :3]).convert(mode)
    if mode == "RGBA":
        image = Image.fromarray(noise)
    pixels = zoo.transform(made)(image)
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels, made.pixels(image)[0])


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_transparency_lies_over_white(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "clear"
    file.write_bytes(TRANSPARENT[kind].data)
    network = zoo.create("wrn16")
    with Image.open(file) as image:
        np.testing.assert_array_equal(zoo.transform(network)(image), TRANSPARENT[kind].pixels)


def test_files_are_read_as_by_the_server(made: zoo.Network, photo_file: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.random.default_rng(0).integers(256, size=(50, 60, 3), dtype=np.uint8)).save(turned, exif=exif)
    for file, tolerance in ((turned, 0.0), (photo_file, 0.3)):
        pixels = zoo.transform(made)(zoo.read_image(file)).float()
        expected = torch.from_numpy(decode_pixels(file.read_bytes(), 48).pixels).float()
        # A large JPEG is decoded at a fraction of its size; see `zoo.images.decode.DRAFT_OVERSAMPLING`.
        assert (pixels - expected).abs().mean() <= tolerance


@pytest.mark.parametrize("form", ["tensor", "array"])
@pytest.mark.parametrize("train", [False, True])
def test_tensors_and_arrays_are_images_too(form: str, train: bool, made: zoo.Network) -> None:
    array = np.random.default_rng(0).integers(256, size=(60, 50, 3), dtype=np.uint8)
    given = torch.from_numpy(array).permute(2, 0, 1) if form == "tensor" else array
    results = []
    for image in (given, Image.fromarray(array)):
        torch.manual_seed(0)
        results.append(zoo.transform(made, train=train)(image))
    assert torch.equal(*results)


def test_training_sees_crops_of_the_image_and_its_mirror(made: zoo.Network) -> None:
    # Each place of the image has its own colour.
    places = np.zeros((100, 100, 3), np.uint8)
    places[..., 0], places[..., 1] = np.mgrid[:100, :100]
    torch.manual_seed(0)
    transform = zoo.transform(made, train=True)
    crops = [transform(Image.fromarray(places)).float() for _ in range(100)]
    assert {tuple(crop.shape) for crop in crops} == {(3, 48, 48)}
    areas, mirrored = [], 0
    for rows, columns, _ in crops:
        height, width = rows[:, 0].max() - rows[:, 0].min(), columns[0].max() - columns[0].min()
        areas.append(float((height + 1) * (width + 1)) / 100**2)
        mirrored += int(columns[0, 0] > columns[0, -1])
    assert CROP_AREA[0] - 0.05 < min(areas) < 0.45
    assert 0.9 < max(areas) < CROP_AREA[1] + 0.05
    assert 30 < mirrored < 70


def test_a_data_loader_feeds_a_network(tmp_path: Path, made: zoo.Network) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (60, 50), "red").save(tmp_path / name / "1.png")
    images = ImageFolder(tmp_path, transform=zoo.transform(made, train=True), loader=zoo.read_image)
    [(pixels, labels)] = DataLoader(images, batch_size=2)
    assert labels.tolist() == [0, 1]
    assert made(pixels).shape == (2, 10)
