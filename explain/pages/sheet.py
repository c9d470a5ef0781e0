"""Page as a single image."""

from PIL import Image, ImageDraw, ImageFont

from explain.pages.sections import Section, Tile
from zoo.semantic_map import INK, PAPER, draw_legend

WIDTH, MARGIN, GAP = 1180, 24, 20
QUIET = "#5f6368"
TITLE, HEADING, BODY, NOTE = 38, 30, 24, 21
"""Font sizes, in pixels: legible where the sheet is shown at two thirds of its size, as beside a text."""
TILES, NOTE_WIDTH = 4, 420
"""Maximum number of tiles in a row, and maximum width of the text below an image."""


def draw_sheet(title: str, subtitle: str, sections: tuple[Section, ...]) -> Image.Image:
    """Draw the sections below a title, one under another, as an RGB image."""
    width = WIDTH - 2 * MARGIN
    rows = [_text(title, TITLE, width, INK), _text(subtitle, BODY, width, QUIET)]
    for section in sections:
        rows += [_text(section.title, HEADING, width, INK), _text(section.text, BODY, width, QUIET)]
        rows += _arrange(section)
    sheet = Image.new("RGB", (WIDTH, sum(row.height + GAP for row in rows) + 2 * MARGIN), PAPER)
    top = MARGIN
    for row in rows:
        sheet.paste(row, (MARGIN, top))
        top += row.height + GAP
    return sheet


def _arrange(section: Section) -> list[Image.Image]:
    """Tiles of a section side by side, in as many rows as needed, and its legend, below them if it is wider."""
    count = len(section.tiles) + bool(section.legend)
    rows = -(-count // TILES)
    per_row = -(-count // rows)
    width = min((WIDTH - 2 * MARGIN + GAP) // per_row - GAP, NOTE_WIDTH)
    parts = [_tile(tile, width) for tile in section.tiles]
    below: list[Image.Image] = []
    if section.legend:
        legend = draw_legend(list(section.legend), "mean share", NOTE)
        (parts if legend.width <= width else below).append(legend)
    return [*(_side_by_side(parts[first : first + per_row]) for first in range(0, len(parts), per_row)), *below]


def _tile(tile: Tile, width: int) -> Image.Image:
    """A tile whose text is at most `width` pixels wide, or as wide as its image if that is wider."""
    width = max(width, tile.image.width)
    return _stack([_text(tile.title, BODY, width, INK), tile.image, _text(tile.note, NOTE, width, QUIET)], GAP // 3)


def _stack(parts: list[Image.Image], gap: int) -> Image.Image:
    page = Image.new("RGB", (max(part.width for part in parts), sum(part.height + gap for part in parts)), PAPER)
    top = 0
    for part in parts:
        page.paste(part, (0, top))
        top += part.height + gap
    return page


def _side_by_side(row: list[Image.Image]) -> Image.Image:
    page = Image.new("RGB", (sum(tile.width + GAP for tile in row), max(tile.height for tile in row)), PAPER)
    left = 0
    for tile in row:
        page.paste(tile, (left, 0))
        left += tile.width + GAP
    return page


def _text(text: str, size: int, width: int, colour: str) -> Image.Image:
    """Draw text, wrapped to lines of at most `width` pixels."""
    # Pillow's `ImageText.wrap` refuses words wider than a line; a matplotlib grid takes ten times as long to draw.
    font = ImageFont.load_default(size)
    lines = [""]
    for word in _break_words(text, font, width):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    page = Image.new("RGB", (width, round(1.35 * size) * len(lines)), PAPER)
    pen = ImageDraw.Draw(page)
    for index, line in enumerate(lines):
        pen.text((0, index * round(1.35 * size)), line, fill=colour, font=font)
    return page


def _break_words(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Words of a text; those wider than a line, such as long file names, are split."""
    pieces = []
    for word in text.split():
        while font.getlength(word) > width and len(word) > 1:
            fits = next(
                count for count in range(len(word) - 1, 0, -1) if font.getlength(word[:count]) <= width or count == 1
            )
            pieces.append(word[:fits])
            word = word[fits:]
        pieces.append(word)
    return pieces
