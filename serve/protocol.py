"""HTTP/1.1 as uvicorn speaks it with httptools, which by itself keeps a head in memory however long it becomes."""

from contextvars import copy_context
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serve.metrics import Metrics
from serve.observe import report
from serve.problems import problem
from serve.request_context import ID_HEADER, begin


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request as soon as `h11_max_incomplete_event_size` bytes of its head are there and not its end.

    So it does with the fields after a body in chunks. What it refuses itself never comes to the application, and is
    answered and reported here as the application's answers are.

    Arguments:
        metrics: that count what is refused.
        uvicorn: uvicorn's own arguments.
    """

    url = b""
    _unfinished = 0
    """Bytes that came since the last end of a head or part of a body."""

    def __init__(self, metrics: Metrics, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._metrics = metrics

    def data_received(self, data: bytes) -> None:
        self._unfinished += len(data)
        super().data_received(data)
        limit = self.config.h11_max_incomplete_event_size
        if limit is not None and self._unfinished > limit and not self.transport.is_closing():
            self._refuse(
                431, "headers_too_large", f"the headers are above the limit of {limit} bytes; send shorter ones"
            )

    def on_headers_complete(self) -> None:
        self._unfinished = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "bad_request", "this is not HTTP/1.1; see RFC 9112")

    def _refuse(self, status: int, code: str, message: str) -> None:
        # In a context of its own: what else is logged on the event loop is not of this request.
        copy_context().run(self._answer, status, code, message)

    def _answer(self, status: int, code: str, message: str) -> None:
        path = self.url.decode("latin-1").partition("?")[0]
        context = begin(path, self.headers or ())
        context.status = status
        answer = problem(status, code, message, {"Connection": "close", ID_HEADER.decode(): context.id})
        head = b"".join([b"%s: %s\r\n" % header for header in answer.raw_headers])
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + answer.body)
        self.transport.close()
        # Its method may be what is wrong with it; and nothing was done for it that takes time.
        scope = {"method": "", "path": path, "client": self.client}
        report(self._metrics, scope, context, seconds=0, bytes_in=0, bytes_out=len(answer.body))
