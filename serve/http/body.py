"""The images of a request: one or several files of a form, or one raw body, within its limits.

A form (multipart/form-data, RFC 7578) is kept in memory: the body is bounded, and a disk may be full.
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
from serve.http.request import ImageQuery
from serve.inference.admission import Reservation
from serve.inference.decoding import Upload
from serve.settings import Settings
from zoo.errors import close_names, suggestion
from zoo.images.decode import FORMATS, is_image

FORM_TYPE, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
FIELD = "file"
IMAGE_TYPES = (*(f"image/{name.lower()}" for name in FORMATS), "image/jpg")
REMEDY = (
    f"send a form with one or several {FIELD!r} fields (curl -F file=@photo.jpg), or an image as the body "
    "(curl --data-binary @photo.jpg)"
)

_PLAIN = (b"", b"7bit", b"8bit", b"binary")
"""Transfer encodings that leave the bytes as they are."""

_BARE_LINE_FEED = "ends in LF alone, where lines of a form end in CRLF"

_QUOTED = re.compile(rb'"(?:\\.|[^"\\])*"')
_EXTENDED = re.compile(rb";[ \t]*filename\*[ \t]*=[ \t]*(utf-8|iso-8859-1)'[^']*'([^;\s]*)", re.IGNORECASE)


async def read_uploads(request: Request, reservation: Reservation, settings: Settings, max_files: int) -> list[Upload]:
    """The files of a request, in order; `reservation` grows by the bytes of its body.

    What is no form is recognised by its content, whatever its content type: programs set one of their own.

    Raises:
        BodyTooLargeError, SlowUploadError, QueueFullError, UnsupportedCodingError, InputError: as for `read_body`.
        UnsupportedTypeError: neither a form nor an image.
        TooManyFilesError: more files than `max_files`.
        UnknownParameterError: a form with other fields.
        BadUploadError: no file, or a form that cannot be read.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == FORM_TYPE:
        form = FormFiles(FIELD, max_files, REMEDY, tuple(ImageQuery.model_fields))
        await _read(request, reservation, settings, form.reader(request.headers["content-type"]))
        return form.files()
    data = await read_body(request, reservation, settings)
    if not data:
        raise BadUploadError(f"the body is empty: the request has no image; {REMEDY}")
    # What is called an image goes to the decoder, which says more.
    if content_type not in IMAGE_TYPES and not is_image(data):
        sent = f"a body of content type {content_type!r}" if content_type else "a body without a content type"
        raise UnsupportedTypeError(f"{sent} that is no image in one of the formats {', '.join(FORMATS)}; {REMEDY}")
    if content_type == URLENCODED and b"\0" not in data:
        raise BadUploadError("the body lost its NUL bytes and line ends, as with curl -d; use curl --data-binary")
    return [Upload("body", data)]


async def read_body(request: Request, reservation: Reservation, settings: Settings) -> bytes:
    """A whole body without its content coding; `reservation` grows by its bytes.

    Raises:
        BodyTooLargeError: the body is longer than it may be, as sent or decoded; raised as soon as that is known.
        SlowUploadError: it takes too long to arrive.
        QueueFullError: with it, too many bytes would be in flight.
        UnsupportedCodingError: it has another content coding than gzip and deflate.
        InputError: it is not in the coding that it names.
    """
    chunks: list[bytes] = []
    await _read(request, reservation, settings, chunks.append)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _read(
    request: Request, reservation: Reservation, settings: Settings, take: Callable[[bytes], object]
) -> None:
    """Hand on a body as it arrives, decoded."""
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
                        f"the body is above the limit of {settings.max_body_bytes} bytes; send less at once"
                    )
                if decoder:
                    # A small chunk may stand for as many bytes as are allowed, and take as long as an image.
                    chunk = await asyncio.to_thread(decoder.decode, chunk)
                reservation.add(bytes_=len(chunk))
                if chunk:
                    take(chunk)
    except TimeoutError:
        raise SlowUploadError(f"the body took longer than {settings.upload_seconds:g} s to arrive") from None
    if decoder:
        decoder.finish()


def _check_length(request: Request, settings: Settings) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > settings.max_body_bytes:
        raise BodyTooLargeError(
            f"a body of {announced} bytes is above the limit of {settings.max_body_bytes}; send less at once"
        )


class _Part:
    """A part of a form, as far as it has arrived."""

    def __init__(self, number: int) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.file = ""
        """Name of its file; empty until its headers are complete."""
        self.has_filename = False
        self.chunks: list[bytes] = []
        self._number = number

    def __str__(self) -> str:
        return f"part {self._number} ({short(self.file)})" if self.file else f"part {self._number}"


