import resource

import pytest

from serve.process.server import SPARE_FILES, allow_files

INFINITY = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        ((100, 10_000), (1000 + SPARE_FILES, 10_000), False),
        ((100, INFINITY), (1000 + SPARE_FILES, INFINITY), False),
        ((100, 1000), (1000, 1000), True),
        ((10_000, 10_000), (10_000, 10_000), False),
        ((INFINITY, INFINITY), (INFINITY, INFINITY), False),
    ],
)
def test_the_limit_is_raised_as_far_as_it_must_and_may_be(
    before: tuple[int, int],
    after: tuple[int, int],
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = [before]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda kind, new: limits.append(new))
    allow_files(1000)
    assert limits[-1] == after
    assert ("max_connections = 1000 needs 1500 open files, but the limit is 1000" in caplog.text) is warned
