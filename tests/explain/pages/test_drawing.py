from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explain.pages.drawing import draw_heatmap, draw_numbered_patches
from explain.pages.image import TILE, InputImage
from zoo.cutouts import CUT, cut_out_image
from zoo.images.preprocess import Box, centre_square


@pytest.fixture
def image() -> InputImage:
    """A grey image, wider than high, whose pixels left of the centred square are red."""
    original = Image.new("RGB", (400, 320), (128, 128, 128))
    original.paste((255, 0, 0), (0, 0, 40, 320))
    return InputImage(Path("x.png"), original, centre_square(400, 320), torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def test_orange_is_for_and_blue_against(image: InputImage) -> None:
    values = np.zeros((8, 8), dtype=np.float32)
    values[0, 0], values[7, 7] = 2.0, -2.0
    drawn = np.asarray(draw_heatmap(image, values, 2.0)).astype(int)
    (red, _, blue), (cold_red, _, cold_blue) = drawn[4, 4], drawn[-4, -4]
    assert red > blue + 60
    assert cold_blue > cold_red + 60
    assert np.ptp(drawn[TILE // 2, TILE // 2]) == 0


def test_nothing_anywhere_is_no_colour(image: InputImage) -> None:
    drawn = np.asarray(draw_heatmap(image, np.zeros((8, 8), dtype=np.float32), 0.0))
    assert np.ptp(drawn, axis=2).max() == 0


@pytest.mark.parametrize("place", [(0, 0), (0, 7), (7, 0), (7, 7), (3, 4)])
def test_a_cut_shows_the_patch_within_what_the_network_sees(image: InputImage, place: tuple[int, int]) -> None:
    cut = cut_out_image(image.original, image.box, (8, 8), place)
    assert cut.size == (CUT, CUT)
    inside = np.asarray(cut)[2:-2, 2:-2].astype(int)
    assert not (inside[..., 0] > inside[..., 1] + 60).any(), "the red border is outside what the network sees"


def test_a_cut_is_of_its_place() -> None:
    original = Image.new("RGB", (64, 64))
    original.paste((0, 255, 0), (40, 16, 48, 24))  # row 2, column 5 of 8 x 8
    image = InputImage(Path("x.png"), original, Box(0, 0, 64, 64), torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert cut_out_image(original, image.box, (8, 8), (2, 5)).getpixel((CUT // 2, CUT // 2)) == (0, 255, 0)
    assert draw_numbered_patches(image, (8, 8), [(2, 5)]).getpixel((44 * TILE // 64, 21 * TILE // 64)) == (0, 255, 0)
