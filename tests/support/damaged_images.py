"""Damaged image files of every format that is read."""

import zlib

from hypothesis import strategies as st
from support.whole_images import FORMATS, whole

HEADER = 64
"""Bytes in which a file says what it holds."""
EXTREMES = (b"\0", b"\x01", b"\x7f", b"\xff", b"\0\0", b"\xff\xff", b"\x7f\xff\xff\xff")

whole_images = st.sampled_from([data for name in FORMATS for data in whole(name)])


@st.composite
def damaged_images(draw: st.DrawFn) -> bytes:
    """Files in which one or more ranges are replaced: bytes changed, added or left out, or the end of another file."""
    data = draw(whole_images)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, min(HEADER, len(data))) | st.integers(0, len(data)))
        removed = draw(st.sampled_from((0, 1, 1, 2, 4, 16, len(data))))
        new = draw(st.binary(max_size=16) | st.sampled_from(EXTREMES))
        if removed == len(data) and draw(st.booleans()):
            other = draw(whole_images)
            new = other[draw(st.integers(0, len(other))) :]
        data = data[:start] + new + data[start + removed :]
    # Where checksums say that a part is damaged, most decoders look no further.
    return with_checksums(data) if draw(st.booleans()) else data


def with_checksums(data: bytes) -> bytes:
    """A PNG file whose chunks have the checksums of what they hold; another file as it is.

    Source: https://www.w3.org/TR/png-3/#5Chunk-layout
    """
    if not data.startswith(b"\x89P"):
        return data
    mended, start = bytearray(data), 8
    while (end := start + 8 + int.from_bytes(data[start : start + 4])) + 4 <= len(data):
        mended[end : end + 4] = zlib.crc32(data[start + 4 : end]).to_bytes(4)
        start = end + 4
    return bytes(mended)
