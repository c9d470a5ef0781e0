import pytest
import torch

from explain.attributions.patches import as_float, mean_colour, pixel_mask, select_class
from zoo.errors import InputError


@pytest.mark.parametrize(("grid", "side"), [(8, 32), (21, 84), (9, 33), (2, 3)])
def test_each_pixel_belongs_to_one_patch(grid: int, side: int) -> None:
    masks = pixel_mask(torch.eye(grid * grid, dtype=torch.bool).reshape(-1, grid, grid), side, side)
    assert masks.shape == (grid * grid, 1, side, side)
    assert torch.equal(masks.sum(dim=0), torch.ones(1, side, side, dtype=torch.int64))
    assert masks.flatten(1).any(dim=1).all()


def test_a_patch_lies_where_its_cell_does() -> None:
    cells = torch.zeros(1, 8, 8, dtype=torch.bool)
    cells[0, 2, 5] = True
    rows, columns = torch.nonzero(pixel_mask(cells, 32, 32)[0, 0]).unbind(dim=1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 11, 20, 23)


def test_a_grid_finer_than_the_pixels_is_refused() -> None:
    with pytest.raises(InputError, match=r"\[8, 8\] cells is finer than 4 x 4"):
        pixel_mask(torch.zeros(1, 8, 8, dtype=torch.bool), 4, 4)


def test_integers_and_floating_point_pixels_mean_the_same() -> None:
    pixels = torch.tensor([[[[0, 255]], [[51, 51]], [[255, 255]]]], dtype=torch.uint8)
    assert torch.equal(as_float(as_float(pixels)), as_float(pixels))
    torch.testing.assert_close(mean_colour(pixels).flatten(), torch.tensor([0.5, 0.2, 1.0]))


def test_the_values_of_each_image_are_those_of_its_class() -> None:
    values = torch.arange(2 * 3 * 4.0).reshape(2, 3, 2, 2)
    assert torch.equal(select_class(values, torch.tensor([2, 0])), torch.stack([values[0, 2], values[1, 0]]))
