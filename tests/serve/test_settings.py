import pytest

from serve.settings import Settings
from zoo.errors import InputError


@pytest.mark.parametrize("name", ["max_batch", "max_queue", "deadline_ms", "max_body_bytes", "max_files"])
def test_limits_must_be_above_zero(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} = 0"):
        Settings(**{name: 0})


@pytest.mark.parametrize("name", ["max_wait_ms", "drain_seconds", "threads"])
def test_times_must_not_be_negative(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} = -1"):
        Settings(**{name: -1})


def test_a_model_is_needed() -> None:
    with pytest.raises(InputError, match="at least one model"):
        Settings(model=())


def test_a_full_request_must_fit_the_queue() -> None:
    with pytest.raises(InputError, match="max_files = 5 is above max_queue = 4"):
        Settings(max_files=5, max_queue=4)


def test_an_unknown_device_is_an_error() -> None:
    with pytest.raises(InputError, match="device = 'gpu': it is one of auto, cpu, cuda"):
        Settings(device="gpu")


@pytest.mark.parametrize("name", ["log_format", "log_level"])
def test_an_unknown_choice_is_an_error(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} = 'loud': it is one of "):
        Settings(**{name: "loud"})


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://a b", ""])
def test_an_origin_has_a_scheme_and_no_path(origin: str) -> None:
    with pytest.raises(InputError, match=r"it is \* or like https://example\.org, without a path"):
        Settings(cors_origin=("https://example.org", origin))


def test_origins_that_may_be() -> None:
    assert Settings(cors_origin=("*", "http://localhost:5173", "https://example.org")).cors_origin
