"""The images of a request: one or several files of a form, or one raw body, within its limits."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request

from serve.errors import BadUploadError, BodyTooLargeError, SlowUploadError, UnsupportedTypeError
from serve.http.coding import body_decoder
from serve.http.form import FormFiles, Upload
from serve.http.request import ImageQuery
from serve.inference.admission import Reservation
from serve.settings import Settings
from zoo.images.decode import FORMATS, is_image

FORM_TYPE, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
FIELD = "file"
IMAGE_TYPES = (*(f"image/{name.lower()}" for name in FORMATS), "image/jpg")
REMEDY = (
    f"send a form with one or several {FIELD!r} fields (curl -F file=@photo.jpg), or an image as the body "
    "(curl --data-binary @photo.jpg)"
)


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
