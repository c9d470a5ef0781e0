"""Images of a request: one or several files of a form, or a raw body, within the limits.

A form (multipart/form-data, RFC 7578) is parsed in memory: its size is limited, and a disk may be full.
"""

import asyncio
import re
from collections.abc import Callable
from reprlib import repr as short
from typing import Any
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError, ParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from serve.errors import (
    BadUploadError,
    BodyTooLargeError,
    SlowUploadError,
    TooManyFilesError,
    UnknownParameterError,
    UnsupportedTypeError,
)
from serve.http.coding import body_decoder
from serve.http.request import ModelQuery
from serve.inference.admission import Reservation
from serve.inference.decoding import Upload
from serve.settings import Settings
from zoo.errors import close_names, suggestion
from zoo.images.formats import MEDIA_TYPES, NAMES, format_of

FORM_TYPE, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
FIELD = "file"
REMEDY = (
    f"send a form with one or several {FIELD!r} fields (curl -F file=@photo.jpg), or an image as the body "
    "(curl --data-binary @photo.jpg)"
)

_PLAIN = (b"", b"7bit", b"8bit", b"binary")
"""Transfer encodings that leave the bytes unchanged."""

_BARE_LINE_FEED = "ends in a bare LF, but the lines of a form must end in CRLF"

_QUOTED = re.compile(rb'"(?:\\.|[^"\\])*"')
_EXTENDED = re.compile(rb";[ \t]*filename\*[ \t]*=[ \t]*(utf-8|iso-8859-1)'[^']*'([^;\s]*)", re.IGNORECASE)


async def read_uploads(
    request: Request, reservation: Reservation, settings: Settings, max_files: int, query: type[ModelQuery]
) -> list[Upload]:
    """Read the files of a request, in order; `reservation` grows by the bytes of its body.

    A body that is not a form is recognised by its content, whatever its content type, which programs often set wrongly.

    Raises:
        BodyTooLargeError, SlowUploadError, QueueFullError, UnsupportedCodingError, InputError: as for `read_body`.
        UnsupportedTypeError: the body is neither a form nor an image.
        TooManyFilesError: there are more than `max_files` files.
        UnknownParameterError: the form has other fields.
        BadUploadError: there are no files, or the form is malformed.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == FORM_TYPE:
        form = FormFiles(FIELD, max_files, REMEDY, tuple(query.model_fields))
        await _read(request, reservation, settings, form.reader(request.headers["content-type"]))
        return form.files()
    data = await read_body(request, reservation, settings)
    if not data:
        raise BadUploadError(f"the request has no image: its body is empty; {REMEDY}")
    # A body declared as an image goes to the decoder, whose errors are more precise.
    if content_type not in MEDIA_TYPES and not format_of(data):
        kind = f"content type {content_type!r}" if content_type else "no content type"
        raise UnsupportedTypeError(f"the body ({kind}) is not a {NAMES} image; {REMEDY}")
    if content_type == URLENCODED and b"\0" not in data:
        raise BadUploadError("the body has lost its NUL bytes and line ends, as with curl -d; use curl --data-binary")
    return [Upload("body", data)]


async def read_body(request: Request, reservation: Reservation, settings: Settings) -> bytes:
    """Read a whole body and decompress it; `reservation` grows by its bytes.

    Raises:
        BodyTooLargeError: the body exceeds the size limit, as sent or decompressed; raised as soon as that is known.
        SlowUploadError: the body does not arrive in time.
        QueueFullError: too many bytes would be in flight.
        UnsupportedCodingError: the content coding is neither gzip nor deflate.
        InputError: the body is not in its declared coding.
    """
    chunks: list[bytes] = []
    await _read(request, reservation, settings, chunks.append)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _read(
    request: Request, reservation: Reservation, settings: Settings, take: Callable[[bytes], object]
) -> None:
    """Pass a body to `take`, chunk by chunk, decompressed."""
    _check_length(request, settings)
    coding = ",".join(request.headers.getlist("content-encoding"))
    decoder = body_decoder(coding, settings.max_body_bytes) if coding else None
    received = 0
    try:
        async with asyncio.timeout(settings.upload_seconds):
            async for chunk in request.stream():
                received += len(chunk)
                if received > settings.max_body_bytes:
                    raise BodyTooLargeError(
                        f"the body is above the limit of {settings.max_body_bytes} bytes; send less per request"
                    )
                if decoder:
                    # A small chunk may decompress to the maximum size, which takes as long as decoding an image.
                    chunk = await asyncio.to_thread(decoder.decode, chunk)
                reservation.add(bytes_=len(chunk))
                if chunk:
                    take(chunk)
    except TimeoutError:
        raise SlowUploadError(
            f"the body took longer than the limit of {settings.upload_seconds:g} s to arrive"
        ) from None
    if decoder:
        decoder.finish()


def _check_length(request: Request, settings: Settings) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > settings.max_body_bytes:
        raise BodyTooLargeError(
            f"the body of {announced} bytes is above the limit of {settings.max_body_bytes}; send less per request"
        )


class _Part:
    """Part of a form, as far as it has arrived."""

    def __init__(self, number: int) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.file = ""
        """File name; empty until the part's headers are complete."""
        self.has_filename = False
        self.chunks: list[bytes] = []
        self._number = number

    def __str__(self) -> str:
        return f"part {self._number} ({short(self.file)})" if self.file else f"part {self._number}"


