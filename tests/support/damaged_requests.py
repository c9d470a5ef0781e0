"""Damaged HTTP requests, sent on raw connections, and a judgement of what came back.

Each begins as one request: an image in a form or alone, by its length or in chunks, perhaps with an upgrade, perhaps
with a whole request as its body.
"""

import re
import socket
import time
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import h11
from hypothesis import strategies as st
from support.whole_images import whole

BOUNDARY = b"boundary-5f0c"
INNER = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
"""A request that stands where a body or a file is expected."""
HEAD_LIMIT = 2**20
"""Bytes of a head that are parsed; the server has a limit of its own below."""
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
"""Lines that are put into a head."""

Damage = Callable[[bytes, Random], bytes]


REFUSALS = frozenset({400, 431})
"""Statuses of bytes that are no request."""
QUIET_SECONDS = 0.4
"""Without a byte, after which nothing more is expected."""


class Sent(NamedTuple):
    """A damaged request."""

    damages: tuple[str, ...]
    packets: tuple[bytes, ...]
    """In which its bytes are sent."""


class Outcome(NamedTuple):
    """What came of a request."""

    sent: Sent
    requests: int
    """That the connection carried."""
    statuses: tuple[int, ...]
    wrong: str
    """What is not as it should be; empty if nothing."""


def damaged_requests() -> st.SearchStrategy[Sent]:
    """Requests with one to three kinds of damage."""
    return st.randoms(use_true_random=False).map(_damaged)


def _damaged(chance: Random) -> Sent:
    names = chance.choices(list(DAMAGES), k=chance.choice((1, 1, 2, 3)))
    data = _sound(chance)
    for name in names:
        data = DAMAGES[name](data, chance)
    cuts = sorted(chance.choices(range(len(data) + 1), k=chance.choice((0, 0, 1, 3))))
    packets = (data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True))
    return Sent(tuple(names), tuple(packet for packet in packets if packet))


def outcome(port: int, sent: Sent) -> Outcome:
    """Send a damaged request to a server of this machine, and judge the answers."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=QUIET_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for packet in sent.packets:
                connection.sendall(packet)
                time.sleep(0.001)
            while data := connection.recv(2**16):
                received += data
        except OSError:
            pass  # it is silent, or has closed the connection
    requests = most_answers(b"".join(sent.packets))
    try:
        statuses = statuses_of(received)
    except ValueError as error:
        return Outcome(sent, requests, (), f"no answer: {error}")
    wrong = ""
    if any(status >= 500 for status in statuses):
        wrong = "the server failed"
    elif len(statuses) > requests and not (len(statuses) == requests + 1 and statuses[-1] in REFUSALS):
        wrong = "more answers than requests"
    return Outcome(sent, requests, statuses, wrong)


def statuses_of(received: bytes) -> tuple[int, ...]:
    """The statuses of all answers, without those that announce others.

    Raises:
        ValueError: the bytes are something else.
    """
    statuses = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        if not end or not status_line.startswith(b"HTTP/1.1 "):
            raise ValueError(repr(received[:80]))
        fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        length = int(fields.get(b"content-length", b"0"))
        if len(rest) < length:
            raise ValueError(f"{len(rest)} of {length} bytes after {status_line!r}")
        statuses.append(int(status_line.split()[1]))
        received = rest[length:]
    return tuple(status for status in statuses if status >= 200)


def most_answers(data: bytes) -> int:
    """The number of requests in the bytes of a connection, as an independent parser (h11) counts heads.

    h11 is the more lenient one, so that no server may answer more; one more may be the refusal of what follows.
    """
    heads, rest = 0, data
    while rest is not None:
        begun, rest = _first_request(rest)
        heads += begun
    return heads


def _first_request(data: bytes) -> tuple[bool, bytes | None]:
    """Whether a request's head begins the bytes, and what is behind its body; None if no request can follow."""
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


def _sound(chance: Random) -> bytes:
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


def _add_field(data: bytes, chance: Random) -> bytes:
    places = [match.end() for match in re.finditer(rb"\r\n", data[: _head_end(data) + 2])] or [0]
    place = chance.choice(places)
    return data[:place] + chance.choice(FIELDS) + b"\r\n" + data[place:]


def _repeat_line(data: bytes, chance: Random) -> bytes:
    lines = data.split(b"\r\n")
    place = chance.randrange(len(lines))
    return b"\r\n".join([*lines[:place], lines[place], *lines[place:]])


def _drop_line(data: bytes, chance: Random) -> bytes:
    lines = data.split(b"\r\n")
    del lines[chance.randrange(len(lines))]
    return b"\r\n".join(lines)


def _change_ending(data: bytes, chance: Random) -> bytes:
    places = [match.start() for match in re.finditer(rb"\r\n", data)]
    if not places:
        return data
    place = chance.choice(places)
    return data[:place] + chance.choice((b"\n", b"\r", b"\r\r\n", b"", b"\r\n\r\n", b"\r\n ")) + data[place + 2 :]


def _change_number(data: bytes, chance: Random) -> bytes:
    numbers = [match.span() for match in re.finditer(rb"\b[0-9a-fA-F]{1,6}\b", data[: _head_end(data) + 20])]
    if not numbers:
        return data
    start, end = chance.choice(numbers)
    new = chance.choice((b"0", b"1", b"-1", b"", b"0x10", b"1" * 30, b"%d" % chance.randrange(10_000), b" 7", b"7 "))
    return data[:start] + new + data[end:]


def _flip_byte(data: bytes, chance: Random) -> bytes:
    place = chance.randrange(min(len(data), _head_end(data) + 200) or 1)
    return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]


def _cut(data: bytes, chance: Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _cut_form(data: bytes, chance: Random) -> bytes:
    boundaries = [match.start() for match in re.finditer(rb"\r\n--" + BOUNDARY, data)]
    if not boundaries:
        return data
    cut = data[: chance.choice(boundaries) + chance.choice((0, 2, 8, 17, 19, 21))]
    head, _, body = cut.partition(b"\r\n\r\n")
    return re.sub(rb"(?<=Content-Length: )\d+", b"%d" % len(body), head) + b"\r\n\r\n" + body


def _change_boundary(data: bytes, chance: Random) -> bytes:
    places = [match.span() for match in re.finditer(BOUNDARY, data)]
    if not places:
        return data
    start, end = chance.choice(places)
    new = chance.choice((BOUNDARY[:-1], BOUNDARY + b"x", b"-" + BOUNDARY[1:], b'"' + BOUNDARY[2:] + b'"'))
    return data[:start] + new + data[end:]


def _append_request(data: bytes, chance: Random) -> bytes:
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
