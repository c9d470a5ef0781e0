import numpy as np

from export.challenges import challenges


def test_they_are_what_they_are_called():
    black, white, noise, two_valued, hot = challenges(32)
    assert (black == 0).all()
    assert (white == 255).all()
    assert len(np.unique(noise)) > 200
    assert set(np.unique(two_valued)) == {0, 255}
    assert (hot == 255).sum() == 3
    assert (hot == 0).sum() == 3 * 32 * 32 - 3


def test_they_are_pixels_of_the_size_and_the_same_each_time():
    assert challenges(84).shape == (5, 3, 84, 84)
    assert challenges(84).dtype == np.uint8
    assert (challenges(40) == challenges(40)).all()
