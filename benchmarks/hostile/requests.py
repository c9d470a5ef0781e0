"""An endless, reproducible sequence of damaged HTTP requests.

Each starts as a valid request: an image in a form or as the body, with a length or chunked, perhaps with an upgrade,
perhaps with another request as its body.
"""

import random
import re
from collections.abc import Callable
from typing import NamedTuple

import h11
from hostile.whole import whole

BOUNDARY = b"boundary-5f0c"
INNER = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
"""A request in place of a body or a file."""
HEAD_LIMIT = 2**20
"""Maximum size in bytes of a head; the server's own limit is lower."""
FIELDS = (
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Content-Length: +5",
    b"Content-Length: 5, 5",
    b"Content-Length: 18446744073709551621",
    b"Connection: close",
    b"Connection: upgrade",
    b"Connection: keep-alive, Upgrade, HTTP2-Settings",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    b"Expect: 100-continue",
    b"Content-Encoding: gzip",
    b"Content-Type: multipart/form-data; boundary=other",
    b"Content-Type: multipart/form-data",
    b"Host: b",
    b"X-Folded: a\r\n b",
    b"X-Bare: a\n",
    b"X-Zero: \0",
    b"Accept: image/png",
)
"""Lines that are inserted into a head."""

Damage = Callable[[bytes, random.Random], bytes]


class Sent(NamedTuple):
    """A damaged request."""

    name: str
    """Kinds of damage."""
    packets: tuple[bytes, ...]
    """Bytes of the request, as sent."""


def damaged_request(seed: int, index: int) -> Sent:
    """Create one damaged request: kinds of damage alternate, everything else is random."""
    chance = random.Random(f"{seed} {index}")
    kinds = list(DAMAGES)
    names = [kinds[index % len(kinds)], *chance.choices(kinds, k=chance.choice((0, 0, 1, 2)))]
    data = _sound(chance)
    for name in names:
        data = DAMAGES[name](data, chance)
    cuts = sorted(chance.choices(range(len(data) + 1), k=chance.choice((0, 0, 1, 3))))
    packets = (data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True))
    return Sent(", ".join(names), tuple(packet for packet in packets if packet))


def most_answers(data: bytes) -> int:
    """Number of requests in the bytes of a connection, as counted by an independent parser (h11).

    h11 is lenient, so no server may send more responses, except for one refusal of the rest.
    """
    heads, rest = 0, data
    while rest is not None:
        begun, rest = _first_request(rest)
        heads += begun
    return heads


