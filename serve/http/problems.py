"""Errors as answers, which never show a path, traceback or version of the server."""

import asyncio
import logging
from collections.abc import Mapping

from starlette.responses import JSONResponse

from serve.errors import RequestError, ShuttingDownError, code_of, error_body, status_of
from serve.logs import current
from zoo.errors import ZooError

_log = logging.getLogger(__name__)


def problem(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer for an error of the current request; the log and the metrics get its code."""
    context = current()
    context.reason = code
    return JSONResponse(error_body(context.path, code, message), status, headers)


def problem_of(error: BaseException) -> JSONResponse:
    """The answer for an exception. One that was not raised for clients is only logged: it may name files."""
    if isinstance(error, asyncio.CancelledError):
        # By uvicorn, when the time to end is over.
        error = ShuttingDownError()
    if not isinstance(error, ZooError) or (status := status_of(error)) == 500:
        _log.error("the server failed to answer %s", current().path, exc_info=error)
        return problem(500, "internal", "the server failed to answer; its log says why")
    headers = error.headers if isinstance(error, RequestError) else None
    return problem(status, code_of(error), str(error), headers)
