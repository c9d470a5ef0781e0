from support.measured import measured_of

from training.report.measured import Measured


def test_the_worst_mistake_is_the_most_confident(measured: Measured) -> None:
    assert measured.mistakes.tolist() == [8, 4, 3, 1]


def test_confusions_are_in_the_order_of_their_number(measured: Measured) -> None:
    assert [tuple(one) for one in measured.confusions] == [(0, 1, 2), (0, 2, 1), (2, 0, 1)]


def test_the_summary_names_the_lowest_accuracy_safely(measured: Measured) -> None:
    lowest, confused = measured.summary()
    assert lowest == r"lowest accuracy: x\x1b[31m 0.0% of 1, cat 40.0% of 5, $dog$ <b> 100.0% of 3"
    assert "cat as $dog$ <b> (2 of 5)" in confused


def test_nothing_is_confused_without_mistakes() -> None:
    assert measured_of([0, 1], [0, 1]).summary() == ()
