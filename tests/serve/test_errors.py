import pytest

from serve import errors
from zoo.errors import ImageTooLargeError, UnsupportedImageError, ZooError


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.BodyTooLargeError, 413, "body_too_large"),
        (ImageTooLargeError, 413, "image_too_large"),
        (UnsupportedImageError, 415, "unsupported_image"),
        (errors.QueueFullError, 429, "queue_full"),
        (errors.ShuttingDownError, 503, "shutting_down"),
        (errors.DeadlineError, 504, "deadline"),
    ],
)
def test_status_and_code(error: type[ZooError], status: int, code: str) -> None:
    assert errors.status_of(error("why")) == status
    assert errors.code_of(error("why")) == code


def test_every_error_of_a_request_has_a_status_of_its_own() -> None:
    kinds = errors.RequestError.__subclasses__()
    assert kinds
    for kind in kinds:
        assert kind in errors.STATUS


def test_no_class_stands_after_its_base() -> None:
    kinds = list(errors.STATUS)
    for position, kind in enumerate(kinds):
        assert not any(issubclass(later, kind) for later in kinds[position + 1 :])
