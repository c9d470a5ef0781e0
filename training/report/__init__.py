"""Report on a measured model: accuracy by class, confusion matrix, worst mistakes, accuracy by epoch."""

from collections.abc import Callable
from pathlib import Path

from training.report.figures import draw_confusion, draw_history
from training.report.measured import Measured
from training.report.sheet import draw_mistakes
from training.report.tables import class_table, confusion_table, mistake_table
from zoo.errors import MissingDependencyError
from zoo.extras import importing
from zoo.files import png_bytes, write_atomically, writing
from zoo.reporting import svg

MAX_MATRIX_CLASSES = 1000
"""Largest number of classes for which the confusion matrix is written; its size grows with the square."""

CLASSES_FILE = "classes.csv"
MATRIX_FILE = "confusion.csv"
MISTAKES_FILE = "mistakes.csv"
MATRIX_FIGURE = "confusion.svg"
HISTORY_FIGURE = "epochs.svg"
SHEET = "mistakes.png"


def write_report(folder: Path, measured: Measured, say: Callable[[str], None]) -> None:
    """Write the files of a report; those of an earlier one are replaced.

    Arguments:
        folder: folder for the files; created if necessary.
        measured: the model, with its answers.
        say: called with a sentence on the files, and on figures that cannot be drawn.

    Raises:
        InputError: the folder cannot be written.
    """
    files: dict[str, bytes | None] = {
        CLASSES_FILE: class_table(measured),
        MISTAKES_FILE: mistake_table(measured),
        MATRIX_FILE: confusion_table(measured) if len(measured.classes) <= MAX_MATRIX_CLASSES else None,
        SHEET: png_bytes(sheet) if (sheet := draw_mistakes(measured)) else None,
        MATRIX_FIGURE: None,
        HISTORY_FIGURE: None,
    }
    try:
        with importing("train", "the confusion matrix as a figure"):
            files[MATRIX_FIGURE] = svg(draw_confusion(measured), "zoo eval")
            if measured.history:
                files[HISTORY_FIGURE] = svg(draw_history(measured), "zoo eval")
    except MissingDependencyError as error:
        say(str(error))
    with writing(f"the report into {folder}"):
        for name, content in files.items():
            if content is None:
                (folder / name).unlink(missing_ok=True)
            else:
                write_atomically(folder / name, content)
    say(f"report: {folder} ({', '.join(name for name, content in files.items() if content)})")
