"""A request, an answer, and the answers that the Hub has for what it refuses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """Without the query; percent-escapes as they came."""
    query: Mapping[str, list[str]]
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def form(self) -> Mapping[str, list[str]]:
        return parse_qs(self.body.decode())

    @property
    def token(self) -> str | None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme == "Bearer" else None


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusalError(Exception):
    """An error in the Hub's own form: a message for people and a code for programs."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.answer = json_answer({"error": message}, status, headers)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


def file_answer(request: Request, content: bytes, headers: Mapping[str, str]) -> Answer:
    """A file, or the part of it that a `Range` asks for."""
    headers = {**headers, "Accept-Ranges": "bytes"}
    asked = request.headers.get("Range")
    if not asked:
        return Answer(200, content, headers)
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start, stop = int(first), min(int(last) + 1 if last else len(content), len(content))
    if start >= len(content):
        return Answer(416, headers={**headers, "Content-Range": f"bytes */{len(content)}"})
    return Answer(206, content[start:stop], {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"})
