"""Page as a single image."""

from PIL import Image, ImageDraw, ImageFont

from explain.pages.sections import Section, Tile
from zoo.semantic_map import INK, PAPER, draw_legend

WIDTH, MARGIN, GAP = 1180, 24, 20
QUIET = "#5f6368"
TITLE, HEADING, BODY, NOTE = 28, 22, 17, 15


def draw_sheet(title: str, subtitle: str, sections: tuple[Section, ...]) -> Image.Image:
    """Draw the sections below a title, one under another, as an RGB image."""
    rows = [_text(title, TITLE, WIDTH - 2 * MARGIN, INK), _text(subtitle, BODY, WIDTH - 2 * MARGIN, QUIET)]
    for section in sections:
        rows += [_text(section.title, HEADING, WIDTH - 2 * MARGIN, INK), _text(section.text, BODY, 1000, QUIET)]
        tiles = [_tile(tile) for tile in section.tiles]
        rows += _arrange([*tiles, draw_legend(list(section.legend), "mean share")] if section.legend else tiles)
    sheet = Image.new("RGB", (WIDTH, sum(row.height + GAP for row in rows) + 2 * MARGIN), PAPER)
    top = MARGIN
    for row in rows:
        sheet.paste(row, (MARGIN, top))
        top += row.height + GAP
    return sheet


def _tile(tile: Tile) -> Image.Image:
    width = tile.image.width
    return _stack([_text(tile.title, BODY, width, INK), tile.image, _text(tile.note, NOTE, width, QUIET)], GAP // 3)


def _stack(parts: list[Image.Image], gap: int) -> Image.Image:
    page = Image.new("RGB", (max(part.width for part in parts), sum(part.height + gap for part in parts)), PAPER)
    top = 0
    for part in parts:
        page.paste(part, (0, top))
        top += part.height + gap
    return page


def _arrange(tiles: list[Image.Image]) -> list[Image.Image]:
    """Arrange tiles side by side, in as many rows as needed."""
    rows: list[list[Image.Image]] = [[]]
    for tile in tiles:
        if rows[-1] and sum(one.width + GAP for one in rows[-1]) + tile.width > WIDTH - 2 * MARGIN:
            rows.append([])
        rows[-1].append(tile)
    return [_side_by_side(row) for row in rows]


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
