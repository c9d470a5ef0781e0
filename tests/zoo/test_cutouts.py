import numpy as np
import pytest

from explain.html import image_uri
from zoo.cutouts import cut_out_pixels
from zoo.images.preprocess import Pixels


@pytest.fixture
def cells() -> Pixels:
    """8 x 8 cells of 4 x 4 pixels, cell (r, c) of the grey 8 r + c."""
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8).repeat(4, axis=0).repeat(4, axis=1)
    return np.repeat(grey[None], 3, axis=0)


@pytest.mark.parametrize(
    ("place", "radius", "shown"),
    [
        ((4, 3), 1, [[26, 27, 28], [34, 35, 36], [42, 43, 44]]),
        ((0, 7), 1, [[5, 6, 7], [13, 14, 15], [21, 22, 23]]),  # the square stays within the image
        ((5, 5), 0, [[45]]),
    ],
)
def test_the_cells_about_a_patch(cells: Pixels, place: tuple[int, int], radius: int, shown: list[list[int]]) -> None:
    cut = cut_out_pixels(cells, (8, 8), place, radius, 36, frame=False)
    scale = cut.width // len(shown)
    assert np.asarray(cut)[scale // 2 :: scale, scale // 2 :: scale, 0].tolist() == shown


def test_a_large_surrounding_is_the_whole_image(cells: Pixels) -> None:
    assert cut_out_pixels(cells, (8, 8), (1, 1), 20, 32, frame=False).size == (32, 32)


def test_the_patch_is_framed(cells: Pixels) -> None:
    drawn = np.asarray(cut_out_pixels(cells, (8, 8), (0, 7), 1, 36))[..., 0]
    top, left = np.argwhere(drawn == 255).min(axis=0)
    bottom, right = np.argwhere(drawn == 255).max(axis=0)
    assert (top, left, bottom, right) == (0, 24, 11, 35)


def test_within_a_page(cells: Pixels) -> None:
    assert image_uri(cut_out_pixels(cells, (8, 8), (1, 1), 1)).startswith("data:image/png;base64,iVBOR")
