from itertools import product

import pytest

from zoo.runtime import Runtime


@pytest.mark.parametrize(("streams", "threads", "made"), [(0, 4, 4), (1, 4, 1), (3, 4, 3), (9, 4, 4), (0, 1, 1)])
def test_as_many_streams_as_threads_at_most(streams: int, threads: int, made: int) -> None:
    assert Runtime(streams, part=7, spin=False).on(threads) == Runtime(made, part=7, spin=False)


@pytest.mark.parametrize(
    ("streams", "part", "images", "parts"),
    [
        (1, 0, 64, 1),
        (1, 4, 64, 16),
        (1, 4, 9, 3),
        (2, 0, 64, 2),
        (2, 4, 64, 16),
        (2, 4, 9, 4),
        (2, 16, 9, 2),
        (3, 1, 4, 4),
        (4, 1, 3, 1),
        (0, 1, 1, 1),
    ],
)
def test_parts(streams: int, part: int, images: int, parts: int) -> None:
    assert Runtime(streams, part).parts(images, threads=4) == parts


def test_no_part_is_larger_than_it_may_be() -> None:
    for streams, part, images in product(range(1, 5), range(1, 6), range(4, 40)):
        assert -(-images // Runtime(streams, part).parts(images, threads=4)) <= part


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        (Runtime(), "2 streams, parts of up to 4 images"),
        (Runtime(2, 0), "2 streams, one part each"),
        (Runtime(1, 1), "single images, one after the other"),
        (Runtime(1, 0, spin=False, arena=False), "whole batches, no spinning, no arena"),
        (Runtime(1, 8, optimization="basic"), "parts of up to 8 images, one after the other, optimization basic"),
    ],
)
def test_in_words(runtime: Runtime, words: str) -> None:
    assert runtime.describe(threads=2) == words
