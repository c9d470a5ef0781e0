import numpy as np
import pytest
from PIL import Image

from explain.pages.sections import Section, Tile
from explain.pages.sheet import MARGIN, WIDTH, draw_sheet
from zoo.semantic_map import LegendRow, draw_legend


def test_larger_type_makes_a_larger_legend() -> None:
    rows = [LegendRow("cat", 0.5, "#832db6")]
    usual, larger = draw_legend(rows, "share"), draw_legend(rows, "share", 27)
    assert larger.width > usual.width
    assert larger.height > 1.2 * usual.height


@pytest.mark.parametrize("name", ["cat", "a breed of dogs with a very long name"])
def test_the_whole_legend_is_on_the_sheet(name: str) -> None:
    tiles = tuple(Tile("tile", "note", Image.new("RGB", (256, 256))) for _ in range(3))
    sheet = draw_sheet("title", "", (Section("section", "", tiles, (LegendRow(name, 1.0, "#ff0000"),)),))
    legend = np.asarray(draw_legend([LegendRow(name, 1.0, "#ff0000")], "mean share", 21))
    pixels = np.asarray(sheet)
    height, width = legend.shape[:2]
    tops, lefts = np.nonzero((pixels == (255, 0, 0)).all(axis=2))
    own_tops, own_lefts = np.nonzero((legend == (255, 0, 0)).all(axis=2))
    top, left = tops.min() - own_tops.min(), lefts.min() - own_lefts.min()
    assert left + width <= WIDTH - MARGIN
    assert np.array_equal(pixels[top : top + height, left : left + width], legend)
