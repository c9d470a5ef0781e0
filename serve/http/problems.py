"""Error responses, which never reveal a path, traceback or version of the server."""

import asyncio
import logging
from collections.abc import Mapping

from starlette.responses import JSONResponse

from serve.errors import RequestError, ShuttingDownError, code_of, error_body, status_of
from serve.logs import current
from zoo.errors import ZooError

_log = logging.getLogger(__name__)


def problem(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Error response for the current request; its code is also logged and counted."""
    context = current()
    context.reason = code
    return JSONResponse(error_body(context.path, code, message), status, headers)


def problem_of(error: BaseException) -> JSONResponse:
    """Error response for an exception. Unexpected exceptions are only logged, since they may reveal file names."""
    if isinstance(error, asyncio.CancelledError):
        # Cancelled by uvicorn, when the drain period is over.
        error = ShuttingDownError()
    if not isinstance(error, ZooError) or (status := status_of(error)) == 500:
        _log.error("unexpected error in %s", current().path, exc_info=error)
        return problem(500, "internal", "internal server error; see the server log")
    headers = error.headers if isinstance(error, RequestError) else None
    return problem(status, code_of(error), str(error), headers)
