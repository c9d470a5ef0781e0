"""What a call raises."""

from zoo.errors import ZooError


class ClientError(ZooError):
    """A call without the answer that it was made for."""


class ServerError(ClientError):
    """The server refused a request, or failed.

    Arguments:
        status: of HTTP.
        code: a short name for programs, such as `queue_full`; `http` where what answers is not the zoo's server.
        message: for people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"the server answered {status} ({code}): {message}")
        self.status = status
        self.code = code
        self.message = message


class NoAnswerError(ClientError):
    """No server answers, or not in time, or not in a form that is understood."""
