"""Error messages for failed requests to the Hub, each with a remedy."""

import os
from typing import Literal

Action = Literal["fetched", "published"]

TRANSIENT_STATUS = frozenset({408, 409, 412, 429, 500, 502, 503, 504})
"""HTTP status codes after which the same request may succeed: the Hub was busy or down, or another commit was first."""


def describe_failure(error: BaseException, action: Action) -> str:
    """Reason for a failure and its remedy, as the rest of a sentence that begins with a repository's name."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    error = _root(error)
    match error:
        case GatedRepoError():
            return f"is gated; log in to {constants.ENDPOINT} with the same account and accept its terms on its page"
        case RevisionNotFoundError():
            return "has no such revision; leave out @REV for the newest"
        case RepositoryNotFoundError():
            return "does not exist or is private; check the name, or log in with `hf auth login` or HF_TOKEN"
        case HFValidationError():
            return f"is not a repository name: {error}"
        case OfflineModeIsEnabled():
            if action == "published":
                return "cannot be published while HF_HUB_OFFLINE is set; unset it"
            return (
                f"is not fully cached in {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE prevents downloading it; unset "
                "it, or fetch the repository once with a network connection"
            )
        case HfHubHTTPError():
            return _describe_response(error.response.status_code, str(error), action)
        case LocalEntryNotFoundError():
            return f"is not fully cached in {constants.HF_HUB_CACHE}: {_first_line(error)}"
        case OSError() if error.errno is not None:
            file = str(error.filename or constants.HF_HUB_CACHE)
            problem = f"cannot be {action}: {os.strerror(error.errno)}: {file}"
            if action == "published" and not file.startswith(constants.HF_HUB_CACHE):
                return f"{problem}; make it readable"
            return f"{problem}; free some space, or set HF_HOME to a writable folder"
    if _is_transport(error):
        return (
            f"cannot be {action}: no answer from {constants.ENDPOINT} ({_first_line(error)}); check the network, "
            "HF_ENDPOINT and the proxy settings, and try again; completed files are not transferred again"
        )
    return f"cannot be {action}: {type(error).__name__}: {_first_line(error)}; try again"


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed shortly."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    error = _root(error)
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in TRANSIENT_STATUS
    return _is_transport(error) and not isinstance(error, OfflineModeIsEnabled)


def _describe_response(status: int, text: str, action: Action) -> str:
    from huggingface_hub import constants

    if status == 401:
        return f"cannot be {action}: the token is missing or not valid; log in with `hf auth login` or HF_TOKEN"
    if status == 403:
        access = "write" if action == "published" else "read"
        return f"cannot be {action}: the token has no {access} access; use one that has, or another organisation"
    if status in (409, 412):
        return f"cannot be {action}: it is being changed by someone else; try again"
    if status == 429:
        return (
            f"cannot be {action}: too many requests; log in with `hf auth login` for a higher limit, or try again in a "
            "few minutes"
        )
    if status >= 500 or status == 408:
        return f"cannot be {action}: {constants.ENDPOINT} is down (HTTP {status}); try again later"
    return f"cannot be {action}: {' '.join(text.split())}"


def _root(error: BaseException) -> BaseException:
    """Cause wrapped by huggingface_hub's own errors, such as why a file is not in the cache or was not uploaded."""
    from huggingface_hub.errors import BadRequestError, LocalEntryNotFoundError

    while (cause := error.__cause__) and (
        isinstance(error, LocalEntryNotFoundError)
        or type(error) is RuntimeError
        # For an invalid card, the error itself has the reason.
        or (type(error) is ValueError and not isinstance(cause, BadRequestError))
    ):
        error = cause
    return error


def _is_transport(error: BaseException) -> bool:
    # By module name: huggingface_hub has had three HTTP libraries, and none is a dependency of the zoo.
    library = type(error).__module__.partition(".")[0]
    return library in ("httpx2", "httpx", "requests") or isinstance(error, ConnectionError | TimeoutError)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
