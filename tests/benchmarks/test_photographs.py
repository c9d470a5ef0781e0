"""The images that are sent."""

import io

import pytest
from peers.photographs import KINDS
from PIL import Image


@pytest.mark.parametrize("name", ["32x32", "640x480"])
def test_they_are_what_their_name_says_and_the_same_every_time(name: str) -> None:
    kind = KINDS[name]
    images = list(kind.images())
    assert len(set(images)) == kind.different
    with Image.open(io.BytesIO(images[0])) as image:
        assert (image.format, f"{image.width}x{image.height}") == (kind.format, name)
    assert list(kind.images()) == images


def test_a_jpeg_is_as_heavy_as_a_photograph() -> None:
    kind = KINDS["640x480"]
    assert 1.5 < 8 * len(next(kind.images())) / (kind.width * kind.height) < 4
