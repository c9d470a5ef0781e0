"""The pictures that are sent."""

import io

import pytest
from peers.photographs import KINDS
from PIL import Image


@pytest.mark.parametrize("name", ["32x32", "640x480"])
def test_they_are_what_their_name_says_and_the_same_every_time(name: str) -> None:
    kind = KINDS[name]
    pictures = list(kind.pictures())
    assert len(set(pictures)) == kind.different
    with Image.open(io.BytesIO(pictures[0])) as image:
        assert (image.format, f"{image.width}x{image.height}") == (kind.format, name)
    assert list(kind.pictures()) == pictures


def test_a_jpeg_is_as_heavy_as_a_photograph() -> None:
    kind = KINDS["640x480"]
    assert 1.5 < 8 * len(next(kind.pictures())) / (kind.width * kind.height) < 4
