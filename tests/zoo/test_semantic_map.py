from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from zoo.images.preprocess import centre_square
from zoo.semantic_map import (
    LEGEND_ROWS,
    MAX_OPACITY,
    NONE_COLOUR,
    SIDE,
    class_colour,
    draw_semantic_map,
    label_colours,
)

GREY = 128


def shares_of(grid: list[list[tuple[int, float]]], classes: int = 10) -> np.ndarray:
    """Shares [C + 1, h, w] from a class and its share for each patch; the rest is `none`."""
    shares = np.zeros((classes + 1, len(grid), len(grid[0])), dtype=np.float32)
    for row, line in enumerate(grid):
        for column, (index, share) in enumerate(line):
            shares[index, row, column] = share
            shares[-1, row, column] += 1 - share
    return shares


def draw(shares: np.ndarray, image: Image.Image | None = None, title: str = "model") -> np.ndarray:
    """The drawn page [H, W, 3], over a grey image by default."""
    image = image or Image.new("RGB", (32, 32), (GREY, GREY, GREY))
    classes = tuple(f"class {index}" for index in range(len(shares) - 1))
    page = draw_semantic_map(image, shares, centre_square(*image.size), classes, title)
    assert page.mode == "RGB"
    return np.asarray(page).astype(int)


def colour(index: int) -> np.ndarray:
    return np.array(ImageColor.getrgb(class_colour(index)))


def legend(page: np.ndarray) -> np.ndarray:
    return page[:, SIDE:]


def contains(area: np.ndarray, wanted: np.ndarray) -> bool:
    return bool((area == wanted).all(axis=2).any())


def test_a_cell_is_the_image_blended_with_its_classs_colour_in_proportion_to_the_share() -> None:
    cells = [[(0, 1.0), (1, 0.5)], [(2, 0.25), (9, 0.0)]]
    page, half = draw(shares_of(cells)), SIDE // 2
    for row in range(2):
        for column in range(2):
            index, share = cells[row][column]
            opacity = MAX_OPACITY * share
            expected = (1 - opacity) * GREY + opacity * colour(index)
            cell = page[row * half : (row + 1) * half, column * half : (column + 1) * half]
            np.testing.assert_allclose(cell, np.broadcast_to(expected, cell.shape), atol=2)


def test_cells_are_not_smoothed() -> None:
    grid = np.random.default_rng(0).integers(0, 10, (8, 8))
    page, side = draw(shares_of([[(int(index), 0.8) for index in row] for row in grid])), SIDE // 8
    cells = page[:SIDE, :SIDE].reshape(8, side, 8, side, 3)
    np.testing.assert_array_equal(cells, np.broadcast_to(cells[:, :1, :, :1], cells.shape))


