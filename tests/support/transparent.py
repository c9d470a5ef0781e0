"""Image files with transparency, in every mode and depth that a format has, and how they look over white."""

import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from support.images import encode

SIDE = 32
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
"""Colour types of PNG."""


class TransparentFile(NamedTuple):
    """An image file; its left half is transparent, its right half has one colour."""

    data: bytes
    right: tuple[int, int, int]
    """Over white."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """[3, SIDE, SIDE], over white."""
        whole = np.full((3, SIDE, SIDE), 255, np.uint8)
        whole[:, :, SIDE // 2 :] = np.reshape(self.right, (3, 1, 1))
        return whole


def png(
    left: ArrayLike, right: ArrayLike, depth: int, kind: int, transparent: bytes | None = None, palette: bytes = b""
) -> bytes:
    """A PNG file whose halves have these samples, written without Pillow, which cannot write every depth.

    Arguments:
        left, right: samples of a pixel of each half.
        depth: bits of a sample.
        kind: one of the colour types above.
        transparent: content of the tRNS chunk.
        palette: content of the PLTE chunk.
    """
    samples = np.array([left] * (SIDE // 2) + [right] * (SIDE // 2)).flatten()
    bits = samples[:, None] >> np.arange(depth)[::-1] & 1
    rows = (b"\0" + np.packbits(bits.astype(np.uint8)).tobytes()) * SIDE
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, depth, kind, 0, 0, 0))]
    chunks += [(b"PLTE", palette)] if palette else []
    chunks += [] if transparent is None else [(b"tRNS", transparent)]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, content) for name, content in chunks)


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def halves(mode: str, left: object, right: object) -> Image.Image:
    image = Image.new(mode, (SIDE, SIDE), left)  # type: ignore[arg-type]
    image.paste(right, (SIDE // 2, 0, SIDE, SIDE))  # type: ignore[arg-type]
    return image


def _grey_key(key: int) -> bytes:
    return struct.pack(">H", key)


def _colour_key(*key: int) -> bytes:
    return struct.pack(">3H", *key)


def _gif_part(transparency: int | None) -> bytes:
    """A GIF file whose only frame covers the right half, in blue."""
    image = Image.new("P", (SIDE // 2, SIDE), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    data = bytearray(encode(image, "GIF") if transparency is None else encode(image, "GIF", transparency=transparency))
    struct.pack_into("<HH", data, 6, SIDE, SIDE)
    frame = data.index(b",", 13 + 3 * 2 ** ((data[10] & 7) + 1))
    struct.pack_into("<H", data, frame + 1, SIDE // 2)
    return bytes(data)


_FRAME = halves("RGBA", (200, 0, 0, 0), (0, 0, 255, 255))
_NEXT = Image.new("RGBA", (SIDE, SIDE), (0, 255, 0, 255))
_TWO_COLOURS = b"\xff\0\0\0\0\xff"

TRANSPARENT: Mapping[str, TransparentFile] = {
    "grey, 1 bit, black": TransparentFile(png(0, 0, 1, GREY, _grey_key(0)), (255, 255, 255)),
    "grey, 1 bit, white": TransparentFile(png(1, 0, 1, GREY, _grey_key(1)), (0, 0, 0)),
    "grey, 2 bits": TransparentFile(png(1, 2, 2, GREY, _grey_key(1)), (170, 170, 170)),
    "grey, 4 bits": TransparentFile(png(3, 1, 4, GREY, _grey_key(3)), (17, 17, 17)),
    "grey, 4 bits, the key a scaled grey": TransparentFile(png(0, 15, 4, GREY, _grey_key(0)), (255, 255, 255)),
    "grey, 8 bits": TransparentFile(png(7, 9, 8, GREY, _grey_key(7)), (9, 9, 9)),
    "grey, 8 bits, a key of more": TransparentFile(png(7, 9, 8, GREY, _grey_key(0x107)), (9, 9, 9)),
    "grey, 16 bits": TransparentFile(png(0x1234, 0x1235, 16, GREY, _grey_key(0x1234)), (0x12, 0x12, 0x12)),
    "RGB, 8 bits": TransparentFile(png([1, 2, 3], [1, 2, 4], 8, COLOUR, _colour_key(1, 2, 3)), (1, 2, 4)),
    "RGB, 16 bits": TransparentFile(
        png([0x102, 0x203, 0x304], [0x102, 0x203, 0x305], 16, COLOUR, _colour_key(0x102, 0x203, 0x304)), (1, 2, 3)
    ),
    "palette, 1 bit": TransparentFile(png(0, 1, 1, PALETTE, b"\0", _TWO_COLOURS), (0, 0, 255)),
    "palette, 2 bits": TransparentFile(png(0, 1, 2, PALETTE, b"\0", _TWO_COLOURS), (0, 0, 255)),
    "palette, 4 bits": TransparentFile(png(0, 1, 4, PALETTE, b"\0", _TWO_COLOURS), (0, 0, 255)),
    "palette, 8 bits": TransparentFile(png(0, 1, 8, PALETTE, b"\0\x33", _TWO_COLOURS), (204, 204, 255)),
    "grey with alpha, 8 bits": TransparentFile(png([7, 0], [0, 51], 8, GREY_ALPHA), (204, 204, 204)),
    "grey with alpha, 16 bits": TransparentFile(png([7, 0], [0, 0x3333], 16, GREY_ALPHA), (204, 204, 204)),
    "RGB with alpha, 8 bits": TransparentFile(png([7, 7, 7, 0], [255, 0, 0, 51], 8, COLOUR_ALPHA), (255, 204, 204)),
    "RGB with alpha, 16 bits": TransparentFile(
        png([7, 7, 7, 0], [0xFFFF, 0, 0, 0x3333], 16, COLOUR_ALPHA), (255, 204, 204)
    ),
    "APNG": TransparentFile(encode(_FRAME, save_all=True, append_images=[_NEXT]), (0, 0, 255)),
    "WebP": TransparentFile(encode(_FRAME, "WEBP", lossless=True), (0, 0, 255)),
    "animated WebP": TransparentFile(
        encode(_FRAME, "WEBP", lossless=True, save_all=True, append_images=[_NEXT]), (0, 0, 255)
    ),
    "GIF": TransparentFile(encode(_FRAME, "GIF"), (0, 0, 255)),
    "animated GIF": TransparentFile(encode(_FRAME, "GIF", save_all=True, append_images=[_NEXT]), (0, 0, 255)),
    "grey GIF": TransparentFile(encode(halves("L", 7, 9), "GIF", transparency=7), (9, 9, 9)),
    "GIF, a frame of a part": TransparentFile(_gif_part(None), (0, 0, 255)),
    "GIF, a frame of a part with a transparent colour": TransparentFile(_gif_part(0), (0, 0, 255)),
}
