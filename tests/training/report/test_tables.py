import csv
import io

from training.report.measured import Measured
from training.report.tables import class_table, confusion_table, mistake_table


def rows(table: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.decode())))


def test_classes(measured: Measured) -> None:
    """The last class has no images, and none was predicted; two of the three predictions of cats were right."""
    _, *found = rows(class_table(measured))
    assert found == [
        ["cat", "5", "2", "40.00", "66.67", "$dog$ <b>", "2"],
        ["$dog$ <b>", "3", "3", "100.00", "60.00", "", ""],
        [r"x\x1b[31m", "1", "0", "0.00", "0.00", "cat", "1"],
        ["犬", "0", "0", "", "", "", ""],
    ]


def test_the_confusion_matrix_has_a_row_for_each_true_class(measured: Measured) -> None:
    (_, *names), *found = rows(confusion_table(measured))
    assert names == [row[0] for row in found]
    assert [[int(cell) for cell in row[1:]] for row in found] == [[2, 2, 1, 0], [0, 3, 0, 0], [1, 0, 0, 0], [0] * 4]


def test_mistakes_name_their_image(measured: Measured) -> None:
    _, *found = rows(mistake_table(measured))
    assert found[0] == ["image 8", r"x\x1b[31m", "cat", "0.9000"]
    assert [row[0] for row in found] == ["image 8", "image 4", "image 3", "image 1"]
