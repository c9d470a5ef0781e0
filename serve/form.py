"""Files of a form (multipart/form-data, RFC 7578), gathered in memory: its body is bounded, and a disk may be full."""

from collections.abc import Callable
from typing import Any, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from serve.errors import BadUploadError

MAX_PARTS = 16
"""Of a form, that are not files of the field; none is kept."""


class Upload(NamedTuple):
    """A file as it was sent."""

    name: str
    data: bytes


class FormFiles:
    """The files of one field.

    Arguments:
        field: name of the field.
        max_files: files in it at most.
        remedy: ends the messages of errors.
    """

    def __init__(self, field: str, max_files: int, remedy: str) -> None:
        self.names: list[str] = []
        """Of the fields that there are."""
        self.files: list[Upload] = []
        """In the order in which they arrived, as far as they are whole."""
        self.text = False
        """Whether the field holds text, not a file."""
        self._field = field
        self._max_files = max_files
        self._remedy = remedy
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._file = ""
        self._chunks: list[bytes] | None = None

    def reader(self, content_type: str) -> Callable[[bytes], None]:
        """What takes the bytes of a body, chunk by chunk.

        Arguments:
            content_type: the request's header, with the boundary.

        Raises:
            BadUploadError: there is no boundary; and then, the bytes are not of a form, or there are too many files or
                other parts.
        """
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise self._error("there is no boundary in its content type")
        callbacks: dict[str, Callable[..., Any]] = {
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._on_part_end,
        }
        # The parser knows the form, so the form must not know the parser: only the garbage collector would free both.
        try:
            parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        except FormParserError as error:
            raise self._error(str(error)) from None

        def read(chunk: bytes) -> None:
            try:
                parser.write(chunk)
            except FormParserError as error:
                raise self._error(str(error)) from None

        return read

    def _error(self, reason: str) -> BadUploadError:
        return BadUploadError(f"the form cannot be read: {reason}; {self._remedy}")

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._headers = {}
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self.names.append(name)
        if name == self._field and b"filename" in options:
            if len(self.files) == self._max_files:
                raise self._error(f"it has more files than {self._max_files}, the limit of this request")
            self._file = options[b"filename"].decode("utf-8", "replace") or self._field
            self._chunks = []
            return
        self.text = self.text or name == self._field
        if len(self.names) - len(self.files) > MAX_PARTS:
            raise self._error(f"it has more than {MAX_PARTS} parts that are not files of the field {self._field!r}")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._chunks is not None:
            self._chunks.append(data[start:end])

    def _on_part_end(self) -> None:
        if self._chunks is not None:
            self.files.append(Upload(self._file, b"".join(self._chunks)))
            self._chunks = None
