"""The image formats that are read: the one table that decoding, folders, the server and the documentation follow."""

import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from zoo.errors import MissingDependencyError, UnsupportedImageError
from zoo.extras import importing


class Format(NamedTuple):
    """An image format."""

    name: str
    suffixes: tuple[str, ...]
    """File name suffixes in lower case, the usual one first."""
    media_types: tuple[str, ...]
    """Media types, the registered one first."""
    beginning: str
    """Regular expression of a file's first bytes, as Latin-1."""
    remark: str = ""
    """What is read of it, for the documentation."""
    decoder: str = ""
    """Name of the decoder in Pillow; empty for the format's own name."""
    extra: str = ""
    """Extra that provides the decoder; empty for Pillow itself."""

    @property
    def pillow_name(self) -> str:
        return self.decoder or self.name


_FRAME = "the first frame"

FORMATS = (
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), ("image/jpeg", "image/jpg"), r"\xff\xd8\xff"),
    Format("PNG", (".png",), ("image/png",), r"\x89PNG\r\n\x1a\n", f"{_FRAME}; 16 bits"),
    Format("WEBP", (".webp",), ("image/webp",), r"RIFF....WEBP", _FRAME),
    Format("GIF", (".gif",), ("image/gif",), r"GIF8[79]a", _FRAME),
    # Checked up to the size of the second header: text may begin with BM.
    Format(
        "BMP",
        (".bmp",),
        ("image/bmp", "image/x-ms-bmp"),
        r"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0",
        "run-length encoded up to 1 MiB",
    ),
    Format("TIFF", (".tif", ".tiff"), ("image/tiff",), r"II[*+]\0|MM\0[*+]", f"{_FRAME}; 16 bits; floats in 0..1"),
    Format("AVIF", (".avif",), ("image/avif",), r"....ftyp(avif|avis|mif1|msf1)", _FRAME),
    Format(
        "HEIC",
        (".heic", ".heif", ".hif"),
        ("image/heic", "image/heif"),
        r"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)",
        "the primary image",
        "HEIF",
        "heic",
    ),
)
"""Supported formats; no other decoder is ever run."""

NAMES = ", ".join(each.name for each in FORMATS)
"""The names, for messages."""

SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)
MEDIA_TYPES = tuple(kind for each in FORMATS for kind in each.media_types)

_BEGINNINGS = [(each, re.compile(each.beginning.encode(), re.DOTALL)) for each in FORMATS]
_AVIF_BRANDS = (b"avif", b"avis")


def format_of(data: bytes) -> Format | None:
    """Format of a file by its first bytes; None if it is none of `FORMATS`."""
    found = [each for each, beginning in _BEGINNINGS if beginning.match(data)]
    if len(found) > 1:  # AVIF and HEIC, which share a container
        return found[0] if any(brand in _brands(data) for brand in _AVIF_BRANDS) else found[-1]
    return found[0] if found else None


def _brands(data: bytes) -> list[bytes]:
    """Brands of a file in the ISO base media format (ISO/IEC 14496-12, section 4.3)."""
    length = min(int.from_bytes(data[:4]), 1024)
    return [data[start : start + 4] for start in (8, *range(16, length, 4))]


def decoder_versions() -> str:
    """Versions of the packages that decode images."""
    installed = []
    for package in ("pillow", "pillow-heif"):
        with suppress(PackageNotFoundError):
            installed.append(f"{package} {version(package)}")
    return ", ".join(installed)


def enable_decoder(kind: Format) -> None:
    """Make Pillow read a format whose decoder comes with an extra.

    Raises:
        UnsupportedImageError: the extra is not installed; names it.
    """
    if not kind.extra:
        return
    try:
        with importing(kind.extra, f"the image is in the format {kind.name}, which"):
            import pillow_heif
    except MissingDependencyError as error:
        raise UnsupportedImageError(f"{error}; or convert the image") from None
    pillow_heif.register_heif_opener()