def _first_request(data: bytes) -> tuple[bool, bytes | None]:
    """Whether the bytes begin with a request's head, and the bytes after its body; None if no request can follow."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
    # RFC 9112: empty lines before a request are ignored; h11 does not.
    connection.receive_data(data.lstrip(b"\r\n"))
    begun = False
    try:
        while isinstance(event := connection.next_event(), h11.Request | h11.Data):
            begun = True
        if not isinstance(event, h11.EndOfMessage):
            return begun, None
        connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        connection.send(h11.EndOfMessage())
        return begun, connection.trailing_data[0] if connection.our_state is h11.DONE else None
    except h11.ProtocolError:
        return begun, None


def _sound(chance: random.Random) -> bytes:
    image = chance.choice([*whole("PNG"), *whole("JPEG"), INNER])
    if chance.random() < 0.5:
        images = [chance.choice([image, INNER]) for _ in range(chance.choice((1, 1, 3)))]
        body, kind = _form(images), b"multipart/form-data; boundary=" + BOUNDARY
    else:
        body, kind = image, b"image/png"
    fields = [b"Host: a", b"Content-Type: " + kind]
    if chance.random() < 0.3:
        fields += [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"]
    if chance.random() < 0.4:
        fields.append(b"Transfer-Encoding: chunked")
        size = chance.choice((1, 100, 1000, 10**6)) if len(body) < 5000 else 1000
        chunks = (body[start : start + size] for start in range(0, len(body), size))
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    else:
        fields.append(b"Content-Length: %d" % len(body))
    path = chance.choice((b"/classify", b"/patch-semantics", b"/nowhere", b"/healthz"))
    return b"\r\n".join([b"POST %s HTTP/1.1" % path, *fields, b"", body])


def _form(files: list[bytes]) -> bytes:
    parts = (
        b'--%s\r\nContent-Disposition: form-data; name="file"; filename="%d.png"\r\n\r\n%s\r\n'
        % (BOUNDARY, place, file)
        for place, file in enumerate(files)
    )
    return b"".join(parts) + b"--%s--\r\n" % BOUNDARY


def _head_end(data: bytes) -> int:
    end = data.find(b"\r\n\r\n")
    return len(data) if end < 0 else end


def _add_field(data: bytes, chance: random.Random) -> bytes:
    places = [match.end() for match in re.finditer(rb"\r\n", data[: _head_end(data) + 2])] or [0]
    place = chance.choice(places)
    return data[:place] + chance.choice(FIELDS) + b"\r\n" + data[place:]


def _repeat_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    place = chance.randrange(len(lines))
    return b"\r\n".join([*lines[:place], lines[place], *lines[place:]])


def _drop_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\r\n")
    del lines[chance.randrange(len(lines))]
    return b"\r\n".join(lines)


def _change_ending(data: bytes, chance: random.Random) -> bytes:
    places = [match.start() for match in re.finditer(rb"\r\n", data)]
    if not places:
        return data
    place = chance.choice(places)
    return data[:place] + chance.choice((b"\n", b"\r", b"\r\r\n", b"", b"\r\n\r\n", b"\r\n ")) + data[place + 2 :]


def _change_number(data: bytes, chance: random.Random) -> bytes:
    numbers = [match.span() for match in re.finditer(rb"\b[0-9a-fA-F]{1,6}\b", data[: _head_end(data) + 20])]
    if not numbers:
        return data
    start, end = chance.choice(numbers)
    new = chance.choice((b"0", b"1", b"-1", b"", b"0x10", b"1" * 30, b"%d" % chance.randrange(10_000), b" 7", b"7 "))
    return data[:start] + new + data[end:]


def _flip_byte(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(min(len(data), _head_end(data) + 200) or 1)
    return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _cut_form(data: bytes, chance: random.Random) -> bytes:
    boundaries = [match.start() for match in re.finditer(rb"\r\n--" + BOUNDARY, data)]
    if not boundaries:
        return data
    cut = data[: chance.choice(boundaries) + chance.choice((0, 2, 8, 17, 19, 21))]
    head, _, body = cut.partition(b"\r\n\r\n")
    return re.sub(rb"(?<=Content-Length: )\d+", b"%d" % len(body), head) + b"\r\n\r\n" + body


def _change_boundary(data: bytes, chance: random.Random) -> bytes:
    places = [match.span() for match in re.finditer(BOUNDARY, data)]
    if not places:
        return data
    start, end = chance.choice(places)
    new = chance.choice((BOUNDARY[:-1], BOUNDARY + b"x", b"-" + BOUNDARY[1:], b'"' + BOUNDARY[2:] + b'"'))
    return data[:start] + new + data[end:]


def _append_request(data: bytes, chance: random.Random) -> bytes:
    return data + chance.choice((INNER, INNER * 3, b"\r\n" + INNER, INNER[:-1], b"G"))


DAMAGES: dict[str, Damage] = {
    "none": lambda data, chance: data,
    "a field more": _add_field,
    "a line twice": _repeat_line,
    "a line less": _drop_line,
    "another line ending": _change_ending,
    "another number": _change_number,
    "another byte": _flip_byte,
    "cut": _cut,
    "a form cut at a boundary": _cut_form,
    "another boundary": _change_boundary,
    "another request behind": _append_request,
}
