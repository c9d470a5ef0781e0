"""Parts of image files and the positions of their lengths, as far as a damaged file can be parsed."""

import zlib
from collections.abc import Iterator
from typing import Literal, NamedTuple


class Part(NamedTuple):
    """A part of a file with a length field."""

    start: int
    stop: int
    length: int
    """Position of the length field."""
    size: int
    """Size of the length field in bytes."""
    order: Literal["big", "little"] = "big"


def parts(data: bytes) -> list[Part]:
    """Segments of JPEG, chunks of PNG and WebP, sub-blocks of GIF, in order; none for other formats."""
    found = {b"\xff\xd8": _jpeg, b"\x89P": _png, b"RI": _webp, b"GI": _gif}.get(data[:2])
    return [part for part in found(data) if part.stop <= len(data)] if found else []


def with_checksums(data: bytes) -> bytes:
    """A PNG file with correct checksums; other files are unchanged."""
    if not data.startswith(b"\x89P"):
        return data
    mended = bytearray(data)
    for part in parts(data):
        mended[part.stop - 4 : part.stop] = zlib.crc32(data[part.start + 4 : part.stop - 4]).to_bytes(4)
    return bytes(mended)


def _jpeg(data: bytes) -> Iterator[Part]:
    """ITU-T T.81, annex B; up to the first scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        yield Part(at, stop, at + 2, 2)
        if data[at + 1] == 0xDA:
            return
        at = stop


def _png(data: bytes) -> Iterator[Part]:
    """https://www.w3.org/TR/png-3/#5Chunk-layout"""
    at = 8
    while at + 12 <= len(data):
        stop = at + 12 + int.from_bytes(data[at : at + 4])
        yield Part(at, stop, at, 4)
        at = stop


def _webp(data: bytes) -> Iterator[Part]:
    """RFC 9649, section 2.3."""
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        stop = at + 8 + length + length % 2
        yield Part(at, stop, at + 4, 4, "little")
        at = stop


def _gif(data: bytes) -> Iterator[Part]:
    """https://www.w3.org/Graphics/GIF/spec-gif89a.txt"""
    at = 13 + _colours(data, 10)
    while at + 10 <= len(data) and data[at] in b"\x21\x2c":
        # An extension has a label; an image has a position, perhaps colours, and the size of its codes.
        at += 2 if data[at] == 0x21 else 11 + _colours(data, at + 9)
        while at < len(data):
            stop = at + 1 + data[at]
            yield Part(at, stop, at, 1)
            at, ended = stop, stop == at + 1
            if ended:
                break


def _colours(data: bytes, flags: int) -> int:
    """Size in bytes of the colour table announced by the flags at a position."""
    return 3 << (data[flags] & 7) + 1 if flags < len(data) and data[flags] & 0x80 else 0
