from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.transparent import TRANSPARENT
from torch import Tensor

import zoo
from zoo.errors import ImageError, InputError
from zoo.images.decode import decode_pixels
from zoo.images.preprocess import to_pixels
from zoo.package import Package

Networks = Callable[..., zoo.Network]


@pytest.mark.parametrize(("size", "expected"), [(None, 32), (84, 84)])
def test_pixels_of_an_image(size: int | None, expected: int, network: Networks, photo_file: Path) -> None:
    with Image.open(photo_file) as image:
        pixels = network("wrn16-ours").pixels(image, size)
        np.testing.assert_array_equal(pixels[0], to_pixels(image, expected)[0])
    assert pixels.dtype == torch.uint8
    assert network("wrn16-ours")(pixels).shape == (1, 10)


def test_pixels_of_a_file_are_the_servers(network: Networks, photo_file: Path, tmp_path: Path) -> None:
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (50, 40), (10, 20, 30, 128)).save(clear)
    for file in (photo_file, clear):
        expected = decode_pixels(file.read_bytes(), 32).pixels
        for given in (file, str(file), file.read_bytes()):
            np.testing.assert_array_equal(network("wrn16-ours").pixels(given)[0], expected)


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_pixels_of_transparency_lie_over_white(kind: str, network: Networks, tmp_path: Path) -> None:
    file = tmp_path / "clear"
    file.write_bytes(TRANSPARENT[kind].data)
    with Image.open(file) as opened:
        for given in (file, file.read_bytes(), opened):
            np.testing.assert_array_equal(network("wrn16-ours").pixels(given)[0], TRANSPARENT[kind].pixels)


@pytest.mark.parametrize(("content", "problem"), [(None, "No such file"), (b"", "is empty"), (b"text", "not an image")])
def test_pixels_of_no_image(content: bytes | None, problem: str, network: Networks, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ImageError, match=rf"photo\.jpg: .*{problem}"):
        network("wrn16-ours").pixels(file)


def test_pixels_have_the_size_of_the_loaded_model(make_package: Callable[..., Package]) -> None:
    loaded = zoo.load(f"local-dir:{make_package('wrn16', size=40).path}")
    assert loaded.pixels(Image.new("RGB", (50, 60))).shape == (1, 3, 40, 40)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 3, 32, 32)])
def test_tensors_of_pixels_pass(shape: tuple[int, ...], network: Networks) -> None:
    made = network("wrn16")
    for given in (torch.rand(shape), torch.randint(256, shape, dtype=torch.uint8)):
        assert torch.equal(made.pixels(given), given.reshape(-1, 3, 32, 32))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (255 * torch.ones(3, 32, 32), "divide 0..255 by 255"),
        (-torch.ones(3, 32, 32), "expected 0..1"),
        (torch.full((3, 32, 32), torch.nan), "expected 0..1"),
        (torch.ones(3, 32, 32, dtype=torch.int64), "uint8"),
        (torch.ones(32, 32), "shape"),
        (torch.ones(1, 4, 32, 32), "shape"),
        (torch.ones(0, 3, 32, 32), "shape"),
    ],
)
def test_tensors_that_are_no_pixels_are_refused(given: Tensor, message: str, network: Networks) -> None:
    with pytest.raises(InputError, match=message):
        network("wrn16").pixels(given)


def test_images_of_floating_point_numbers(network: Networks) -> None:
    values = np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)
    found = network("wrn16").pixels(Image.fromarray(values))
    np.testing.assert_array_equal(found[0, 0].numpy(), (255 * values).round())
    with pytest.raises(ImageError, match=r"0\.\.1"):
        network("wrn16").pixels(Image.fromarray(255 * values))


def test_images_of_16_bits_keep_their_upper_8(network: Networks) -> None:
    values = np.full((32, 32), 0x8001, dtype=np.uint16)
    assert network("wrn16").pixels(Image.fromarray(values)).unique().tolist() == [0x80]


