"""Decoding of many images with a few threads, in order and in bounded memory."""

from collections.abc import Iterator
from contextlib import closing

from training.data.data_set import EncodedImages
from zoo.errors import DataError
from zoo.images.preprocess import Pixels
from zoo.machine import cores
from zoo.parallel import batched, map_in_order

BLOCK = 16
"""Images per task; handing over small images one by one would cost more than decoding them."""

MAX_THREADS = 16
"""More threads would wait for the interpreter's lock, which decoders release but Python code needs."""


def decode_all(encoded: EncodedImages, size: int) -> Iterator[Pixels | DataError]:
    """Decode the centred square of each image at `size` x `size` pixels.

    Returns:
        For each image in order, pixels [3, size, size] or the error of `EncodedImages.pixels`.
    """

    def decode_block(indices: list[int]) -> list[Pixels | DataError]:
        return [_decode(encoded, index, size) for index in indices]

    indices = batched(range(len(encoded)), BLOCK)
    with closing(map_in_order(decode_block, indices, min(cores(), MAX_THREADS))) as blocks:
        for block in blocks:
            yield from block


def _decode(encoded: EncodedImages, index: int, size: int) -> Pixels | DataError:
    try:
        return encoded.pixels(index, size)
    except DataError as error:
        return error
