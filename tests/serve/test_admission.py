import pytest

from serve.admission import Admission
from serve.errors import QueueFullError


def test_places_are_held_and_given_back() -> None:
    admission = Admission(3)
    with admission.admit(2):
        assert admission.in_work == 2
        full = pytest.raises(QueueFullError, match="2 pictures are in work and 2 more are above the limit of 3")
        with full, admission.admit(2):
            pass
        with admission.admit(1):
            assert admission.in_work == 3
    assert admission.in_work == 0


def test_places_are_given_back_after_an_error() -> None:
    admission = Admission(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission.admit(1):
            raise ZeroDivisionError
    assert admission.in_work == 0
