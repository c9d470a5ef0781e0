"""Errors of the server, and the one table that gives every error its HTTP status."""

from collections.abc import Mapping

from zoo.errors import ImageError, ImageTooLargeError, InputError, UnknownNameError, UnsupportedImageError, ZooError


class RequestError(ZooError):
    """A request that cannot be answered; `headers` go into the response."""

    headers: Mapping[str, str] = {}


class BadUploadError(RequestError):
    """A request without images, or whose form cannot be read."""


class TooManyFilesError(RequestError):
    """A request with more files than it may have."""


class UnknownParameterError(RequestError):
    """A query parameter or a form field that the endpoint does not take."""


class BodyTooLargeError(RequestError):
    """A body above the byte limit."""

    # What is left of the body is never read, so the connection cannot be used again.
    headers: Mapping[str, str] = {"Connection": "close"}


class SlowUploadError(RequestError):
    """A body that does not arrive in time."""

    headers: Mapping[str, str] = {"Connection": "close"}


class UnsupportedTypeError(RequestError):
    """A body of an unsupported content type."""


class UnsupportedCodingError(RequestError):
    """A body in an unsupported content coding."""

    # RFC 9110, section 15.5.16: what would have been accepted.
    headers: Mapping[str, str] = {"Accept-Encoding": "gzip, deflate, identity"}


class NotAcceptableError(RequestError):
    """An `Accept` header that names nothing that the endpoint writes."""


class QueueFullError(RequestError):
    """More images or bytes in flight than the limit."""

    headers: Mapping[str, str] = {"Retry-After": "1"}


class BadHeaderError(RequestError):
    """A header with an invalid value."""


class ModelUnavailableError(RequestError):
    """A model that is served here but cannot be loaded now."""

    headers: Mapping[str, str] = {"Retry-After": "5"}


class UnauthorizedError(RequestError):
    """No API key, or one that is not valid."""

    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class RateLimitError(RequestError):
    """A client above its rate limit; the next request may come after `seconds`."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(seconds)}


class UrlTooLongError(RequestError):
    """A URL above the limit."""

    headers: Mapping[str, str] = {"Connection": "close"}


class HeadersTooLargeError(RequestError):
    """Headers above the limit, in bytes or in number."""

    headers: Mapping[str, str] = {"Connection": "close"}


class DeadlineError(RequestError):
    """No answer before the deadline."""


class ShuttingDownError(RequestError):
    """The server is shutting down and takes no more requests."""

    headers: Mapping[str, str] = {"Connection": "close", "Retry-After": "5"}

    def __init__(self, message: str = "the server is shutting down; ask another one") -> None:
        super().__init__(message)


# The first class that matches counts, so that a subclass stands before its base.
STATUS: Mapping[type[ZooError], int] = {
    BodyTooLargeError: 413,
    TooManyFilesError: 413,
    ImageTooLargeError: 413,
    UnsupportedTypeError: 415,
    UnsupportedCodingError: 415,
    UnsupportedImageError: 415,
    NotAcceptableError: 406,
    UnknownNameError: 404,
    SlowUploadError: 408,
    UnauthorizedError: 401,
    UrlTooLongError: 414,
    HeadersTooLargeError: 431,
    RateLimitError: 429,
    QueueFullError: 429,
    DeadlineError: 504,
    ShuttingDownError: 503,
    ModelUnavailableError: 503,
    BadHeaderError: 422,
    BadUploadError: 422,
    UnknownParameterError: 422,
    ImageError: 422,
    InputError: 422,
    ZooError: 500,
}


def status_of(error: ZooError) -> int:
    """The HTTP status of an error."""
    return next(status for kind, status in STATUS.items() if isinstance(error, kind))


def code_of(error: ZooError) -> str:
    """A short name of an error for programs: `QueueFullError` is `queue_full`."""
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


OPEN_INFERENCE = "/v2"
"""Path of the Open Inference Protocol, whose errors have a form of their own."""


def error_body(path: str, code: str, message: str) -> dict[str, object]:
    """JSON body of an error, in the form of the API below a path."""
    if path == OPEN_INFERENCE or path.startswith(f"{OPEN_INFERENCE}/"):
        return {"error": message}
    return {"error": {"code": code, "message": message}}
