"""Tables of a report as CSV files, with the names of the classes in the first row or column."""

import csv
import io
from collections.abc import Iterable, Sequence

import numpy as np

from training.report.measured import Measured


def class_table(measured: Measured) -> bytes:
    """One row per class: number of images, accuracy, precision, and the class that it was most often taken for."""
    names, count, right = measured.classes, measured.count.tolist(), measured.right.tolist()
    predicted = np.bincount(measured.answers.predicted, minlength=len(names)).tolist()
    most = {one.true: one for one in reversed(measured.confusions)}
    rows: list[Sequence[object]] = []
    for index, name in enumerate(names):
        taken = [names[most[index].predicted], most[index].images] if index in most else ["", ""]
        shares = [_percent(right[index], count[index]), _percent(right[index], predicted[index])]
        rows.append([name, count[index], right[index], *shares, *taken])
    headings = [
        "class",
        "images",
        "right",
        "accuracy, %",
        "precision, %",
        "most often taken for",
        "images taken for it",
    ]
    return _csv([headings, *rows])


def confusion_table(measured: Measured) -> bytes:
    """The confusion matrix: one row per true class, one column per predicted class, numbers of images."""
    names, answers = measured.classes, measured.answers
    counts = np.bincount(answers.labels * len(names) + answers.predicted, minlength=len(names) ** 2)
    matrix = counts.reshape(len(names), len(names)).tolist()
    return _csv([["true \\ predicted", *names], *([name, *row] for name, row in zip(names, matrix, strict=True))])


def mistake_table(measured: Measured) -> bytes:
    """One row per wrong answer, the most confident first: image, true class, predicted class and its probability."""
    names, answers = measured.classes, measured.answers
    rows = (
        [
            measured.images.where(index),
            names[answers.labels[index]],
            names[answers.predicted[index]],
            f"{answers.probability[index]:.4f}",
        ]
        for index in measured.mistakes.tolist()
    )
    return _csv([["image", "true", "predicted", "probability"], *rows])


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else ""


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue().encode()
