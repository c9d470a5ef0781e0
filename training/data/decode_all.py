"""Decoding of many images with a few threads, in order and in bounded memory."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from training.data.data_set import EncodedImages
from zoo.errors import DataError
from zoo.images.preprocess import Pixels
from zoo.machine import cores

BLOCK = 16
"""Images per task; handing over small images one by one would cost more than decoding them."""

MAX_THREADS = 16
"""More threads would wait for the interpreter's lock, which decoders release but Python code needs."""


def decode_all(encoded: EncodedImages, size: int) -> Iterator[Pixels | DataError]:
    """Decode the centred square of each image at `size` x `size` pixels.

    Returns:
        For each image in order, pixels [3, size, size] or the error of `EncodedImages.pixels`.
    """
    threads = min(cores(), MAX_THREADS)
    executor = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    running: deque[Future[list[Pixels | DataError]]] = deque()
    try:
        for start in range(0, len(encoded), BLOCK):
            block = range(start, min(start + BLOCK, len(encoded)))
            running.append(executor.submit(_decode_block, encoded, block, size))
            if len(running) > 2 * threads:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


def _decode_block(encoded: EncodedImages, block: range, size: int) -> list[Pixels | DataError]:
    return [_decode(encoded, index, size) for index in block]


def _decode(encoded: EncodedImages, index: int, size: int) -> Pixels | DataError:
    try:
        return encoded.pixels(index, size)
    except DataError as error:
        return error
