import pytest

from serve.http.auth import RateLimiter
from serve.shared import SharedTimes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    limit = RateLimiter(10, 3, SharedTimes(), clock)
    assert [limit.take("a") for _ in range(3)] == [0, 0, 0]
    assert limit.take("a") == pytest.approx(0.1)
    assert limit.take("b") == 0
    clock.now = 0.05
    assert limit.take("a") == pytest.approx(0.05)
    clock.now = 0.1
    assert limit.take("a") == 0
    assert limit.take("a") == pytest.approx(0.1)
    clock.now = 100
    assert [limit.take("a") > 0 for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize(("rate", "burst"), [(7, 7), (2.5, 3), (0.1, 1)])
def test_the_burst_of_one_second(rate: float, burst: int) -> None:
    limit = RateLimiter(rate, 0, SharedTimes(), Clock())
    assert [limit.take("a") > 0 for _ in range(burst + 1)] == [False] * burst + [True]


def test_over_a_long_time_as_many_pass_as_the_rate_says() -> None:
    clock = Clock()
    limit = RateLimiter(3, 5, SharedTimes(), clock)
    passed = 0
    for step in range(10_000):
        clock.now = step * 0.01
        passed += limit.take("a") == 0
    assert passed == pytest.approx(300 + 5, abs=1)


def test_of_many_clients_those_are_forgotten_whose_bucket_is_full_first() -> None:
    limit = RateLimiter(1, 2, SharedTimes(SharedTimes.CHOICES), Clock())
    names = [str(index) for index in range(SharedTimes.CHOICES)]
    for name in names:
        assert [limit.take(name) > 0 for _ in range(3)] == [False, False, True]
    assert limit.take("one more") == 0
    remembered = [name for name in [*names, "one more"] if limit.take(name) > 0]
    assert len(remembered) == SharedTimes.CHOICES - 1