class FormFiles:
    """The files of one field; the form has no other fields.

    Arguments:
        field: name of the field.
        max_files: files in it at most.
        remedy: ends the messages of errors.
        query: names of the endpoint's query parameters, which are none of the form.
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
        """A function that takes the bytes of a body, chunk by chunk.

        Arguments:
            content_type: the request's header, with the boundary.

        Raises:
            BadUploadError: there is no boundary; and then, the bytes are not of a form.
            UnknownParameterError: while reading, a part is not of the field.
            TooManyFilesError: while reading, there are too many files.
        """
        boundary = self._boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise self._error(
                "there is no boundary in its content type", "leave that header to the program that writes the form"
            )
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
        # The parser knows the form, so the form must not know the parser: only the garbage collector would free both.
        try:
            parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        except FormParserError as error:
            raise self._error(str(error)) from None
        closing = b"\r\n--" + boundary + b"--"
        before = b"\r\n"  # the first boundary has no line before it

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
            # The parser drops it; files that a wrong writer puts there would be lost.
            if rest.strip():
                raise self._error("there is more behind its closing boundary", "write that once, at the end")

        return read

    def files(self) -> list[Upload]:
        """The files in the order in which they arrived, once all of the body has been read.

        Raises:
            BadUploadError: the form breaks off, or has no files.
        """
        if not self._closed:
            # A parser takes the end of the bytes for the end of the form; only the closing boundary is.
            place = f"in {self._part}" if self._part else "at its start"
            closing = short(f"--{self._boundary.decode('latin-1')}--")
            raise self._error(f"it breaks off {place}, before its closing boundary {closing}")
        if not self._files:
            raise BadUploadError(f"the form has no parts; {self._remedy}")
        return self._files

    def _error(self, reason: str, remedy: str = "") -> BadUploadError:
        return BadUploadError(f"the form cannot be read: {reason}; {remedy or self._remedy}")

    def _reason(self, error: ParseError, read: bytes) -> str:
        """Reason why the parser stopped at the last of the bytes that were read."""
        if self._part:
            return f"{self._part}: {error}"
        if read.endswith(b"--" + self._boundary + b"\n"):
            return f"its first line {_BARE_LINE_FEED}"
        return f"it does not begin with the boundary {short(self._boundary.decode('latin-1'))} of its content type"

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
            raise self._error(f'{part} has no name; its Content-Disposition is form-data; name="{self._field}"')
        name = options[b"name"].decode("utf-8", "replace")
        if name != self._field:
            raise self._unknown(name)
        if len(self._files) == self._max_files:
            raise TooManyFilesError(
                f"the form has more files than {self._max_files}, the limit of this request; "
                "send the others in further requests"
            )
        filename = _extended_filename(disposition)
        if filename is None and b"filename" in options:
            filename = options[b"filename"].decode("utf-8", "replace")
        part.has_filename = filename is not None
        part.file = filename or self._field
        if part.headers.get(b"content-type", b"").lower().startswith(b"multipart/"):
            raise self._error(f"{part} is a form of its own, which RFC 7578 no longer has", "give each file a part")
        encoding = part.headers.get(b"content-transfer-encoding", b"")
        if encoding.lower() not in _PLAIN:
            shown = short(encoding.decode("latin-1"))
            raise self._error(
                f"{part} has Content-Transfer-Encoding {shown}, which RFC 7578 no longer has", "send its plain bytes"
            )

    def _unknown(self, name: str) -> UnknownParameterError:
        if name in self._query:
            hint = f"it is a query parameter: put it into the URL, as in ?{name}=VALUE"
        elif (close := close_names(name, [self._field, *self._query])) and close[0] in self._query:
            hint = f"did you mean the query parameter {close[0]}? Put it into the URL, as in ?{close[0]}=VALUE"
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
            raise self._error(f"{part} announces {announced.decode()} bytes and has {len(data)}")
        if not part.has_filename and not is_image(data):
            raise BadUploadError(
                f"the field {self._field!r} holds text, not a file; use curl -F {self._field}=@photo.jpg"
            )
        self._files.append(Upload(part.file, data))
        self._part = None

    def _on_end(self) -> None:
        self._closed = True


def _extended_filename(disposition: bytes) -> str | None:
    """The parameter `filename*` (RFC 8187); None if there is none. RFC 7578 has none either, but clients send it."""
    match = _EXTENDED.search(_QUOTED.sub(b"", disposition)) if b"*" in disposition else None
    return unquote(match[2].decode("latin-1"), match[1].decode(), "replace") if match else None
