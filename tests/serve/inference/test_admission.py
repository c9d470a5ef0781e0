import contextlib

import pytest

from serve.errors import QueueFullError
from serve.inference.admission import Admission
from serve.shared import Shared


def test_places_are_held_and_given_back() -> None:
    admission = Admission(3, 100, Shared.create())
    with admission.enter() as reservation:
        reservation.add(items=2, bytes_=60)
        assert (admission.items.total, admission.bytes.total) == (2, 60)
        with admission.enter() as other:
            other.add(items=1, bytes_=40)
            assert (admission.items.total, admission.bytes.total) == (3, 100)
        assert (admission.items.total, admission.bytes.total) == (2, 60)
    assert (admission.items.total, admission.bytes.total) == (0, 0)


def test_too_many_images() -> None:
    admission = Admission(3, 100, Shared.create())
    with admission.enter() as reservation, admission.enter() as other:
        reservation.add(items=2)
        with pytest.raises(QueueFullError, match=r"2 images in flight, 2 more requested \(limit 3\)"):
            other.add(items=2, bytes_=5)
        assert (admission.items.total, admission.bytes.total) == (2, 0)
        other.add(items=1)


def test_too_many_bytes() -> None:
    admission = Admission(3, 100, Shared.create())
    with admission.enter() as reservation:
        reservation.add(bytes_=60)
        with pytest.raises(QueueFullError, match=r"60 bytes in flight, 41 more requested \(limit 100\)"):
            reservation.add(bytes_=41)
        reservation.add(bytes_=40)


def test_when_it_is_full_nobody_enters() -> None:
    admission = Admission(1, 100, Shared.create())
    with admission.enter() as reservation:
        with admission.enter():
            pass
        reservation.add(items=1)
        with pytest.raises(QueueFullError, match=r"1 images in flight, 1 more requested \(limit 1\)"):
            admission.enter()


def test_places_are_given_back_after_an_error() -> None:
    admission = Admission(1, 100, Shared.create())
    for _ in range(3):
        with contextlib.suppress(QueueFullError), admission.enter() as reservation:
            reservation.add(items=1, bytes_=100)
            reservation.add(items=1)
    assert (admission.items.total, admission.bytes.total) == (0, 0)
