from dataclasses import replace

import numpy as np
import pytest
from support.measured import measured_of

from training.report.figures import MAX_CLASSES, draw_confusion, draw_history
from training.report.measured import Measured
from zoo.reporting import svg

pytestmark = pytest.mark.slow


def test_the_matrix_has_the_numbers_of_images(measured: Measured) -> None:
    [axes] = draw_confusion(measured).axes
    numbers = {text.get_position(): text.get_text() for text in axes.texts}
    assert numbers == {(0, 0): "2", (1, 0): "2", (2, 0): "1", (1, 1): "3", (0, 2): "1"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "$dog$ <b>", r"x\x1b[31m", "犬"]


def test_the_title_of_few_classes_is_not_cut_off() -> None:
    figure = draw_confusion(measured_of([0, 1, 1], [0, 1, 0], ("cat", "dog")))
    figure.draw_without_rendering()
    [title] = figure.texts
    shown = title.get_window_extent()
    assert shown.x0 >= 0
    assert shown.x1 <= figure.bbox.x1


def test_colours_tell_right_from_wrong(measured: Measured) -> None:
    [axes] = draw_confusion(measured).axes
    [image] = axes.get_images()
    right, wrong, none = (np.asarray(image.get_array())[place] for place in ((1, 1), (2, 0), (1, 0)))
    assert right[2] > right[0]
    assert wrong[0] > wrong[2]
    assert none.tolist() == [1, 1, 1]


def test_any_name_can_be_drawn(measured: Measured) -> None:
    """Names are not formulas, and the viewer may have fonts that matplotlib has not."""
    content = svg(draw_confusion(measured), "test").decode()
    assert "$dog$ &lt;b&gt;" in content
    assert "犬" in content


def test_of_many_classes_those_with_the_most_mistakes_are_drawn() -> None:
    names = tuple(f"class {number}" for number in range(MAX_CLASSES + 20))
    labels = list(range(len(names)))
    found = measured_of(labels, [*labels[:20], *(label - 1 for label in labels[20:])], names)
    [axes] = draw_confusion(found).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(names[20:])
    assert not axes.texts


def test_the_history_has_the_epochs_that_were_validated(measured: Measured) -> None:
    accuracy, loss = draw_history(measured).axes
    training, validation = accuracy.lines
    assert np.asarray(training.get_xydata()).tolist() == [[1, 50], [2, 60]]
    assert np.asarray(validation.get_xydata()).tolist() == [[2, 40]]
    assert np.asarray(loss.lines[1].get_xydata()).tolist() == [[2, 1.1]]


def test_the_only_epoch_of_a_short_run_is_the_only_tick(measured: Measured) -> None:
    short = replace(measured, history=measured.history[:1])
    for axes in draw_history(short).axes:
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]