class FormFiles:
    """Streaming parser of a form whose only field holds files.

    starlette's `MultiPartParser`, which is also based on python-multipart, accepts a form without its closing boundary.

    Arguments:
        field: name of the field.
        max_files: maximum number of files.
        remedy: last part of error messages.
        query: names of the endpoint's query parameters, for hints if one is sent as a form field.
    """

    def __init__(self, field: str, max_files: int, remedy: str, query: tuple[str, ...] = ()) -> None:
        self._files: list[Upload] = []
        self._field = field
        self._max_files = max_files
        self._remedy = remedy
        self._query = query
        self._boundary = b""
        self._part: _Part | None = None
        self._parts = 0
        self._header_name = self._header_value = b""
        self._closed = False

    def reader(self, content_type: str) -> Callable[[bytes], None]:
        """Function to call with each chunk of the body.

        Arguments:
            content_type: header of the request, with the boundary.

        Raises:
            BadUploadError: there is no boundary or, while reading, the form is malformed.
            UnknownParameterError: while reading, a part belongs to another field.
            TooManyFilesError: while reading, there are too many files.
        """
        boundary = self._boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise self._error("its content type has no boundary", "let the HTTP client set the Content-Type header")
        callbacks: dict[str, Callable[..., Any]] = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }
        # The parser references the form, so the form must not reference the parser: only the garbage collector would
        # free such a cycle.
        try:
            parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        except FormParserError as error:
            raise self._error(str(error)) from None
        closing = b"\r\n--" + boundary + b"--"
        before = b"\r\n"  # no line precedes the first boundary

        def read(chunk: bytes) -> None:
            nonlocal before
            rest = chunk
            if not self._closed:
                try:
                    parser.write(chunk)
                except ParseError as error:
                    raise self._error(self._reason(error, before + chunk[: error.offset + 1])) from None
                if not self._closed:
                    before = (chunk if len(chunk) >= len(closing) else before + chunk)[-len(closing) :]
                    return
                rest = (before + chunk).partition(closing)[2]
            # The parser would silently drop files that a faulty client writes here.
            if rest.strip():
                raise self._error("data follow its closing boundary", "write the closing boundary once, at the end")

        return read

    def files(self) -> list[Upload]:
        """Files in order of arrival, once the whole body has been read.

        Raises:
            BadUploadError: the form is truncated, or has no files.
        """
        if not self._closed:
            # The parser accepts the end of the data as the end of the form; only the closing boundary is.
            place = f" in {self._part}" if self._part else ""
            closing = short(f"--{self._boundary.decode('latin-1')}--")
            raise self._error(f"it is truncated{place}: its closing boundary {closing} is missing")
        if not self._files:
            raise BadUploadError(f"the form has no parts; {self._remedy}")
        return self._files

    def _error(self, reason: str, remedy: str = "") -> BadUploadError:
        return BadUploadError(f"the form cannot be read: {reason}; {remedy or self._remedy}")

    def _reason(self, error: ParseError, read: bytes) -> str:
        """Reason why the parser stopped at the last byte of `read`."""
        if self._part:
            return f"{self._part}: {error}"
        if read.endswith(b"--" + self._boundary + b"\n"):
            return f"its first line {_BARE_LINE_FEED}"
        return f"it does not start with the boundary {short(self._boundary.decode('latin-1'))} of its content type"

    def _on_part_begin(self) -> None:
        self._parts += 1
        self._part = _Part(self._parts)

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        assert self._part
        name = self._header_name.lower()
        if name in self._part.headers:
            raise self._error(f"{self._part} has {short(name.decode('latin-1'))} twice")
        if b"\n" in self._header_value:
            raise self._error(f"{short(name.decode('latin-1'))} of {self._part} {_BARE_LINE_FEED}")
        self._part.headers[name] = self._header_value.strip()
        self._header_name = self._header_value = b""

    def _on_headers(self) -> None:
        part = self._part
        assert part
        disposition = part.headers.get(b"content-disposition")
        if disposition is None:
            raise self._error(f"{part} has no Content-Disposition")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or not options.get(b"name"):
            raise self._error(
                f"{part} has no name", f'set its Content-Disposition to form-data; name="{self._field}"; filename="..."'
            )
        name = options[b"name"].decode("utf-8", "replace")
        if name != self._field:
            raise self._unknown(name)
        if len(self._files) == self._max_files:
            raise TooManyFilesError(
                f"the form has more files than the limit of {self._max_files} for this request; send the others in "
                "further requests"
            )
        filename = _extended_filename(disposition)
        if filename is None and b"filename" in options:
            filename = options[b"filename"].decode("utf-8", "replace")
        part.has_filename = filename is not None
        part.file = filename or self._field
        if part.headers.get(b"content-type", b"").lower().startswith(b"multipart/"):
            raise self._error(f"{part} is a nested form, which RFC 7578 deprecates", "send each file as a part")
        encoding = part.headers.get(b"content-transfer-encoding", b"")
        if encoding.lower() not in _PLAIN:
            shown = short(encoding.decode("latin-1"))
            raise self._error(
                f"{part} has Content-Transfer-Encoding {shown}, which RFC 7578 deprecates", "send the raw bytes"
            )

    def _unknown(self, name: str) -> UnknownParameterError:
        if name in self._query:
            hint = f"it is a query parameter: add it to the URL, as in ?{name}=VALUE"
        elif (close := close_names(name, [self._field, *self._query])) and close[0] in self._query:
            hint = f"did you mean the query parameter {close[0]}? Add it to the URL, as in ?{close[0]}=VALUE"
        else:
            hint = suggestion(name, [self._field])
        return UnknownParameterError(f"unknown form field {short(name)}; {hint}; {self._remedy}")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        assert self._part
        self._part.chunks.append(data[start:end])

    def _on_part_end(self) -> None:
        part = self._part
        assert part
        data = b"".join(part.chunks)
        announced = part.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) != len(data):
            raise self._error(f"{part} has {len(data)} bytes, but its Content-Length is {announced.decode()}")
        if not part.has_filename and not format_of(data):
            raise BadUploadError(
                f"the field {self._field!r} contains text, not a file; use curl -F {self._field}=@photo.jpg"
            )
        self._files.append(Upload(part.file, data))
        self._part = None

    def _on_end(self) -> None:
        self._closed = True


def _extended_filename(disposition: bytes) -> str | None:
    """Value of the parameter `filename*` (RFC 8187), or None. RFC 7578 forbids the parameter, but clients send it."""
    match = _EXTENDED.search(_QUOTED.sub(b"", disposition)) if b"*" in disposition else None
    return unquote(match[2].decode("latin-1"), match[1].decode(), "replace") if match else None