def test_several_images_become_one_batch(network: Networks, photo_file: Path) -> None:
    made = network("wrn16")
    grey = np.full((40, 50), 7, np.uint8)
    with Image.open(photo_file) as image:
        batch = made.pixels([photo_file, str(photo_file), photo_file.read_bytes(), image, grey], size=40)
        expected = [made.pixels(photo_file, 40)] * 3 + [made.pixels(image, 40), made.pixels(grey, 40)]
    assert batch.shape == (5, 3, 40, 40)
    assert torch.equal(batch, torch.cat(expected))
    assert torch.equal(made.pixels(file for file in [photo_file]), made.pixels(photo_file))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_arrays_are_images_as_pillow_has_them(mode: str, network: Networks, photo_file: Path) -> None:
    made = network("wrn16")
    with Image.open(photo_file) as opened:
        image = opened.convert(mode)
    if mode == "RGBA":
        image.putalpha(128)
    array, expected = np.asarray(image), made.pixels(image)
    assert torch.equal(made.pixels(array), expected)
    assert torch.equal(made.pixels(array.astype(np.float32) / 255), expected)
    batch = np.stack([array, array]).reshape(2, *array.shape[:2], -1)
    assert torch.equal(made.pixels(batch), expected.repeat(2, 1, 1, 1))


def test_an_array_with_reversed_channels_is_another_image(network: Networks, photo_file: Path) -> None:
    """As from OpenCV, without a copy."""
    with Image.open(photo_file) as opened:
        array = np.asarray(opened)
    assert torch.equal(network("wrn16").pixels(array[:, :, ::-1]), network("wrn16").pixels(array).flip(1))


@pytest.mark.parametrize("shape", [(3, 40, 24), (2, 3, 40, 24)])
def test_arrays_of_pixels_pass_as_tensors_do(shape: tuple[int, ...], network: Networks) -> None:
    pixels = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    pixels.flags.writeable = False
    for given in (pixels, pixels / 255, pixels[..., ::-1]):
        np.testing.assert_array_equal(network("wrn16").pixels(given), given.reshape(-1, 3, 40, 24))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "empty list"),
        (None, "NoneType"),
        (3, "int"),
        ([3], "got int"),
        ([[b"x"]], "got list"),
        (np.zeros((0, 4, 3), np.uint8), "array \\[0, 4, 3\\]"),
        (np.zeros((4, 4, 3), np.int64), "uint8 in 0..255 or floating point in 0..1, got int64"),
        (np.zeros((3, 40, 40), np.int64), "uint8"),
        (np.full((4, 4, 3), 2.0), "divide 0..255 by 255"),
        (np.full((4, 4, 3), np.nan), r"expected 0\.\.1"),
        (np.zeros((3, 40, 40), object), "numbers"),
        (np.zeros((4, 4, 5), np.uint8), "shape"),
        ([torch.zeros(3, 32, 32), torch.zeros(3, 40, 40)], r"image 1 has pixels \[3, 40, 40\]"),
        ([torch.zeros(3, 32, 32), torch.zeros(3, 32, 32, dtype=torch.uint8)], "image 1 has pixels .* of torch.uint8"),
    ],
)
def test_what_are_no_images(given: object, message: str, network: Networks) -> None:
    with pytest.raises(InputError, match=message):
        network("wrn16").pixels(given)


def test_one_of_several_files_that_is_no_image_is_named(network: Networks, photo_file: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("none")
    with pytest.raises(ImageError, match=r"notes\.jpg"):
        network("wrn16").pixels([photo_file, tmp_path / "notes.jpg"])


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_is_positive(size: int, network: Networks, photo_file: Path) -> None:
    with pytest.raises(InputError, match=f"size = {size}"):
        network("wrn16").pixels(photo_file, size)


def test_pixels_have_the_size_that_was_set(photo_file: Path) -> None:
    made = zoo.create("wrn16")
    made.input_size = 48
    assert made.pixels(photo_file).shape == (1, 3, 48, 48)
