"""What cannot be shown through a Hub on this machine; the rest is in test_hub_download.py and test_publish.py."""

import errno
import re

import httpx2
import pytest
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from zoo.hub.errors import describe_failure, is_transient


def answered(status: int) -> HfHubHTTPError:
    request = httpx2.Request("GET", "https://huggingface.co/api/models/org/model")
    return HfHubHTTPError("a long\nstory", response=httpx2.Response(status, request=request))


def wrapped(kind: type[Exception], cause: Exception) -> Exception:
    error = kind("could not")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (answered(409), "being changed by someone else; try again"),
        (answered(418), "cannot be published: a long story"),
        (httpx2.ConnectError("refused"), r"no answer from .* \(refused\)"),
        (wrapped(RuntimeError, httpx2.WriteError("")), r"no answer from .* \(WriteError\)"),
        (wrapped(LocalEntryNotFoundError, answered(503)), r"is down \(HTTP 503\); try again later"),
        (
            OSError(errno.ENOSPC, "", f"{HF_HUB_CACHE}/a"),
            "No space left on device: .*/a; free some space, or set HF_HOME",
        ),
        (
            PermissionError(errno.EACCES, "", "/model/README.md"),
            "Permission denied: /model/README.md; make it readable",
        ),
        (
            OSError("Consistency check failed: 5 of 7 bytes\nmore"),
            "OSError: Consistency check failed: 5 of 7 bytes; try",
        ),
        (ValueError("odd"), "ValueError: odd; try again"),
        (OfflineModeIsEnabled(), "cannot be published while HF_HUB_OFFLINE is set; unset it"),
        (LocalEntryNotFoundError("none\nmore"), "is not fully cached in .*: none"),
    ],
)
def test_reasons(error: Exception, message: str) -> None:
    assert re.search(message, describe_failure(error, "published"))


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (answered(503), True),
        (answered(412), True),
        (answered(403), False),
        (wrapped(RuntimeError, httpx2.ReadTimeout("")), True),
        (httpx2.RemoteProtocolError(""), True),
        (OfflineModeIsEnabled(), False),
        (RuntimeError("odd"), False),
        (OSError(errno.ENOSPC, ""), False),
    ],
)
def test_what_passes(error: Exception, passing: bool) -> None:
    assert is_transient(error) == passing
