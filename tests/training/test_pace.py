import pytest

from training.pace import Pace
from training.recipe import Recipe


def test_a_steady_run() -> None:
    """10 steps an epoch, 2 seconds a step, after a slow first one."""
    pace = Pace(Recipe(epochs=3, input_size=32), 10)
    pace.observe(1, 20.0)
    assert pace.left(1) is None
    pace.observe(2, 22.0)
    assert pace.left(2) is None
    pace.observe(5, 28.0)
    assert pace.left(5) == pytest.approx(25 * 2)
    assert pace.left(30) == 0


def test_larger_images_to_come_take_longer() -> None:
    """5 steps a epoch, first at half the size, in a quarter of the time."""
    pace = Pace(Recipe(epochs=2, input_size=64, growth=(0.5, 1.0)), 5)
    pace.observe(1, 1.0)
    pace.observe(4, 4.0)
    assert pace.left(4) == pytest.approx(1 + 5 * 4)
    pace.observe(5, 100.0)  # the size changes
    assert pace.left(5) == pytest.approx(5 * 4)
    pace.observe(7, 106.0)
    assert pace.left(7) == pytest.approx(3 * 3)


def test_validations_are_still_to_come() -> None:
    pace = Pace(Recipe(epochs=3, input_size=32), 10)
    pace.observe(5, 0.0)
    pace.observe(10, 5.0)
    pace.validated(7.0)
    pace.observe(15, 17.0)
    assert pace.left(15) == pytest.approx(15 + 2 * 7)
