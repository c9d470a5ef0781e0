"""Sizes of the coded images in an AVIF file, which may be larger than the size that its header states.

libavif scales what it decoded to the stated size, so a small size hides what the decoder allocates. The sizes are in
the sequence headers of the AV1 data, which this module finds. Sources: ISO/IEC 14496-12 (boxes), AV1 Codec ISO Media
File Format Binding, AV1 Bitstream & Decoding Process Specification, sections 5.3 to 5.5.
"""

import struct
from collections.abc import Iterable, Iterator

MAX_UNITS = 2**16
"""Maximum number of units (OBUs) of the first frame, with all its tiles; an image has a few."""

_SAMPLE_TABLE = (b"trak", b"mdia", b"minf", b"stbl")
_SEQUENCE_HEADER = 1
_VERSIONED = 4
"""Bytes of version and flags before the content of some boxes."""

_Range = tuple[int, int]


def coded_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Maximum width and height of each AV1 sequence that is decoded for the first frame of a file.

    Raises:
        ValueError, struct.error: the file is malformed.
    """
    units = 0
    for stream in _streams(data):
        for kind, payload in _units(stream):
            units += 1
            if units > MAX_UNITS:
                raise ValueError(f"it has more than {MAX_UNITS} units")
            if kind == _SEQUENCE_HEADER:
                yield _sequence_size(bytes(payload[:512]))


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box in a range."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        stop = start + size if size else end
        if not content <= stop <= end:
            raise ValueError(f"the box {kind!r} exceeds its container")
        yield kind, content, stop
        start = stop


def _streams(data: bytes) -> Iterator[memoryview]:
    """Data of each item, and of the first frame of each track."""
    for kind, start, stop in _boxes(data, 0, len(data)):
        if kind == b"meta":
            yield from _items(data, start + _VERSIONED, stop)
        elif kind == b"moov":
            yield from _first_frames(data, [(start, stop)])


def _first_frames(data: bytes, ranges: Iterable[_Range]) -> Iterator[memoryview]:
    for wanted in _SAMPLE_TABLE:
        ranges = [(start, stop) for outer in ranges for kind, start, stop in _boxes(data, *outer) if kind == wanted]
    for table in ranges:
        boxes = {kind: start + _VERSIONED for kind, start, _ in _boxes(data, *table)}
        offsets = boxes.get(b"stco", boxes.get(b"co64"))
        if offsets is None or b"stsz" not in boxes:
            continue
        (offset,) = struct.unpack_from(">I" if b"stco" in boxes else ">Q", data, offsets + 4)
        same, _, first = struct.unpack_from(">III", data, boxes[b"stsz"])
        yield memoryview(data)[offset : offset + (same or first)]


def _items(data: bytes, start: int, stop: int) -> Iterator[memoryview]:
    boxes = {kind: (inner, end) for kind, inner, end in _boxes(data, start, stop)}
    if b"iloc" not in boxes:
        return
    reader = _Reader(data, *boxes[b"iloc"])
    version = reader.take(1)
    reader.take(3)
    sizes = reader.take(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    size = 0
    for _ in range(reader.take(4 if version == 2 else 2)):
        reader.take(4 if version == 2 else 2)
        in_meta = version and reader.take(2) & 15 == 1
        reader.take(2)
        base = reader.take(base_size) + (boxes.get(b"idat", (0, 0))[0] if in_meta else 0)
        parts = []
        for _ in range(reader.take(2)):
            if version:
                reader.take(index_size)
            offset, length = base + reader.take(offset_size), reader.take(length_size)
            parts.append(data[offset : offset + length] if length else data[offset:])
            size += len(parts[-1])
            if size > len(data):
                raise ValueError("its items overlap")
        yield memoryview(b"".join(parts))


class _Reader:
    """Reads big-endian numbers of a range, one after the other."""

    def __init__(self, data: bytes, start: int, stop: int) -> None:
        self._data, self._place, self._stop = data, start, stop

    def take(self, size: int) -> int:
        """The next number, of `size` bytes; 0 for none."""
        self._place += size
        if self._place > self._stop:
            raise ValueError("a box is truncated")
        return int.from_bytes(self._data[self._place - size : self._place])


def _units(stream: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Type and payload of the units of a stream, up to the first malformed one."""
    place = 0
    while place < len(stream):
        header = stream[place]
        place += 2 if header & 4 else 1
        size = len(stream) - place
        if header & 2:
            size, place = _leb128(stream, place)
        if header & 0x80 or size < 0 or place + size > len(stream):
            return
        yield header >> 3 & 15, stream[place : place + size]
        place += size


def _leb128(stream: memoryview, place: int) -> tuple[int, int]:
    """A number in base 128, and the place behind it."""
    value = 0
    for index, byte in enumerate(stream[place : place + 8]):
        value |= (byte & 127) << 7 * index
        if not byte & 128:
            return value, place + index + 1
    return -1, place


class _Bits:
    """Reads numbers of some bits, one after the other; zeros after the end."""

    def __init__(self, data: bytes) -> None:
        self._left = 8 * len(data)
        self._value = int.from_bytes(data)

    def take(self, count: int) -> int:
        self._left -= count
        number = self._value >> self._left if self._left >= 0 else self._value << -self._left
        return number & ((1 << count) - 1)


def _sequence_size(payload: bytes) -> tuple[int, int]:
    """Maximum width and height of a sequence header."""
    bits = _Bits(payload)
    bits.take(3 + 1)
    if bits.take(1):  # reduced, for still images
        bits.take(5)
    else:
        delay_bits, timed = 0, bits.take(1)
        if timed:
            bits.take(64)
            if bits.take(1):  # uvlc
                zeros = 0
                while zeros < 32 and not bits.take(1):
                    zeros += 1
                bits.take(zeros if zeros < 32 else 0)
            if modelled := bits.take(1):
                delay_bits = bits.take(5) + 1
                bits.take(32 + 5 + 5)
        else:
            modelled = 0
        displayed = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if modelled and bits.take(1):
                bits.take(2 * delay_bits + 1)
            if displayed and bits.take(1):
                bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1
