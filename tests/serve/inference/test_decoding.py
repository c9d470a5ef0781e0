import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from support.serving import encoded

from serve.inference.decoding import Decoding, Upload
from zoo.errors import ImageTooLargeError, UnsupportedImageError


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def png(value: int, size: tuple[int, int] = (40, 50)) -> Upload:
    return Upload(f"{value}.png", encoded(Image.new("RGB", size, (value, 0, 0))))


def decode(pool: ThreadPoolExecutor, *uploads: Upload, wanted: bool = True, keep_images: bool = False) -> Decoding:
    ended: list[Decoding] = []
    end = threading.Event()

    def done(decoding: Decoding) -> None:
        ended.append(decoding)
        end.set()

    decoding = Decoding(uploads, size=32, max_pixels=5000, keep_images=keep_images, wanted=lambda: wanted, done=done)
    decoding.start(pool)
    assert end.wait(10)
    pool.shutdown()
    assert ended == [decoding]
    return decoding


def test_images_in_order(pool: ThreadPoolExecutor) -> None:
    images = decode(pool, *(png(value) for value in range(9))).images
    assert [image.name for image in images] == [f"{value}.png" for value in range(9)]
    assert [int(image.pixels[0, 0, 0]) for image in images] == list(range(9))
    assert {(image.width, image.height, image.box) for image in images} == {(40, 50, (0, 5, 40, 45))}
    assert {image.image for image in images} == {None}


def test_whole_images_are_kept_where_they_are_needed(pool: ThreadPoolExecutor) -> None:
    [image] = decode(pool, png(1), keep_images=True).images
    assert image.image is not None
    assert image.image.size == (40, 50)


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (Upload("text.png", b"text"), UnsupportedImageError, "text.png: the file is not an image"),
        (png(5, (100, 51)), ImageTooLargeError, "5.png: the image is 100 x 51"),
    ],
)
def test_one_that_fails(pool: ThreadPoolExecutor, bad: Upload, kind: type[Exception], message: str) -> None:
    decoding = decode(pool, png(1), bad, png(2))
    assert decoding.images == []
    assert isinstance(decoding.error, kind)
    assert str(decoding.error).startswith(message)


def test_nothing_is_decoded_for_nobody(pool: ThreadPoolExecutor) -> None:
    decoding = decode(pool, Upload("text.png", b"text"), wanted=False)
    assert decoding.images == []
    assert decoding.error is None
