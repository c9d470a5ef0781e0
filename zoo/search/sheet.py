"""Contact sheets: groups of captioned images, as one PNG image or as a self-contained HTML page. No torch."""

import io
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from PIL import Image, ImageDraw

from zoo.printable import printable
from zoo.search.thumbnails import webp_uri
from zoo.semantic_map import PAPER
from zoo.sheets import QUIET, tile, write_line

COLUMNS = 6
MAX_TILES = 300
"""Largest number of images of a PNG sheet; further groups are counted."""

SIDE, GAP, MARGIN, LINE = 112, 12, 20, 17
ITEM = SIDE + 2 * LINE + 6
HEADING = 30


class Tile(NamedTuple):
    """A captioned image."""

    image: Image.Image
    title: str
    note: str


class Strip(NamedTuple):
    """Tiles that belong together, such as an image and those like it."""

    title: str
    tiles: Sequence[Tile]


def draw_sheet(title: str, groups: Sequence[Strip]) -> Image.Image:
    """Draw groups one under another, as an RGB image."""
    shown = _first(groups)
    left_out = len(groups) - len(shown)
    rows = sum(-(-len(group.tiles) // COLUMNS) for group in shown)
    width = 2 * MARGIN + COLUMNS * (SIDE + GAP) - GAP
    height = 2 * MARGIN + HEADING * (len(shown) + 1 + bool(left_out)) + rows * (ITEM + GAP)
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    write_line(pen, (MARGIN, MARGIN), title, width - 2 * MARGIN, 18)
    top = MARGIN + HEADING
    for group in shown:
        write_line(pen, (MARGIN, top + 6), group.title, width - 2 * MARGIN, 14, cut_start=True)
        top += HEADING
        for place, each in enumerate(group.tiles):
            row, column = divmod(place, COLUMNS)
            left, above = MARGIN + column * (SIDE + GAP), top + row * (ITEM + GAP)
            image = tile(each.image, SIDE)
            sheet.paste(image, (left, above))
            write_line(pen, (left, above + SIDE + 3), each.title, SIDE, 12, cut_start=True)
            write_line(pen, (left, above + SIDE + 3 + LINE), each.note, SIDE, 12, QUIET)
        top += -(-len(group.tiles) // COLUMNS) * (ITEM + GAP)
    if left_out:
        write_line(pen, (MARGIN, top), f"and {left_out:,} more groups", width - 2 * MARGIN, 14, QUIET)
    return sheet


def html_page(title: str, subtitle: str, groups: Sequence[Strip]) -> bytes:
    """A page with all groups, whose images are part of it."""
    parts = [_strip_html(group) for group in groups]
    return _PAGE.format(title=_text(title), subtitle=_text(subtitle), groups="\n".join(parts)).encode()


def _first(groups: Sequence[Strip]) -> list[Strip]:
    """The first groups that have at most `MAX_TILES` images; at least one, of which as many."""
    shown: list[Strip] = []
    left = MAX_TILES
    for group in groups:
        if shown and len(group.tiles) > left:
            break
        shown.append(Strip(group.title, group.tiles[:MAX_TILES]))
        left -= len(group.tiles)
    return shown


def _strip_html(group: Strip) -> str:
    figures = (
        f'<figure><img src="{_uri(each.image)}" alt=""><figcaption title="{_text(each.title)}">'
        f"<b>{_text(each.title)}</b><span>{_text(each.note)}</span></figcaption></figure>"
        for each in group.tiles
    )
    return f"<section><h2>{_text(group.title)}</h2><div>{''.join(figures)}</div></section>"


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
{groups}
</body>
</html>
"""
