"""Contact sheets: strips of captioned images, as one PNG image or as a self-contained HTML page. No torch."""

import io
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from PIL import Image, ImageDraw

from zoo.printable import printable
from zoo.search.thumbnails import webp_uri
from zoo.semantic_map import PAPER
from zoo.sheets import QUIET, Corner, tile, write_line

COLUMNS = 6
MAX_TILES = 300
"""Largest number of images of a PNG sheet; further strips are counted."""

SIDE, GAP, MARGIN, LINE = 112, 12, 20, 17
ITEM = SIDE + 2 * LINE + 6
TITLE, HEADING = 52, 30


class Tile(NamedTuple):
    """A captioned image."""

    image: Image.Image
    title: str
    note: str


class Strip(NamedTuple):
    """Tiles that belong together, such as an image and those like it."""

    title: str
    tiles: Sequence[Tile]


def draw_sheet(title: str, subtitle: str, strips: Sequence[Strip]) -> Image.Image:
    """Draw strips one under another, short ones side by side, as an RGB image."""
    shown = _first(strips)
    left_out = len(strips) - len(shown)
    rows = _rows(shown)
    heights = [HEADING + max(-(-len(strip.tiles) // COLUMNS) for strip in row) * (ITEM + GAP) for row in rows]
    width = 2 * MARGIN + COLUMNS * (SIDE + GAP) - GAP
    sheet = Image.new("RGB", (width, 2 * MARGIN + TITLE + sum(heights) + HEADING * bool(left_out)), PAPER)
    pen = ImageDraw.Draw(sheet)
    write_line(pen, (MARGIN, MARGIN), title, width - 2 * MARGIN, 18)
    write_line(pen, (MARGIN, MARGIN + 26), subtitle, width - 2 * MARGIN, 13, QUIET)
    top = MARGIN + TITLE
    for row, height in zip(rows, heights, strict=True):
        left = MARGIN
        for strip in row:
            _draw_strip(sheet, (left, top), strip)
            left += len(strip.tiles) * (SIDE + GAP)
        top += height
    if left_out:
        write_line(pen, (MARGIN, top), f"and {left_out:,} more", width - 2 * MARGIN, 14, QUIET)
    return sheet


def _rows(strips: Sequence[Strip]) -> list[list[Strip]]:
    """Strips in rows of at most `COLUMNS` tiles; a longer one has a row of its own."""
    rows: list[list[Strip]] = []
    for strip in strips:
        if rows and sum(len(each.tiles) for each in (*rows[-1], strip)) <= COLUMNS:
            rows[-1].append(strip)
        else:
            rows.append([strip])
    return rows


def _draw_strip(sheet: Image.Image, corner: Corner, strip: Strip) -> None:
    pen, (left, top) = ImageDraw.Draw(sheet), corner
    width = min(len(strip.tiles), COLUMNS) * (SIDE + GAP) - GAP
    write_line(pen, (left, top + 6), strip.title, width, 14, cut_start=True)
    for place, each in enumerate(strip.tiles):
        row, column = divmod(place, COLUMNS)
        x, y = left + column * (SIDE + GAP), top + HEADING + row * (ITEM + GAP)
        sheet.paste(tile(each.image, SIDE), (x, y))
        write_line(pen, (x, y + SIDE + 3), each.title, SIDE, 12, cut_start=True)
        write_line(pen, (x, y + SIDE + 3 + LINE), each.note, SIDE, 12, QUIET)


def html_page(title: str, subtitle: str, strips: Sequence[Strip]) -> bytes:
    """A page with all strips, whose images are part of it."""
    parts = [_strip_html(strip) for strip in strips]
    return _PAGE.format(title=_text(title), subtitle=_text(subtitle), strips="\n".join(parts)).encode()


def _first(strips: Sequence[Strip]) -> list[Strip]:
    """The first strips that have at most `MAX_TILES` images; at least one, of which as many."""
    shown: list[Strip] = []
    left = MAX_TILES
    for strip in strips:
        if shown and len(strip.tiles) > left:
            break
        shown.append(Strip(strip.title, strip.tiles[:MAX_TILES]))
        left -= len(strip.tiles)
    return shown


def _strip_html(strip: Strip) -> str:
    figures = (
        f'<figure><img src="{_uri(each.image)}" alt=""><figcaption title="{_text(each.title)}">'
        f"<b>{_text(each.title)}</b><span>{_text(each.note)}</span></figcaption></figure>"
        for each in strip.tiles
    )
    return f"<section><h2>{_text(strip.title)}</h2><div>{''.join(figures)}</div></section>"


def _uri(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=90)
    return webp_uri(stream.getvalue())


def _text(text: str) -> str:
    """Text for HTML; names of files may contain any characters."""
    return escape(printable(text))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }}
body {{ margin: 24px auto; max-width: 1100px; padding: 0 16px; }}
h1 {{ margin: 0; font-size: 20px; }}
h2 {{ margin: 28px 0 8px; font-size: 15px; overflow-wrap: anywhere; }}
p, span {{ opacity: 0.7; }}
div {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(112px, 1fr)); gap: 14px; }}
figure {{ margin: 0; min-width: 0; }}
img {{ width: 112px; height: 112px; object-fit: contain; image-rendering: pixelated; }}
b, span {{ display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 12px; }}
b {{ direction: rtl; text-align: left; font-weight: 500; unicode-bidi: plaintext; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{subtitle}</p>
{strips}
</body>
</html>
"""
