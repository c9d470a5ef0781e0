"""Content codings (RFC 9110, section 8.4): bodies of requests decoded within a limit, answers encoded."""

import zlib

from serve.errors import BodyTooLargeError, UnsupportedCodingError
from serve.http.request import negotiate
from zoo.errors import InputError

IDENTITY = "identity"

_WBITS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
"""What zlib calls the containers of the codings; `deflate` is the one of RFC 1950."""

_ALIASES = {"": IDENTITY, "x-gzip": "gzip"}


class BodyDecoder:
    """Decoder of one compressed body, which arrives in chunks.

    Arguments:
        coding: `gzip` or `deflate`.
        max_bytes: limit on the decoded body; nothing beyond it is ever decoded.
    """

    def __init__(self, coding: str, max_bytes: int) -> None:
        self._coding = coding
        self._left = self._max_bytes = max_bytes
        self._stream = zlib.decompressobj(_WBITS[coding])

    def decode(self, chunk: bytes) -> bytes:
        """The bytes that the next chunk stands for.

        Raises:
            BodyTooLargeError: the decoded body is above the limit.
            InputError: the body is not in its coding.
        """
        try:
            data = self._stream.decompress(chunk, self._left + 1)
        except zlib.error as error:
            raise InputError(f"the body is not {self._coding}: {error}; send what Content-Encoding says") from None
        if self._stream.unused_data:
            raise self._broken()
        self._left -= len(data)
        if self._left < 0:
            raise BodyTooLargeError(f"the body holds more than the limit of {self._max_bytes} bytes; send less at once")
        return data

    def finish(self) -> None:
        """Check that the body is complete.

        Raises:
            InputError: it breaks off.
        """
        if not self._stream.eof:
            raise self._broken()

    def _broken(self) -> InputError:
        return InputError(f"the body is not one whole {self._coding} stream; send all of it, and no more")


def body_decoder(content_encoding: str, max_bytes: int) -> BodyDecoder | None:
    """The decoder for a body with that header `Content-Encoding`; None if the body is not compressed.

    Raises:
        UnsupportedCodingError: another coding than gzip and deflate.
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
    """The coding of an answer that the header `Accept-Encoding` likes best; none is always accepted."""
    return negotiate(f"{accept},{IDENTITY};q=0.001", (IDENTITY, *_WBITS))


def encode_body(data: bytes, coding: str) -> bytes:
    """A body in a coding that `choose_coding` chose."""
    # A higher level takes several times as long for floating-point numbers, and saves hardly a byte.
    return data if coding == IDENTITY else zlib.compress(data, level=1, wbits=_WBITS[coding])
