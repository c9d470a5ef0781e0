"""Server errors, and the table that maps every error to its HTTP status."""

from collections.abc import Mapping

from zoo.errors import (
    ImageError,
    ImageTooLargeError,
    InputError,
    NoEmbeddingError,
    UnknownNameError,
    UnsupportedImageError,
    ZooError,
)


class RequestError(ZooError):
    """Base of errors that a request causes; `headers` are added to the response."""

    headers: Mapping[str, str] = {}


class BadUploadError(RequestError):
    """Request without images, or with a malformed form."""


class TooManyFilesError(RequestError):
    """Request with more files than allowed."""


class UnknownParameterError(RequestError):
    """Query parameter or form field that the endpoint does not accept."""


class BodyTooLargeError(RequestError):
    """Request body above the size limit."""

    # The rest of the body is never read, so the connection cannot be reused.
    headers: Mapping[str, str] = {"Connection": "close"}


class NoIndexError(RequestError):
    """Search on a server without an index."""


class SlowUploadError(RequestError):
    """Request body that does not arrive in time."""

    headers: Mapping[str, str] = {"Connection": "close"}


class UnsupportedTypeError(RequestError):
    """Request body with an unsupported content type."""


class UnsupportedCodingError(RequestError):
    """Request body with an unsupported content coding."""

    # The codings that would have been accepted (RFC 9110, section 15.5.16).
    headers: Mapping[str, str] = {"Accept-Encoding": "gzip, deflate, identity"}


class NotAcceptableError(RequestError):
    """`Accept` header without any media type that the endpoint produces."""


class QueueFullError(RequestError):
    """More images or bytes in flight than the limit."""

    headers: Mapping[str, str] = {"Retry-After": "1"}


class BadHeaderError(RequestError):
    """Header with an invalid value."""


class ModelUnavailableError(RequestError):
    """Served model that cannot be loaded at the moment."""

    headers: Mapping[str, str] = {"Retry-After": "5"}


class UnauthorizedError(RequestError):
    """Missing or invalid API key."""

    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class RateLimitError(RequestError):
    """Client above its rate limit; it may retry after `seconds`."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(seconds)}


class UrlTooLongError(RequestError):
    """URL above the length limit."""

    headers: Mapping[str, str] = {"Connection": "close"}


class HeadersTooLargeError(RequestError):
    """Headers above the limit on their total size or number."""

    headers: Mapping[str, str] = {"Connection": "close"}


class DeadlineError(RequestError):
    """No response before the deadline."""


class ShuttingDownError(RequestError):
    """The server is shutting down and accepts no further requests."""

    headers: Mapping[str, str] = {"Connection": "close", "Retry-After": "5"}

    def __init__(self, message: str = "the server is shutting down; retry on another instance") -> None:
        super().__init__(message)


# The first matching class applies, so subclasses come before their bases.
STATUS: Mapping[type[ZooError], int] = {
    BodyTooLargeError: 413,
    TooManyFilesError: 413,
    ImageTooLargeError: 413,
    UnsupportedTypeError: 415,
    UnsupportedCodingError: 415,
    UnsupportedImageError: 415,
    NotAcceptableError: 406,
    UnknownNameError: 404,
    NoIndexError: 404,
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
    NoEmbeddingError: 422,
    ImageError: 422,
    InputError: 422,
    ZooError: 500,
}


def status_of(error: ZooError) -> int:
    """HTTP status of an error."""
    return next(status for kind, status in STATUS.items() if isinstance(error, kind))


def code_of(error: ZooError) -> str:
    """Machine-readable code of an error: `queue_full` for `QueueFullError`."""
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


OPEN_INFERENCE = "/v2"
"""Path prefix of the Open Inference Protocol, which has its own error format."""


def error_body(path: str, code: str, message: str) -> dict[str, object]:
    """JSON body of an error, in the format of the API to which `path` belongs."""
    if path == OPEN_INFERENCE or path.startswith(f"{OPEN_INFERENCE}/"):
        return {"error": message}
    return {"error": {"code": code, "message": message}}
