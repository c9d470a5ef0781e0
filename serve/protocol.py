"""HTTP/1.1 as uvicorn speaks it with httptools, which by itself keeps a head in memory however long it becomes."""

import json

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serve.errors import error_body


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request as soon as `h11_max_incomplete_event_size` bytes of its head are there and not its end.

    So it does with the fields after a body in chunks. What it refuses itself, it answers in this server's form.
    """

    url = b""
    _unfinished = 0
    """Bytes that came since the last end of a head or part of a body."""

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
        path = self.url.decode("latin-1").partition("?")[0]
        body = json.dumps(error_body(path, code, message)).encode()
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()
