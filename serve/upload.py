"""The pictures of a request: one or several files of a form, or one raw body, stopped at the byte limit."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from starlette.datastructures import UploadFile
from starlette.requests import Request

from serve.errors import BadUploadError, BodyTooLargeError, UnsupportedTypeError
from zoo.decode import FORMATS

FIELD = "file"
IMAGE_TYPES = tuple(f"image/{name.lower()}" for name in FORMATS)
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
    limited = Request(request.scope, _limit(request, max_bytes))
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        return await _read_form(limited, max_files)
    if content_type in IMAGE_TYPES:
        data = await limited.body()
        if not data:
            raise BadUploadError(f"the body is empty; {REMEDY}")
        return [Upload("body", data)]
    raise UnsupportedTypeError(
        f"content type {content_type or '(none)'!r} is not read; {REMEDY}; picture types are {', '.join(IMAGE_TYPES)}"
    )


async def _read_form(request: Request, max_files: int) -> list[Upload]:
    # One file more than allowed is let through, so that the refusal below can say what the limit is.
    async with request.form(max_files=max_files + 1, max_fields=16) as form:
        files = form.getlist(FIELD)
        if len(files) > max_files:
            raise BadUploadError(f"more than {max_files} files in one request; send them in several")
        if not files:
            raise BadUploadError(f"the form has no field {FIELD!r} (it has {', '.join(form) or 'none'}); {REMEDY}")
        uploads = []
        for file in files:
            if not isinstance(file, UploadFile):
                raise BadUploadError(f"the field {FIELD!r} holds text, not a file; use curl -F file=@photo.jpg")
            uploads.append(Upload(file.filename or FIELD, await file.read()))
        return uploads


def _limit(request: Request, max_bytes: int) -> Callable[[], Awaitable[Any]]:
    """The request's body, cut off with an error at the limit, or at once if its announced length is above it."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise BodyTooLargeError(f"a body of {announced} bytes is above the limit of {max_bytes}; send less at once")
    received = 0

    async def receive() -> Any:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise BodyTooLargeError(f"the body is above the limit of {max_bytes} bytes; send less at once")
        return message

    return receive
