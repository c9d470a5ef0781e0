"""Content codings (RFC 9110, section 8.4): size-limited decompression of requests, compression of responses."""

import zlib

from serve.errors import BodyTooLargeError, UnsupportedCodingError
from serve.http.request import negotiate
from zoo.errors import InputError

IDENTITY = "identity"

_WBITS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
"""zlib's `wbits` of each coding; `deflate` is the zlib format (RFC 1950)."""

_ALIASES = {"": IDENTITY, "x-gzip": "gzip"}


class BodyDecoder:
    """Streaming decoder of one compressed body.

    Arguments:
        coding: `gzip` or `deflate`.
        max_bytes: maximum size of the decompressed body; nothing beyond it is decompressed.
    """

    def __init__(self, coding: str, max_bytes: int) -> None:
        self._coding = coding
        self._left = self._max_bytes = max_bytes
        self._stream = zlib.decompressobj(_WBITS[coding])

    def decode(self, chunk: bytes) -> bytes:
        """Decompress the next chunk.

        Raises:
            BodyTooLargeError: the decompressed body is above the limit.
            InputError: the body is not in its declared coding.
        """
        try:
            data = self._stream.decompress(chunk, self._left + 1)
        except zlib.error as error:
            raise InputError(f"the body is not valid {self._coding}: {error}; correct Content-Encoding") from None
        if self._stream.unused_data:
            raise self._broken()
        self._left -= len(data)
        if self._left < 0:
            raise BodyTooLargeError(
                f"the decompressed body is above the limit of {self._max_bytes} bytes; send less per request"
            )
        return data

    def finish(self) -> None:
        """Check that the body is complete.

        Raises:
            InputError: the body is truncated.
        """
        if not self._stream.eof:
            raise self._broken()

    def _broken(self) -> InputError:
        return InputError(f"the body must be exactly one complete {self._coding} stream; send no more and no less")


def body_decoder(content_encoding: str, max_bytes: int) -> BodyDecoder | None:
    """Decoder for a `Content-Encoding` header; None if the body is not compressed.

    Raises:
        UnsupportedCodingError: the coding is neither gzip nor deflate.
    """
    name = content_encoding.strip().lower()
    coding = _ALIASES.get(name, name)
    if coding == IDENTITY:
        return None
    if coding not in _WBITS:
        raise UnsupportedCodingError(
            f"Content-Encoding: {content_encoding} is not supported; send {', '.join(_WBITS)} or an uncompressed body"
        )
    return BodyDecoder(coding, max_bytes)


def choose_coding(accept: str) -> str:
    """Response coding preferred by an `Accept-Encoding` header; `identity` is always acceptable."""
    return negotiate(f"{accept},{IDENTITY};q=0.001", (IDENTITY, *_WBITS))


def encode_body(data: bytes, coding: str) -> bytes:
    """Compress a body with a coding from `choose_coding`."""
    # Higher levels are several times slower on floating-point numbers, and save hardly a byte.
    return data if coding == IDENTITY else zlib.compress(data, level=1, wbits=_WBITS[coding])
