import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from serve.errors import BodyTooLargeError, UnsupportedCodingError
from serve.http.coding import body_decoder, choose_coding, encode_body
from zoo.errors import InputError

CODINGS = pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("X-GZIP", gzip.compress), ("Deflate", zlib.compress)]
)


def decoded(body: bytes, coding: str, max_bytes: int = 1000, size: int = 10**6) -> bytes:
    """A body that arrives in chunks of so many bytes."""
    decoder = body_decoder(coding, max_bytes)
    assert decoder
    data = b"".join([decoder.decode(body[start : start + size]) for start in range(0, len(body), size)])
    decoder.finish()
    return data


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_there_and_back(coding: str, size: int) -> None:
    data = bytes(range(100))
    assert decoded(encode_body(data, coding), coding, 100, size) == data


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_no_coding(coding: str) -> None:
    assert body_decoder(coding, 1000) is None
    assert encode_body(b"data", "identity") == b"data"


@CODINGS
def test_never_more_than_the_limit(coding: str, compress: Callable[[bytes], bytes]) -> None:
    assert decoded(compress(bytes(1000)), coding) == bytes(1000)
    with pytest.raises(BodyTooLargeError, match="above the limit of 1000 bytes"):
        decoded(compress(bytes(1001)), coding)


@CODINGS
def test_a_decompression_bomb_is_not_inflated(coding: str, compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(BodyTooLargeError):
        decoded(bomb, coding)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "aws-chunked"])
def test_another_coding(coding: str) -> None:
    with pytest.raises(
        UnsupportedCodingError, match=f"Content-Encoding: {coding} is not supported; send gzip, deflate"
    ):
        body_decoder(coding, 1000)


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    ("coding", "body", "message"),
    [
        ("gzip", b"not compressed", "not valid gzip"),
        ("deflate", gzip.compress(b"{}", mtime=0), "not valid deflate"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-3], "one complete gzip stream"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more", "one complete gzip stream"),
        ("gzip", b"", "one complete gzip stream"),
    ],
)
def test_a_damaged_body(coding: str, body: bytes, message: str, size: int) -> None:
    with pytest.raises(InputError, match=message):
        decoded(body, coding, size=size)


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", "identity"),
        ("identity", "identity"),
        ("br", "identity"),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.5, deflate", "deflate"),
        ("gzip;q=0.5, identity", "identity"),
        ("gzip;q=0", "identity"),
    ],
)
def test_what_the_client_likes_best(accept: str, coding: str) -> None:
    assert choose_coding(accept) == coding
