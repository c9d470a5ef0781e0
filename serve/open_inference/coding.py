"""Compressed bodies (RFC 9110, section 8.4), undone within a limit."""

import zlib

from serve.errors import BodyTooLargeError, UnsupportedTypeError
from serve.negotiation import negotiate
from zoo.errors import InputError

IDENTITY = "identity"

_WBITS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
"""What zlib calls the containers of the codings; `deflate` is the one of RFC 1950."""


def decode_body(body: bytes, coding: str, max_bytes: int) -> bytes:
    """A body without its content coding.

    Arguments:
        body: as it was sent.
        coding: the header `Content-Encoding`.
        max_bytes: more are never made of it.

    Raises:
        UnsupportedTypeError: another coding than gzip and deflate.
        BodyTooLargeError: it holds more than `max_bytes`.
        InputError: it is truncated or damaged.
    """
    coding = coding.strip().lower() or IDENTITY
    if coding == IDENTITY:
        return body
    if coding not in _WBITS:
        raise UnsupportedTypeError(f"content encoding {coding!r} is not read; send {', '.join(_WBITS)} or none")
    decoder = zlib.decompressobj(_WBITS[coding])
    try:
        data = decoder.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise InputError(f"the body is not {coding}: {error}; send what Content-Encoding says") from None
    if len(data) > max_bytes:
        raise BodyTooLargeError(f"the body holds more than the limit of {max_bytes} bytes; send less at once")
    if not decoder.eof or decoder.unused_data:
        raise InputError(f"the {coding} body of {len(body)} bytes is not one whole stream; send all of it, and no more")
    return data


def choose_coding(accept: str) -> str:
    """The coding of an answer that the header `Accept-Encoding` likes best; none is always accepted."""
    return negotiate(f"{accept},{IDENTITY};q=0.001", (IDENTITY, *_WBITS))


def encode_body(data: bytes, coding: str) -> bytes:
    """A body in a coding that `choose_coding` chose."""
    # A higher level takes several times as long for floating-point numbers, and saves hardly a byte.
    return data if coding == IDENTITY else zlib.compress(data, level=1, wbits=_WBITS[coding])