def test_the_image_shows_through_every_cell() -> None:
    checks = np.zeros((32, 32, 3), dtype=np.uint8)
    checks[:16] = 255
    page = draw(shares_of([[(3, 1.0)]]), Image.fromarray(checks))
    assert (page[: SIDE // 2, :SIDE] - page[SIDE // 2 : SIDE, :SIDE]).min() > 50


def test_the_strongest_class_gives_the_colour() -> None:
    shares = np.zeros((11, 1, 1), dtype=np.float32)
    shares[[4, 7, 10], 0, 0] = [0.3, 0.2, 0.5]
    expected = (1 - 0.3 * MAX_OPACITY) * GREY + 0.3 * MAX_OPACITY * colour(4)
    np.testing.assert_allclose(draw(shares)[10, 10], expected, atol=2)


def test_a_patch_without_a_match_is_the_image() -> None:
    np.testing.assert_array_equal(draw(shares_of([[(0, 0.0)]]))[:SIDE, :SIDE], GREY)


@pytest.mark.parametrize("size", [(96, 32), (32, 96)])
def test_what_the_network_did_not_see_is_dimmed(size: tuple[int, int]) -> None:
    page = draw(shares_of([[(0, 0.0)]]), Image.new("RGB", size, (GREY, GREY, GREY)))
    across, down = (SIDE * side // 32 for side in size)
    left, top = (across - SIDE) // 2, (down - SIDE) // 2
    image = page[:down, :across]
    seen = np.zeros((down, across), dtype=bool)
    seen[top : top + SIDE, left : left + SIDE] = True
    assert (image[seen] == GREY).all()
    assert (image[~seen] > GREY + 30).all()


def test_the_grid_lies_on_the_seen_part_of_a_long_image() -> None:
    page = draw(shares_of([[(1, 1.0)]]), Image.new("RGB", (64, 32), (GREY, GREY, GREY)))
    blended = (1 - MAX_OPACITY) * GREY + MAX_OPACITY * colour(1)
    np.testing.assert_allclose(page[100, SIDE // 2 + 2], blended, atol=2)
    np.testing.assert_allclose(page[100, SIDE // 2 + SIDE - 2], blended, atol=2)
    assert not np.allclose(page[100, SIDE // 2 - 3], blended, atol=20)


def test_the_legend_shows_the_classes_in_their_colours() -> None:
    page = draw(shares_of([[(2, 0.9), (5, 0.8)]]))
    assert contains(legend(page), colour(2))
    assert contains(legend(page), colour(5))


def test_the_legend_has_the_title_and_the_names() -> None:
    shares = shares_of([[(2, 0.9)]])
    renamed = draw_semantic_map(Image.new("RGB", (32, 32)), shares, centre_square(32, 32), tuple("abcdefghij"), "model")
    assert not np.array_equal(legend(draw(shares)), legend(draw(shares, title="other")))
    assert renamed.width < draw(shares).shape[1]


def test_the_legend_has_the_shares() -> None:
    assert not np.array_equal(legend(draw(shares_of([[(2, 0.9)]]))), legend(draw(shares_of([[(2, 0.7)]]))))


def test_a_class_has_one_colour_in_all_images() -> None:
    alone, among = draw(shares_of([[(7, 0.6)]])), draw(shares_of([[(7, 0.6), (1, 0.9), (2, 0.9), (3, 0.9)]]))
    np.testing.assert_array_equal(alone[10, 10], among[10, 10])


def test_templates_have_shades_of_the_colour_of_their_class() -> None:
    colours = label_colours(("cat 1", "cat 2", "dog 1", "dog 2", "none"), per_class=2)
    assert colours[::2] == [class_colour(0), class_colour(1), NONE_COLOUR]
    assert colours[1::2] == [class_colour(10), class_colour(11)]


def test_a_hundred_classes() -> None:
    shares = np.full((101, 8, 8), 0.5 / 99, dtype=np.float32)
    shares[63] = 0.4
    page = draw(shares)
    assert contains(legend(page), colour(63))
    expected = (1 - 0.4 * MAX_OPACITY) * GREY + 0.4 * MAX_OPACITY * colour(63)
    np.testing.assert_allclose(page[100, 100], expected, atol=2)
    assert page.shape[0] == SIDE


def test_the_legend_is_as_long_for_100_classes_as_for_a_few_more_than_it_lists() -> None:
    heights = []
    for classes in (LEGEND_ROWS + 1, 100):
        tiny = Image.new("RGB", (2000, 1))
        heights.append(draw(shares_of([[(0, 0.5)]], classes), tiny).shape[0])
    assert heights[0] == heights[1]


def test_ten_classes_have_colours_far_apart() -> None:
    colours = np.array([colour(index) for index in range(10)])
    distances = np.abs(colours[:, None] - colours[None]).sum(axis=2) + 1000 * np.eye(10)
    assert distances.min() > 50


def test_a_hundred_classes_have_different_colours() -> None:
    assert len({class_colour(index) for index in range(100)}) == 100


@pytest.mark.parametrize("size", [(1, 1), (2000, 1), (1, 2000), (10_000, 1), (1, 10_000), (3, 5000), (333, 332)])
def test_extreme_images(size: tuple[int, int]) -> None:
    page = draw(shares_of([[(0, 1.0), (1, 0.5)], [(2, 0.5), (3, 0.5)]]), Image.new("RGB", size, "gray"))
    assert page.shape[0] <= 2048
    assert page.shape[1] <= 2048 + 400


def test_a_large_image_is_drawn_smaller() -> None:
    assert draw(shares_of([[(0, 1.0)]]), Image.new("RGB", (3000, 2500))).shape[0] == 1024


def test_a_photograph_is_drawn_at_its_own_size_or_enlarged(photo_file: Path) -> None:
    with Image.open(photo_file) as image:
        page = draw(shares_of([[(3, 0.5)] * 8] * 8), image.convert("RGB"))
    assert page.shape[0] == SIDE
