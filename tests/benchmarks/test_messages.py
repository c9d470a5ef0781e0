"""Requests made by hand say what a form says, and answers are read as far as they have to be."""

from email import message_from_bytes

import pytest
from peers.messages import Answer, body_request, form_request, parse_answer

IMAGE = bytes(range(256))
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def test_a_form_holds_the_file() -> None:
    line, _, rest = form_request(IMAGE, "image/jpeg").partition(b"\r\n")
    assert line == b"POST /classify HTTP/1.1"
    message = message_from_bytes(rest)
    body = rest.partition(b"\r\n\r\n")[2]
    assert int(message["Content-Length"]) == len(body)
    [part] = message.get_payload()
    assert part.get_content_type() == "image/jpeg"
    assert part.get_param("name", header="Content-Disposition") == "file"
    assert part.get_filename()
    assert IMAGE + b"\r\n--" in body


def test_a_body_is_the_file() -> None:
    head, _, body = body_request(IMAGE, "image/jpeg").partition(b"\r\n\r\n")
    assert body == IMAGE
    assert b"\r\nContent-Type: image/jpeg\r\nContent-Length: 256" in head


@pytest.mark.parametrize("end", [0, 20, ANSWER.index(b"\r\n\r\n") + 3])
def test_an_answer_whose_head_is_not_there_yet(end: int) -> None:
    assert parse_answer(ANSWER[:end]) is None


def test_an_answer_says_its_status_length_and_end() -> None:
    assert parse_answer(ANSWER) == Answer(200, len(ANSWER), closes=False)
    head = b"HTTP/1.1 429 Too Many Requests\r\nConnection: Close\r\nContent-Length: 10\r\n\r\n"
    assert parse_answer(head) == Answer(429, len(head) + 10, closes=True)


def test_what_looks_like_a_header_in_the_body_is_none() -> None:
    body = b"\r\nconnection: close\r\n"
    answer = parse_answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    assert answer is not None
    assert not answer.closes


def test_an_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="without Content-Length"):
        parse_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
