import gzip
import zlib
from collections.abc import Callable

import pytest

from serve.errors import BodyTooLargeError, UnsupportedTypeError
from serve.open_inference.coding import choose_coding, decode_body, encode_body
from zoo.errors import InputError


@pytest.mark.parametrize("coding", ["identity", "gzip", "deflate"])
def test_there_and_back(coding: str) -> None:
    assert decode_body(encode_body(b"data", coding), coding, 4) == b"data"


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("Deflate", zlib.compress)])
def test_never_more_than_the_limit(coding: str, compress: Callable[[bytes], bytes]) -> None:
    assert decode_body(compress(bytes(1000)), coding, 1000) == bytes(1000)
    with pytest.raises(BodyTooLargeError, match="the body holds more than the limit of 1000 bytes"):
        decode_body(compress(bytes(1001)), coding, 1000)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_another_coding(coding: str) -> None:
    with pytest.raises(UnsupportedTypeError, match=f"'{coding}' is not read; send gzip, deflate or none"):
        decode_body(b"x", coding, 1000)


@pytest.mark.parametrize(
    ("coding", "body", "message"),
    [
        ("gzip", b"not compressed", "the body is not gzip"),
        ("deflate", gzip.compress(b"{}"), "the body is not deflate"),
        ("gzip", gzip.compress(b"{}")[:-3], "is not one whole stream"),
        ("gzip", gzip.compress(b"{}") + b"more", "is not one whole stream"),
        ("gzip", b"", "is not one whole stream"),
    ],
)
def test_a_damaged_body(coding: str, body: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode_body(body, coding, 1000)


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
