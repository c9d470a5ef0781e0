import random
import zlib
from itertools import pairwise

import pytest
from hostile.mutants import DAMAGES, mutant
from hostile.parts import parts, with_checksums
from hostile.whole import SIDE, whole

from zoo.images.decode import FORMATS, decode

IMAGES = [(kind, data) for kind in FORMATS for data in whole(kind)]


@pytest.mark.parametrize(("kind", "data"), IMAGES)
def test_whole_images_are_read_and_their_parts_found(kind: str, data: bytes) -> None:
    assert decode(data).size == (SIDE, SIDE)
    found = parts(data)
    for part in found:
        length = int.from_bytes(data[part.length : part.length + part.size], part.order)
        # What a length counts differs: its own bytes, a name, a checksum, or none of them.
        assert 0 <= part.stop - part.start - length <= 12
    assert all(before.stop <= after.start for before, after in pairwise(found))
    if kind in ("PNG", "WEBP"):
        assert found[-1].stop == len(data)


def test_damaged_files_have_no_parts_beyond_their_end() -> None:
    for kind, data in IMAGES:
        for stop in range(0, len(data), 7):
            assert all(part.stop <= stop for part in parts(data[:stop])), kind


def test_checksums_are_mended() -> None:
    [data, *_] = whole("PNG")
    assert with_checksums(data) == data
    header = next(part for part in parts(data))
    narrower = data[:19] + bytes([SIDE - 8]) + data[20:]
    mended = with_checksums(narrower)
    assert mended[: header.stop - 4] == narrower[: header.stop - 4]
    assert int.from_bytes(mended[header.stop - 4 : header.stop]) == zlib.crc32(mended[12 : header.stop - 4])
    assert mended[header.stop :] == data[header.stop :]
    assert with_checksums(b"GIF89a") == b"GIF89a"


def test_a_mutant_is_the_same_again() -> None:
    every = [mutant(0, index) for index in range(200)]
    assert every == [mutant(0, index) for index in range(200)]
    assert every != [mutant(1, index) for index in range(200)]
    assert len({data for _, data in every}) > 190
    assert {name.partition(":")[0] for name, _ in every} == set(FORMATS)


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_takes_whatever_is_there(name: str) -> None:
    chance = random.Random(0)
    damage = DAMAGES[name]
    for _, data in IMAGES:
        assert sum(damage(data, chance) != data for _ in range(10)) >= 5
    for data in (b"", b"\xff", b"\x89PNG", b"GIF89a", b"RIFF\0\0\0\0WEBP"):
        for _ in range(20):
            damage(data, chance)
