import io
import sys
from pathlib import Path

import pytest
from PIL import Image
from support.whole_images import FORMATS as PILLOW_FORMATS
from support.whole_images import whole

import serve
from zoo.errors import UnsupportedImageError
from zoo.images.decode import decode, decode_pixels
from zoo.images.formats import FORMATS, MEDIA_TYPES, SUFFIXES, format_of

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.mark.parametrize("name", PILLOW_FORMATS)
def test_files_of_each_format_are_recognised(name: str) -> None:
    for data in whole(name):
        found = format_of(data)
        assert found is not None
        assert found.name == name
        assert format_of(b" " + data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"<svg>",
        b"RIFF\0\0\0\0WAVE",
        b"GIF88a",
        b"BM\0\0",
        b"BMW makes cars, and motorcycles",
        b"II",
    ],
)
def test_other_files_are_not(data: bytes) -> None:
    assert format_of(data) is None


@pytest.mark.parametrize(
    ("brands", "name"),
    [
        (b"avif\0\0\0\0mif1miaf", "AVIF"),
        (b"mif1\0\0\0\0miafavif", "AVIF"),
        (b"mif1\0\0\0\0mif1heic", "HEIC"),
        (b"heic\0\0\0\0mif1heic", "HEIC"),
        (b"isom\0\0\0\0mp41avc1", None),
    ],
)
def test_formats_that_share_a_container_are_told_apart_by_their_brands(brands: bytes, name: str | None) -> None:
    found = format_of((8 + len(brands)).to_bytes(4) + b"ftyp" + brands)
    assert (found and found.name) == name


def test_suffixes_and_media_types_belong_to_one_format() -> None:
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    assert len(set(MEDIA_TYPES)) == len(MEDIA_TYPES)
    Image.init()
    for each in FORMATS:
        if not each.extra:
            assert {Image.EXTENSION[suffix] for suffix in each.suffixes} == {each.pillow_name}
            assert Image.MIME[each.pillow_name] in each.media_types


def test_heic_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnsupportedImageError, match=r"HEIC.*template-zoo\[heic\]"):
        decode(HEIC)


def test_heic_with_its_extra(photo: bytes) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    stream = io.BytesIO()
    decode(photo).save(stream, "HEIF")
    found = format_of(stream.getvalue())
    assert found is not None
    assert found.name == "HEIC"
    assert decode(stream.getvalue()).size == (451, 300)
    assert decode_pixels(stream.getvalue(), 32).box == (75.5, 0, 375.5, 300)


def test_the_page_offers_all_formats_but_heic() -> None:
    page = (Path(serve.__file__).parent / "http" / "page" / "index.html").read_text()
    assert f'accept="{",".join(each.media_types[0] for each in FORMATS if not each.extra)}"' in page
