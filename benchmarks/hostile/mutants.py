"""An endless, reproducible sequence of damaged images."""

import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

from hostile.parts import Part, parts, with_checksums
from hostile.whole import whole

from zoo.images.decode import FORMATS

HEADER = 64
"""Size of a file's header in bytes."""
EXTREMES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
MOST_FLIPS = 16
MOST_BYTES = 64
"""Maximum number of bytes inserted or overwritten at one position."""

Damage = Callable[[bytes, random.Random], bytes]


class Mutant(NamedTuple):
    """A damaged image."""

    name: str
    """Format and kinds of damage."""
    data: bytes


def mutant(seed: int, index: int) -> Mutant:
    """Create one damaged image: formats and kinds of damage alternate, everything else is random."""
    chance = random.Random(f"{seed} {index}")
    turn, format_ = divmod(index, len(FORMATS))
    kinds = list(DAMAGES)
    names = [kinds[turn % len(kinds)], *chance.choices(kinds, k=chance.choice((0, 0, 1, 3)))]
    data = chance.choice(whole(FORMATS[format_]))
    for name in names:
        data = DAMAGES[name](data, chance)
    # Most decoders stop at a wrong checksum.
    if chance.random() < 0.7:
        data = with_checksums(data)
    return Mutant(f"{FORMATS[format_]}: {', '.join(names)}", data)


def _flip_bits(data: bytes, chance: random.Random) -> bytes:
    return _overwritten(
        data,
        (
            (at, bytes([data[at] ^ 1 << chance.randrange(8)]))
            for at in _places(data, chance, chance.randint(1, MOST_FLIPS))
        ),
    )


def _truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _splice(data: bytes, chance: random.Random) -> bytes:
    other = chance.choice(whole(chance.choice(FORMATS)))
    return _truncate(data, chance) + other[chance.randrange(len(other)) :]


def _change_header(data: bytes, chance: random.Random) -> bytes:
    places = _places(data[:HEADER], chance, chance.randint(1, 4))
    return _overwritten(data, ((at, bytes([chance.choice(EXTREMES)])) for at in places))


def _change_lengths(data: bytes, chance: random.Random) -> bytes:
    def changed(part: Part) -> bytes:
        true = int.from_bytes(data[part.length : part.length + part.size], part.order)
        most = 256**part.size - 1
        value = chance.choice((0, 1, most // 2, most, true - 1, true + 1, chance.randint(0, most)))
        return (value % (most + 1)).to_bytes(part.size, part.order)

    chosen = _some(parts(data), chance)
    return _overwritten(data, [(part.length, changed(part)) for part in chosen])


def _move_parts(data: bytes, chance: random.Random) -> bytes:
    """Remove parts, or replace them by others."""
    every = parts(data)
    for part in sorted(_some(every, chance), reverse=True):
        other = chance.choice(every)
        data = data[: part.start] + chance.choice((b"", data[other.start : other.stop])) + data[part.stop :]
    return data


def _add_bytes(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.randint(1, MOST_BYTES)) + data[at:]


def _add_noise(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    noise = chance.randbytes(chance.randint(1, MOST_BYTES))
    return data[:at] + noise + data[at + len(noise) :]


DAMAGES: dict[str, Damage] = {
    "bits flipped": _flip_bits,
    "truncated": _truncate,
    "spliced": _splice,
    "header changed": _change_header,
    "lengths changed": _change_lengths,
    "parts moved": _move_parts,
    "bytes added": _add_bytes,
    "noise": _add_noise,
}
"""Kinds of damage by name; empty data stays empty."""


def _places(data: bytes, chance: random.Random, count: int) -> list[int]:
    return [chance.randrange(len(data)) for _ in range(count)] if data else []


def _some(every: list[Part], chance: random.Random) -> list[Part]:
    return chance.sample(every, min(len(every), chance.randint(1, 3)))


def _overwritten(data: bytes, changes: Iterable[tuple[int, bytes]]) -> bytes:
    changed = bytearray(data)
    for at, new in changes:
        changed[at : at + len(new)] = new
    return bytes(changed)
