import numpy as np
import pytest
from PIL import Image

from zoo.search import sheet as sheet_module
from zoo.search.sheet import COLUMNS, Strip, Tile, draw_sheet, html_page
from zoo.search.thumbnails import SIDE, thumbnail_of_pixels
from zoo.sheets import tile

RED = Image.new("RGB", (8, 8), (200, 0, 0))


def strip(count: int, title: str = "strip") -> Strip:
    return Strip(title, [Tile(RED, f"image {number}", "0.5") for number in range(count)])


def red(image: Image.Image) -> int:
    """Number of tiles that were drawn."""
    pixels = np.asarray(image).astype(int)
    return round(((pixels - [200, 0, 0]) ** 2).sum(axis=2).__lt__(9).sum() / sheet_module.SIDE**2)


@pytest.mark.parametrize("counts", [[1], [COLUMNS], [COLUMNS + 1], [2, 2, 2], [2, 5, 1], [13, 1, 6, 2]])
def test_every_tile_is_drawn(counts: list[int]) -> None:
    assert red(draw_sheet("title", "subtitle", [strip(count) for count in counts])) == sum(counts)


def test_short_strips_lie_side_by_side() -> None:
    together, apart = (draw_sheet("t", "s", [strip(count) for count in counts]) for counts in ([3, 3], [4, 4]))
    assert together.height < apart.height
    assert together.width == apart.width


def test_no_sheet_is_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_module, "MAX_TILES", 10)
    assert red(draw_sheet("title", "subtitle", [strip(4)] * 5)) == 8
    assert red(draw_sheet("title", "subtitle", [strip(25)])) == 10
    assert html_page("title", "subtitle", [strip(25)]).count(b"<figure>") == 25


def test_no_strips_are_a_sheet_too() -> None:
    assert draw_sheet("title", "subtitle", []).width > 100
    assert b"<h1>title</h1>" in html_page("title", "subtitle", [])


@pytest.mark.parametrize("name", ["<script>", "a" * 500, "line\nbreak", "\udce9.png", '"'])
def test_names_of_any_kind(name: str) -> None:
    draw_sheet(name, name, [Strip(name, [Tile(RED, name, name)])])
    page = html_page(name, name, [Strip(name, [Tile(RED, name, name)])]).decode()
    assert "<script>" not in page


@pytest.mark.parametrize(("size", "expected"), [((32, 32), (64, 64)), ((300, 100), (64, 21)), ((1, 500), (1, 64))])
def test_tiles_keep_their_shape(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert tile(Image.new("RGB", size), 64).size == expected


@pytest.mark.parametrize(("size", "expected"), [(32, 32), (64, 64), (224, SIDE)])
def test_thumbnails_are_small(size: int, expected: int) -> None:
    import io

    thumbnail = thumbnail_of_pixels(np.full((3, size, size), 90, np.uint8))
    with Image.open(io.BytesIO(thumbnail)) as image:
        assert (image.format, image.size) == ("WEBP", (expected, expected))
