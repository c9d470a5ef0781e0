"""Decoding of images by threads, in batches for a network that computes meanwhile."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import NamedTuple, TypeVar

from zoo.classify.answers import Failure
from zoo.classify.sources import Source
from zoo.errors import ZooError, reason_of
from zoo.machine import cores
from zoo.parallel import batched, map_in_order

T = TypeVar("T")

BATCH = 64
"""Images per batch of the network."""

BLOCK = 16
"""Images per task of a thread; handing over small images one by one would cost more than decoding them."""

MAX_THREADS = 16


class Named(NamedTuple):
    """Bytes of an image file, and its name."""

    name: str
    data: bytes


def decode_in_batches(
    sources: Iterable[Source], decode: Callable[[Named], T]
) -> Iterator[tuple[list[T], list[Failure]]]:
    """Decode images, in order.

    Arguments:
        sources: the images.
        decode: called by a thread for each of them; raises `ZooError` if it is not an image.

    Returns:
        Either `BATCH` decoded images, fewer at the end, or some that could not be read or decoded.
    """

    def read(source: Source) -> T | Failure:
        try:
            return decode(Named(source.name, source.read()))
        except (OSError, ZooError) as error:
            return Failure(source.name, reason_of(error))

    def read_block(block: list[Source]) -> list[T | Failure]:
        return [read(source) for source in block]

    waiting: list[T] = []
    with closing(map_in_order(read_block, batched(sources, BLOCK), min(cores(), MAX_THREADS))) as blocks:
        for block in blocks:
            if failures := [each for each in block if isinstance(each, Failure)]:
                yield [], failures
            waiting += [each for each in block if not isinstance(each, Failure)]
            if len(waiting) >= BATCH:
                yield waiting[:BATCH], []
                waiting = waiting[BATCH:]
    if waiting:
        yield waiting, []
