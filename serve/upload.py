"""The pictures of a request: one or several files of a form, or one raw body, stopped at the byte limit."""

from collections.abc import AsyncGenerator
from typing import NamedTuple

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from serve.errors import BadUploadError, BodyTooLargeError, UnsupportedTypeError
from zoo.decode import FORMATS

FIELD = "file"
MAX_FIELDS = 16
"""Of a form, that are not files; none is read."""
IMAGE_TYPES = (*(f"image/{name.lower()}" for name in FORMATS), "image/jpg")
REMEDY = f"send a form with one or several {FIELD!r} fields (curl -F file=@photo.jpg), or a body of type image/jpeg"


class Upload(NamedTuple):
    """A file as it was sent."""

    name: str
    data: bytes


async def read_uploads(request: Request, max_bytes: int, max_files: int) -> list[Upload]:
    """The files of a request, in order.

    Raises:
        BodyTooLargeError: the body is longer than `max_bytes`; raised as soon as that is known.
        UnsupportedTypeError: neither a form nor a picture.
        BadUploadError: no file, or more than `max_files`.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise BodyTooLargeError(f"a body of {announced} bytes is above the limit of {max_bytes}; send less at once")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = _limited(request.stream(), max_bytes)
    if content_type == "multipart/form-data":
        return await _read_form(request.headers, body, max_files)
    if content_type in IMAGE_TYPES:
        return [await _read_body(body)]
    if not content_type:
        raise BadUploadError(f"the request has no picture; {REMEDY}")
    raise UnsupportedTypeError(
        f"content type {content_type!r} is not read; {REMEDY}; picture types are {', '.join(IMAGE_TYPES)}"
    )


async def _read_body(body: AsyncGenerator[bytes, None]) -> Upload:
    data = b"".join([chunk async for chunk in body])
    if not data:
        raise BadUploadError(f"the body is empty; {REMEDY}")
    return Upload("body", data)


async def _read_form(headers: Headers, body: AsyncGenerator[bytes, None], max_files: int) -> list[Upload]:
    try:
        form = await MultiPartParser(headers, body, max_files=max_files, max_fields=MAX_FIELDS).parse()
    except MultiPartException as error:
        raise BadUploadError(f"the form cannot be read: {error.message} {REMEDY}") from None
    try:
        files = form.getlist(FIELD)
        if not files:
            raise BadUploadError(f"the form has no field {FIELD!r} (it has {', '.join(form) or 'none'}); {REMEDY}")
        uploads = []
        for file in files:
            if not isinstance(file, UploadFile):
                raise BadUploadError(f"the field {FIELD!r} holds text, not a file; use curl -F file=@photo.jpg")
            uploads.append(Upload(file.filename or FIELD, await file.read()))
        return uploads
    finally:
        await form.close()


async def _limited(body: AsyncGenerator[bytes, None], max_bytes: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in body:
        received += len(chunk)
        if received > max_bytes:
            raise BodyTooLargeError(f"the body is above the limit of {max_bytes} bytes; send less at once")
        yield chunk
