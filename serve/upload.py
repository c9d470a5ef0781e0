"""The pictures of a request: one or several files of a form, or one raw body, within its limits."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request

from serve.admission import Place
from serve.errors import BadUploadError, BodyTooLargeError, SlowUploadError, UnsupportedTypeError
from serve.form import FormFiles, Upload
from serve.settings import Settings
from zoo.decode import FORMATS

FIELD = "file"
IMAGE_TYPES = (*(f"image/{name.lower()}" for name in FORMATS), "image/jpg")
REMEDY = f"send a form with one or several {FIELD!r} fields (curl -F file=@photo.jpg), or a body of type image/jpeg"


async def read_uploads(request: Request, place: Place, settings: Settings, max_files: int) -> list[Upload]:
    """The files of a request, in order; `place` grows by the bytes of its body.

    Raises:
        BodyTooLargeError: the body is longer than it may be; raised as soon as that is known.
        SlowUploadError: it takes too long to arrive.
        QueueFullError: with it, too many bytes would be in work.
        UnsupportedTypeError: neither a form nor a picture.
        BadUploadError: no file, or more than `max_files`.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        return await _read_form(request, place, settings, max_files)
    if content_type in IMAGE_TYPES:
        data = await read_body(request, place, settings)
        if not data:
            raise BadUploadError(f"the body is empty; {REMEDY}")
        return [Upload("body", data)]
    _check_length(request, settings)
    if not content_type:
        raise BadUploadError(f"the request has no picture; {REMEDY}")
    raise UnsupportedTypeError(
        f"content type {content_type!r} is not read; {REMEDY}; picture types are {', '.join(IMAGE_TYPES)}"
    )


async def read_body(request: Request, place: Place, settings: Settings) -> bytes:
    """A whole body; `place` grows by its bytes.

    Raises:
        BodyTooLargeError, SlowUploadError, QueueFullError: as for `read_uploads`.
    """
    chunks: list[bytes] = []
    await _read(request, place, settings, chunks.append)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _read_form(request: Request, place: Place, settings: Settings, max_files: int) -> list[Upload]:
    form = FormFiles(FIELD, max_files, REMEDY)
    await _read(request, place, settings, form.reader(request.headers["content-type"]))
    if form.text:
        raise BadUploadError(f"the field {FIELD!r} holds text, not a file; use curl -F file=@photo.jpg")
    if not form.files:
        raise BadUploadError(f"the form has no field {FIELD!r} (it has {', '.join(form.names) or 'none'}); {REMEDY}")
    return form.files


async def _read(request: Request, place: Place, settings: Settings, take: Callable[[bytes], object]) -> None:
    """Hand on a body as it arrives."""
    _check_length(request, settings)
    try:
        async with asyncio.timeout(settings.upload_seconds):
            async for chunk in request.stream():
                if place.bytes + len(chunk) > settings.max_body_bytes:
                    raise BodyTooLargeError(
                        f"the body is above the limit of {settings.max_body_bytes} bytes; send less at once"
                    )
                place.add(bytes_=len(chunk))
                if chunk:
                    take(chunk)
    except TimeoutError:
        raise SlowUploadError(f"the body took longer than {settings.upload_seconds:g} s to arrive") from None


def _check_length(request: Request, settings: Settings) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > settings.max_body_bytes:
        raise BodyTooLargeError(
            f"a body of {announced} bytes is above the limit of {settings.max_body_bytes}; send less at once"
        )
