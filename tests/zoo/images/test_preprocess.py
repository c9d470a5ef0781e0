import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zoo.images.preprocess import centre_square, to_pixels


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [32, 84, 33])
def test_an_image_of_the_right_size_passes_unchanged(size: int) -> None:
    array = noise(size, size)
    pixels, box = to_pixels(Image.fromarray(array), size)
    np.testing.assert_array_equal(pixels, array.transpose(2, 0, 1))
    assert box == (0, 0, size, size)


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        (40, 40, (0, 0, 40, 40)),
        (60, 40, (10, 0, 50, 40)),
        (40, 60, (0, 10, 40, 50)),
        (41, 40, (0.5, 0, 40.5, 40)),
        (1, 1, (0, 0, 1, 1)),
        (2000, 1, (999.5, 0, 1000.5, 1)),
    ],
)
def test_centre_square(width: int, height: int, box: tuple[float, ...]) -> None:
    assert centre_square(width, height) == box


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_centre_square_is_the_largest_and_in_the_middle(width: int, height: int) -> None:
    left, top, right, bottom = centre_square(width, height)
    assert right - left == bottom - top == min(width, height)
    assert (left, top) == (width - right, height - bottom)


@pytest.mark.parametrize("size", [(64, 32), (32, 64)])
def test_only_the_centre_of_a_long_image_is_seen(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "red")
    image.paste("blue", [round(value) for value in centre_square(*size)])
    pixels, _ = to_pixels(image, 32)
    np.testing.assert_array_equal(pixels, np.broadcast_to(np.array([[[0]], [[0]], [[255]]]), (3, 32, 32)))


def test_a_larger_image_is_averaged_not_sampled() -> None:
    stripes = np.zeros((320, 320, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    pixels, _ = to_pixels(Image.fromarray(stripes), 32)
    assert abs(pixels[:, 2:-2, 2:-2].astype(int) - 127).max() <= 16


def test_a_smaller_image_is_enlarged() -> None:
    pixels, box = to_pixels(Image.new("RGB", (1, 1), (10, 20, 30)), 32)
    np.testing.assert_array_equal(pixels, np.broadcast_to(np.array([[[10]], [[20]], [[30]]]), (3, 32, 32)))
    assert box == (0, 0, 1, 1)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_any_mode_becomes_rgb(mode: str) -> None:
    pixels, _ = to_pixels(Image.new("RGB", (50, 40), "white").convert(mode), 32)
    np.testing.assert_array_equal(pixels, np.full((3, 32, 32), 255))


def test_pixels_are_contiguous_bytes_of_their_own() -> None:
    pixels, _ = to_pixels(Image.fromarray(noise(50, 40)), 32)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
