from support.measured import measured_of

from training.report.measured import Measured
from training.report.sheet import COLUMNS, ROWS, TILE, draw_mistakes
from zoo.semantic_map import PAPER, class_colour


def colours(measured: Measured) -> set[tuple[int, ...]]:
    sheet = draw_mistakes(measured)
    assert sheet is not None
    return {colour for _, colour in sheet.getcolors(sheet.width * sheet.height) or []}  # type: ignore[misc]


def test_images_and_the_colours_of_their_classes_are_drawn(measured: Measured) -> None:
    shown = {f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours(measured)}
    assert {"#000000", PAPER, class_colour(0), class_colour(1), class_colour(2)} <= shown
    assert class_colour(3) not in shown


def test_it_grows_with_the_mistakes_up_to_a_limit() -> None:
    def height(mistakes: int) -> int:
        sheet = draw_mistakes(measured_of([0] * (mistakes + 1), [1] * mistakes + [0]))
        assert sheet is not None
        return sheet.height

    assert height(1) == height(COLUMNS)
    assert height(COLUMNS + 1) > height(COLUMNS) + TILE
    assert height(COLUMNS * ROWS) == height(COLUMNS * ROWS + 5)


def test_there_is_none_without_mistakes() -> None:
    assert draw_mistakes(measured_of([0, 1], [0, 1])) is None
